"""Experiment -> stages: what has to be made, and what depends on what.

Per seed:   split -> gold labels -> weak supervisor -> weak labels -> (label steps) -> student -> predictions
            split -> gold labels of the transfer items -> ceiling (and the controls) -> predictions
Everything with equal digest is made once: a ceiling serves all weak supervisors and methods, activations serve all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from trimtab.errors import ExperimentError, ModelError
from trimtab.experiment import Experiment, Learner
from trimtab.fit.probe_settings import Probe
from trimtab.fit.tune_settings import Tune
from trimtab.methods import Method
from trimtab.models.source import locate
from trimtab.objectives.naive import Naive
from trimtab.stages.compare import Compare, Row
from trimtab.stages.data import Data
from trimtab.stages.embed import Embed, model_identity
from trimtab.stages.label import LabelFlipped, LabelGold, LabelModel, LabelStepped
from trimtab.stages.predict import PredictProbe, PredictTuned, PredictZeroShot
from trimtab.stages.prefix import Prefix
from trimtab.stages.split import Split
from trimtab.stages.stage import Stage, order
from trimtab.stages.streamed.compare import StreamedCompare
from trimtab.stages.streamed.data import StreamedData
from trimtab.stages.streamed.embed import StreamedEmbed
from trimtab.stages.streamed.label import (
    StreamedLabelFlipped,
    StreamedLabelGold,
    StreamedLabelModel,
    StreamedLabelStepped,
)
from trimtab.stages.streamed.predict import StreamedPredictProbe, StreamedPredictZeroShot
from trimtab.stages.streamed.split import StreamedSplit
from trimtab.stages.streamed.train import StreamedSelect, StreamedTrainProbe
from trimtab.stages.train import Select, TrainProbe, TrainTune
from trimtab.tasks.streamed.batch import StreamedTask
from trimtab.types import ModelSpec


def _same(one: Learner, other: Learner) -> bool:
    """Say whether two learners are the same model read and fitted in the same way, whatever it is called."""
    return one.fit == other.fit and model_identity(one.spec) == model_identity(other.spec)


@dataclass(frozen=True)
class _Kinds:
    """The stage classes of a study: those that hold a data set in memory, or those that stream it."""

    data: Any
    split: Any
    embed: Any
    gold: Any
    weak: Any
    stepped: Any
    flipped: Any
    select: Any
    train: Any
    predict: Any
    zero_shot: Any
    compare: Any


_IN_MEMORY = _Kinds(
    Data, Split, Embed, LabelGold, LabelModel, LabelStepped, LabelFlipped, Select, TrainProbe, PredictProbe,
    PredictZeroShot, Compare,
)  # fmt: skip
_STREAMED = _Kinds(
    StreamedData, StreamedSplit, StreamedEmbed, StreamedLabelGold, StreamedLabelModel, StreamedLabelStepped,
    StreamedLabelFlipped, StreamedSelect, StreamedTrainProbe, StreamedPredictProbe, StreamedPredictZeroShot,
    StreamedCompare,
)  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """All stages of an experiment, inputs first; the last one compares."""

    stages: tuple[Stage, ...]

    @property
    def compare(self) -> Compare:
        """The stage that makes the results."""
        last = self.stages[-1]
        assert isinstance(last, Compare)
        return last


@dataclass(frozen=True)
class _Fitted:
    """A learner's fit to some labels in one seed."""

    model: Stage
    predictions: Stage


