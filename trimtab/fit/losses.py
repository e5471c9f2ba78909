"""Call an objective and hold it to its promise: one loss value per example."""

from __future__ import annotations

from jaxtyping import Float

from trimtab.errors import FitError
from trimtab.types import Context, Objective, Tensor

LOST = (
    "An objective has to be finite for all finite logits, and its curvature at least its largest one; where both hold, "
    "use a larger strength"
)
"""What to do about a fit that ran away."""


def losses_of_examples(
    objective: Objective,
    logits: Float[Tensor, "*runs items classes"],
    labels: Float[Tensor, "*runs items classes"],
    context: Context,
) -> Float[Tensor, "*runs items"]:
    """Return one loss value in nats per example.

    Raises FitError where the objective returns another shape: a mean would silently drop the items' weights.
    """
    values = objective(logits, labels, context)
    if values.shape != logits.shape[:-1]:
        raise FitError(
            f"the objective {type(objective).__name__} returned the shape {tuple(values.shape)} for logits of shape "
            f"{tuple(logits.shape)}; wanted {tuple(logits.shape[:-1])}: one value per example, not reduced"
        )
    return values
