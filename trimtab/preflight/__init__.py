"""What is known before anything is run, without torch.

generalize.py   a study of learning from weak labels
search.py       a search study
layers.py       whether models have the layers that are asked for
tables.py       whether tables of features can be used
relabelled.py   which methods write over ground truth that they bought
held.py         what a study's data hold
known.py        what a preflight finds
"""

from __future__ import annotations

from trimtab.experiment.search import SearchExperiment
from trimtab.plan import AnyExperiment, Plan, SearchPlan
from trimtab.preflight.generalize import preflight_generalize
from trimtab.preflight.known import Preflight
from trimtab.preflight.search import preflight_search
from trimtab.store import Store

__all__ = ["Preflight", "preflight"]


def preflight(experiment: AnyExperiment, planned: Plan | SearchPlan, store: Store) -> Preflight:
    """Return what is known of a study before any stage is run.

    Raises ExperimentError where a model does not suit its place; TaskError where the data cannot be used.
    """
    if isinstance(experiment, SearchExperiment):
        assert isinstance(planned, SearchPlan)
        return preflight_search(experiment, planned, store)
    assert isinstance(planned, Plan)
    return preflight_generalize(experiment, planned, store)