@dataclass(frozen=True)
class _Seed:
    """Everything that one seed makes, built on demand."""

    experiment: Experiment
    kinds: _Kinds
    data: Stage
    seed: int

    @cached_property
    def split(self) -> Stage:
        return self.kinds.split(self.data, self.experiment.split, self.seed)

    def gold(self, part: str) -> Stage:
        return self.kinds.gold(self.data, self.split, part)

    def weak(self, learner: Learner) -> _Fitted:
        """The weak supervisor: ground truth of the supervisor split."""
        return self.fitted(learner, Method("naive", Naive()), self.gold("supervisor"), ("transfer", "test"))

    def weak_labels(self, learner: Learner) -> Stage:
        """What the weak supervisor says about the transfer split."""
        return self.kinds.weak(self.weak(learner).predictions)

    def stepped(self, labels: Stage, method: Method) -> Stage:
        """The labels after the method's steps."""
        for step in method.labels:
            labels = self.kinds.stepped(labels, step)
        return labels

    def fitted(self, learner: Learner, method: Method, labels: Stage, parts: tuple[str, ...] = ("test",)) -> _Fitted:
        """A learner trained by a method on labels, with its predictions on some splits."""
        told = self.stepped(labels, method)
        if isinstance(learner.fit, Probe):
            return self._probed(learner, learner.fit, method, labels, told, parts)
        prefix = _prefix(self.data, learner.spec, learner.fit)
        model = TrainTune(self.data, told, learner.spec, method.objective, learner.fit, self.seed, prefix)
        return _Fitted(model, PredictTuned(self.data, self.split, model, learner.spec, parts, prefix))

    def _probed(
        self, learner: Learner, fit: Probe, method: Method, labels: Stage, told: Stage, parts: tuple[str, ...]
    ) -> _Fitted:
        activations = self.kinds.embed(self.data, learner.spec)
        by_naive = fit.select == "naive"
        chosen_on, chosen_by = (labels, Naive()) if by_naive else (told, method.objective)
        selection = self.kinds.select(self.data, activations, chosen_on, chosen_by, fit, self.seed)
        model = self.kinds.train(self.data, activations, told, selection, method.objective, fit)
        return _Fitted(model, self.kinds.predict(self.data, self.split, activations, model, parts))


def _prefix(data: Stage, spec: ModelSpec, fit: Tune) -> Prefix | None:
    """What the layers below those that are trained give, once for all fits; none where it is not wanted."""
    if fit.layers is None or not fit.prefix_cache:
        return None
    return Prefix(data, spec, fit.layers.top, fit.prefix_budget_gb)


class _Register:
    """Gives each distinct stage one position in a list, in order of first use."""

    def __init__(self) -> None:
        self.stages: list[Stage] = []
        self._position: dict[str, int] = {}

    def add(self, stage: Stage) -> int:
        """Return the position of a stage, adding it if it is new."""
        if stage.digest not in self._position:
            self._position[stage.digest] = len(self.stages)
            self.stages.append(stage)
        return self._position[stage.digest]


def _check_models(experiment: Experiment) -> None:
    """Raise ExperimentError with the place in the file of the first model that is not where the file says."""
    for side, learners in (("weak", experiment.weak), ("strong", experiment.strong)):
        for place, learner in enumerate(learners):
            try:
                locate(learner.spec)
            except ModelError as error:
                raise ExperimentError(f"{side}.{place}.model: {error}") from None


def _kinds(experiment: Experiment) -> _Kinds:
    """Return the stage classes for the task.

    Raises ExperimentError where a streamed task is to be tuned on.
    """
    if not isinstance(experiment.task, StreamedTask):
        return _IN_MEMORY
    for side, learners in (("weak", experiment.weak), ("strong", experiment.strong)):
        for place, learner in enumerate(learners):
            if not isinstance(learner.fit, Probe):
                raise ExperimentError(
                    f"{side}.{place}.fit: found {learner.fit.kind}, wanted probe: tuning holds its texts in memory, "
                    f"which a task of kind {experiment.task.kind} does not; use the task `file` for data that fit"
                )
    return _STREAMED


def plan(experiment: Experiment) -> Plan:
    """Return the stages of an experiment; reads file fingerprints, runs nothing.

    Raises ExperimentError where a model's path does not exist or holds no weights; AssetError where an asset is absent.
    """
    _check_models(experiment)
    kinds = _kinds(experiment)
    data = kinds.data(experiment.task, experiment.split.of_pool())
    seeds = [_Seed(experiment, kinds, data, seed) for seed in experiment.seeds]
    predictions, labels, models = _Register(), _Register(), _Register()
    rows: list[Row] = []
    for w, weak in enumerate(experiment.weak):
        for s, strong in enumerate(experiment.strong):
            pair = _Pair(f"w{w}", f"s{s}", weak, strong, seeds, predictions, labels, models)
            rows += [pair.method(method) for method in experiment.methods]
            rows += pair.controls() if experiment.controls else []
    learners = {f"w{i}": one for i, one in enumerate(experiment.weak)}
    learners |= {f"s{i}": one for i, one in enumerate(experiment.strong)}
    embeds = {name: kinds.embed(data, one.spec) for name, one in learners.items() if isinstance(one.fit, Probe)}
    compare = kinds.compare(
        data=data,
        splits=tuple(seed.split for seed in seeds),
        transfer_gold=tuple(seed.gold("transfer") for seed in seeds),
        predictions=tuple(predictions.stages),
        labels=tuple(labels.stages),
        models=tuple(models.stages),
        embeds=tuple(embeds.values()),
        embedded=tuple(embeds),
        learners=tuple((name, one.spec.model, one.fit.kind) for name, one in learners.items()),
        rows=tuple(rows),
        seeds=experiment.seeds,
        metrics=experiment.metrics,
    )
    return Plan(tuple(order((compare,))))


