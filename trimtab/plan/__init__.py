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
"""

from __future__ import annotations

from trimtab.plan.study import Plan, plan

__all__ = ["Plan", "plan"]
