"""Label with evidence: a step that looks at more than the labels, and at nothing that it has not named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from trimtab.digest import component_identity
from trimtab.stages.stage import Stage
from trimtab.stages.step_call import stepped
from trimtab.types import Evidence, InformedStep, Judged, Labels, Progress


@dataclass(frozen=True)
class LabelInformed(Stage):
    """Labels after a step that was given evidence; what the step does not need is none."""

    labels: Stage
    step: InformedStep
    data: Stage
    student_states: Stage | None = None
    """Activations of the strong model."""
    student_beliefs: Stage | None = None
    """Cross-fitted labels of the student on the same items."""
    supervisor_states: Stage | None = None
    """Activations of the weak model."""
    judged: Stage | None = None
    """Cross-fitted labels of the supervisor on its own split."""
    judged_gold: Stage | None = None
    """Ground truth of the supervisor split."""
    members: tuple[Stage, ...] = ()
    """Labels of each member of an ensemble."""
    gold: Stage | None = None
    """Ground truth of the same items, of which a step may buy its budget."""
    seed: int | None = None

    kind: ClassVar[str] = "label"
    code: ClassVar[tuple[str, ...]] = ("trimtab.stages.informed",)

    @cached_property
    def settings(self) -> dict[str, Any]:
        return {"step": component_identity(self.step), "seed": self.seed}

    @property
    def title(self) -> str:
        return f"label step {type(self.step).__name__}"

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write the new labels."""
        from trimtab.stages.tables import read_labels, write_labels

        before = read_labels(inputs["labels"])
        after = stepped(self.step, before, self._evidence(inputs, before))
        write_labels(out, after)
        return {"items": len(after.ids), "kept": int((after.weights > 0).sum()), "truth": after.truth}

    def _evidence(self, inputs: Mapping[str, Path], labels: Labels) -> Evidence:
        """Return what the step may see, aligned with the labels."""
        from trimtab.stages.tables import read_labels, read_table, rows_of, strings
        from trimtab.stages.train import read_activations

        ids = strings(read_table(inputs["data"] / "items.parquet", ["id"]), "id")

        def states(name: str, wanted: tuple[str, ...]) -> Any:
            return read_activations(inputs[name])[rows_of(ids, wanted)] if name in inputs else None

        def aligned(name: str, wanted: tuple[str, ...]) -> Any:
            found = read_labels(inputs[name])
            return found.probabilities[rows_of(found.ids, wanted)]

        judged = None
        if "judged" in inputs:
            own = read_labels(inputs["judged"])
            answers = aligned("judged_gold", own.ids).argmax(1)
            judged = Judged(states("supervisor_states", own.ids), own.probabilities, answers)
        named = "supervisor_states" in self.step.needs  # `judged` brings them for its own items only
        members = [aligned(f"members.{i}", labels.ids) for i in range(len(self.members))]
        return Evidence(
            student_states=states("student_states", labels.ids),
            student_beliefs=aligned("student_beliefs", labels.ids) if "student_beliefs" in inputs else None,
            supervisor_states=states("supervisor_states", labels.ids) if named else None,
            judged=judged,
            members=tuple(members),
            gold=_Shop(aligned("gold", labels.ids).argmax(1), self.step) if "gold" in inputs else None,
            seed=self.seed or 0,
        )


class _Shop:
    """Sells ground truth item by item, up to the budget that a step declares."""

    def __init__(self, gold: Any, step: InformedStep) -> None:
        self._gold, self._step = gold, type(step).__name__
        words = step.truth.removesuffix(")").partition("budget(")
        self._budget = int(words[2]) if words[2] else len(gold) if step.truth == "oracle" else 0
        self._sold: set[int] = set()

    def __call__(self, rows: Any) -> Any:
        """Return the classes of some items; raises FitError beyond the budget."""
        from trimtab.errors import FitError

        self._sold |= {int(row) for row in rows}
        if len(self._sold) > self._budget:
            raise FitError(
                f"label step {self._step} asks for the truth of {len(self._sold)} items; its declared budget is "
                f"{self._budget}"
            )
        return self._gold[rows]
