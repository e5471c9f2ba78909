"""Train: choose a probe's penalty, fit a probe, or tune a model on labels."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from trimtab.digest import component_identity, settings_of
from trimtab.fit.probe_settings import Probe
from trimtab.fit.tune_settings import Tune
from trimtab.stages.embed import description, model_identity, reading_bytes
from trimtab.stages.stage import Stage
from trimtab.types import ModelSpec, Objective, Progress


@dataclass(frozen=True)
class Select(Stage):
    """The penalty of a probe, chosen by held-out labels."""

    data: Stage
    activations: Stage
    labels: Stage
    objective: Objective
    fit: Probe
    seed: int

    kind: ClassVar[str] = "select"
    code: ClassVar[tuple[str, ...]] = ("trimtab.fit.select", "trimtab.fit.probe", "trimtab.fit.losses")

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

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write `selection.json`: the chosen strength and every candidate's held-out cross-entropy."""
        from trimtab.fit.select import select_strength
        from trimtab.stages.tables import read_labels, read_table, rows_of, strings
        from trimtab.store import write_json

        labels = read_labels(inputs["labels"])
        items = read_table(inputs["data"] / "items.parquet", ["id", "related"])
        rows = rows_of(strings(items, "id"), labels.ids)
        related = items["related"].to_numpy()
        chosen = select_strength(
            read_activations(inputs["activations"])[rows],
            labels.probabilities,
            labels.weights,
            related[rows],
            self.objective,
            self.fit,
            self.seed,
            progress,
        )
        losses = [{"strength": s, "held_out_nats": loss} for s, loss in chosen.held_out_nats.items()]
        facts = {"strength": chosen.strength, "at_edge": chosen.at_edge, "candidates": losses}
        write_json(out / "selection.json", facts)
        return facts


@dataclass(frozen=True)
class TrainProbe(Stage):
    """A linear head on stored activations."""

    data: Stage
    activations: Stage
    labels: Stage
    selection: Stage
    objective: Objective
    fit: Probe

    kind: ClassVar[str] = "train"
    code: ClassVar[tuple[str, ...]] = ("trimtab.fit.probe", "trimtab.fit.losses")

    @cached_property
    def settings(self) -> dict[str, Any]:
        length = ("steps",) if self.objective.scheduled else ("tolerance", "max_steps")
        fit = {name: getattr(self.fit, name) for name in length}
        return {"objective": component_identity(self.objective), "fit": fit | {"kind": "probe"}}

    @property
    def title(self) -> str:
        return f"fit probe, {type(self.objective).__name__.lower()}"

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write `head.safetensors` and `fit.json`."""
        from safetensors.numpy import save

        from trimtab.fit.probe import fit_probe
        from trimtab.stages.tables import read_labels, read_table, rows_of, strings
        from trimtab.store import write_json

        labels = read_labels(inputs["labels"])
        ids = strings(read_table(inputs["data"] / "items.parquet", ["id"]), "id")
        selection = json.loads((inputs["selection"] / "selection.json").read_text("utf-8"))
        fitted = fit_probe(
            read_activations(inputs["activations"])[rows_of(ids, labels.ids)],
            labels.probabilities,
            labels.weights,
            self.objective,
            selection["strength"],
            self.fit,
        )
        (out / "head.safetensors").write_bytes(save(settings_of(fitted.head)))
        facts = {
            "strength": selection["strength"],
            "strength_at_edge": selection["at_edge"],
            "loss_nats": fitted.loss,
            "steps": fitted.steps,
            "converged": fitted.converged,
            "items": int((labels.weights > 0).sum()),
        }
        write_json(out / "fit.json", facts)
        return facts


@dataclass(frozen=True)
class TrainTune(Stage):
    """A model tuned by gradient descent, whole or through low-rank adapters."""

    data: Stage
    labels: Stage
    spec: ModelSpec
    objective: Objective
    fit: Tune
    seed: int

    kind: ClassVar[str] = "train"

    @cached_property
    def settings(self) -> dict[str, Any]:
        fit = settings_of(self.fit) | {"kind": self.fit.kind}
        del fit["save_every"]  # says how much is lost when a fit is stopped, not what comes out of it
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

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write the tuned weights and `fit.json`; goes on from the last checkpoint under `work`."""
        from trimtab.fit.tune import tune
        from trimtab.stages.tables import read_labels, rows_of

        labels = read_labels(inputs["labels"])
        ids, texts, prompt = texts_of(inputs["data"])
        chosen = [texts[i] for i in rows_of(ids, labels.ids)]
        facts = tune(self.spec, chosen, prompt, labels, self.objective, self.fit, self.seed, work, out, progress)
        told = {name: facts[name] for name in ("items", "truncated", "tokens", "steps", "trained_parameters")}
        return {"model": self.spec.model, **told, "description": description(self.spec, prompt)}


def read_activations(folder: Path) -> Any:
    """Return an embed artifact's activations, float32 [items, hidden]."""
    from safetensors.numpy import load_file

    return load_file(folder / "activations.safetensors")["activations"]


def texts_of(data: Path) -> tuple[tuple[str, ...], tuple[str, ...], str]:
    """Return ids, texts and the task's prompt of a data artifact."""
    from trimtab.stages.tables import read_table, strings

    items = read_table(data / "items.parquet", ["id", "text"])
    prompt = json.loads((data / "data.json").read_text("utf-8"))["prompt"]
    return strings(items, "id"), strings(items, "text"), prompt
