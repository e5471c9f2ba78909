"""The rows of one supervisor and one student over all seeds: the methods, and the controls beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from trimtab.comparison.row import ConflictedRow
from trimtab.conflicts.implicit import Implicit
from trimtab.experiment import Supervisor
from trimtab.learner import Learner
from trimtab.methods import Method
from trimtab.objectives.naive import Naive
from trimtab.plan import imitation
from trimtab.plan.kinds import CHOICES, PAIRED
from trimtab.plan.register import Register
from trimtab.plan.schedules import ceiling, chain_of, same, taught
from trimtab.plan.seed import Predictor, Seed
from trimtab.plan.supervisors import supervised, weak_labels
from trimtab.schedules.schedule import Schedule
from trimtab.stages.compare import Row
from trimtab.stages.stage import Stage
from trimtab.types import most_truth


@dataclass(frozen=True)
class Registers:
    """What the comparison reads, each artifact once."""

    predictions: Register
    labels: Register
    models: Register


@dataclass(frozen=True)
class Pair:
    """One weak supervisor and one strong student over all seeds."""

    weak_key: str
    strong_key: str
    weak: Supervisor
    strong: Learner
    seeds: list[Seed]
    registers: Registers

    def method(self, method: Method) -> Row:
        """The row of a method: the student learns from the weak labels."""
        found = [taught(seed, self.weak, self.strong, method) for seed in self.seeds]
        chain = chain_of(method, self.strong_key)
        truth = most_truth([method.truth, self.weak.truth if not isinstance(self.weak, Learner) else "none"])
        students, told = [one.student for one in found], [one.told for one in found]
        row = self._row(method.name, truth, None, students, told, chain, method.schedule)
        return row if method.conflict is None else self._conflicted(row, method)

    def _conflicted(self, row: Row, method: Method) -> ConflictedRow:
        """A row with the same student beside it that has no conflict."""
        plain = replace(method, conflict=None)
        students = [taught(seed, self.weak, self.strong, plain).student for seed in self.seeds]
        learns = isinstance(method.conflict, Implicit) and not method.conflict.absent
        return ConflictedRow(
            **vars(row),
            without_conflict=self.registers.predictions.positions(one.predictions for one in students),
            conflict=method.conflict.name if method.conflict else "",
            second_items=(self.seeds[0].experiment.second or 0) if learns else 0,
        )

    def controls(self, names: Sequence[str]) -> list[Row]:
        """The rows of some controls: two need a weak model, zero-shot a strong one with a language head."""
        from trimtab.models.kind import has_language_head

        def flipped(seed: Seed) -> Stage:
            return seed.kinds.flipped(seed.gold("transfer"), weak_labels(seed, self.weak), seed.seed)

        told = {"flipped_truth": ("oracle", self.strong, flipped)}
        if isinstance(self.weak, Learner):
            told["weak_on_weak"] = "none", self.weak, lambda seed: weak_labels(seed, self.weak)
            told["weak_on_truth"] = "oracle", self.weak, lambda seed: seed.gold("transfer")
        rows = [self._told(name, *how) for name, how in told.items() if name in names]
        # of answers of its own a model would have to be asked in words of its own
        asked = "zero_shot" in names and self.seeds[0].kinds not in (PAIRED, CHOICES)
        if asked and has_language_head(self.strong.spec):
            students = [self._zero_shot(seed) for seed in self.seeds]
            rows.append(self._row("zero_shot", "none", "zero_shot", students, []))
        if imitation.NAME in names:
            rows.append(self._imitating())
        return rows

    def _imitating(self) -> Row:
        students = [imitation.imitating(seed, self.weak, self.strong) for seed in self.seeds]
        told = [weak_labels(seed, self.weak) for seed in self.seeds]
        truth = self.weak.truth if not isinstance(self.weak, Learner) else "none"
        return self._row(imitation.NAME, truth, imitation.NAME, students, told)

    def _told(self, name: str, truth: str, learner: Learner, labels: Callable[[Seed], Stage]) -> Row:
        """The row of a control whose learner learns some labels as they are."""
        told = [labels(seed) for seed in self.seeds]
        fitted = [seed.fitted(learner, Naive(), one, one) for seed, one in zip(self.seeds, told, strict=True)]
        return self._row(name, truth, name, fitted, told)

    def _zero_shot(self, seed: Seed) -> Predictor:
        spec = self.strong.spec
        # the last state of the last token is what the language head reads
        shared = self.strong.fit.kind == "probe" and spec.layer is None and spec.pooling != "mean"
        return Predictor(seed.kinds.zero_shot(seed.data, spec, seed.embed(spec) if shared else None))

    def _row(
        self,
        name: str,
        truth: str,
        control: str | None,
        students: list[Predictor],
        told: list[Stage],
        chain: tuple[str, ...] = (),
        schedule: Schedule | None = None,
    ) -> Row:
        weak = [supervised(seed, self.weak) for seed in self.seeds]
        ceilings = [ceiling(seed, self.strong, schedule) for seed in self.seeds]
        registers = self.registers
        return Row(
            key=f"{self.weak_key}-{self.strong_key}-{name}",
            weak=self.weak_key,
            strong=self.strong_key,
            method=name,
            truth=truth,
            control=control,
            self_pair=same(self.weak, self.strong),
            chain=chain,
            ceiling_kind=schedule.name if schedule is not None and schedule.own_ceiling else "plain",
            weak_predictions=registers.predictions.positions(one.predictions for one in weak),
            student_predictions=registers.predictions.positions(one.predictions for one in students),
            ceiling_predictions=registers.predictions.positions(one.predictions for one in ceilings),
            weak_labels=registers.labels.positions(weak_labels(seed, self.weak) for seed in self.seeds),
            labels=registers.labels.positions(told),
            weak_fits=registers.models.positions(one.model for one in weak),
            student_fits=registers.models.positions(one.model for one in students),
            ceiling_fits=registers.models.positions(one.model for one in ceilings),
        )
