"""Reads the sentiment sets of Hutto and Gilbert 2014 out of the `vader` asset.

Gold is the sign of the mean of an item's single ratings (-4 to 4). The mean that the set states beside each
text is not used: for 199 of the 4,200 tweets it differs from the mean of their ratings.

VADER: a parsimonious rule-based model for sentiment analysis of social media text, ICWSM 2014
https://ojs.aaai.org/index.php/ICWSM/article/view/14550
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from trimtab.errors import TaskError
from trimtab.types import Items

CLASSES = ("negative", "positive")
MOST_HELD = 10
"""Most ratings that may be set aside: the items have 14 or more, and gold needs some."""
CONTAMINATION = (
    "These texts have been public since 2014 at the latest: a pretrained model may have seen them, with or "
    "without labels."
)


def read_snippets(
    folder: Path,
    name: str,
    min_abs_mean: float,
    prompt: str,
    group_of: Callable[[str], str],
    notes: tuple[str, ...],
    held_ratings: int = 0,
) -> Items:
    """Return the items of one set (`name` as in the archive) whose absolute mean rating exceeds `min_abs_mean`.

    `held_ratings` of each item, drawn once and for all, are kept for human supervisors; gold is the mean of the others.
    """
    texts = _columns(folder / f"{name}_GroundTruth.txt", 3, text_column=2)
    ratings = _columns(folder / f"{name}_anonDataRatings.txt", 4, text_column=3)
    if texts.keys() != ratings.keys():
        raise TaskError(
            f"The vader asset is damaged: {name} has {len(texts)} texts and {len(ratings)} lists of ratings "
            "with other ids. Fetch it again: trimtab assets fetch vader."
        )
    singles = {key: tuple(float(value) for value in json.loads(listed)) for key, listed in ratings.items()}
    held, others = _set_aside(singles, held_ratings)
    means = {key: math.fsum(values) / len(values) for key, values in others.items()}
    kept = [key for key in texts if abs(means[key]) > min_abs_mean]
    return Items(
        ids=tuple(kept),
        texts=tuple(texts[key] for key in kept),
        gold=np.array([means[key] > 0 for key in kept], dtype=np.int64),
        classes=CLASSES,
        groups=tuple(group_of(key) for key in kept),
        prompt=prompt,
        slices={"abs_mean_rating": np.array([abs(means[key]) for key in kept])},
        ratings=tuple(singles[key] for key in kept),
        held_ratings=tuple(held[key] for key in kept) if held_ratings else None,
        notes=(_threshold_note(min_abs_mean, len(texts) - len(kept), len(texts)), CONTAMINATION, *notes),
    )


def check_threshold(min_abs_mean: float) -> None:
    """Raise ValueError where a threshold on the absolute mean rating (0 to 4) would drop everything or is no
    number."""
    if not 0 <= min_abs_mean < 4:
        raise ValueError(f"min_abs_mean must be at least 0 and below 4, found {min_abs_mean}")


def check_held(held_ratings: int) -> None:
    """Raise ValueError where so many ratings cannot be kept from the mean."""
    if not 0 <= held_ratings <= MOST_HELD:
        raise ValueError(f"held_ratings must lie in [0, {MOST_HELD}], found {held_ratings}")


Ratings = dict[str, tuple[float, ...]]


def _set_aside(singles: Ratings, count: int) -> tuple[Ratings, Ratings]:
    """Return `count` ratings of each item, and the others; the same ones in every study."""
    held, others = {}, {}
    for key in sorted(singles):
        drawn = set(np.random.default_rng([zlib.crc32(key.encode()), count]).permutation(len(singles[key]))[:count])
        held[key] = tuple(value for i, value in enumerate(singles[key]) if i in drawn)
        others[key] = tuple(value for i, value in enumerate(singles[key]) if i not in drawn)
    return held, others


def _columns(path: Path, count: int, text_column: int) -> dict[str, str]:
    """Return id -> one column; the lines are tab separated, end in CR LF, and one file starts with a BOM."""
    if not path.is_file():
        raise TaskError(
            f"{path} does not exist, though the vader asset should have it. Fetch it: trimtab assets fetch vader."
        )
    found: dict[str, str] = {}
    for number, line in enumerate(path.read_text("utf-8-sig").split("\n"), start=1):
        fields = line.rstrip("\r").split("\t")
        if fields == [""]:
            continue
        if len(fields) != count or fields[0] in found:
            raise TaskError(
                f"{path}, line {number}: found {len(fields)} columns and id {fields[0]!r}, wanted {count} "
                "columns and a new id. The asset is damaged; fetch it again: trimtab assets fetch vader."
            )
        found[fields[0]] = fields[text_column].strip()
    return found


def _threshold_note(min_abs_mean: float, dropped: int, total: int) -> str:
    if min_abs_mean == 0:
        return f"{dropped} of {total} items have a mean rating of exactly 0, hence no class, and were left out."
    return (
        f"{dropped} of {total} items were left out because their mean rating lies within {min_abs_mean:g} "
        "of 0. That uses ground truth to drop the hard items: scores are higher than on all items, see the "
        "slices by abs_mean_rating."
    )
