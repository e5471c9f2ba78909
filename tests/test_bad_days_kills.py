"""Stages killed at any moment and run again: every artifact has the bytes of an undisturbed run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from fault_data import write_fault_study
from fault_study import classes_of_stages, named, stages_of
from killed_children import end_child, run_child, start_child
from killed_stages import WAYS, kill_each, make_all

KILLS = 20
OF_TABLES = ("Data", "Split", "SplitSecond", "TextHinted", "LabelGold", "LabelModel", "LabelStepped", "LabelFlipped",
             "LabelFlippedChoices", "LabelSubset", "LabelResampled", "LabelBoosted", "LabelInformed", "LabelWithout",
             "LabelCrossFitted", "LabelImplicit", "LabelExplicit", "PredictRatings", "PredictAnnotator",
             "PredictEnsemble", "PredictSelected", "PredictConsistent", "PredictCoherent", "PredictBest",
             "Compare")  # fmt: skip
SEARCHES = ("Prompts", "CompareSearch")
OF_GUIDES = ("TrainClassifier", "TrainUntuned", "WritePairs", "TrainTuned", "TrainValue", "CheckGuide",
             "AnswerPrompts", "JudgeAnswers")  # fmt: skip
BY_LEVEL = ("DataByLevel", "SplitByLevel", "CompareByLevel")
STREAMED = ("StreamedData", "StreamedSplit", "StreamedLabelGold", "StreamedLabelModel", "StreamedLabelStepped",
            "StreamedLabelFlipped", "StreamedCompare")  # fmt: skip
OF_PROBES = ("Select", "TrainProbe", "PredictProbe", "SelectPairs", "TrainPairs", "PredictPairs", "SelectChoices",
             "TrainChoices", "PredictChoices", "StreamedSelect", "StreamedTrainProbe",
             "StreamedPredictProbe")  # fmt: skip
OF_MODELS = ("Embed", "EmbedPairs", "EmbedChoices", "EmbedAnswered", "Prefix", "PredictTuned", "PredictZeroShot",
             "PredictPrompted", "StreamedEmbed", "StreamedPredictZeroShot")  # fmt: skip
LANES = {
    (*OF_TABLES, *BY_LEVEL, *STREAMED, *SEARCHES): "tables",
    OF_PROBES: "probes",
    OF_MODELS: "models",
    OF_GUIDES: "guides",
    ("TrainTune", "TrainGenerative"): "models",
}
"""What is killed side by side, and what it needs (`fault_imports`)."""
NAMES = [name for lane in LANES for name in lane]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_fault_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def killed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, list[int]]]:
    """Folder of the reports and exit codes of the lanes; a lane ends early where an artifact is not as it should be.

    The killed stages write to a file system in memory, where there is one: a real disk has each write waited for.
    """
    whole, memory = tmp_path_factory.mktemp("whole"), Path("/dev/shm")
    assert run_child(make_all, str(folder), str(whole)) == 0
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as work:
        places = (str(folder), str(whole), work, KILLS)
        children = [
            start_child(kill_each, names, *places, needs, heavy=needs in ("models", "guides"))
            for names, needs in LANES.items()
        ]
        yield Path(work), [end_child(child, 900) for child in children]


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
