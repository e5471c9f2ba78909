"""Gradient tuning: transformers' Trainer with `compute_loss` and the collator replaced, and a linear head.

    step loss = sum_i (w_i / mean w) L(z_i, q_i; context) / batch_size

Statistics of more than one example come from the predictions before the step (`prediction_buffer`), never
from a micro-batch, so eight micro-batches of one item and one of eight give the same step. No checkpoint is
chosen by how well it does: the result is the last step.

Tokens are counted as the inputs' real tokens (template and special tokens included, padding not), once per
forward pass that trains: an item counts once per epoch.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from transformers import Trainer, TrainerCallback, TrainingArguments

from trimtab.errors import FitError
from trimtab.fit.losses import losses_of_examples
from trimtab.fit.prediction_buffer import PredictionBuffer
from trimtab.fit.student import Student, build_student
from trimtab.fit.tune_settings import Tune
from trimtab.models.batches import by_length, pad, token_batches
from trimtab.models.load import Backbone
from trimtab.models.precision import device_class, resolved_precision
from trimtab.models.quiet import quiet
from trimtab.models.shards import fingerprint_of
from trimtab.models.source import fingerprint
from trimtab.models.text import Encoded, encode, template_of
from trimtab.types import Array, Context, Labels, ModelSpec, Objective, Progress, silent

_WEIGHTS, _FACTS, _BUFFER, _MADE_FROM = (
    "student.safetensors",
    "fit.json",
    "buffer.safetensors",
    "made_from.txt",
)
_SCHEDULES = {"linear": "linear", "cosine": "cosine", "constant": "constant_with_warmup"}
_Item = tuple[int, list[int]]


class _ObjectiveTrainer(Trainer):
    """The Trainer with our loss; what is beyond the batch is fixed at the beginning of each optimiser
    step."""

    # the loss is divided by the whole batch below, so the Trainer must not divide it again
    loss_is_scaled_for_ga = True

    def watch(self, objective: Objective, labels: Tensor, weights: Tensor, buffer: PredictionBuffer) -> None:
        """Say what is trained on; `labels` and `weights` hold one row per item."""
        self.objective, self.soft_labels, self.item_weights, self.buffer = objective, labels, weights, buffer
        self.context = Context(0.0)

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Return the share of the step's loss that this micro-batch adds, in nats."""
        step = self.state.global_step
        if len(self.buffer.losses) == step:
            self.context = self._context(step)
            self.buffer.losses.append(0.0)
        items = inputs.pop("items").cpu()
        labels, weights = self.soft_labels[items], self.item_weights[items]
        logits = model(**inputs)
        per_item = losses_of_examples(self.objective, logits, labels.to(logits.device), self.context)
        batch_size = self.args.per_device_train_batch_size * self.args.gradient_accumulation_steps
        loss = (weights.to(logits.device) * per_item).sum() / batch_size
        self.buffer.push(items, logits, labels)
        self.buffer.losses[-1] += float(loss.detach())
        self.buffer.tokens += int(inputs["attention_mask"].sum())
        return (loss, logits) if return_outputs else loss

    def _context(self, step: int) -> Context:
        with torch.no_grad():
            statistics = self.objective.statistics(self.buffer.logits, self.buffer.labels)
        device = self.args.device
        placed = {name: value.to(device) for name, value in statistics.items()}
        return Context(step / max(1, self.state.max_steps - 1), placed)


class _Watcher(TrainerCallback):
    """Reports progress, and writes the buffer last of all into a checkpoint, which makes it complete."""

    def __init__(self, buffer: PredictionBuffer, progress: Progress) -> None:
        self._buffer, self._progress = buffer, progress

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._progress(state.global_step, state.max_steps, tokens=self._buffer.tokens)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._buffer.save(Path(args.output_dir) / f"checkpoint-{state.global_step}" / _BUFFER)


