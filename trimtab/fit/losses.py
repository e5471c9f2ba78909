"""Call an objective and hold it to its promise: one finite loss value per example, with a slope in the logits."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from trimtab.errors import FitError, TrimtabError
from trimtab.types import Context, Objective

LOST = (
    "An objective has to be finite for all finite logits, and its curvature at least its largest one; where both hold, "
    "use a larger strength"
)
"""What to do about a fit that ran away."""
FINITE = (
    "an objective has to be finite for all finite logits and all labels, also where a label is exactly 0 or 1 "
    "(0 * log 0 is NaN, torch.xlogy makes it 0)"
)
"""What to do about an objective that is no number where the logits are."""


def losses_of_examples(
    objective: Objective,
    logits: Float[Tensor, "*runs items classes"],
    labels: Float[Tensor, "*runs items classes"],
    context: Context,
) -> Float[Tensor, "*runs items"]:
    """Return one loss value in nats per example.

    Raises FitError where the objective raises, returns no tensor or another shape (a mean would silently drop the
    items' weights), or cuts the way back to logits that are to be learnt.
    """
    name, wanted = type(objective).__name__, tuple(logits.shape[:-1])
    try:
        values = objective(logits, labels, context)
    except TrimtabError:
        raise
    except Exception as error:
        raise FitError(_raised(objective, f"the objective {name}", error, logits)) from error
    if not isinstance(values, torch.Tensor):
        raise FitError(
            f"the objective {name} returned {_found(values)}; wanted a tensor of shape {wanted}: one value per "
            "example, computed from the logits by torch functions"
        )
    if values.shape != wanted:
        raise FitError(
            f"the objective {name} returned the shape {tuple(values.shape)} for logits of shape "
            f"{tuple(logits.shape)}; wanted {wanted}: one value per example, not reduced. "
            f"{_to_mend_the_shape(values.dim(), len(wanted))}"
        )
    if logits.requires_grad and not values.requires_grad:
        raise FitError(
            f"the objective {name} returned values without a slope in the logits; compute them from the logits by "
            "torch functions, without detach, item, numpy, argmax or no_grad on the way"
        )
    return values


def statistics_of(
    objective: Objective,
    logits: Float[Tensor, "*runs items classes"],
    labels: Float[Tensor, "*runs items classes"],
) -> Mapping[str, Tensor]:
    """Return what an objective wants to know of more than one example.

    Raises FitError where it raises, or returns something else than tensors by name.
    """
    what = f"`statistics` of the objective {type(objective).__name__}"
    try:
        found = objective.statistics(logits, labels)
    except TrimtabError:
        raise
    except Exception as error:
        raise FitError(_raised(objective, what, error, logits)) from error
    wanted = "wanted a mapping of names to tensors, {} where each example stands alone"
    if not isinstance(found, Mapping):
        raise FitError(f"{what} returned {_found(found)}; {wanted}")
    for name, value in found.items():
        if not isinstance(value, torch.Tensor):
            raise FitError(f"{what} returned {_found(value)} for {name!r}; {wanted}")
    return found


def why_lost(objective: Objective, labels: Float[Tensor, "items classes"]) -> str:
    """Return why a fit ran away: what an objective does at logits of 0, where every fit begins, or `LOST`."""
    try:
        values, slopes = _at_zero(objective, labels)
    except (FitError, RuntimeError) as error:
        return str(error)
    for what, found in (("loss", values), ("slope", slopes.sum(-1))):
        broken = (~torch.isfinite(found)).nonzero().flatten().tolist()
        if broken:
            label = ", ".join(f"{share:g}" for share in labels[broken[0]].tolist())
            return (
                f"At logits of 0, where every fit begins, its {what} is {float(found[broken[0]])} for {len(broken)} of "
                f"{len(found)} examples, first for the label ({label}): {FINITE}"
            )
    return LOST


def _at_zero(
    objective: Objective, labels: Float[Tensor, "items classes"]
) -> tuple[Float[Tensor, "items"], Float[Tensor, "items classes"]]:
    """Return loss and slope of every example at logits of 0."""
    told = labels.detach().unsqueeze(0)
    logits = torch.zeros_like(told)
    context = Context(0.0, statistics_of(objective, logits, told))
    logits.requires_grad_(True)
    values = losses_of_examples(objective, logits, told, context)
    (slopes,) = torch.autograd.grad(values.sum(), logits)
    return values.detach().squeeze(0), slopes.squeeze(0)


def _raised(objective: Objective, what: str, error: Exception, logits: Tensor) -> str:
    """Say what an objective raised, where in its file, and what it was called with."""
    module = sys.modules.get(type(objective).__module__)
    file = vars(module).get("__file__") if module else None
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    where = f" in {Path(file).name}, line {lines[-1]}" if file and lines else ""
    return (
        f"{what} raised {type(error).__name__}: {str(error).rstrip('.')}{where}; it was called with logits and labels "
        f"of shape {tuple(logits.shape)}"
    )


def _found(value: Any) -> str:
    """Return what something is: a number as it stands, anything else by its kind."""
    if value is None:
        return "nothing (None)"
    return f"the number {value}" if isinstance(value, int | float) else f"a value of type {type(value).__name__}"


def _to_mend_the_shape(found: int, wanted: int) -> str:
    """Return what to do about a number of dimensions that is not the one wanted, or about one that is."""
    if found < wanted:
        return "Leave out .mean() and .sum() over examples: weights are applied, and means taken, outside"
    if found > wanted:
        return "Sum over the classes, .sum(-1)"
    return "Keep the order of the dimensions: runs, examples"
