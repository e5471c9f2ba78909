"""Everything that one seed makes, built on demand.

split -> gold labels -> weak supervisor -> weak labels -> (label steps, schedule) -> student -> predictions
split -> gold labels of the transfer items -> ceiling (and the controls) -> predictions
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from trimtab.experiment import Experiment
from trimtab.fit.probe_settings import Probe
from trimtab.fit.tune_settings import Tune
from trimtab.learner import Learner
from trimtab.objectives.naive import Naive
from trimtab.plan.kinds import Kinds
from trimtab.stages.cross_fit import LabelCrossFitted, LabelWithout
from trimtab.stages.predict import PredictTuned
from trimtab.stages.prefix import Prefix
from trimtab.stages.stage import Stage
from trimtab.stages.train import TrainTune
from trimtab.tasks.by_level.settings import ByLevel
from trimtab.types import ModelSpec, Objective


@dataclass(frozen=True)
class Predictor:
    """What a supervisor or student says of some splits, and its fit if it was fitted for that."""

    predictions: Stage
    model: Stage | None = None


@dataclass(frozen=True)
class Start:
    """Where a fit begins, if not with the pretrained model and a head of zeros."""

    weights: Stage | None = None
    """A model that was tuned before."""
    head: Stage | None = None
    """A fitted probe."""


FRESH = Start()


@dataclass(frozen=True)
class Seed:
    """What one seed makes; equal stages are made once, whoever asks for them."""

    experiment: Experiment
    kinds: Kinds
    data: Stage
    seed: int

    @cached_property
    def split(self) -> Stage:
        """Who is in which split."""
        return self.kinds.split(self.data, self.experiment.split, self.seed)

    @property
    def by_level(self) -> bool:
        """Whether supervisor items are easy, and the others hard."""
        return isinstance(self.experiment.split, ByLevel)

    @property
    def tested(self) -> tuple[str, ...]:
        """The splits that all models are tested on."""
        return ("test", "kept") if self.by_level else ("test",)

    @property
    def labelled(self) -> tuple[str, ...]:
        """What a supervisor speaks of: the items of the student, and those that all are tested on."""
        return ("transfer", *self.tested)

    def gold(self, part: str) -> Stage:
        """Ground truth of a split."""
        return self.kinds.gold(self.data, self.split, part)

    def embed(self, spec: ModelSpec, weights: Stage | None = None) -> Stage:
        """A model's activations of all items."""
        return self.kinds.embed(self.data, spec) if weights is None else self.kinds.embed(self.data, spec, weights)

    def fitted(
        self,
        learner: Learner,
        objective: Objective,
        told: Stage,
        given: Stage,
        parts: tuple[str, ...] = (),
        start: Start = FRESH,
    ) -> Predictor:
        """A learner trained on what it is told, with its predictions on some splits, or on those of all tests.

        On the labels `given` a probe's penalty is chosen: those before any step, so that it is chosen once for all
        methods; of a model that learns from relabelled items, the new labels.
        """
        parts = parts or self.tested
        spec, fit = learner.spec, learner.fit
        if isinstance(fit, Probe):
            activations = self.embed(spec, start.weights)
            model = self._probe(activations, fit, objective, told, given)
            return Predictor(self.kinds.predict(self.data, self.split, activations, model, parts), model)
        prefix = _prefix(self.data, spec, fit) if start.weights is None else None
        model = TrainTune(self.data, told, spec, objective, fit, self.seed, prefix, start.head, start.weights)
        return Predictor(PredictTuned(self.data, self.split, model, spec, parts, prefix, start.weights), model)

    def probe(self, spec: ModelSpec, fit: Probe, objective: Objective, told: Stage, given: Stage) -> Stage:
        """A fitted probe, without predictions."""
        return self._probe(self.embed(spec), fit, objective, told, given)

    def _probe(self, activations: Stage, fit: Probe, objective: Objective, told: Stage, given: Stage) -> Stage:
        chosen_on, chosen_by = (given, Naive()) if fit.select == "naive" else (told, objective)
        selection = self.kinds.select(self.data, activations, chosen_on, chosen_by, fit, self.seed)
        return self.kinds.train(self.data, activations, told, selection, objective, fit)

    def cross_fitted(
        self, learner: Learner, objective: Objective, told: Stage, given: Stage, part: str, folds: int
    ) -> Stage:
        """What a learner says of each item of a split after it has learnt what it is told of the other folds."""
        predictions = []
        for fold in range(folds):
            others = LabelWithout(told, self.data, folds, fold, self.seed)
            predictions.append(self.fitted(learner, objective, others, given, (part,)).predictions)
        return LabelCrossFitted(told, self.data, tuple(predictions), self.seed)


def _prefix(data: Stage, spec: ModelSpec, fit: Tune) -> Prefix | None:
    """What the layers below those that are trained give, once for all fits; none where it is not wanted."""
    if fit.layers is None or not fit.prefix_cache:
        return None
    return Prefix(data, spec, fit.layers.top, fit.prefix_budget_gb)