@dataclass(frozen=True)
class _Pair:
    """One weak supervisor and one strong student over all seeds."""

    weak_key: str
    strong_key: str
    weak: Learner
    strong: Learner
    seeds: list[_Seed]
    predictions: _Register
    labels: _Register
    models: _Register

    def method(self, method: Method) -> Row:
        """The row of a method: the student learns from the weak labels."""
        return self._row(
            method.name,
            method.truth,
            None,
            lambda seed: self._fit(seed, self.strong, method, seed.weak_labels(self.weak)),
            lambda seed: seed.stepped(seed.weak_labels(self.weak), method),
        )

    def controls(self) -> list[Row]:
        """The rows of the four controls; zero-shot only where the model has a language head."""
        from trimtab.models.kind import has_language_head

        naive = Method("naive", Naive())

        def flipped(seed: _Seed) -> Stage:
            return seed.kinds.flipped(seed.gold("transfer"), seed.weak_labels(self.weak), seed.seed)

        def weak_labels(seed: _Seed) -> Stage:
            return seed.weak_labels(self.weak)

        def gold(seed: _Seed) -> Stage:
            return seed.gold("transfer")

        told = {
            "flipped_truth": (self.strong, "oracle", flipped),
            "weak_on_weak": (self.weak, "none", weak_labels),
            "weak_on_truth": (self.weak, "oracle", gold),
        }
        rows = [
            self._row(name, truth, name, lambda seed, a=learner, b=labels: self._fit(seed, a, naive, b(seed)), labels)
            for name, (learner, truth, labels) in told.items()
        ]
        if has_language_head(self.strong.spec):
            rows.append(self._row("zero_shot", "none", "zero_shot", self._zero_shot, None))
        return rows

    def _zero_shot(self, seed: _Seed) -> _Fitted:
        spec = self.strong.spec
        # the last state of the last token is what the language head reads
        shared = isinstance(self.strong.fit, Probe) and spec.layer is None and spec.pooling != "mean"
        activations = seed.kinds.embed(seed.data, spec) if shared else None
        predictions = seed.kinds.zero_shot(seed.data, spec, activations)
        return _Fitted(predictions, predictions)

    def _fit(self, seed: _Seed, learner: Learner, method: Method, labels: Stage) -> _Fitted:
        return self._kept(seed.fitted(learner, method, labels))

    def _kept(self, fitted: _Fitted) -> _Fitted:
        """Have the comparison read what the fit says about itself."""
        self.models.add(fitted.model)
        return fitted

    def _row(
        self,
        name: str,
        truth: str,
        control: str | None,
        student: Callable[[_Seed], _Fitted],
        told: Callable[[_Seed], Stage] | None,
    ) -> Row:
        naive = Method("naive", Naive())
        students = [student(seed) for seed in self.seeds]
        weak = [self._kept(seed.weak(self.weak)) for seed in self.seeds]
        ceilings = [self._fit(seed, self.strong, naive, seed.gold("transfer")) for seed in self.seeds]
        fits = [] if control == "zero_shot" else [self.models.add(one.model) for one in students]
        return Row(
            key=f"{self.weak_key}-{self.strong_key}-{name}",
            weak=self.weak_key,
            strong=self.strong_key,
            method=name,
            truth=truth,
            control=control,
            self_pair=_same(self.weak, self.strong),
            weak_predictions=tuple(self.predictions.add(one.predictions) for one in weak),
            student_predictions=tuple(self.predictions.add(one.predictions) for one in students),
            ceiling_predictions=tuple(self.predictions.add(one.predictions) for one in ceilings),
            weak_labels=tuple(self.labels.add(seed.weak_labels(self.weak)) for seed in self.seeds),
            labels=tuple(self.labels.add(told(seed)) for seed in self.seeds) if told else (),
            weak_fits=tuple(self.models.add(one.model) for one in weak),
            student_fits=tuple(fits),
            ceiling_fits=tuple(self.models.add(one.model) for one in ceilings),
        )