def tune(
    spec: ModelSpec,
    texts: Sequence[str],
    prompt: str,
    labels: Labels,
    objective: Objective,
    settings: Tune,
    seed: int,
    work: Path,
    out: Path,
    progress: Progress = silent,
) -> Mapping[str, Any]:
    """Tune a model on soft labels, write its weights and `fit.json` to `out`, and return what `fit.json`
    says.

    `texts` are in the order of `labels`; items of weight 0 are left out. Checkpoints go to `work`: a fit that
    was stopped goes on from the last complete one and, on a CPU at equal threads, ends with the same bits.

    Raises FitError where nothing is left to fit, the loss is not finite, or more than one device would take
    part; ModelError where the model cannot be loaded.
    """
    kept = _kept_items(texts, labels)
    probabilities = torch.from_numpy(np.asarray(labels.probabilities, np.float32)[kept])
    weights = torch.from_numpy(np.asarray(labels.weights, np.float64)[kept])
    student, backbone = build_student(spec, settings, probabilities.shape[1], seed)
    encoded = _encode(spec, backbone, [texts[item] for item in kept], prompt)
    made_from = fingerprint_of(
        asdict(spec), fingerprint(spec), resolved_precision(spec), _deciding(settings), seed, repr(objective),
        encoded.ids, probabilities.tolist(), weights.tolist(),
    )  # fmt: skip
    checkpoint = _last_checkpoint(work, made_from)
    buffer = PredictionBuffer(probabilities, settings.buffer)
    if checkpoint is not None:
        buffer.load(checkpoint / _BUFFER)
    trainer = _ObjectiveTrainer(
        model=student,
        args=_arguments(settings, len(kept), seed, work),
        train_dataset=list(enumerate(encoded.ids)),  # pyright: ignore[reportArgumentType]
        data_collator=_collator(backbone),
        callbacks=[_Watcher(buffer, progress)],
    )
    trainer.watch(objective, probabilities, (weights / weights.mean()).float(), buffer)
    _refuse_many_devices(trainer)
    _silence(trainer)
    with quiet():
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if not np.isfinite(buffer.losses).all():
        raise FitError(f"the loss became {buffer.losses[-1]}; lower learning_rate (now {settings.learning_rate:g})")
    facts = {
        "kind": "tune", "settings": asdict(settings), "classes": probabilities.shape[1], "seed": seed,
        "model": fingerprint(spec), "precision": resolved_precision(spec), "items": len(kept),
        "truncated": encoded.truncated, "tokens": buffer.tokens, "steps": len(buffer.losses),
        "trained_parameters": sum(value.numel() for value in student.state_dict().values()),
        "losses_nats": buffer.losses,
    }  # fmt: skip
    _write(out, student, facts)
    return facts


@dataclass(frozen=True)
class Predicted:
    """Class probabilities of a tuned model, and what they took."""

    probabilities: Float[Array, "items classes"]
    truncated: int
    """How many texts were cut at the end."""
    tokens: int
    """Tokens that went through the model; padding not counted."""


def predict_tuned(
    spec: ModelSpec, fit_folder: Path, texts: Sequence[str], prompt: str, progress: Progress = silent
) -> Predicted:
    """Return the class probabilities that a tuned model gives each text.

    Raises FitError where the fit belongs to other weights than `spec`.
    """
    from safetensors.torch import load_file

    facts = json.loads((fit_folder / _FACTS).read_text(encoding="utf-8"))
    if facts["model"] != fingerprint(spec):
        raise FitError(f"{fit_folder} was fitted on {facts['model']}, not on {fingerprint(spec)}; fit again")
    student, backbone = build_student(spec, Tune(**facts["settings"]), facts["classes"], facts["seed"])
    student.load_state_dict(load_file(fit_folder / _WEIGHTS))
    student.eval()
    encoded = _encode(spec, backbone, texts, prompt)
    ids = encoded.ids
    logits = np.zeros((len(ids), facts["classes"]))
    done = tokens = 0
    with torch.inference_mode():
        for batch in token_batches(by_length(ids), [len(item) for item in ids], spec.batch_tokens):
            filled, mask = pad([ids[item] for item in batch], backbone.pad_id, backbone.pads_left)
            logits[batch] = student(filled.to(backbone.device), mask.to(backbone.device)).cpu().numpy()
            done, tokens = done + len(batch), tokens + int(mask.sum())
            progress(done, len(ids), tokens=tokens)
    return Predicted(torch.from_numpy(logits).softmax(-1).numpy(), encoded.truncated, tokens)


