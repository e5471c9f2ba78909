"""Tables of features before they are used: their columns, their ids beside the data's, and NaN."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trimtab.errors import ExperimentError, ModelError
from trimtab.experiment import Experiment
from trimtab.models.features import check_ids, feature_rows
from trimtab.models.source import locate

LARGE_TABLE_BYTES = 1 << 26
"""From this size on, only columns, shapes and ids of a table are looked at (64 MiB of values are some seconds)."""


def check_tables(experiment: Experiment, ids: Sequence[str]) -> None:
    """Raise ExperimentError with the place in the file of the first table that cannot be used for the items.

    `ids` are those of the items that are known before the data are read by their stage, perhaps none.
    """
    seen: set[Path] = set()
    for place, spec in experiment.models():
        source = locate(spec)
        path = Path(source.place)
        if source.kind != "features" or path in seen:
            continue
        seen.add(path)
        try:
            if path.stat().st_size < LARGE_TABLE_BYTES:
                feature_rows(path, ids)
            else:
                check_ids(path, ids)
        except ModelError as error:
            raise ExperimentError(f"{place}: {error}") from error
