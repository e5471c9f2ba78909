"""What is asked of more items or other classes than there are; found before anything is run."""

from __future__ import annotations

from collections.abc import Sequence

from trimtab.errors import ExperimentError
from trimtab.experiment import Experiment
from trimtab.learner import Learner
from trimtab.plan.supervisors import KNOWN
from trimtab.supervise.prior_correction import PriorCorrection
from trimtab.supervisors.annotator import Annotator


def check_sizes(experiment: Experiment) -> None:
    """Raise ExperimentError where a label step or a schedule asks for more items than the transfer split has."""
    items = experiment.split.transfer
    if items is None:
        return
    for place, method in enumerate(experiment.methods):
        for number, step in enumerate(method.labels):
            for name in ("budget", "neighbours"):
                asked = getattr(step, name, 0)
                # a budget may be all items, a neighbour is another item
                most = items - (name == "neighbours")
                if isinstance(asked, int) and asked > most:
                    raise ExperimentError(
                        f"methods.{place}.labels.{number}.{name}: found {asked}, wanted at most {most}: the transfer "
                        f"split has {items} items"
                    )
        folds = getattr(method.schedule, "folds", 0)
        if method.schedule is not None and folds > items:
            raise ExperimentError(
                f"methods.{place}.schedule.{method.schedule.name}.folds: found {folds}, wanted at most {items}, the "
                "items of the transfer split"
            )


def check_classes(experiment: Experiment, classes: Sequence[str]) -> None:
    """Raise ExperimentError where a supervisor or a label step is made for another number of classes."""
    count, named = len(classes), ", ".join(classes)
    for place, one in enumerate(experiment.weak):
        if isinstance(one, Annotator) and len(one.confusion) != count:
            raise ExperimentError(
                f"weak.{place}.annotator.confusion: found {len(one.confusion)} rows, and the task has {count} classes "
                f"({named}); give a row and a column for each class, in this order"
            )
        if not isinstance(one, Learner) and KNOWN[type(one)].two_classes and count != 2:
            raise ExperimentError(
                f"weak.{place}: {one.name} tells two classes apart, and the task has {count} ({named}); take another "
                "supervisor"
            )
    for place, method in enumerate(experiment.methods):
        for number, step in enumerate(method.labels):
            prior = step.prior if isinstance(step, PriorCorrection) else ()
            if isinstance(prior, tuple) and prior and len(prior) != count:
                raise ExperimentError(
                    f"methods.{place}.labels.{number}.prior: found {len(prior)} shares, and the task has {count} "
                    f"classes ({named}); give one for each class, in this order, or `uniform`"
                )
