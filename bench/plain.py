"""The plain pipelines that ours is measured against: what a user would write by hand, nothing shared."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn
from torch.utils.data import Sampler
from transformers import AutoModel, AutoTokenizer, DataCollatorWithPadding, Trainer, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from trimtab.fit.step_batches import StepBatches
from trimtab.fit.tune_settings import Tune
from trimtab.types import Context, Objective


@dataclass(frozen=True)
class PlainTuning:
    """One run of the plain pipeline: a model folder, the texts it learns from and those it is tested on."""

    folder: str
    blocks: int
    """Blocks of the model that are run."""
    train: Sequence[str]
    labels: np.ndarray
    test: Sequence[str]
    objective: Objective
    settings: Tune
    seed: int


class _Student(nn.Module):
    """The model with a linear head on the last token; the lower layers are frozen and run every time."""

    def __init__(self, job: PlainTuning, classes: int) -> None:
        super().__init__()
        model = AutoModel.from_pretrained(job.folder, dtype=torch.float32)
        model.config.use_cache = False
        if job.blocks < len(model.layers):
            model.layers, model.norm = model.layers[: job.blocks], nn.Identity()
            model.config.num_hidden_layers = job.blocks
        hidden = model.config.hidden_size
        assert job.settings.layers is not None
        first = job.blocks - job.settings.layers.top
        model.requires_grad_(False)
        torch.manual_seed(job.seed)
        if job.settings.method == "lora":
            config = LoraConfig(
                r=job.settings.rank, lora_alpha=job.settings.alpha, target_modules="all-linear",
                exclude_modules=rf"layers\.({'|'.join(map(str, range(first)))})\..*" if first else None,
            )  # fmt: skip
            model = get_peft_model(model, config)
        else:
            for part in (*model.layers[first:], model.norm):
                part.requires_grad_(True)
        self.model, self.head = model, nn.Linear(hidden, classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, items: Tensor) -> Tensor:
        hidden = self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        last = attention_mask.sum(1) - 1
        return self.head(hidden[torch.arange(len(hidden)), last])


class _Order(Sampler[int]):
    """A random order that is known before."""

    def __init__(self, order: list[int]) -> None:
        self._order = order

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Any:
        return iter(self._order)


class _Trainer(Trainer):
    loss_is_scaled_for_ga = True

    def __init__(self, job: PlainTuning, **named: Any) -> None:
        super().__init__(**named)
        self.remove_callback(PrinterCallback)
        self.job, self.soft = job, torch.from_numpy(job.labels).float()
        self.latest = torch.zeros_like(self.soft)

    def _get_train_sampler(self, train_dataset: Any = None) -> _Order:
        # the random order of the run that it is compared with, so that the accuracies differ by rounding alone
        size = self.job.settings.batch_size
        return _Order(_shuffled(StepBatches([1] * len(self.job.train), size, size, self.job.seed)))

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        items = inputs["items"]
        logits = model(**inputs)
        if not model.training:
            return (logits.sum(), {"logits": logits}) if return_outputs else logits.sum()
        context = Context(self.state.global_step / max(1, self.state.max_steps - 1), self._statistics())
        losses = self.job.objective(logits, self.soft[items], context)
        self.latest[items] = logits.detach()
        loss = losses.sum() / self.job.settings.batch_size
        return (loss, {"logits": logits}) if return_outputs else loss

    def _statistics(self) -> Any:
        with torch.no_grad():
            return self.job.objective.statistics(self.latest, self.soft)

    def prediction_step(self, model: Any, inputs: Any, *_: Any, **__: Any) -> Any:
        with torch.no_grad():
            return None, model(**self._prepare_inputs(inputs)), None


def _shuffled(steps: StepBatches) -> list[int]:
    """Return the items of each step in random order: without sorting, padding is what it happens to be."""
    draw = np.random.default_rng(0)
    return [int(item) for step in steps for item in draw.permutation([item for item, _ in step])]


def plain_tune(job: PlainTuning, prompt: str) -> _Trainer:
    """Fine-tune with transformers' Trainer: dynamic padding in random order, frozen lower layers run every time."""
    tokenizer = AutoTokenizer.from_pretrained(job.folder)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    settings = job.settings
    steps = settings.epochs * -(-len(job.train) // settings.batch_size)
    arguments = TrainingArguments(
        output_dir=tempfile.mkdtemp(), per_device_train_batch_size=settings.micro_batch_size,
        gradient_accumulation_steps=settings.batch_size // settings.micro_batch_size,
        num_train_epochs=settings.epochs, learning_rate=settings.learning_rate,
        warmup_steps=round(settings.warm_up_fraction * steps), weight_decay=settings.weight_decay,
        save_strategy="no", report_to="none", disable_tqdm=True, logging_strategy="no", remove_unused_columns=False,
        dataloader_pin_memory=False, use_cpu=True, seed=job.seed,
    )  # fmt: skip
    student, texts = _Student(job, job.labels.shape[1]), _encoded(tokenizer, job.train, prompt)
    collator = DataCollatorWithPadding(tokenizer)
    trainer = _Trainer(job, model=student, args=arguments, train_dataset=texts, data_collator=collator)
    trainer.train()
    return trainer


def plain_predict(trainer: _Trainer, prompt: str) -> np.ndarray:
    """Return the class probabilities of the test texts, by the Trainer in the order of the data."""
    tokenizer = trainer.data_collator.tokenizer  # pyright: ignore[reportAttributeAccessIssue]
    logits = trainer.predict(_encoded(tokenizer, trainer.job.test, prompt)).predictions  # pyright: ignore[reportArgumentType]
    return torch.from_numpy(np.asarray(logits)).softmax(-1).numpy()


def _encoded(tokenizer: Any, texts: Sequence[str], prompt: str) -> list[dict[str, Any]]:
    filled = [prompt.replace("{text}", text) for text in texts]
    return [
        {"input_ids": ids, "attention_mask": [1] * len(ids), "items": item}
        for item, ids in enumerate(tokenizer(filled)["input_ids"])
    ]
