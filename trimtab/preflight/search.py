"""A search study before it is run: whether the data make its parts and the models suit their places."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

from trimtab.decode.methods import METHODS
from trimtab.errors import ExperimentError
from trimtab.experiment.search import MadeGuide, SearchExperiment
from trimtab.fields import build
from trimtab.models.kind import has_language_head
from trimtab.models.source import locate
from trimtab.plan.search import SearchPlan
from trimtab.preflight.generalize import is_soon_read
from trimtab.preflight.known import Preflight
from trimtab.preflight.layers import check_layers, depth_of
from trimtab.stages.data import Data
from trimtab.stages.split import Split, stored_pool
from trimtab.store import Store, facts_of
from trimtab.types import ModelSpec


def preflight_search(experiment: SearchExperiment, planned: SearchPlan, store: Store) -> Preflight:
    """Return what is known of a search study before any stage is run.

    Raises ExperimentError where a model lacks a layer or cannot write; TaskError where the data are too few.
    """
    check_layers(experiment.models())
    _check_guide(experiment)
    _check_methods(experiment)
    _check_templates(experiment)
    for place, spec in experiment.models():
        if not place.startswith("rewards.") and _is_here(spec) and not has_language_head(spec):
            raise ExperimentError(f"{place}: {spec.model} has no language head; wanted a causal language model")
    data = planned.compare.data
    (split,) = (one for one in planned.stages if isinstance(one, Split))
    if store.has(data.kind, data.digest):
        folder = store.folder(data.kind, data.digest)
        pool, notes = stored_pool(folder), tuple(facts_of(folder)["notes"])
    elif isinstance(data, Data) and is_soon_read(experiment.task):
        items, pool = data.fixed
        notes = items.notes
    else:
        return Preflight(None, {}, (), ())
    if len(pool.classes) != 2:
        raise ExperimentError(f"task: a reward is the log-odds of two classes; found {', '.join(pool.classes)}")
    split.members(pool)
    return Preflight(experiment.split.prompts, dict(pool.dropped), notes, ())


def _check_guide(experiment: SearchExperiment) -> None:
    made = experiment.guide
    if not isinstance(made, MadeGuide) or made.model is None:
        return
    depth = depth_of(made.model)
    if depth is not None and made.blocks > depth:
        raise ExperimentError(f"guide.blocks: found {made.blocks}; {made.model.model} has {depth} blocks")


def _check_methods(experiment: SearchExperiment) -> None:
    """Raise ExperimentError with the place in the file of the first setting that is out of range."""
    for place, one in enumerate(experiment.methods):
        known = METHODS.get(one.method)
        if known is None or known.home is None:
            continue
        module, _, name = known.home.partition(":")
        cls = getattr(import_module(f"trimtab.decode.{module}"), name)
        given = dict(one.settings) | {"max_new_tokens": experiment.max_new_tokens}
        build(cls, given, f"methods.{place}.{one.method}", dict(known.fixed))


def _check_templates(experiment: SearchExperiment) -> None:
    """Raise ExperimentError where prompts are turns of a chat and a model's tokenizer has no template for one."""
    if experiment.form != "chat":
        return
    made = experiment.guide
    if isinstance(made, MadeGuide) and made.fresh is not None:
        raise ExperimentError("format: a fresh guide's tokenizer has no chat template; use `format: plain`")
    for place, spec in experiment.models():
        if not place.startswith("rewards.") and _is_here(spec) and not _has_template(Path(locate(spec).place)):
            raise ExperimentError(
                f"format: {spec.model} ({place}) has no chat template in its tokenizer; use `format: plain`, or a "
                "model with a template"
            )


def _has_template(folder: Path) -> bool:
    if (folder / "chat_template.jinja").is_file():
        return True
    config = folder / "tokenizer_config.json"
    return config.is_file() and bool(json.loads(config.read_text("utf-8")).get("chat_template"))


def _is_here(spec: ModelSpec) -> bool:
    source = locate(spec)
    return source.kind != "hub" and (Path(source.place) / "config.json").is_file()
