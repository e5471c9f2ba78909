"""Supervisors and students that an experiment names twice."""

from __future__ import annotations

from collections.abc import Sequence

from trimtab.errors import ExperimentError
from trimtab.experiment import Experiment, Supervisor
from trimtab.learner import Learner
from trimtab.plan.schedules import same


def check_named_once(experiment: Experiment) -> None:
    """Raise ExperimentError where two entries of one side are the same: every row of theirs would stand there twice.

    Weights count by their content, whatever they are called; another layer, prompt, fit or setting is another entry.
    """
    for side, entries in (("weak", experiment.weak), ("strong", experiment.strong)):
        for place, one in enumerate(entries):
            earlier = _earlier(one, entries[:place])
            if earlier is not None:
                raise ExperimentError(
                    f"{side}.{place}: {_called(one)} is the same as {side}.{earlier}, {_called(entries[earlier])}, "
                    "read and fitted alike, so that every row of it would stand there twice; take one out, or give it "
                    "another layer, fit or setting"
                )


def _earlier(one: Supervisor, before: Sequence[Supervisor]) -> int | None:
    return next((i for i, other in enumerate(before) if one == other or same(one, other)), None)


def _called(one: Supervisor) -> str:
    return one.spec.model if isinstance(one, Learner) else one.name
