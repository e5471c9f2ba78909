"""The experiment file: strict YAML in, one frozen value out.

file.py     a file of any study, with values that override its own
value.py    a study of learning from weak labels as a frozen value
read.py     its file, key by key; everything that stands in one line of it
models.py   models, how they learn, and who supervises
methods.py  objectives, label steps, schedules, conflicts
search.py   a search study as a frozen value; read_search.py is its file
named.py    how a thing and its settings are written, and which class a name stands for
"""

from __future__ import annotations

from trimtab.experiment.file import load, parse
from trimtab.experiment.search import SearchExperiment
from trimtab.experiment.value import Experiment, Supervisor, asked_by, learners_of

__all__ = ["Experiment", "SearchExperiment", "Supervisor", "asked_by", "learners_of", "load", "parse"]
