"""transformers' Trainer with an objective for its loss, on one device or on several.

    step loss = sum_i (w_i / mean w) L(z_i, q_i; context) / batch_size          i: the items of the step

Several devices share the micro-batches of a step. Their gradients are averaged, so each loss counts as many times as
there are devices; and what every device predicted goes into the buffer of all of them, in the order of the items.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from trimtab.errors import FitError
from trimtab.fit.lesson import Lesson
from trimtab.fit.losses import FINITE
from trimtab.fit.prediction_buffer import PredictionBuffer
from trimtab.fit.reading import Inputs
from trimtab.fit.step_batches import Place, StepBatches
from trimtab.fit.student import Student
from trimtab.types import Context, Progress

BUFFER = "buffer.safetensors"


class ObjectiveTrainer(Trainer):
    """Trains a student on a lesson; what is beyond the batch is fixed at the beginning of each optimiser step."""

    # the loss is divided by the whole batch below, so the Trainer must not divide it again
    loss_is_scaled_for_ga = True

    def __init__(
        self, student: Student, arguments: TrainingArguments, lesson: Lesson, inputs: Inputs, buffer: PredictionBuffer
    ) -> None:
        super().__init__(model=student, args=arguments)
        self.remove_callback(PrinterCallback)
        self.lesson, self.inputs, self.buffer = lesson, inputs, buffer
        self.world: int = self.accelerator.num_processes
        micro = arguments.per_device_train_batch_size
        self.batch_size = micro * arguments.gradient_accumulation_steps * self.world
        self.batches = StepBatches(
            inputs.longest, self.batch_size, micro, arguments.seed, self.accelerator.process_index, self.world
        )
        self.context = Context(0.0)
        self._rows: list[Float[Tensor, "items columns"]] = []

    def get_train_dataloader(self) -> DataLoader:
        """Return this device's micro-batches; they are dealt out already, so the Trainer must not do it again."""
        return _Epochs(_Places(len(self.inputs.longest)), batch_sampler=self.batches, collate_fn=self._collate)

    def _collate(self, places: list[Place]) -> dict[str, Tensor]:
        items = [item for item, _ in places]
        counts = torch.tensor([float(counts) for _, counts in places])
        return {"items": torch.tensor(items), "counts": counts, **self.inputs.of_items(items)}

    def begin_step(self) -> None:
        """Compute what the objective may know of more than one example, from the predictions before this step."""
        progress = self.state.global_step / max(1, self.state.max_steps - 1)
        with torch.no_grad():
            known = self.lesson.context(self.buffer.logits, self.buffer.labels, progress)
        placed = {name: value.to(self.args.device) for name, value in known.statistics.items()}
        self.context = Context(progress, placed)

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Return the share of the step's loss that this micro-batch adds, in nats, times the number of devices."""
        items, counts = inputs.pop("items").cpu(), inputs.pop("counts")
        per_item, logits = self.lesson.losses(model(**inputs), items, self.context)
        shares = counts * self.lesson.weights[items].to(logits.device) * per_item / self.batch_size
        self._remember(items, counts, shares, logits)
        loss = self.world * shares.sum()
        return (loss, logits) if return_outputs else loss

    def _remember(self, items: Tensor, counts: Tensor, shares: Tensor, logits: Tensor) -> None:
        """Keep one row per item that counts: item, share of the loss, tokens, logits."""
        tokens = torch.tensor([self.inputs.tokens[item] for item in items.tolist()], device=counts.device)
        named = torch.where(counts.bool(), items.to(counts.device), -1)
        columns = [value.double().unsqueeze(1) for value in (named, shares.detach(), tokens)]
        self._rows.append(torch.cat([*columns, logits.detach().double()], 1))

    def end_step(self) -> None:
        """Take what all devices predicted in this step into the buffer.

        Raises FitError where a loss is no number.
        """
        rows = torch.cat(self._rows)
        self._rows = []
        if self.world > 1:
            rows = self.accelerator.gather(self.accelerator.pad_across_processes(rows, pad_index=-1))
            assert isinstance(rows, Tensor)
        rows = rows.cpu()
        rows = rows[rows[:, 0] >= 0]
        rows = rows[rows[:, 0].argsort()]
        self._check(rows)
        items = rows[:, 0].long()
        self.buffer.push(items, rows[:, 3:], self.lesson.labels[items])
        self.buffer.losses.append(float(rows[:, 1].sum()))
        self.buffer.tokens += int(rows[:, 2].sum())

    def _check(self, rows: Float[Tensor, "items columns"]) -> None:
        """Raise FitError for the first loss that is no number: the fit ran away, or the objective is to blame."""
        broken = rows[~torch.isfinite(rows[:, 1])]
        if not len(broken):
            return
        name, step = type(self.lesson.objective).__name__, len(self.buffer.losses) + 1
        logits, label = broken[0, 3:], self.lesson.labels[broken[0, 0].long()]
        if not bool(torch.isfinite(logits).all()):
            raise FitError(
                f"{name}: the logits are no numbers any more in step {step}; lower learning_rate (now "
                f"{self.args.learning_rate:g}), and hold an objective of your own to finite slopes"
            )
        raise FitError(
            f"{name}: the loss is {float(broken[0, 1])} for {len(broken)} of {len(rows)} examples of step {step}, "
            f"first for the logits ({_listed(logits)}) and the label ({_listed(label)}); {FINITE}; where the logits "
            f"are huge, lower learning_rate (now {self.args.learning_rate:g})"
        )


def _listed(values: Float[Tensor, "columns"]) -> str:
    return ", ".join(f"{one:.4g}" for one in values.tolist())


class Watcher(TrainerCallback):
    """Begins and ends steps, reports progress, and writes the buffer last of all into a checkpoint: that makes it
    complete.
    """

    def __init__(self, trainer: ObjectiveTrainer, progress: Progress) -> None:
        self._trainer, self._progress = trainer, progress

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._trainer.begin_step()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._trainer.end_step()
        if state.global_step == state.max_steps:
            control.should_save = False  # the result itself is written next
        self._progress(state.global_step, state.max_steps, tokens=self._trainer.buffer.tokens)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._trainer.accelerator.wait_for_everyone()
        if state.is_world_process_zero:
            self._trainer.buffer.save(Path(args.output_dir) / f"checkpoint-{state.global_step}" / BUFFER)


class _Places(Dataset[Place]):
    """A data set whose items are the places themselves: the collator knows what lies there."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, place: Any) -> Place:
        return place


class _Epochs(DataLoader[Place]):
    """A loader that tells its batches which epoch it is; random numbers of its own leave the global ones alone."""

    def __init__(self, places: _Places, batch_sampler: StepBatches, collate_fn: Any) -> None:
        super().__init__(
            places, batch_sampler=batch_sampler, collate_fn=collate_fn, generator=torch.Generator().manual_seed(0)  # pyright: ignore[reportArgumentType]
        )  # fmt: skip

    def set_epoch(self, epoch: int) -> None:
        """Go to an epoch."""
        assert isinstance(self.batch_sampler, StepBatches)
        self.batch_sampler.set_epoch(epoch)
