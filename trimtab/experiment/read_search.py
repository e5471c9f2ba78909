"""The file of a search study: `study: search`, key by key."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trimtab.decode.methods import METHODS
from trimtab.decode.request import Request, checked
from trimtab.decode.value_settings import ValueSettings
from trimtab.errors import ExperimentError, UsageError
from trimtab.experiment.models import learners, model_spec
from trimtab.experiment.named import in_words, named
from trimtab.experiment.read import read_name, read_seeds, read_task
from trimtab.experiment.search import (
    GUIDE_ALONE,
    UNGUIDED,
    Decoder,
    GuidePair,
    MadeGuide,
    Reward,
    Scorers,
    SearchExperiment,
    SearchSplit,
)
from trimtab.fields import NAME_RULE, build, check_keys, is_name, one_of, typed
from trimtab.fit.preference_settings import Preference
from trimtab.fit.probe_settings import Probe
from trimtab.models.fresh_settings import Fresh
from trimtab.schedules.generative import Generative

_KEYS = ("name", "study", "task", "split", "base", "guide", "rewards", "prompt_words", "format", "max_new_tokens")
_KEYS += ("sampling", "value", "methods", "seeds")


def parse_search(values: Mapping[str, Any], folder: Path, text: str) -> SearchExperiment:
    """Return the search study that plain values describe; paths are relative to `folder`.

    Raises ExperimentError naming the path in the file, what was found and what was wanted.
    """
    check_keys(values, _KEYS, "")
    for key in ("name", "task", "split", "base", "guide", "rewards", "methods"):
        if key not in values:
            raise ExperimentError(f"{key}: the key is missing; every search study needs it")
    max_new_tokens = typed(int, values.get("max_new_tokens", 32), "max_new_tokens")
    form = typed(str, values.get("format", "plain"), "format")
    sampling = _mapping(values.get("sampling", {}), "sampling")
    check_keys(sampling, ("temperature", "top_k", "top_p"), "sampling")
    rewards = _mapping(values["rewards"], "rewards")
    check_keys(rewards, ("proxy", "gold"), "rewards")
    common = {"form": form, "max_new_tokens": max_new_tokens, "sampling": sampling}
    words = typed(int, values.get("prompt_words", 6), "prompt_words")
    if words < 1:
        raise ExperimentError(f"prompt_words: found {words}, wanted at least 1")
    if max_new_tokens < 1:
        raise ExperimentError(f"max_new_tokens: found {max_new_tokens}, wanted at least 1")
    return SearchExperiment(
        name=read_name(values["name"]),
        task=read_task(values["task"], folder),
        split=build(SearchSplit, _mapping(values["split"], "split"), "split"),
        base=model_spec(values["base"], "base", folder),
        guide=_guide(values["guide"], folder),
        proxy=_reward(rewards, "proxy", folder),
        gold=_reward(rewards, "gold", folder),
        methods=_methods(values["methods"], common),
        value=build(ValueSettings, _mapping(values.get("value", {}), "value"), "value"),
        prompt_words=words,
        form=form,
        max_new_tokens=max_new_tokens,
        sampling=tuple(sorted(sampling.items())),
        seeds=read_seeds(values.get("seeds", [0, 1])),
        text=text,
    )


def _mapping(values: Any, path: str) -> dict[str, Any]:
    if not isinstance(values, dict):
        raise ExperimentError(f"{path}: found {in_words(values)}, wanted a mapping")
    return dict(values)


def _guide(values: Any, folder: Path) -> MadeGuide | GuidePair:
    given = _mapping(values, "guide")
    if {"tuned", "untuned"} & set(given):
        named_here = {key: given.pop(key) for key in ("tuned", "untuned") if key in given}
        specs = {key: model_spec(one, f"guide.{key}", folder) for key, one in named_here.items()}
        return build(GuidePair, given, "guide", specs)
    made: dict[str, Any] = {}
    if "model" in given:
        made["model"] = model_spec(given.pop("model"), "guide.model", folder)
    for key, cls in (("read", Generative), ("prefer", Preference), ("fresh", Fresh)):
        if key in given:
            made[key] = build(cls, _mapping(given.pop(key), f"guide.{key}"), f"guide.{key}")
    return build(MadeGuide, given, "guide", made)


def _reward(rewards: Mapping[str, Any], name: str, folder: Path) -> Reward:
    if name not in rewards:
        raise ExperimentError(f"rewards.{name}: the key is missing; a search study needs a proxy and a gold reward")
    found = learners(rewards[name], f"rewards.{name}", folder)
    if len(found) != 1 or not isinstance(found[0].fit, Probe):
        raise ExperimentError(f"rewards.{name}: wanted one model with `fit: probe`, fitted to the task's labels")
    return Reward(found[0].spec, found[0].fit)


def _methods(values: Any, common: Mapping[str, Any]) -> tuple[Decoder, ...]:
    if not isinstance(values, list) or not values:
        raise ExperimentError(f"methods: found {in_words(values)}, wanted a list with at least one method")
    found = tuple(_decoder(one, f"methods.{place}", common) for place, one in enumerate(values))
    for place, one in enumerate(found):
        if not is_name(one.name):
            raise ExperimentError(f"methods.{place}.name: found {one.name!r}, wanted {NAME_RULE}")
        if one.name in [other.name for other in found[:place]]:
            raise ExperimentError(
                f"methods.{place}: the name {one.name!r} is taken; give one of the two another `name`"
            )
    return found


def _decoder(values: Any, path: str, common: Mapping[str, Any]) -> Decoder:
    given = {values: {}} if isinstance(values, str) else _mapping(values, path)
    name, scorer = given.pop("name", None), given.pop("scorer", None)
    method, settings = named(given, path)
    one_of(method, {**METHODS, GUIDE_ALONE: None}, path)
    chooses = method not in UNGUIDED and METHODS[method].guide == "pair"
    if scorer is not None and not (chooses and METHODS[method].scores):
        raise ExperimentError(f"{path}.scorer: {method} chooses by nothing that could be exchanged; leave the key out")
    chosen: Scorers | None = None if scorer is None else typed(Scorers, scorer, f"{path}.scorer")
    if method != GUIDE_ALONE:
        _check(method, settings, path, common)
    called = name if name is not None else _called(method, settings, chosen)
    return Decoder(
        name=typed(str, called, f"{path}.name"),
        method=method,
        settings=tuple(sorted(settings.items())),
        scorer=(chosen or "guide") if chooses else None,
    )


def _check(method: str, settings: Mapping[str, Any], path: str, common: Mapping[str, Any]) -> None:
    """Raise ExperimentError for a setting that the method does not know."""
    guide = {"pair": "tuned:untuned", "amateur": "amateur", "none": None}[METHODS[method].guide]
    if guide == "amateur":
        raise ExperimentError(f"{path}: {method} wants an amateur in the place of a pair; use `trimtab generate`")
    try:
        checked(Request("base", method, guide, settings=settings, **common))
    except UsageError as error:
        raise ExperimentError(f"{path}: {error}") from None


def _called(method: str, settings: Mapping[str, Any], scorer: str | None) -> str:
    """Return the name of a method by its numbers: cbs-4-4-5, best_of_n-16."""
    numbers = [str(one) for one in settings.values() if isinstance(one, int | float | str)]
    return "-".join([method, *numbers, *([scorer] if scorer not in (None, "guide") else [])])
