"""Experiment -> stages: what has to be made, and what depends on what.

kinds.py        the stage classes: in memory, or streamed
seed.py         everything that one seed makes: split, gold, weak labels, fits, cross-fits
supervisors.py  who gives weak labels, and from which stages
steps.py        label steps and the evidence that they ask for
schedules.py    what happens to labels and model before the student is trained
by_level.py     what a split by level asks for
conflicts.py    what a student is made to want beside its labels
curves.py       the student on some of the labels
heads.py        which schedules need a model that continues texts
imitation.py    the student that is told its supervisor's answers
sizes.py        what is asked of more items or other classes than there are
pair.py         the rows of one supervisor and one student
study.py        all of them, and the comparison
purposes.py     what each stage is for, in the words of the experiment file
twice.py        who is named twice
search.py       a search study: rewards, a guide, answers by every method, judges
"""

from __future__ import annotations

from collections.abc import Callable

from trimtab.experiment import Experiment, SearchExperiment
from trimtab.plan.purposes import Purposes
from trimtab.plan.search import SearchPlan, plan_search
from trimtab.plan.study import Plan, plan_generalize

__all__ = ["AnyExperiment", "Plan", "SearchPlan", "plan", "purposes"]

AnyExperiment = Experiment | SearchExperiment


def plan(experiment: AnyExperiment) -> Plan | SearchPlan:
    """Return the stages of an experiment of any kind; reads file fingerprints, runs nothing.

    Raises ExperimentError where a model's path does not exist or holds no weights, or where a method does not suit the
    supervisor or the task; AssetError where an asset is absent.
    """
    return plan_search(experiment) if isinstance(experiment, SearchExperiment) else plan_generalize(experiment)


def purposes(planned: Plan | SearchPlan) -> Callable[[str], str | None]:
    """Return what says of each stage, by digest, what it is for."""
    return planned.purpose if isinstance(planned, SearchPlan) else Purposes(planned)
