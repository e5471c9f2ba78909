"""Tables of features in the place of models: what can be asked of them, and what cannot."""

from __future__ import annotations

from trimtab.errors import ExperimentError
from trimtab.experiment import Experiment, Supervisor, asked_by, learners_of
from trimtab.fit.tune_settings import Tune
from trimtab.learner import Learner
from trimtab.models.source import locate
from trimtab.schedules.chain import Chain
from trimtab.tasks.features import Features
from trimtab.types import ModelSpec


def check_feature_tables(experiment: Experiment) -> None:
    """Raise ExperimentError where a table of features is to be asked, tuned, or read as only a model can be, or where
    a model is to read items that have no text.
    """
    for place, spec in experiment.models():
        if locate(spec).kind == "features":
            _check_settings(place.removesuffix(".model"), spec)
        elif isinstance(experiment.task, Features):
            raise ExperimentError(
                f"{place}: {spec.model} reads texts, and the items of a task of kind {Features.kind} have none; name a "
                "table of features, or take the task `file` with `text` and `id`, beside which tables may stand too"
            )
    for side, learners in (("weak", experiment.weak), ("strong", experiment.strong)):
        for number, one in enumerate(learners):
            _check_asked(f"{side}.{number}", one)
            for learner in learners_of(one):
                _check_fit(f"{side}.{number}", learner)
    for number, method in enumerate(experiment.methods):
        for link, one in enumerate(method.schedule.through if isinstance(method.schedule, Chain) else ()):
            _check_fit(f"methods.{number}.schedule.chain.through.{link}", one)


def _check_fit(place: str, learner: Learner) -> None:
    """Raise ExperimentError where a table of features is to be tuned."""
    if isinstance(learner.fit, Tune) and locate(learner.spec).kind == "features":
        raise ExperimentError(
            f"{place}.fit: found tune, wanted probe: {learner.spec.model} is a table of features, which has no weights "
            "to tune"
        )


def _check_asked(place: str, supervisor: Supervisor) -> None:
    """Raise ExperimentError where a supervisor asks a table of features."""
    tables = [spec.model for spec in asked_by(supervisor) if locate(spec).kind == "features"]
    if tables and not isinstance(supervisor, Learner):
        raise ExperimentError(
            f"{place}.{supervisor.name}.model: {tables[0]} is a table of features, which cannot be asked; name a model"
        )


def _check_settings(place: str, spec: ModelSpec) -> None:
    plain = ModelSpec(spec.model)
    for name in ("layer", "pooling", "padding", "template", "compile"):
        if getattr(spec, name) != getattr(plain, name):
            raise ExperimentError(
                f"{place}.{name}: {spec.model} is a table of features, which has no {name}; leave it out"
            )
