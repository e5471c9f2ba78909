"""An experiment file of any study: `study: generalize` (which need not be written) or `study: search`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trimtab.errors import ExperimentError
from trimtab.experiment.named import in_words
from trimtab.experiment.read import parse_generalize
from trimtab.experiment.read_search import parse_search
from trimtab.experiment.search import SearchExperiment
from trimtab.experiment.value import Experiment
from trimtab.fields import one_of
from trimtab.yaml_file import override, read_yaml

STUDIES = {"generalize": parse_generalize, "search": parse_search}


def load(path: str | Path, overrides: Sequence[str] = ()) -> Experiment | SearchExperiment:
    """Read an experiment file; each override is "path.to.value=YAML".

    Raises ExperimentError naming the path in the file, what was found and what was wanted.
    """
    path = Path(path)
    values, text = read_yaml(path)
    for one in overrides:
        override(values, one)
    if overrides:
        text = f"{text.rstrip()}\n# overrides: {' '.join(overrides)}\n"
    return parse(values, path.parent, text)


def parse(values: Any, folder: Path, text: str = "") -> Experiment | SearchExperiment:
    """Return the experiment that plain values (as read from YAML) describe; paths are relative to `folder`."""
    if not isinstance(values, dict):
        raise ExperimentError(f"the experiment must be a mapping of keys to values, found {in_words(values)}")
    study = values.get("study", "generalize")
    if not isinstance(study, str):
        raise ExperimentError(f"study: found {in_words(study)}, wanted one of {', '.join(STUDIES)}")
    return one_of(study, STUDIES, "study")(values, folder, text)
