"""Stages killed at any moment and run again: every artifact has the bytes of an undisturbed run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fault_study import WAYS, classes_of_stages, kill_each, make_all, named, stages_of, write_fault_study
from killed_children import end_child, run_child, start_child

KILLS = 20
WITHOUT_MODEL = ("Data", "Split", "LabelGold", "LabelModel", "LabelStepped", "LabelFlipped", "LabelSubset",
                 "TextHinted", "Compare")  # fmt: skip
WITH_MODEL = ("Embed", "Prefix", "Select", "TrainProbe", "PredictProbe", "PredictTuned", "PredictZeroShot")
STREAMED = ("StreamedData", "StreamedSplit", "StreamedLabelGold", "StreamedLabelModel", "StreamedLabelStepped",
            "StreamedLabelFlipped", "StreamedCompare")  # fmt: skip
STREAMED_WITH_MODEL = ("StreamedEmbed", "StreamedSelect", "StreamedTrainProbe", "StreamedPredictProbe",
                       "StreamedPredictZeroShot")  # fmt: skip
BY_LEVEL = ("DataByLevel", "SplitByLevel", "CompareByLevel")
OF_PAIRS = ("EmbedPairs", "SelectPairs", "TrainPairs", "PredictPairs")
OF_CHOICES = ("EmbedChoices", "SelectChoices", "TrainChoices", "PredictChoices")
BY_OTHERS = ("PredictRatings", "PredictAnnotator", "PredictEnsemble", "PredictSelected", "PredictConsistent",
             "PredictCoherent", "PredictBest", "LabelResampled", "LabelBoosted", "LabelInformed", "LabelWithout",
             "LabelCrossFitted", "SplitSecond", "LabelImplicit", "LabelExplicit")  # fmt: skip
LANES = {
    (*WITHOUT_MODEL, *BY_LEVEL, *STREAMED, *BY_OTHERS, "LabelFlippedChoices"): False,
    (*WITH_MODEL, *STREAMED_WITH_MODEL, *OF_PAIRS, *OF_CHOICES, "EmbedAnswered", "PredictPrompted"): True,
    ("TrainTune", "TrainGenerative"): True,
}
"""What is killed side by side, and whether it needs the packages that load models."""
NAMES = [name for lane in LANES for name in lane]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_fault_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def killed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[int]]:
    """Folder of the reports and exit codes of the lanes; a lane ends early where an artifact is not as it should be."""
    whole, work = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("killed")
    assert run_child(make_all, str(folder), str(whole)) == 0
    places = (str(folder), str(whole), str(work), KILLS)
    children = [start_child(kill_each, names, *places, models, heavy=models) for names, models in LANES.items()]
    return work, [end_child(child, 300) for child in children]


def test_every_kind_of_stage_is_killed(folder: Path) -> None:
    stages = named(stages_of(folder))
    assert sorted(stages) == sorted(set(classes_of_stages())) == sorted(NAMES)
    # the one that passes texts through the model, not the one that reads stored states
    assert list(stages["PredictZeroShot"].inputs) == ["data"]


@pytest.mark.parametrize("name", NAMES)
def test_killed_twenty_times_and_run_again(killed: tuple[Path, list[int]], name: str) -> None:
    work, codes = killed
    assert (work / f"{name}.json").is_file(), f"the lanes ended with {codes}"
    report = json.loads((work / f"{name}.json").read_text())
    assert report["signals"] == {"-9": KILLS}
    assert report["finished"] >= KILLS // 5
    assert all(report["ways"][way] >= KILLS // len(WAYS) for way in WAYS), report
