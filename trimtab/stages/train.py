"""Train: choose a probe's penalty, fit a probe, or tune a model on labels."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from trimtab.digest import component_identity, digest_of, settings_of
from trimtab.errors import TrimtabError
from trimtab.fit.probe_settings import Probe
from trimtab.fit.tune_settings import Tune
from trimtab.stages.embed import description, model_identity, reading_bytes, with_weights
from trimtab.stages.stage import BulkStage, Stage
from trimtab.types import ModelSpec, Objective, Progress

PROBING = (
    "trimtab.fit.probe",
    "trimtab.fit.bulk",
    "trimtab.fit.bulk_block",
    "trimtab.fit.bulk_design",
    "trimtab.fit.bulk_kind",
    "trimtab.fit.bulk_products",
    "trimtab.fit.bulk_slopes",
    "trimtab.fit.losses",
)
"""Modules that a probe's fit comes from."""


@dataclass(frozen=True)
class Select(BulkStage):
    """The penalty of a probe, chosen by held-out labels; many as one problem."""

    data: Stage
    activations: Stage
    labels: Stage
    objective: Objective
    fit: Probe
    seed: int

    kind: ClassVar[str] = "select"
    code: ClassVar[tuple[str, ...]] = ("trimtab.fit.select", "trimtab.fit.folds", *PROBING)

    @cached_property
    def settings(self) -> dict[str, Any]:
        names = ("strengths", "folds", "select_tolerance", "max_steps")
        fit = {name: settings_of(getattr(self.fit, name)) for name in names}
        if self.objective.scheduled:
            fit["steps"] = self.fit.steps
        return {"objective": component_identity(self.objective), "fit": fit, "seed": self.seed}

    @property
    def title(self) -> str:
        return f"choose penalty, seed {self.seed}"

    @property
    def bulk_key(self) -> str | None:
        return digest_of([self.kind, self.data.digest, self.activations.digest])

    @classmethod
    def solve(cls, stages: Sequence[Select], inputs: Sequence[Mapping[str, Path]]) -> Sequence[Any]:
        """Return each stage's selection."""
        from trimtab.fit.select import Question
        from trimtab.stages.tables import read_labels, read_table, rows_of, strings

        items = read_table(inputs[0]["data"] / "items.parquet", ["id", "related"])
        ids, related = strings(items, "id"), items["related"].to_numpy()

        def question(stage: Select, folders: Mapping[str, Path]) -> Question:
            labels = read_labels(folders["labels"])
            rows = np.asarray(rows_of(ids, labels.ids))
            told = rows, labels.probabilities, labels.weights, stage.objective
            return cls.asked(Question(*told, related[rows], stage.fit, stage.seed), len(ids))

        read = _each(question, stages, inputs)
        return _answered(read, lambda asked: cls.chosen(cls.seen(inputs[0]["activations"]), asked))

    @classmethod
    def chosen(cls, seen: Any, asked: Sequence[Any]) -> Sequence[Any]:
        """Return the selections that answer questions about what is seen."""
        from trimtab.fit.select import select_strengths

        return select_strengths(seen, asked)

    @classmethod
    def seen(cls, folder: Path) -> Any:
        """Return what a probe learns from: the activations of an embed artifact."""
        return read_activations(folder)

    @classmethod
    def asked(cls, question: Any, items: int) -> Any:
        """Return a question as it is put to the activations of so many items."""
        return question

    def keep(self, solution: Any, out: Path) -> dict[str, Any]:
        """Write `selection.json`: the chosen strength and every candidate's held-out cross-entropy."""
        from trimtab.store import write_json

        losses = [{"strength": s, "held_out_nats": loss} for s, loss in solution.held_out_nats.items()]
        facts = {"strength": solution.strength, "at_edge": solution.at_edge, "candidates": losses}
        write_json(out / "selection.json", facts)
        return facts


@dataclass(frozen=True)
class TrainProbe(BulkStage):
    """A linear head on stored activations; many as one problem."""

    data: Stage
    activations: Stage
    labels: Stage
    selection: Stage
    objective: Objective
    fit: Probe

    kind: ClassVar[str] = "train"
    code: ClassVar[tuple[str, ...]] = PROBING

    @cached_property
    def settings(self) -> dict[str, Any]:
        length = ("steps",) if self.objective.scheduled else ("tolerance", "max_steps")
        fit = {name: getattr(self.fit, name) for name in length}
        return {"objective": component_identity(self.objective), "fit": fit | {"kind": "probe"}}

    @property
    def title(self) -> str:
        return f"fit probe, {type(self.objective).__name__.lower()}"

    @property
    def bulk_key(self) -> str | None:
        return digest_of([self.kind, self.data.digest, self.activations.digest])

    @classmethod
    def solve(cls, stages: Sequence[TrainProbe], inputs: Sequence[Mapping[str, Path]]) -> Sequence[Any]:
        """Return each stage's problem, selection and fitted head."""
        from trimtab.fit.bulk import Problem
        from trimtab.stages.tables import read_labels, read_table, rows_of, strings

        ids = strings(read_table(inputs[0]["data"] / "items.parquet", ["id"]), "id")

        def problem(stage: TrainProbe, folders: Mapping[str, Path]) -> tuple[Problem, dict[str, Any]]:
            labels = read_labels(folders["labels"])
            selection = json.loads((folders["selection"] / "selection.json").read_text("utf-8"))
            told = np.asarray(rows_of(ids, labels.ids)), labels.probabilities, labels.weights
            problem = Problem(*told, stage.objective, selection["strength"], stage.fit)
            return cls.asked(problem, len(ids)), selection

        def fitted(asked: Sequence[tuple[Problem, dict[str, Any]]]) -> Sequence[Any]:
            heads = cls.fits(cls.seen(inputs[0]["activations"]), [one for one, _ in asked])
            return [
                head if isinstance(head, Exception) else (*told, head) for told, head in zip(asked, heads, strict=True)
            ]

        return _answered(_each(problem, stages, inputs), fitted)

    @classmethod
    def fits(cls, seen: Any, problems: Sequence[Any]) -> Sequence[Any]:
        """Return the fitted heads of problems about what is seen."""
        from trimtab.fit.probe import fit_probes

        return fit_probes(seen, problems)

    @classmethod
    def seen(cls, folder: Path) -> Any:
        """Return what a probe learns from: the activations of an embed artifact."""
        return read_activations(folder)

    @classmethod
    def asked(cls, problem: Any, items: int) -> Any:
        """Return a problem as it is put to the activations of so many items."""
        return problem

    def keep(self, solution: Any, out: Path) -> dict[str, Any]:
        """Write `head.safetensors` and `fit.json`."""
        problem, selection, fitted = solution
        return fit_facts(out, fitted, selection, int((problem.weights > 0).sum()))


