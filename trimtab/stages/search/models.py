"""Models that stages of a search study read, from an artifact or from a spec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trimtab.stages.embed import MODEL
from trimtab.types import ModelSpec


def language_model_of(where: Path | ModelSpec) -> Any:
    """Return the language model of a folder or a spec."""
    from trimtab.decode.language_model import language_model

    return language_model(where if isinstance(where, ModelSpec) else ModelSpec(str(where), precision="fp32"))


def guides_of(inputs: Mapping[str, Path], pair: Sequence[ModelSpec]) -> list[Any]:
    """Return tuned and untuned guide: those made by stages, or else those that the experiment file names."""
    made = [inputs[name] / MODEL for name in ("guides.0", "guides.1") if name in inputs]
    return [language_model_of(one) for one in (made or pair)]


def classifier_of(folder: Path) -> Any:
    """Return the classifier of an artifact, which is a scorer of answers too."""
    from trimtab.decode.scorers.classifier import load_classifier

    return load_classifier(folder)


def scorer_of(folder: Path, base: Any, guides: Sequence[Any]) -> Any:
    """Return what scores answers in the place of a guide pair: a classifier, or a value function, which reads the
    untuned guide where there is one and else the base model."""
    from trimtab.decode.fitted_files import kind_of
    from trimtab.decode.scorers.value import Value, load_value

    if kind_of(folder) == Value.name:
        return load_value(folder, guides[1] if guides else base, base)
    return classifier_of(folder)


def rewards_of(folder: Path, texts: Sequence[str]) -> Any:
    """Return the log-odds in nats of whole texts, prompt and answer, under the classifier of an artifact."""
    import numpy as np

    from trimtab.decode.answer import Answer, Compute, Prompt

    whole = [Answer(text, None) for text in texts]
    return np.asarray(classifier_of(folder).values([Prompt("", "")] * len(texts), whole, Compute()))
