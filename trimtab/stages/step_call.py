"""Call a label step and hold it to its promise: the same items, probabilities, weights, and nothing brought back."""

from __future__ import annotations

import sys
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from trimtab.errors import FitError, TrimtabError
from trimtab.types import InformedStep, Labels, LabelStep, all_truth, most_truth


def stepped(step: LabelStep | InformedStep, before: Labels, *evidence: Any) -> Labels:
    """Return the labels after a step that was held to its promise, marked with the most truth in any of it.

    `evidence` is the one argument more of an `InformedStep`.
    Raises FitError where the step raises, returns other items or what are no probabilities or weights, gives weight to
    an item that was dropped, or leaves one class of several.
    """
    try:
        after = step(before, *evidence)
    except TrimtabError:
        raise
    except Exception as error:
        raise FitError(
            f"label step {type(step).__name__} raised {type(error).__name__}: {str(error).rstrip('.')}"
            f"{_place_in_own_file(step, error)}; it was called with {len(before.ids)} items of "
            f"{before.probabilities.shape[1]} classes"
        ) from error
    return checked_step(step, before, after)


def checked_step(step: LabelStep | InformedStep, before: Labels, after: Any) -> Labels:
    """Return what a step made, held to its promise and marked as in `stepped`; raises what `stepped` raises."""
    what = f"label step {type(step).__name__}"
    _check_arrays(what, before, after)
    _check_probabilities(what, after)
    _check_weights(what, before, after)
    _check_classes(what, before, after)
    # what a step says of itself stands, also where its labels forget to
    return replace(after, truth=most_truth([after.truth, all_truth([before.truth, step.truth])]))


def _check_arrays(what: str, before: Labels, after: Any) -> None:
    if not isinstance(after, Labels):
        raise FitError(f"{what} returned {type(after).__name__}; wanted trimtab.types.Labels")
    if not isinstance(after.ids, tuple) or after.ids != before.ids:
        raise FitError(f"{what} returned other ids than it was given; drop an item by giving it weight 0")
    for name, meaning in (("probabilities", "one row per item, one column per class"), ("weights", "one per item")):
        found, wanted = getattr(after, name), getattr(before, name).shape
        if not isinstance(found, np.ndarray) or found.dtype.kind not in "fiub":
            kind = f"an array of {found.dtype}" if isinstance(found, np.ndarray) else f"a {type(found).__name__}"
            raise FitError(f"{what} returned {name} as {kind}; wanted a numpy array of float64")
        if found.shape != wanted:
            raise FitError(f"{what} returned {name} of shape {found.shape}; wanted {wanted}: {meaning}")


def _check_probabilities(what: str, after: Labels) -> None:
    if not np.allclose(after.probabilities.sum(1), 1, atol=1e-6) or after.probabilities.min() < 0:
        raise FitError(f"{what} returned rows that are not probabilities (non-negative, summing to 1)")


def _check_weights(what: str, before: Labels, after: Labels) -> None:
    broken = np.flatnonzero(~(np.isfinite(after.weights) & (after.weights >= 0)))
    if len(broken):
        raise FitError(
            f"{what} returned the weight {after.weights[broken[0]]} for {after.ids[broken[0]]}, and {len(broken)} of "
            f"{len(after.ids)} weights like it; wanted finite weights of at least 0"
        )
    if not after.weights.any():
        raise FitError(
            f"{what} returned the weight 0 for all {len(after.ids)} items, so that nothing is left to learn; wanted "
            "one above 0 at least: drop fewer items"
        )
    revived = np.flatnonzero((after.weights > 0) & (before.weights == 0))
    if len(revived):
        raise FitError(
            f"{what} gives weight to {len(revived)} items that an earlier step dropped, first {after.ids[revived[0]]}; "
            "wanted weight 0 for every item that has it: multiply the weights that are there"
        )


def _check_classes(what: str, before: Labels, after: Labels) -> None:
    """Raise FitError where more than one class is turned into one."""
    classes, left = (np.unique(one.probabilities[one.weights > 0].argmax(1)) for one in (before, after))
    if len(left) > 1 or len(classes) == 1:
        return
    kept, had = (int((one.weights > 0).sum()) for one in (after, before))
    advice = "keep more of them" if kept < had else "nothing was dropped, so that its settings change labels too much"
    raise FitError(
        f"{what} leaves {kept} of {len(after.ids)} items, all of class {left[0]} (the first is 0, in the order of the "
        f"task's classes), so that there is nothing to tell classes apart by; {advice}"
    )


def _place_in_own_file(step: object, error: Exception) -> str:
    """Return ' in FILE, line N' for the last line of the step's own file that an error came through, if any."""
    module = sys.modules.get(type(step).__module__)
    file = vars(module).get("__file__") if module else None
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return f" in {Path(file).name}, line {lines[-1]}" if file and lines else ""
