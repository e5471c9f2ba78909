"""What every supervisor is that is no single model."""

from __future__ import annotations

from typing import ClassVar, Protocol

from trimtab.types import Truth


class NamedSupervisor(Protocol):
    """Frozen settings; `trimtab/plan/supervisors.py` says which stages they mean.

    A setting of type `Learner`, or a tuple of them, is a model that is trained for it; one of type `ModelSpec` is a
    model that it asks. By these types the experiment file is read, and models are found before anything is run.
    """

    truth: ClassVar[Truth]
    """The most ground truth that it reads, beside that of the supervisor split."""
    name: ClassVar[str]
    """What it is called in the experiment file."""
