"""Supervisors, their members and students that an experiment names twice."""

from __future__ import annotations

from collections.abc import Sequence

from trimtab.errors import ExperimentError
from trimtab.experiment import Experiment, Supervisor
from trimtab.learner import Learner
from trimtab.plan.schedules import same
from trimtab.supervisors.dirichlet_ensemble import DirichletEnsemble
from trimtab.supervisors.mean_ensemble import MeanEnsemble


def check_named_once(experiment: Experiment) -> None:
    """Raise ExperimentError where two entries of one side are the same, or two members of an ensemble: every row of
    theirs would stand there twice, or the ensemble would hear one voice as two.

    Weights count by their content, whatever they are called; another layer, prompt, fit or setting is another entry.
    """
    _check("weak", experiment.weak, "every row of it would stand there twice")
    _check("strong", experiment.strong, "every row of it would stand there twice")
    for place, one in enumerate(experiment.weak):
        if isinstance(one, MeanEnsemble | DirichletEnsemble):
            _check(f"weak.{place}.members", one.members, "the ensemble would hear it twice")


def _check(side: str, entries: Sequence[Supervisor], so_that: str) -> None:
    for place, one in enumerate(entries):
        earlier = _earlier(one, entries[:place])
        if earlier is not None:
            raise ExperimentError(
                f"{side}.{place}: {_called(one)} is the same as {side}.{earlier}, {_called(entries[earlier])}, read "
                f"and fitted alike, so that {so_that}; take one out, or give it another layer, fit or setting"
            )


def _earlier(one: Supervisor, before: Sequence[Supervisor]) -> int | None:
    return next((i for i, other in enumerate(before) if one == other or same(one, other)), None)


def _called(one: Supervisor) -> str:
    return one.spec.model if isinstance(one, Learner) else one.name
