"""Tables of features in the place of models: what is read, what is refused, and a study on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file
from tiny_models import tiny_causal, tiny_texts

from trimtab.errors import ExperimentError, ModelError, TaskError
from trimtab.experiment import parse
from trimtab.forecast import forecast
from trimtab.models.features import check_ids, feature_rows
from trimtab.plan import plan
from trimtab.preflight import tables
from trimtab.store import Store
from trimtab.study import run
from trimtab.tasks.features import Features

IDS = [f"item{number}" for number in range(8)]
VALUES = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)


def table(path: Path, ids: list[Any] = IDS, **columns: Any) -> Path:
    """Write a table of features; without columns, three of them."""
    named = columns or {f"f{place}": VALUES[: len(ids), place] for place in range(3)}
    pq.write_table(pa.table({"id": ids, **named}), path)
    return path


def test_rows_are_found_by_id_and_not_by_place(tmp_path: Path) -> None:
    found = feature_rows(table(tmp_path / "a.parquet"), ["item5", "item0"])
    np.testing.assert_array_equal(found, VALUES[[5, 0]])
    assert found.dtype == np.float32


def test_a_column_of_lists_gives_the_same(tmp_path: Path) -> None:
    path = table(tmp_path / "a.parquet", features=VALUES.tolist())
    np.testing.assert_array_equal(feature_rows(path, IDS), VALUES)


def test_safetensors_give_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"features": VALUES, "id": np.arange(8)}, path)
    np.testing.assert_array_equal(feature_rows(path, ["7", "0"]), VALUES[[7, 0]])


def test_whole_numbers_are_the_same_id_however_they_are_stored(tmp_path: Path) -> None:
    path = table(tmp_path / "a.parquet", ids=[float(number) for number in range(8)])
    np.testing.assert_array_equal(feature_rows(path, ["3"]), VALUES[[3]])


def broken(values: np.ndarray) -> np.ndarray:
    found = values.copy()
    found[2, 1] = np.nan
    return found


REFUSED = {
    "another item": ({}, ["item1", "item99"], "no features of 1 of the 2 items of the task, the first is item99"),
    "NaN": ({f"f{i}": broken(VALUES)[:, i] for i in range(3)}, IDS, "NaN or infinity in the features of 1 item, first "
            "feature 1 of item item2"),
    "a gap": ({"f0": [*VALUES[:7, 0].tolist(), None]}, IDS, "NaN or infinity in the features of 1 item, first "
              "feature 0 of item item7"),
    "words": ({"f0": VALUES[:, 0], "name": ["x"] * 8}, IDS, "the columns name are not numbers"),
    "lists of words": ({"f": [["x", "y"]] * 8}, IDS, "the columns f are not numbers"),
    "ragged lists": ({"f": [[1.0]] * 7 + [[1.0, 2.0]]}, IDS, "the lists of f have 1, 2 entries"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_used_says_why(case: str, tmp_path: Path) -> None:
    columns, wanted, message = REFUSED[case]
    with pytest.raises(ModelError, match=message):
        feature_rows(table(tmp_path / "a.parquet", **columns), wanted)


def test_a_table_without_ids_or_with_one_twice_says_so(tmp_path: Path) -> None:
    pq.write_table(pa.table({"f0": VALUES[:, 0]}), tmp_path / "a.parquet")
    with pytest.raises(ModelError, match="has the columns f0; wanted `id` and features"):
        feature_rows(tmp_path / "a.parquet", IDS)
    with pytest.raises(ModelError, match="the id item0 is there twice"):
        feature_rows(table(tmp_path / "b.parquet", ids=[*IDS[:7], "item0"]), IDS[:3])
    (tmp_path / "c.parquet").write_bytes(b"no table")
    with pytest.raises(ModelError, match="is not a parquet table"):
        feature_rows(tmp_path / "c.parquet", IDS)


WRONG_TENSORS = {
    "ids of the wrong length": (VALUES, np.arange(7), "wanted `features` \\(items x hidden\\) and `id`"),
    "three dimensions": (VALUES[:, :, None], np.arange(8), "wanted `features` \\(items x hidden\\) and `id`"),
    "ids that are no whole numbers": (VALUES, np.arange(8, dtype=np.float32), "`id` is of type F32; wanted whole"),
}


@pytest.mark.parametrize("case", WRONG_TENSORS)
@pytest.mark.parametrize("look", [feature_rows, check_ids])
def test_tensors_that_cannot_be_used_say_why(look: Any, case: str, tmp_path: Path) -> None:
    features, ids, message = WRONG_TENSORS[case]
    save_file({"features": features, "id": ids}, tmp_path / "a.safetensors")
    with pytest.raises(ModelError, match=message):
        look(tmp_path / "a.safetensors", ["3"])


def planted(folder: Path, items: int = 400) -> dict[str, Any]:
    """Write labels and features: the weak table holds one of the two directions that decide, the strong one both."""
    generator = np.random.default_rng(1)
    strong = generator.normal(size=(items, 2)).astype(np.float32)
    gold = (strong.sum(1) > 0).astype(int)
    ids = [f"i{number:04d}" for number in range(items)]
    pq.write_table(pa.table({"id": ids, "label": gold}), folder / "labels.parquet")
    turned = list(reversed(range(items)))  # rows in another order than the labels
    for name, values in (("weak", strong[:, :1]), ("strong", strong)):
        columns = {f"f{place}": values[turned, place] for place in range(values.shape[1])}
        pq.write_table(pa.table({"id": [ids[row] for row in turned], **columns}), folder / f"{name}.parquet")
    return {
        "name": "features",
        "task": {"kind": "features", "path": "labels.parquet", "supervisor": 120, "transfer": 140, "test": 140},
        "weak": [{"model": "weak.parquet", "fit": "probe"}],
        "strong": [{"model": "strong.parquet", "fit": "probe"}],
        "methods": ["naive"],
        "seeds": [0, 1],
    }


def test_a_study_on_features(tmp_path: Path) -> None:
    results = run(parse(planted(tmp_path), tmp_path), store=tmp_path / "store")
    row = results.row("naive", "accuracy")
    # one of two equal directions is right in 3 of 4 items
    assert row["weak_score"]["mean"] == pytest.approx(0.75, abs=0.06)
    assert row["ceiling"]["mean"] > 0.95
    models = results.data["models"]
    assert (models["w0"]["model"], models["s0"]["model"]) == ("weak.parquet", "strong.parquet")
    assert {one["control"] for one in results.data["rows"]} >= {"flipped_truth", "weak_on_weak", "weak_on_truth"}
    assert "no zero-shot control: a table of features cannot be asked." in str(results.data["warnings"])


def test_a_table_that_cannot_be_used_stops_the_plan_with_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = planted(tmp_path)
    whole = pq.read_table(tmp_path / "strong.parquet")
    short = whole.slice(0, 300)
    gap = whole.set_column(1, "f0", pa.array([float("nan"), *whole["f0"].to_pylist()[1:]]))
    lacks = r"strong\.0\.model: .*strong\.parquet has no features of 100 of the 400 items"
    for other, message in ((short, lacks), (gap, r"strong\.0\.model: .*NaN or infinity in the features of 1 item,")):
        pq.write_table(other, tmp_path / "strong.parquet")
        with pytest.raises(ExperimentError, match=message):
            forecast(parse(values, tmp_path), Store.open(tmp_path / "store"))
    assert not list((tmp_path / "store").glob("*/*"))
    # of large tables the ids alone are read
    monkeypatch.setattr(tables, "LARGE_TABLE_BYTES", 0)
    forecast(parse(values, tmp_path), Store.open(tmp_path / "store"))
    pq.write_table(short, tmp_path / "strong.parquet")
    with pytest.raises(ExperimentError, match=lacks):
        forecast(parse(values, tmp_path), Store.open(tmp_path / "store"))


CHANGES = {
    "tune": ({"fit": {"kind": "tune"}}, "weak.0.fit: found tune, wanted probe"),
    "layer": ({"layer": 3, "fit": "probe"}, "weak.0.layer: .* a table of features, which has no layer"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_what_a_table_cannot_be_asked_is_refused(case: str, tmp_path: Path) -> None:
    values, (change, message) = planted(tmp_path), CHANGES[case]
    with pytest.raises(ExperimentError, match=message):
        plan(parse(values | {"weak": [{"model": "weak.parquet"} | change]}, tmp_path))


def test_a_table_cannot_be_tuned_in_a_chain(tmp_path: Path) -> None:
    values = planted(tmp_path)
    through = {"name": "far", "schedule": {"chain": {"through": [{"model": "weak.parquet", "fit": {"kind": "tune"}}]}}}
    with pytest.raises(
        ExperimentError, match=r"methods\.1\.schedule\.chain\.through\.0\.fit: found tune, wanted probe"
    ):
        plan(parse(values | {"methods": ["naive", through]}, tmp_path))


def test_a_model_that_reads_texts_is_refused_where_there_are_none(tmp_path: Path) -> None:
    folder = tiny_causal(tmp_path / "model")
    values = planted(tmp_path) | {"strong": [{"model": str(folder), "fit": "probe"}]}
    with pytest.raises(ExperimentError, match=r"strong\.0\.model: .* reads texts, and the items .* have none"):
        plan(parse(values, tmp_path))


def test_a_table_stands_beside_a_model_where_there_are_texts(tmp_path: Path) -> None:
    values = planted(tmp_path)
    told = pq.read_table(tmp_path / "labels.parquet")
    texts = [f"{text} {number}" for number, text in enumerate(tiny_texts(400, shortest=4))]
    pq.write_table(told.append_column("text", [texts]), tmp_path / "texts.parquet")
    task = values["task"] | {"kind": "file", "path": "texts.parquet", "id": "id"}
    strong = [{"model": str(tiny_causal(tmp_path / "model")), "fit": "probe"}, *values["strong"]]
    results = run(
        parse(values | {"task": task, "strong": strong, "controls": False}, tmp_path), store=tmp_path / "store"
    )
    ceilings = {row["strong"]: row["ceiling"]["mean"] for row in results.data["rows"] if row["metric"] == "accuracy"}
    assert ceilings["s1"] > 0.95 and ceilings["s0"] < 0.7  # the texts say nothing of the class


def test_a_table_cannot_be_prompted(tmp_path: Path) -> None:
    values = planted(tmp_path) | {"weak": [{"prompted": {"model": "weak.parquet"}}]}
    with pytest.raises(ExperimentError, match=r"weak\.0\.prompted\.model: .* cannot be asked"):
        plan(parse(values, tmp_path))


def test_ids_that_differ_in_case_only_are_named(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("id,label\na1,0\nb1,1\nA1,1\n", "utf-8")
    with pytest.raises(TaskError, match=r"line 4.*differs from that of line 2 in case or spaces only"):
        Features(str(path)).read()
