"""A whole study on a streamed task: disjoint splits, every number recomputed, no leak, resumed, refused where due."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.ipc as ipc
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import f1_score, roc_auc_score
from tiny_study import study

from trimtab.errors import ExperimentError, StageError, StoreError, TaskError
from trimtab.executors.perform import perform
from trimtab.experiment import parse
from trimtab.forecast import forecast
from trimtab.plan import plan
from trimtab.results import Results
from trimtab.store import Store
from trimtab.study import run

SEEDS = (0, 1)
SIZES = {"supervisor": 120, "transfer": 200, "test": 300}


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("trimtab.tasks.streamed.batch", "trimtab.tasks.stream", "trimtab.tasks.streamed.roles"):
        monkeypatch.setattr(f"{module}.PART", 64)


def streamed(folder: Path, **changes: Any) -> dict[str, Any]:
    """Return a study whose data are a parquet file that is read as a stream."""
    values = study(folder, SEEDS, items=1000)
    table = pa_csv.read_csv(folder / "reviews.csv")
    pq.write_table(table, folder / "reviews.parquet", row_group_size=100)
    task = {"kind": "stream", "path": str(folder / "reviews.parquet"), "id": "id", "classes": ["bad", "good"]}
    return values | {"task": task | {"prompt": values["task"]["prompt"]} | SIZES, "split": {}} | changes


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Results, Path]:
    folder = tmp_path_factory.mktemp("streamed")
    with pytest.MonkeyPatch.context() as patch:
        for module in ("trimtab.tasks.streamed.batch", "trimtab.tasks.stream", "trimtab.tasks.streamed.roles"):
            patch.setattr(f"{module}.PART", 64)
        return run(parse(streamed(folder), folder), store=folder / "store", runs=folder), folder


def table(store: Path, kind: str, digest: str, name: str) -> dict[str, list]:
    """Return all parts of an Arrow file together."""
    return ipc.open_file(pa.OSFile(str(store / kind / digest / name))).read_all().to_pydict()


def test_parts_are_small_and_splits_are_disjoint(finished: tuple[Results, Path]) -> None:
    results, folder = finished
    store = folder / "store"
    (data,) = (store / "data").glob("*/items.arrow")
    opened = ipc.open_file(pa.OSFile(str(data)))
    assert opened.num_record_batches > 5
    items = opened.read_all().to_pydict()
    seen = set()
    for membership in sorted((store / "split").glob("*/membership.arrow")):
        split = ipc.open_file(pa.OSFile(str(membership))).read_all()["split"].to_pylist()
        counts = np.bincount(split, minlength=4)
        assert counts.tolist() == [0, *SIZES.values()]
        assert [number == 3 for number in split] == items["test"]
        seen.add(tuple(split))
    assert len(seen) == len(SEEDS)
    assert results.data["splits"]["test"]["n"] == SIZES["test"]
    assert len({one["digest"] for one in results.data["splits"]["transfer"]["per_seed"]}) == len(SEEDS)


def test_every_score_is_recomputed(finished: tuple[Results, Path]) -> None:
    results, folder = finished
    store = folder / "store"
    (data,) = (path.parent.name for path in (store / "data").glob("*/items.arrow"))
    items = table(store, "data", data, "items.arrow")
    gold_of = dict(zip(items["id"], table(store, "data", data, "gold.arrow")["gold"], strict=True))
    checked = 0
    for row in results.rows:
        for one in row["per_seed"]:
            for role, field in (("student", "student"), ("weak", "weak_score"), ("ceiling", "ceiling")):
                found = table(store, "predict", one["predictions"][role], "predictions.arrow")
                test = [i for i, split in enumerate(found["split"]) if split == 3]
                gold = np.array([gold_of[found["id"][i]] for i in test])
                p = np.stack([found["p0"], found["p1"]], 1)[test]
                wanted = {
                    "accuracy": (p.argmax(1) == gold).mean(),
                    "balanced_accuracy": np.mean([(p.argmax(1) == gold)[gold == c].mean() for c in (0, 1)]),
                    "macro_f1": f1_score(gold, p.argmax(1), average="macro"),
                    # in 512 steps of log-odds, equal steps as ties
                    "auroc": roc_auc_score(gold, np.digitize(np.log(p[:, 1] / p[:, 0]), np.linspace(-12, 12, 513))),
                    "brier": ((p[:, 1] - gold) ** 2).mean(),
                }.get(row["metric"])
                if wanted is not None:
                    assert one[field] == pytest.approx(wanted, abs=1e-6), (row["key"], role)
                    checked += 1
                if row["metric"] == "auroc":  # as good as the exact one for what is shown
                    assert one[field] == pytest.approx(roc_auc_score(gold, p[:, 1]), abs=5e-3)
    assert checked > 100
    assert set(found["id"]) <= set(gold_of)


def test_intervals_are_about_those_of_single_items(finished: tuple[Results, Path]) -> None:
    """One seed's accuracy on n items has the deviation sqrt(p (1 - p) / n); bags of items must vary as items do."""
    _results, folder = finished
    experiment = parse(streamed(folder, seeds=[0]), folder)
    row = run(experiment, store=folder / "store").row("naive")
    for block in ("student", "weak_score"):
        mean, low, high = (row[block][end] for end in ("mean", "low", "high"))
        assert (high - low) / (2 * 1.96) == pytest.approx(np.sqrt(mean * (1 - mean) / SIZES["test"]), rel=0.35)


