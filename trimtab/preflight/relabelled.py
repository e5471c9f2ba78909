"""Ground truth that is bought and then written over: by a label step or a schedule that makes labels anew."""

from __future__ import annotations

from collections.abc import Iterator

from trimtab.experiment import Experiment
from trimtab.methods import Method
from trimtab.schedules.chain import Chain
from trimtab.schedules.strong_to_strong import StrongToStrong
from trimtab.supervise.co_supervision import CoSupervision
from trimtab.supervise.ground_truth import GroundTruth


def written_over(experiment: Experiment) -> Iterator[str]:
    """Yield a warning for each method whose student is not told the truth that was bought for it."""
    for method in experiment.methods:
        bought = [place for place, step in enumerate(method.labels) if isinstance(step, GroundTruth)]
        if bought and any(isinstance(step, CoSupervision) for step in method.labels[bought[0] :]):
            yield _sentence(method, "co_supervision mixes the members' labels anew; name ground_truth after it")
        if bought and _relabels(method):
            yield _sentence(method, f"{_name(method)} relabels every item and weighs each 1")


def _sentence(method: Method, because: str) -> str:
    return (
        f"{method.name}: the student is not told the truth that ground_truth buys, which reaches it only through what "
        f"models learn on the way: {because}."
    )


def _relabels(method: Method) -> bool:
    one = method.schedule
    return (isinstance(one, Chain) and bool(one.through)) or (isinstance(one, StrongToStrong) and one.rounds > 0)


def _name(method: Method) -> str:
    return method.schedule.name if method.schedule else ""
