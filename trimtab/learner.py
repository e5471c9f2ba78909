"""A model and how it learns."""

from __future__ import annotations

from dataclasses import dataclass

from trimtab.fit.probe_settings import Probe
from trimtab.fit.tune_settings import Tune
from trimtab.types import ModelSpec


@dataclass(frozen=True)
class Learner:
    """A model and how it learns."""

    spec: ModelSpec
    fit: Probe | Tune
