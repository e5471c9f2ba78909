"""Data sets of the `datasets` library, from saved folders: no test reaches the hub."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from trimtab.errors import TaskError
from trimtab.tasks.hub import Hub
from trimtab.tasks.splits import SplitSettings, draw, fix_pool

FEATURES = Features(sentence=Value("string"), target=ClassLabel(names=["bad", "good"]), review=Value("int64"))


def part(start: int, count: int, features: Features = FEATURES) -> Dataset:
    numbers = range(start, start + count)
    rows = {
        "sentence": [f"sentence number {k} says something" for k in numbers],
        "target": [k % 2 for k in numbers],
        "review": [k // 2 for k in numbers],
    }
    return Dataset.from_dict(rows, features=features)


def hub(folder: Path, **others) -> Hub:
    return Hub(str(folder), text="sentence", label="target", **others)


def test_one_saved_part(tmp_path: Path) -> None:
    part(0, 10).save_to_disk(tmp_path / "saved")
    task = hub(tmp_path / "saved", group="review")
    items = task.read()
    assert items.classes == ("bad", "good")
    assert items.gold.tolist() == [0, 1] * 5
    assert items.groups == tuple(str(k // 2) for k in range(10))
    assert items.splits is None
    assert items.texts[3] == "sentence number 3 says something"
    with pytest.raises(TaskError, match="leave the setting parts out"):
        hub(tmp_path / "saved", parts=("train", "test")).read()


def test_an_unused_column_is_pointed_out(tmp_path: Path) -> None:
    part(0, 10).rename_column("review", "group").save_to_disk(tmp_path / "saved")
    assert hub(tmp_path / "saved", group="group").read().notes == ()
    (note,) = hub(tmp_path / "saved", classes=("bad", "good")).read().notes
    assert note.startswith('saved has a column "group", which is not used')


def test_parts_are_the_own_splits(tmp_path: Path) -> None:
    turned = Features(**{**FEATURES, "target": ClassLabel(names=["good", "bad"])})
    DatasetDict({"train": part(0, 30), "test": part(30, 10, turned)}).save_to_disk(tmp_path / "saved")
    only = hub(tmp_path / "saved").read()
    assert len(only.ids) == 30
    items = hub(tmp_path / "saved", parts=("train", "test")).read()
    assert items.splits == ("train",) * 30 + ("test",) * 10
    assert items.gold.tolist() == [0, 1] * 15 + [1, 0] * 5  # names count, not numbers
    settings = SplitSettings(supervisor=15, transfer=15)
    pool = fix_pool(items, settings)
    first, second = draw(pool, settings, 0), draw(pool, settings, 1)
    assert set(first.test) == set(items.ids[30:])
    assert first.test == second.test
    assert first.supervisor != second.supervisor


def test_fingerprint_follows_the_files(tmp_path: Path) -> None:
    part(0, 10).save_to_disk(tmp_path / "saved")
    first = hub(tmp_path / "saved").fingerprint()
    assert hub(tmp_path / "saved").fingerprint() == first
    part(1, 10).save_to_disk(tmp_path / "other")
    assert hub(tmp_path / "other").fingerprint() != first


def test_folder_of_data_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "files"
    folder.mkdir()
    rows = [{"text": f"row {k}", "label": "yes" if k % 3 else "no"} for k in range(6)]
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    items = Hub(str(folder)).read()
    assert items.classes == ("no", "yes")
    assert items.gold.tolist() == [0, 1, 1, 0, 1, 1]


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    DatasetDict({"train": part(0, 10), "validation": part(10, 4)}).save_to_disk(tmp_path / "saved")
    with pytest.raises(TaskError, match=r'has no part "valid". Did you mean "validation"'):
        hub(tmp_path / "saved", parts=("valid",)).read()
    with pytest.raises(TaskError, match=r'part train has no column "target_", .*"label".*Did you mean "target"'):
        Hub(str(tmp_path / "saved"), text="sentence", label="target_").read()
    with pytest.raises(TaskError, match='"validation" is not a split'):
        hub(tmp_path / "saved", parts=("train", "validation")).read()


def test_withheld_labels_and_empty_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {"sentence": ["a", "b", "c"], "target": [0, 1, -1], "review": [0, 1, 2]}
    Dataset.from_dict(rows, features=FEATURES).save_to_disk(tmp_path / "held")
    with pytest.raises(TaskError, match=r'held, part train, row 3, column "target": found no label'):
        hub(tmp_path / "held").read()
    part(0, 0).save_to_disk(tmp_path / "none")  # a folder that the library itself cannot load again
    with pytest.raises(TaskError, match="cannot be loaded: IndexError"):
        hub(tmp_path / "none").read()
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "train.csv").write_text("text,label\n", "utf-8")
    with pytest.raises(TaskError, match="corresponds to no data"):
        Hub(str(tmp_path / "files")).read()


def test_a_damaged_folder_and_impossible_settings(tmp_path: Path) -> None:
    part(0, 10).save_to_disk(tmp_path / "saved")
    (tmp_path / "saved" / "state.json").write_text("{", "utf-8")
    with pytest.raises(TaskError, match="cannot be loaded: JSONDecodeError"):
        hub(tmp_path / "saved").read()
    with pytest.raises(ValueError, match="parts must be"):
        Hub("owner/name", parts=())


def test_a_hub_id_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for ask in (Hub("nobody/nothing").read, Hub("nobody/nothing").fingerprint):
        with pytest.raises(TaskError, match=r'"nobody/nothing" cannot be loaded.*check path, config and revision'):
            ask()
