"""All pairs of a study, and the comparison of everything that they make."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from trimtab.comparison.controls import USUAL
from trimtab.comparison.learning_curves import Curve
from trimtab.errors import ExperimentError, ModelError
from trimtab.experiment import Experiment, Supervisor, asked_by, learners_of
from trimtab.fit.probe_settings import Probe
from trimtab.learner import Learner
from trimtab.models.source import locate
from trimtab.plan.answers import check_answers
from trimtab.plan.by_level import check_by_level
from trimtab.plan.choosing import check_choices
from trimtab.plan.conflicts import runnable
from trimtab.plan.curves import curve_sizes, learning_curve
from trimtab.plan.feature_tables import check_feature_tables
from trimtab.plan.heads import check_language_heads
from trimtab.plan.imitation import check_imitation
from trimtab.plan.kinds import BY_LEVEL, CHOICES, IN_MEMORY, PAIRED, STREAMED, Kinds
from trimtab.plan.pair import Pair, Registers
from trimtab.plan.register import Register
from trimtab.plan.seed import Seed
from trimtab.plan.sizes import check_sizes
from trimtab.plan.steps import check_steps
from trimtab.plan.twice import check_named_once
from trimtab.stages.compare import Compare, Row
from trimtab.stages.stage import Stage, order
from trimtab.supervisors.annotator import Annotator
from trimtab.supervisors.human_ratings import HumanRatings
from trimtab.tasks.by_level.settings import ByLevel
from trimtab.tasks.streamed.batch import StreamedTask
from trimtab.types import ModelSpec


@dataclass(frozen=True)
class Plan:
    """All stages of a study of learning from weak labels, inputs first; the last one compares."""

    stages: tuple[Stage, ...]

    @property
    def compare(self) -> Compare:
        """The stage that makes the results."""
        last = self.stages[-1]
        assert isinstance(last, Compare)
        return last


def plan_generalize(experiment: Experiment) -> Plan:
    """Return the stages of a study of learning from weak labels; reads file fingerprints, runs nothing.

    Raises ExperimentError where a model's path does not exist or holds no weights, or where a method does not suit the
    supervisor or the task; AssetError where an asset is absent.
    """
    _check_models(experiment)
    check_feature_tables(experiment)
    check_named_once(experiment)
    check_sizes(experiment)
    check_steps(experiment)
    check_language_heads(experiment)
    kinds = _kinds(experiment)
    check_imitation(experiment, kinds)
    sizes = curve_sizes(experiment, kinds)
    methods, not_run = runnable(experiment, kinds)
    data = kinds.data(experiment.task, experiment.split.of_pool())
    seeds = [Seed(experiment, kinds, data, seed) for seed in experiment.seeds]
    registers = Registers(Register(), Register(), Register())
    rows: list[Row] = []
    curves: list[Curve] = []
    for w, weak in enumerate(experiment.weak):
        for s, strong in enumerate(experiment.strong):
            pair = Pair(f"w{w}", f"s{s}", weak, strong, seeds, registers)
            rows += [pair.method(method) for method in methods]
            rows += pair.controls(experiment.controls) if experiment.controls else []
            curves += [learning_curve(pair, sizes)] if experiment.curves else []
    keyed = {f"w{i}": one for i, one in enumerate(experiment.weak)}
    keyed |= {f"s{i}": one for i, one in enumerate(experiment.strong)}
    embeds = {
        name: kinds.embed(data, one.spec)
        for name, one in keyed.items()
        if isinstance(one, Learner) and isinstance(one.fit, Probe)
    }
    compare = kinds.compare(
        data=data,
        splits=tuple(seed.split for seed in seeds),
        transfer_gold=tuple(seed.gold("transfer") for seed in seeds),
        predictions=tuple(registers.predictions.stages),
        labels=tuple(registers.labels.stages),
        models=tuple(registers.models.stages),
        embeds=tuple(embeds.values()),
        embedded=tuple(embeds),
        learners=tuple((name, *_described(one)) for name, one in keyed.items()),
        rows=tuple(rows),
        seeds=experiment.seeds,
        metrics=experiment.metrics,
        cuts=experiment.cuts,
        curves=tuple(curves),
        left_out=tuple(name for name in USUAL if name not in experiment.controls) if experiment.controls else (),
        not_run=not_run,
    )
    return Plan(tuple(order((compare,))))


def _described(supervisor: Supervisor) -> tuple[str, str]:
    """Return what a supervisor or student is called, and how it comes to its answers."""
    if isinstance(supervisor, Learner):
        return _short_name(supervisor.spec), supervisor.fit.kind
    if isinstance(supervisor, HumanRatings):
        return f"people, {supervisor.crowd} rating{'s' if supervisor.crowd > 1 else ''} an item", supervisor.name
    if isinstance(supervisor, Annotator):
        return "made-up annotator", supervisor.name
    specs = [*asked_by(supervisor), *(one.spec for one in learners_of(supervisor))]
    models = [_short_name(one) + ("" if one.layer is None else f", layer {one.layer}") for one in specs]
    words = supervisor.name.replace("_", " ")
    return (f"{words} of {' + '.join(models)}" if models else words), supervisor.name


def _short_name(spec: ModelSpec) -> str:
    """Return a model's name; of a local path the last part, since results travel and folders do not."""
    local = Path(spec.model).expanduser()
    return local.name if local.is_absolute() and local.exists() else spec.model


def _check_models(experiment: Experiment) -> None:
    """Raise ExperimentError with the place in the file of the first model that is not where the file says."""
    for place, spec in experiment.models():
        try:
            locate(spec)
        except ModelError as error:
            raise ExperimentError(f"{place}: {error}") from None


def _kinds(experiment: Experiment) -> Kinds:
    """Return the stage classes for the task.

    Raises ExperimentError where what is asked for does not suit a streamed task, or one of pairs or choices.
    """
    if isinstance(experiment.split, ByLevel):
        check_by_level(experiment)
        return BY_LEVEL
    if isinstance(experiment.task, StreamedTask):
        _check_probes(experiment)
        if experiment.cuts:
            raise ExperimentError(f"cuts: a task of kind {experiment.task.kind} has no parts to cut; leave the key out")
        return STREAMED
    if getattr(experiment.task, "paired", False):
        check_answers(experiment, "two answers")
        return PAIRED
    if getattr(experiment.task, "listwise", False):
        check_choices(experiment)
        return CHOICES
    return IN_MEMORY


def _check_probes(experiment: Experiment) -> None:
    """Raise ExperimentError where a model is to be tuned on a stream."""
    for side, learners in (("weak", experiment.weak), ("strong", experiment.strong)):
        for place, learner in enumerate(learners):
            if isinstance(learner, Learner) and not isinstance(learner.fit, Probe):
                raise ExperimentError(
                    f"{side}.{place}.fit: found {learner.fit.kind}, wanted probe: tuning holds its texts in memory, "
                    f"which a task of kind {experiment.task.kind} does not; use the task `file` for data that fit"
                )
