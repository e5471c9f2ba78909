"""Gradient tuning: transformers' Trainer with an objective for its loss, and a linear head.

Statistics of more than one example come from the predictions before the step (`prediction_buffer`), never
from a micro-batch, so eight micro-batches of one item and one of eight give the same step. No checkpoint is
chosen by how well it does: the result is the last step.

Tokens are counted as the inputs' real tokens (template and special tokens included, padding not), once per
forward pass that trains: an item counts once per epoch.
"""

from __future__ import annotations

import gc
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import TrainingArguments

from trimtab.errors import FitError
from trimtab.fit.bulk import only_class
from trimtab.fit.checkpoints import last_checkpoint
from trimtab.fit.choice_lesson import ChoiceLesson
from trimtab.fit.devices import check_devices, whole_state
from trimtab.fit.lesson import Lesson
from trimtab.fit.objective_trainer import BUFFER, ObjectiveTrainer, Watcher
from trimtab.fit.pair_lesson import PairLesson
from trimtab.fit.prediction_buffer import PredictionBuffer
from trimtab.fit.probe import Head, constant_head
from trimtab.fit.reading import Inputs, Reading, inputs_of
from trimtab.fit.student import Student, build_student
from trimtab.fit.training_arguments import training_arguments
from trimtab.fit.tune_settings import Tune
from trimtab.fit.tuned_files import write_tuned
from trimtab.models.precision import resolved_precision
from trimtab.models.quiet import quiet
from trimtab.models.shards import fingerprint_of
from trimtab.models.source import fingerprint
from trimtab.types import Labels, Objective, Progress, silent


@dataclass(frozen=True)
class Tuning:
    """One fit: who reads what, what it is told about it, and how it learns."""

    reading: Reading
    labels: Labels
    """In the order of the reading's items; those of weight 0 are left out."""
    objective: Objective
    settings: Tune
    seed: int
    head: Head | None = None
    """A probe on the same activations from which the head starts, of one column where texts are answers; none starts at
    0."""


def tune(tuning: Tuning, work: Path, out: Path, progress: Progress = silent) -> Mapping[str, Any]:
    """Tune a model on soft labels, write its weights and `fit.json` to `out`, and return what `fit.json`
    says.

    Checkpoints go to `work`: a fit that was stopped goes on from the last complete one and, on a CPU at equal
    threads, ends with the same bits. Where several processes were started together (torchrun), all of them call
    this, they share each batch, and the first one writes. Labels of one class teach what they teach a probe, without a
    step: the head that always answers it, on the model as it was.

    Raises FitError where nothing is left to fit, the loss is not finite, or the devices cannot be used as asked;
    ModelError where the model cannot be loaded or split.
    """
    settings, seed = tuning.settings, tuning.seed
    _spare_the_collector()
    kept = _kept_items(tuning)
    reading, lesson = tuning.reading.chosen(kept), _lesson(tuning, kept)
    # an answer has one score, a text by itself one logit for each class
    classes = lesson.labels.shape[1] if reading.answers is None else 1
    only = only_class(lesson.labels.numpy()) if reading.answers is None else None
    student, backbone = build_student(reading.spec, settings, classes, seed, reading.states is not None)
    head = tuning.head if only is None else constant_head(student.head.in_features, classes, only).head
    if head is not None:
        student.start_from(head)
    inputs = inputs_of(reading, backbone)
    arguments = training_arguments(settings, len(kept), seed, work)
    buffer = PredictionBuffer(lesson.labels, settings.buffer)
    with arguments.main_process_first(local=False):
        checkpoint = last_checkpoint(work, _made_from(tuning, lesson, inputs, arguments.world_size), BUFFER)
    if checkpoint is not None:
        buffer.load(checkpoint / BUFFER)
    trainer = _trainer(student, arguments, lesson, inputs, buffer)
    check_devices(trainer, settings)
    trainer.add_callback(Watcher(trainer, progress))
    if only is None:
        with quiet():
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    weights = whole_state(student)
    facts = {
        "kind": "tune", "settings": settings.plain(), "classes": classes, "seed": seed,
        "model": fingerprint(reading.spec), "precision": resolved_precision(reading.spec), "items": len(kept),
        "truncated": inputs.encoded.truncated, "tokens": buffer.tokens, "steps": len(buffer.losses),
        "devices": trainer.world, "trained_parameters": sum(value.numel() for value in weights.values()),
        "losses_nats": buffer.losses,
    }  # fmt: skip
    if trainer.is_world_process_zero():
        write_tuned(out, weights, facts)
        _keep_what_trackers_wrote(work, out)
    return facts


@cache
def _spare_the_collector() -> None:
    """Take what was imported out of Python's garbage collection, once.

    The Trainer collects at the end of every fit; looking through millions of objects of the libraries took 0.3 s each.
    """
    gc.collect()
    gc.freeze()


def _kept_items(tuning: Tuning) -> list[int]:
    reading, labels = tuning.reading, tuning.labels
    if reading.items != len(labels.ids):
        what = "texts" if reading.answers is None else "items"
        raise FitError(f"{reading.items} {what} for {len(labels.ids)} labels; wanted one of them per label, in order")
    kept = np.flatnonzero(labels.weights > 0).tolist()
    if not kept:
        raise FitError("there is no item with a positive weight to tune a model on; keep more of the labels")
    if reading.answers is not None:
        reading.answers.check(labels.probabilities)
    return kept


def _lesson(tuning: Tuning, kept: list[int]) -> Lesson:
    probabilities = torch.from_numpy(np.asarray(tuning.labels.probabilities, np.float32)[kept])
    weights = torch.from_numpy(np.asarray(tuning.labels.weights, np.float64)[kept])
    told = tuning.objective, probabilities, (weights / weights.mean()).float()
    answers = tuning.reading.answers
    if answers is None:
        return Lesson(*told)
    if answers.in_both_orders:
        return PairLesson(*told)
    return ChoiceLesson(*told, counts=torch.tensor(answers.counts)[kept])


def _made_from(tuning: Tuning, lesson: Lesson, inputs: Inputs, world: int) -> str:
    """Return what identifies a fit to the last bit, so that no other one goes on from its checkpoints."""
    spec = tuning.reading.spec
    return fingerprint_of(
        asdict(spec), fingerprint(spec), resolved_precision(spec), tuning.settings.deciding(), tuning.seed,
        repr(lesson.objective), inputs.encoded.ids, inputs.states is not None, world,
        lesson.labels.tolist(), lesson.weights.tolist(),
        tuning.head and [one.tolist() for one in vars(tuning.head).values()],
        *([inputs.answers.counts, inputs.answers.in_both_orders] if inputs.answers else []),
    )  # fmt: skip


def _trainer(
    student: Student, arguments: TrainingArguments, lesson: Lesson, inputs: Inputs, buffer: PredictionBuffer
) -> ObjectiveTrainer:
    try:
        return ObjectiveTrainer(student, arguments, lesson, inputs, buffer)
    except (RuntimeError, ValueError) as error:
        if not arguments.report_to:
            raise
        raise FitError(
            f"the trackers {', '.join(arguments.report_to)} of `report_to` cannot be used: {error} "
            "(tensorboard comes with pip install 'trimtab[trackers]')"
        ) from error


def _keep_what_trackers_wrote(work: Path, out: Path) -> None:
    if (work / "runs").is_dir():
        shutil.copytree(work / "runs", out / "runs", dirs_exist_ok=True)
