"""The demo: the movie-sentiment recipe, and the assets that an experiment needs."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from trimtab.assets import ASSETS, fetch, is_present
from trimtab.errors import UsageError, did_you_mean
from trimtab.experiment import Experiment, load
from trimtab.terminal import duration


def demo_experiment() -> Experiment:
    """Return the experiment of `recipes/movie-sentiment`, which comes with the package."""
    found = load(Path(__file__).with_name("demo.yaml"))
    assert isinstance(found, Experiment)
    return found


def needed_assets(experiment: Experiment) -> list[str]:
    """Return the names of the assets that an experiment's models and task come from."""
    models = [spec.model for _, spec in experiment.models()]
    data = ["vader"] if experiment.task.kind in ("movie_sentiment", "tweet_sentiment", "product_sentiment") else []
    return sorted({name for name in [*models, *data] if name in ASSETS})


def fetch_missing(experiment: Experiment) -> None:
    """Fetch the assets that the experiment needs and that are not there."""
    fetch_named([name for name in needed_assets(experiment) if not is_present(name)])


def fetch_named(names: Iterable[str]) -> list[Path]:
    """Fetch assets by name, telling on stderr what is being done; return their folders.

    Raises UsageError for an unknown name before anything is fetched.
    """
    import time

    chosen = list(names)
    for name in chosen:
        if name not in ASSETS:
            raise UsageError(f'there is no asset "{name}".{did_you_mean(name, ASSETS)}')
    folders = []
    for name in chosen:
        megabytes = ASSETS[name].download_bytes / 1e6
        print(f"{name}: fetching {megabytes:.0f} MB and preparing it", file=sys.stderr, flush=True)
        began = time.monotonic()
        folders.append(fetch(name))
        print(f"{name}: ready in {duration(time.monotonic() - began)}", file=sys.stderr, flush=True)
    return folders
