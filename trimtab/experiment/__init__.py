"""The experiment file: strict YAML in, one frozen value out.

value.py    the experiment as a frozen value
read.py     the file, key by key; everything that stands in one line of it
models.py   models, how they learn, and who supervises
methods.py  objectives, label steps, schedules, conflicts
named.py    how a thing and its settings are written, and which class a name stands for
"""

from __future__ import annotations

from trimtab.experiment.read import load, parse
from trimtab.experiment.value import Experiment, Supervisor, asked_by, learners_of

__all__ = ["Experiment", "Supervisor", "asked_by", "learners_of", "load", "parse"]
