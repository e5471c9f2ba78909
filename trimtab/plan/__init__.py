"""Experiment -> stages: what has to be made, and what depends on what.

kinds.py        the stage classes: in memory, or streamed
seed.py         everything that one seed makes: split, gold, weak labels, fits, cross-fits
supervisors.py  who gives weak labels, and from which stages
steps.py        label steps and the evidence that they ask for
schedules.py    what happens to labels and model before the student is trained
by_level.py     what a split by level asks for
pair.py         the rows of one supervisor and one student
study.py        all of them, and the comparison
"""

from __future__ import annotations

from trimtab.plan.study import Plan, plan

__all__ = ["Plan", "plan"]
