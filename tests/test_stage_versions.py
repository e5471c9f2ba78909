"""Dear stages are identified by their `version`: this holds their code to it.

Where this fails, code that a stage's results come from was changed. If results may differ, raise the stage's
`version`; then, in either case, write the new state down:

    .venv/bin/python tests/test_stage_versions.py
"""

from __future__ import annotations

import json
from inspect import isabstract
from pathlib import Path
from typing import Any

import pytest

from trimtab.digest import code_digest, digest_of
from trimtab.stages.by_level.data import DataByLevel
from trimtab.stages.choices import EmbedChoices, PredictChoices
from trimtab.stages.data import Data
from trimtab.stages.elicit import EmbedAnswered
from trimtab.stages.embed import Embed
from trimtab.stages.generative import TrainGenerative
from trimtab.stages.label import LabelFlipped, LabelGold, LabelModel, LabelStepped
from trimtab.stages.pairs import EmbedPairs, PredictPairs
from trimtab.stages.predict import PredictProbe, PredictTuned, PredictZeroShot
from trimtab.stages.prefix import Prefix
from trimtab.stages.search.answer import AnswerPrompts
from trimtab.stages.search.check import CheckGuide
from trimtab.stages.search.classifier import TrainClassifier
from trimtab.stages.search.guide import TrainTuned, TrainUntuned, WritePairs
from trimtab.stages.search.judge import JudgeAnswers
from trimtab.stages.search.value import TrainValue
from trimtab.stages.stage import Stage
from trimtab.stages.streamed.data import StreamedData
from trimtab.stages.streamed.embed import StreamedEmbed
from trimtab.stages.streamed.label import StreamedLabelModel, StreamedLabelStepped
from trimtab.stages.streamed.predict import StreamedPredictProbe, StreamedPredictZeroShot
from trimtab.stages.supervisors import PredictPrompted
from trimtab.stages.train import TrainTune

RECORD = Path(__file__).with_suffix(".json")
READ = tuple(f"trimtab.models.{name}" for name in ("batches", "layers", "load", "pooling", "positions", "text"))
LOWER = ("trimtab.models.prefix", "trimtab.models.prefix_states", "trimtab.fit.lower_layers")
TUNED = (*LOWER, *(f"trimtab.fit.{name}" for name in ("student", "reading", "tuned_files")))
LEARNED = tuple(f"trimtab.fit.{name}" for name in (
    "checkpoints", "devices", "losses", "objective_trainer", "prediction_buffer", "step_batches", "training_arguments",
    "tune"))  # fmt: skip
CODE: dict[type[Stage], tuple[str, ...]] = {
    Data: tuple(f"trimtab.tasks.{name}" for name in (
        "allocate", "duplicates", "make_pool", "own_splits", "related", "second", "splits")),
    DataByLevel: tuple(f"trimtab.tasks.{name}" for name in (
        "allocate", "by_level", "duplicates", "make_pool", "related")),
    Embed: (*READ, "trimtab.models.activations"),
    EmbedAnswered: (*READ, "trimtab.models.activations", "trimtab.stages.elicit"),
    EmbedPairs: (*READ, "trimtab.models.activations", "trimtab.stages.pairs"),
    EmbedChoices: (*READ, "trimtab.models.activations", "trimtab.models.choice_activations",
                   "trimtab.models.shared_prompt", "trimtab.stages.choices"),
    PredictChoices: ("trimtab.fit.choice_probe", "trimtab.fit.choice_features", "trimtab.stages.choices"),
    PredictPairs: ("trimtab.fit.probe", "trimtab.stages.pairs"),
    TrainGenerative: ("trimtab.fit.generative", "trimtab.models.load"),
    Prefix: (*READ, *LOWER, "trimtab.stages.prefix"),
    TrainTune: (*READ, *TUNED, *LEARNED),
    PredictTuned: (*READ, *TUNED, "trimtab.fit.predict_tuned"),
    PredictZeroShot: (*READ, "trimtab.models.zero_shot", "trimtab.models.logprobs"),
    PredictPrompted: (*READ, "trimtab.models.zero_shot", "trimtab.models.logprobs", "trimtab.stages.supervisors"),
    PredictProbe: ("trimtab.fit.probe",),
    LabelModel: ("trimtab.stages.label",),
    LabelStepped: ("trimtab.stages.label", "trimtab.stages.step_call"),
    StreamedData: ("trimtab.tasks.stream", "trimtab.tasks.streamed", "trimtab.tasks.duplicates",
                   "trimtab.stages.streamed.data"),
    StreamedEmbed: (*READ, "trimtab.models.activations", "trimtab.stages.streamed.embed"),
    StreamedPredictZeroShot: (*READ, "trimtab.models.zero_shot", "trimtab.models.logprobs",
                              "trimtab.stages.streamed.predict"),
    StreamedPredictProbe: ("trimtab.fit.probe", "trimtab.stages.streamed.predict"),
    StreamedLabelModel: ("trimtab.stages.streamed.label",),
    StreamedLabelStepped: ("trimtab.stages.streamed.label", "trimtab.stages.label", "trimtab.stages.step_call"),
    TrainClassifier: (*READ, "trimtab.decode.classifier", "trimtab.decode.text_states",
                      "trimtab.decode.scorers.classifier", "trimtab.fit.probe", "trimtab.fit.select",
                      "trimtab.stages.search.classifier"),
    TrainUntuned: ("trimtab.fit.generative", "trimtab.models.shallow", "trimtab.models.fresh", "trimtab.models.load",
                   "trimtab.stages.search.guide"),
    TrainTuned: ("trimtab.fit.preference", "trimtab.models.load", "trimtab.stages.search.guide"),
    TrainValue: ("trimtab.decode", "trimtab.fit.ridge", "trimtab.stages.search.value"),
    WritePairs: ("trimtab.decode", "trimtab.stages.search.guide"),
    CheckGuide: ("trimtab.decode", "trimtab.stages.search.check"),
    AnswerPrompts: ("trimtab.decode", "trimtab.stages.search.answer"),
    JudgeAnswers: ("trimtab.decode", "trimtab.metrics.ngram", "trimtab.stages.search.judge"),
}  # fmt: skip


def state(stage: type[Stage]) -> dict[str, Any]:
    """Return a stage's version and a digest of the code that its results come from."""
    return {"version": stage.version, "code": digest_of({name: code_digest(name) for name in CODE[stage]})[:16]}


@pytest.mark.parametrize("stage", CODE, ids=lambda stage: stage.__name__)
def test_code_that_changed_has_a_new_version_or_was_looked_at(stage: type[Stage]) -> None:
    recorded = json.loads(RECORD.read_text("utf-8"))[stage.__name__]
    assert state(stage) == recorded, (
        f"the code behind {stage.__name__} changed: raise its `version` if results may differ, then run "
        f"`python tests/{Path(__file__).name}`"
    )


def test_a_stage_states_its_code_or_is_held_to_its_version() -> None:
    def below(cls: type[Stage]) -> list[type[Stage]]:
        return [cls, *(one for child in cls.__subclasses__() for one in below(child))]

    ours = [one for one in below(Stage)[1:] if one.__module__.startswith("trimtab.") and not isabstract(one)]
    assert {LabelGold, LabelFlipped} <= set(ours)
    assert [one.__name__ for one in ours if not one.code and one not in CODE] == []


if __name__ == "__main__":
    RECORD.write_text(json.dumps({one.__name__: state(one) for one in CODE}, indent=1) + "\n", "utf-8")