def fit_facts(out: Path, fitted: Any, selection: Mapping[str, Any], items: int) -> dict[str, Any]:
    """Write a fitted probe's `head.safetensors` and `fit.json`; return what the manifest says about it."""
    from safetensors.numpy import save

    from trimtab.store import write_json

    (out / "head.safetensors").write_bytes(save(settings_of(fitted.head)))
    facts = {
        "strength": selection["strength"],
        "strength_at_edge": selection["at_edge"],
        "strength_grid": sorted(one["strength"] for one in selection["candidates"]),
        "loss_nats": fitted.loss,
        "steps": fitted.steps,
        "converged": fitted.converged,
        "items": items,
    }
    write_json(out / "fit.json", facts)
    return facts


def _each(
    read: Callable[[Any, Mapping[str, Path]], Any], stages: Sequence[Any], inputs: Sequence[Mapping[str, Path]]
) -> list[Any]:
    """Return what each stage asks, or why this one's inputs cannot be read."""
    found: list[Any] = []
    for stage, folders in zip(stages, inputs, strict=True):
        try:
            found.append(read(stage, folders))
        except (TrimtabError, OSError, ValueError, KeyError) as error:
            found.append(error)
    return found


def _answered(read: Sequence[Any], solve: Callable[[list[Any]], Sequence[Any]]) -> list[Any]:
    """Return the answers to what could be read, and the errors where they were."""
    answers = iter(solve([one for one in read if not isinstance(one, Exception)]))
    return [one if isinstance(one, Exception) else next(answers) for one in read]


@dataclass(frozen=True)
class TrainTune(Stage):
    """A model tuned by gradient descent, whole or through low-rank adapters."""

    data: Stage
    labels: Stage
    spec: ModelSpec
    objective: Objective
    fit: Tune
    seed: int
    prefix: Stage | None = None
    """Stored hidden states that enter the layers that are trained; none runs the layers below each time."""
    head: Stage | None = None
    """A fitted probe from which the head starts; none starts at 0."""
    weights: Stage | None = None
    """Where the model was tuned before; none takes the spec's own weights."""

    kind: ClassVar[str] = "train"
    version: ClassVar[int] = 2

    @cached_property
    def settings(self) -> dict[str, Any]:
        fit = self.fit.deciding() | {"kind": self.fit.kind}
        objective = component_identity(self.objective)
        return {"model": model_identity(self.spec), "objective": objective, "fit": fit, "seed": self.seed}

    @property
    def title(self) -> str:
        return f"tune {self.spec.model}, {type(self.objective).__name__.lower()}, seed {self.seed}"

    @property
    def memory_bytes(self) -> int:
        # all weights, their gradients and two moments; or the weights and what is kept for the way back
        copies = 4 if self.fit.method == "full" else 1
        return copies * reading_bytes(self.spec) + 1_500_000_000

    @property
    def model_key(self) -> str | None:
        return digest_of(model_identity(self.spec)) if self.prefix and not self.weights else None

    @property
    def devices(self) -> int:
        """How many devices it takes at once."""
        return self.fit.devices

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write the tuned weights and `fit.json`; goes on from the last checkpoint under `work`."""
        from trimtab.stages.tune_job import TuneJob

        spec = with_weights(self.spec, inputs)
        job = TuneJob(spec, self.objective, self.fit, self.seed, inputs, out, work)
        recomputed = job.verify_prefix()
        facts = job.start(progress)
        told = {
            name: facts[name] for name in ("items", "truncated", "tokens", "steps", "trained_parameters", "devices")
        }
        prompt = json.loads((inputs["data"] / "data.json").read_text("utf-8"))["prompt"]
        told |= {"recomputed_files": list(recomputed), "description": description(spec, prompt)}
        return {"model": self.spec.model, **told}


def read_activations(folder: Path) -> Any:
    """Return an embed artifact's activations, float32 [items, hidden]."""
    from safetensors.numpy import load_file

    return load_file(folder / "activations.safetensors")["activations"]
