"""Models, how they learn, and who supervises."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_type_hints

from trimtab.components import find
from trimtab.errors import ExperimentError, did_you_mean
from trimtab.experiment.named import in_words, named
from trimtab.experiment.value import Supervisor
from trimtab.fields import build, one_of
from trimtab.fit.probe_settings import Probe
from trimtab.fit.tune_settings import Tune
from trimtab.learner import Learner
from trimtab.supervisors import SUPERVISORS
from trimtab.types import ModelSpec

FITS: Mapping[str, type] = {"probe": Probe, "tune": Tune}


def learners(values: Any, path: str, folder: Path) -> tuple[Learner, ...]:
    """Read one model or a list of them, each with its fit."""
    entries = values if isinstance(values, list) else [values]
    if not entries:
        raise ExperimentError(f"{path}: the list is empty; name at least one model")
    return tuple(_learner(one, f"{path}.{i}", folder) for i, one in enumerate(entries))


def supervisors(values: Any, folder: Path) -> tuple[Supervisor, ...]:
    """Read one supervisor or a list of them."""
    entries = values if isinstance(values, list) else [values]
    if not entries:
        raise ExperimentError("weak: the list is empty; name at least one supervisor")
    return tuple(_supervisor(one, f"weak.{i}", folder) for i, one in enumerate(entries))


def _supervisor(values: Any, path: str, folder: Path) -> Supervisor:
    """Read a model with its fit, or `{name of a supervisor: {settings}}`."""
    if isinstance(values, str) and values in SUPERVISORS:
        values = {values: {}}
    if isinstance(values, dict) and len(values) == 1 and next(iter(values)) in SUPERVISORS:
        name, settings = named(values, path)
        return nested(find(name, "trimtab.supervisors", SUPERVISORS, folder), settings, f"{path}.{name}", folder)
    if isinstance(values, dict) and len(values) == 1 and "model" not in values:
        found = str(next(iter(values)))
        raise ExperimentError(
            f"{path}.{found}: found neither the key `model` nor a supervisor."
            f"{did_you_mean(found, [*SUPERVISORS, 'model'])}"
        )
    return _learner(values, path, folder)


def nested(cls: type, settings: Mapping[str, Any], path: str, folder: Path) -> Any:
    """Return settings of which some are models, each written as elsewhere in the file."""
    hints = get_type_hints(cls)
    made: dict[str, Any] = {}
    for key, value in settings.items():
        if hints.get(key) == tuple[Learner, ...]:
            # how many are needed, the settings themselves say
            made[key] = () if value == [] else learners(value, f"{path}.{key}", folder)
        elif hints.get(key) is Learner:
            made[key] = _learner(value, f"{path}.{key}", folder)
        elif hints.get(key) is ModelSpec:
            made[key] = model_spec(value, f"{path}.{key}", folder)
    return build(cls, {key: value for key, value in settings.items() if key not in made}, path, made)


def _learner(values: Any, path: str, folder: Path) -> Learner:
    if isinstance(values, str):
        values = {"model": values}
    if not isinstance(values, dict):
        raise ExperimentError(f"{path}: found {in_words(values)}, wanted a mapping with a key `model`")
    if "model" not in values and len(values) == 1 and next(iter(values)) in SUPERVISORS:
        raise ExperimentError(
            f"{path}: found the supervisor {next(iter(values))}, wanted a single model: a name, or a mapping with a "
            "key `model`"
        )
    fit_name, fit_settings = named(values.get("fit", "probe"), f"{path}.fit", key="kind")
    cls = one_of(fit_name, FITS, f"{path}.fit")
    spec = {key: value for key, value in values.items() if key != "fit"}
    return Learner(_spec(spec, path, folder), build(cls, fit_settings, f"{path}.fit"))


def model_spec(values: Any, path: str, folder: Path) -> ModelSpec:
    """Read a model without a fit: its name, or a mapping with a key `model`."""
    return _spec({"model": values} if isinstance(values, str) else values, path, folder)


def _spec(values: Any, path: str, folder: Path) -> ModelSpec:
    if not isinstance(values, dict):
        raise ExperimentError(f"{path}: found {in_words(values)}, wanted a mapping with a key `model`")
    model = values.get("model")
    if isinstance(model, str) and (model.startswith((".", "~")) or (folder / model).exists()):
        values = values | {"model": str((folder / Path(model).expanduser()).resolve())}
    return build(ModelSpec, values, path)