def test_labels_controls_and_report_are_there(finished: tuple[Results, Path]) -> None:
    results, folder = finished
    rows = {row["method"]: row for row in results.rows if row["metric"] == "accuracy"}
    assert set(rows) == {
        "naive", "confidence", "confident-half", "flipped_truth", "weak_on_weak", "weak_on_truth", "zero_shot",
    }  # fmt: skip
    labels = rows["confident-half"]["labels"]
    assert (labels["weak"], labels["kept"], labels["gold"]) == (200, 100, 0)
    assert rows["flipped_truth"]["labels"]["gold"] == 200
    assert rows["naive"]["labels"]["weak_accuracy"]["mean"] > 0.6
    flipped, weak = rows["flipped_truth"]["labels"]["kept_accuracy"], rows["naive"]["labels"]["weak_accuracy"]
    assert flipped["mean"] == pytest.approx(weak["mean"], abs=0.08)
    assert rows["naive"]["agreement"]["n_right"][0] + rows["naive"]["agreement"]["n_wrong"][0] == SIZES["test"]
    assert sum(one["n"] for one in rows["naive"]["calibration"]["curve"]) == len(SEEDS) * SIZES["test"]
    assert results.data["examples"][0]["text"]
    assert (folder / "tiny" / "report.html").stat().st_size > 10_000
    assert "accuracy" in results.table()


def test_the_export_has_names_and_truth(finished: tuple[Results, Path], tmp_path: Path) -> None:
    results, folder = finished
    written = results.export(tmp_path / "out", Store.open(folder / "store"))
    items = pq.read_table(tmp_path / "out" / "items.parquet").to_pydict()
    assert items["role"].count("test") == SIZES["test"]
    gold_of = dict(zip(items["id"], items["gold"], strict=True))
    found = pq.read_table(tmp_path / "out" / "w0-s0-naive-student-seed1.parquet").to_pydict()
    assert set(found["split"]) == {"test"}
    assert found["gold"] == [gold_of[one] for one in found["id"]]
    right = np.mean([("good" if p > 0.5 else "bad") == g for p, g in zip(found["p good"], found["gold"], strict=True)])
    assert right == pytest.approx(results.row("naive")["per_seed"][1]["student"], abs=1e-9)
    assert tmp_path / "out" / "w0-s0-naive-labels-seed0.parquet" in written


def test_again_is_cached_and_another_size_reuses_nothing_it_must_not(finished: tuple[Results, Path]) -> None:
    results, folder = finished
    again = run(parse(streamed(folder), folder), store=folder / "store")
    assert all(one["cached"] for one in again.data["stages"])
    assert again.rows == results.rows
    found = forecast(parse(streamed(folder), folder), Store.open(folder / "store"))
    assert (found["cached"], found["test_items"]) == (found["stages"], SIZES["test"])