def _kept_items(texts: Sequence[str], labels: Labels) -> list[int]:
    if len(texts) != len(labels.ids):
        raise FitError(f"{len(texts)} texts for {len(labels.ids)} labels; wanted one text per label, in order")
    kept = np.flatnonzero(labels.weights > 0).tolist()
    if not kept:
        raise FitError("there is no item with a positive weight to tune a model on; keep more of the labels")
    if (labels.probabilities[kept] > 0).any(0).sum() < 2:
        raise FitError(f"all {len(kept)} labels are of one class; tuning needs at least two classes")
    return kept


def _deciding(settings: Tune) -> dict[str, Any]:
    """Return the settings that decide the result: how often checkpoints are written does not."""
    return {name: value for name, value in asdict(settings).items() if name != "save_every"}


def _encode(spec: ModelSpec, backbone: Backbone, texts: Sequence[str], prompt: str) -> Encoded:
    template = template_of(spec, prompt, backbone.causal)
    return encode(backbone.tokenizer, texts, template, min(spec.max_tokens, backbone.context))


def _collator(backbone: Backbone) -> Any:
    def collate(batch: Sequence[_Item]) -> dict[str, Tensor]:
        ids, mask = pad([tokens for _, tokens in batch], backbone.pad_id, backbone.pads_left)
        return {"items": torch.tensor([item for item, _ in batch]), "input_ids": ids, "attention_mask": mask}

    return collate


def _arguments(settings: Tune, items: int, seed: int, work: Path) -> TrainingArguments:
    steps = settings.epochs * -(-items // settings.batch_size)
    return TrainingArguments(
        output_dir=str(work),
        per_device_train_batch_size=settings.micro_batch_size,
        gradient_accumulation_steps=settings.batch_size // settings.micro_batch_size,
        num_train_epochs=settings.epochs,
        learning_rate=settings.learning_rate,
        lr_scheduler_type=_SCHEDULES[settings.schedule],
        warmup_steps=round(settings.warm_up_fraction * steps),
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_gradient_norm,
        save_strategy="steps",
        save_steps=settings.save_every,
        # the one before the last stays until the last is complete
        save_total_limit=2,
        logging_strategy="no",
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        use_cpu=device_class() == "cpu",
        seed=seed,
        data_seed=seed,
    )


def _refuse_many_devices(trainer: Trainer) -> None:
    devices = max(trainer.args.world_size, trainer.args.n_gpu)
    if devices > 1:
        raise FitError(
            f"{devices} devices would take part, and a fit is defined on one; make one visible (CUDA_VISIBLE_DEVICES=0)"
        )


def _silence(trainer: Trainer) -> None:
    from transformers.trainer_callback import PrinterCallback

    trainer.remove_callback(PrinterCallback)


def _last_checkpoint(work: Path, made_from: str) -> Path | None:
    """Return the last complete checkpoint of this very fit; anything else in `work` is removed."""
    work.mkdir(parents=True, exist_ok=True)
    note = work / _MADE_FROM
    same = note.is_file() and note.read_text(encoding="utf-8") == made_from
    complete: dict[int, Path] = {}
    for folder in work.glob("checkpoint-*"):
        if same and (folder / _BUFFER).is_file():
            complete[int(folder.name.rpartition("-")[2])] = folder
        else:
            shutil.rmtree(folder)
    if not same:
        note.write_text(made_from, encoding="utf-8")
    return complete[max(complete)] if complete else None


def _write(out: Path, student: Student, facts: Mapping[str, Any]) -> None:
    """Write weights, then facts, each under a temporary name first."""
    from safetensors.torch import save_file

    out.mkdir(parents=True, exist_ok=True)
    weights = {name: value.contiguous().cpu() for name, value in student.state_dict().items()}
    save_file(weights, out / f"{_WEIGHTS}.tmp")
    (out / f"{_WEIGHTS}.tmp").replace(out / _WEIGHTS)
    temporary = out / f"{_FACTS}.tmp"
    temporary.write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    temporary.replace(out / _FACTS)