def test_truth_of_transfer_and_test_reaches_no_student(finished: tuple[Results, Path]) -> None:
    """With the truth of every item that supervises nobody turned around, methods predict the same, to the bit."""
    results, folder = finished
    store = folder / "store"
    supervisors = set()
    (data,) = (path.parent.name for path in (store / "data").glob("*/items.arrow"))
    ids = table(store, "data", data, "items.arrow")["id"]
    for one in (store / "split").glob("*/membership.arrow"):
        split = ipc.open_file(pa.OSFile(str(one))).read_all()["split"].to_pylist()
        supervisors |= {name for name, number in zip(ids, split, strict=True) if number == 1}
    read = pq.read_table(folder / "reviews.parquet").to_pydict()
    turned = {"good": "bad", "bad": "good"}
    read["label"] = [
        label if name in supervisors else turned[label] for name, label in zip(read["id"], read["label"], strict=True)
    ]
    pq.write_table(pa.table(read), folder / "turned.parquet", row_group_size=100)
    values = streamed(folder)
    values["task"]["path"] = str(folder / "turned.parquet")
    other = run(parse(values, folder), store=folder / "turned-store")
    for method in ("naive", "confidence", "confident-half"):
        pairs = zip(results.row(method)["per_seed"], other.row(method)["per_seed"], strict=True)
        for one, two in pairs:
            first = table(store, "predict", one["predictions"]["student"], "predictions.arrow")
            second = table(folder / "turned-store", "predict", two["predictions"]["student"], "predictions.arrow")
            assert (first["id"], first["p1"]) == (second["id"], second["p1"])


def test_embedding_goes_on_from_its_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = parse(streamed(tmp_path), tmp_path)
    planned = plan(experiment)
    embed = next(stage for stage in planned.stages if stage.kind == "embed")
    first, second = Store.open(tmp_path / "one"), Store.open(tmp_path / "two")
    for store in (first, second):
        perform(planned.compare.data, store)
    perform(embed, first)
    from trimtab.models import activations as module

    calls = []
    real = module.activations

    def dies(*arguments, **named):
        if len(calls) == 3:
            raise KeyboardInterrupt
        calls.append(1)
        return real(*arguments, **named)

    monkeypatch.setattr(module, "activations", dies)
    with pytest.raises(KeyboardInterrupt):
        perform(embed, second)
    monkeypatch.setattr(module, "activations", real)
    perform(embed, second)
    one, two = (store.folder("embed", embed.digest) for store in (first, second))
    files = sorted(path.name for path in one.glob("*.safetensors"))
    assert len(files) > 5
    assert all((one / name).read_bytes() == (two / name).read_bytes() for name in files)


def test_the_penalty_is_chosen_on_no_more_than_a_sample_of_what_is_told(
    finished: tuple[Results, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from trimtab.stages.streamed import train

    folder = finished[1]
    store = Store.open(folder / "store")
    stages = plan(parse(streamed(folder), folder)).stages
    select = next(one for one in stages if isinstance(one, train.StreamedSelect))
    half = next(one for one in stages if type(one).__name__ == "StreamedLabelStepped")
    inputs = {"data": store.folder("data", stages[0].digest), "labels": store.folder("label", half.digest)}
    inputs["activations"] = store.folder("embed", select.activations.digest)
    monkeypatch.setattr(train, "SAMPLE", 30)
    found = list(train._sampled(inputs, 0))
    assert sum(len(one[0]) for one in found) == 30
    assert all((one[2] > 0).all() for one in found)


def test_too_few_rows_and_a_missing_column_are_known_before_anything_runs(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store")
    values = streamed(tmp_path)
    for change, words in (({"test": 5000}, "Too few rows: found 1,000"), ({"label": "stars"}, 'no column "stars"')):
        with pytest.raises(TaskError, match=words):
            forecast(parse(values | {"task": values["task"] | change}, tmp_path), store)


def test_a_spoiled_artifact_is_named(finished: tuple[Results, Path], tmp_path: Path) -> None:
    results, folder = finished
    shutil.copytree(folder / "store", tmp_path / "store")
    digest = results.row("naive")["per_seed"][0]["predictions"]["student"]
    file = tmp_path / "store" / "predict" / digest / "predictions.arrow"
    file.write_bytes(file.read_bytes()[:500])
    words = r"predictions\.arrow is not as it was written; delete the folder"
    with pytest.raises(StoreError, match=words):
        results.export(tmp_path / "out", Store.open(tmp_path / "store"))
    assert not (tmp_path / "out").exists()
    with pytest.raises(StageError, match=words):
        run(parse(streamed(folder, metrics=["accuracy"]), folder), store=tmp_path / "store")


def test_tuning_on_a_stream_is_refused_before_anything_runs(tmp_path: Path) -> None:
    values = streamed(tmp_path)
    values["strong"][0]["fit"] = {"kind": "tune", "method": "lora"}
    with pytest.raises(ExperimentError, match=r"strong\.0\.fit: found tune, wanted probe"):
        plan(parse(values, tmp_path))
