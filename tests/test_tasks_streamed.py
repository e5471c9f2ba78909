"""Duplicates and splits through the disk are those that memory finds; bounds, keys and formats."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq
import pytest

from trimtab.errors import TaskError
from trimtab.tasks.duplicates import near_duplicates
from trimtab.tasks.membership import SplitSettings
from trimtab.tasks.related import deduplicated
from trimtab.tasks.stream import Stream
from trimtab.tasks.streamed import buckets as buckets_module
from trimtab.tasks.streamed.buckets import Buckets
from trimtab.tasks.streamed.duplicates import KEYS, find_duplicates
from trimtab.tasks.streamed.keys import mixed
from trimtab.tasks.streamed.roles import choose_roles
from trimtab.tasks.streamed.thresholds import below, bound_of_smallest

WORDS = [f"word{i}" for i in range(400)]


def texts_with_copies(items: int = 600, seed: int = 3) -> tuple[list[str], list[str]]:
    """Return texts of 12 words and labels; some are exact copies, some conflict, some are near duplicates."""
    generator = np.random.default_rng(seed)
    texts = [" ".join(generator.choice(WORDS, 12)) for _ in range(items)]
    labels = [("no", "yes")[i % 2] for i in range(items)]
    for i in range(0, 60, 3):
        texts[300 + i] = texts[i].upper()  # an exact copy but for case
        labels[300 + i] = labels[i] if i % 2 else ("yes" if labels[i] == "no" else "no")
    for i in range(100, 140, 2):
        texts[400 + i] = texts[i] + " tail of words"  # holds all grams of the shorter one
    return texts, labels


def write(folder: Path, columns: dict[str, list], name: str = "data.parquet", row_group: int = 70) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    table = pa.table(columns)
    if name.endswith(".parquet"):
        pq.write_table(table, folder / name, row_group_size=row_group)
    else:
        with ipc.new_file(str(folder / name), table.schema) as writer:
            writer.write_table(table, row_group)
    return folder / name


def task(path: Path, **settings) -> Stream:
    return Stream(str(path), ("no", "yes"), **settings)


@pytest.mark.parametrize("records", [50_000, 40])
def test_duplicates_are_those_found_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, records: int) -> None:
    monkeypatch.setattr(buckets_module, "RECORDS", records)
    monkeypatch.setattr("trimtab.tasks.stream.PART", 64)
    texts, labels = texts_with_copies()
    stream = task(write(tmp_path, {"text": texts, "label": labels}))
    found = find_duplicates(stream.batches, len(texts), tmp_path)
    items = stream.read()
    _, dropped = deduplicated(items)
    assert {name: found.dropped[name] for name in ("duplicate", "conflict")} == {"duplicate": 10, "conflict": 20}
    assert (found.dropped["duplicate"], found.dropped["conflict"]) == (dropped["duplicate"], dropped["conflict"])
    kept = np.flatnonzero(found.state == 0)
    near = near_duplicates([texts[i] for i in kept])
    wanted = {(int(kept[i]), int(kept[first])) for i, first in enumerate(near) if (near == first).sum() > 1}
    assert len(wanted) > 20
    assert set(found.near.items()) == wanted


def roles_of(stream: Stream, rows: int, work: Path, **sizes):
    work.mkdir(exist_ok=True)
    settings = SplitSettings(**{"supervisor": 100, "transfer": 120, "test": 90} | sizes)
    found = find_duplicates(stream.batches, rows, work, stream.id)
    roles = choose_roles(found, work / KEYS, settings)
    test, pool = {}, {}
    for batch in stream.batches():
        keys, tested, pooled = roles.of(batch)
        test |= {batch.ids[i]: int(keys[i]) for i in np.flatnonzero(tested)}
        pool |= {batch.ids[i]: int(keys[i]) for i in np.flatnonzero(pooled)}
    return test, pool, roles


def test_sizes_are_exact_and_related_items_stay_on_one_side(tmp_path: Path) -> None:
    texts, labels = texts_with_copies()
    stream = task(write(tmp_path, {"text": texts, "label": labels}))
    test, pool, roles = roles_of(stream, len(texts), tmp_path / "work")
    assert len(pool) == 220
    assert 88 <= len(test) <= 90  # near duplicates of a test item are left out, and counted
    assert not set(test) & set(pool)
    assert not set(test.values()) & set(pool.values())
    assert len(set(test.values())) == len(test)
    assert roles.later >= 0


def test_the_order_of_the_rows_changes_nothing(tmp_path: Path) -> None:
    texts, labels = texts_with_copies()
    order = np.random.default_rng(0).permutation(len(texts))
    one = task(write(tmp_path / "a", {"text": texts, "label": labels}))
    other = task(write(tmp_path / "b", {"text": [texts[i] for i in order], "label": [labels[i] for i in order]}))
    first, second = (roles_of(it, len(texts), tmp_path / name) for it, name in ((one, "x"), (other, "y")))
    assert set(first[1]) == set(second[1])
    assert len(set(first[0]) ^ set(second[0])) <= 4  # which of two near duplicates is tested may differ


def test_groups_stay_whole(tmp_path: Path) -> None:
    rows = [(f"text number {i} {i * 31}", ("no", "yes")[i % 2], f"g{i // 10}") for i in range(400)]
    columns = {name: [row[i] for row in rows] for i, name in enumerate(("text", "label", "author"))}
    stream = task(write(tmp_path, columns), group="author")
    test, pool, _ = roles_of(stream, 400, tmp_path / "work", supervisor=100, transfer=100, test=100)
    assert set(Counter(test.values()).values()) == {10}
    assert not set(test.values()) & set(pool.values())
    assert len(test) <= 100 and len(pool) <= 200


def test_too_few_rows_are_said(tmp_path: Path) -> None:
    texts, labels = texts_with_copies()
    stream = task(write(tmp_path, {"text": texts, "label": labels}))
    with pytest.raises(TaskError, match="Too few items: 600 rows were read and 570 are left"):
        roles_of(stream, len(texts), tmp_path / "work", transfer=900)
    with pytest.raises(TaskError, match="supervisor"):
        roles_of(stream, len(texts), tmp_path / "work2", supervisor=None)


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "a.feather"])
def test_formats_and_folders_are_read_alike(tmp_path: Path, name: str) -> None:
    texts, labels = (column[:100] for column in texts_with_copies())
    whole = task(write(tmp_path / "one", {"text": texts, "label": labels}, name))
    half = {"text": texts[:50], "label": labels[:50]}, {"text": texts[50:], "label": labels[50:]}
    write(tmp_path / "two", half[0], f"0-{name}")
    write(tmp_path / "two", half[1], f"1-{name}")
    folder = task(tmp_path / "two")
    assert whole.count() == folder.count() == 100
    one, two = ([(batch.first + i, text) for batch in it.batches() for i, text in enumerate(batch.texts)]
                for it in (whole, folder))  # fmt: skip
    assert one == two == list(enumerate(texts))
    assert whole.fingerprint() != folder.fingerprint()


@pytest.mark.parametrize(
    ("columns", "settings", "words"),
    [
        ({"text": ["a", None], "label": ["no", "yes"]}, {}, r'row 2, column "text": found no value'),
        ({"text": ["a", "b"], "label": ["no", "maybe"]}, {}, r'row 2, column "label": found label "maybe"'),
        ({"text": ["a", "b"], "label": ["no", None]}, {}, r'row 2, column "label": found no label'),
        ({"words": ["a"], "label": ["no"]}, {}, r'no column "text"'),
        ({"text": ["a", "b"], "label": ["no", "yes"], "n": ["x", "x"]}, {"id": "n"}, "rows 1 and 2 have the same id"),
        ({"text": ["a", "b"], "label": ["no", "yes"], "n": ["x", None]}, {"id": "n"}, "found no id"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, columns: dict, settings: dict, words: str) -> None:
    stream = task(write(tmp_path, columns), **settings)
    with pytest.raises(TaskError, match=words):
        find_duplicates(stream.batches, 2, tmp_path, stream.id)


@pytest.mark.parametrize("content", ["missing", "text file", "broken parquet", "empty folder", "no rows"])
def test_bad_files_are_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / ("x.parquet" if content != "text file" else "x.txt")
    if content == "text file":
        path.write_text("a")
    if content == "broken parquet":
        path.write_bytes(b"PAR1 nonsense")
    if content == "empty folder":
        path.mkdir()
    if content == "no rows":
        write(tmp_path, {"text": [], "label": []}, "x.parquet")
    with pytest.raises(TaskError, match=r"x\."):
        list(task(path).batches())


@pytest.mark.parametrize("wanted", [0, 1, 17, 399, 400, 1000])
def test_the_smallest_numbers_are_found_without_sorting(wanted: int) -> None:
    numbers = mixed(np.arange(400, dtype=np.uint64), "test")
    bound = bound_of_smallest(lambda: iter(np.split(numbers, 8)), wanted)
    assert set(numbers[below(numbers, bound)].tolist()) == set(np.sort(numbers)[:wanted].tolist())


def test_equal_numbers_are_never_parted() -> None:
    numbers = np.repeat(mixed(np.arange(5, dtype=np.uint64)), 10)
    for wanted in range(51):
        taken = below(numbers, bound_of_smallest(lambda: iter([numbers]), wanted)).sum()
        assert taken == wanted // 10 * 10


def test_mixed_numbers_are_spread_evenly_and_by_purpose() -> None:
    keys = np.arange(20_000, dtype=np.uint64)
    one, other = mixed(keys, "a"), mixed(keys, "b")
    counts = np.bincount((one >> np.uint64(60)).astype(int), minlength=16)
    assert abs(counts - 1250).max() < 150  # four deviations of a binomial one
    high = (one >> np.uint64(63)) == (other >> np.uint64(63))
    assert abs(high.mean() - 0.5) < 0.02
    assert len(np.unique(one)) == len(one)


def test_equal_hashes_meet_in_one_bucket_and_nothing_is_lost(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "00000").write_bytes(b"left by a run that was killed")
    buckets = Buckets(tmp_path / "b", [("hash", np.uint64), ("row", np.uint32)], 500_000)
    hashes = mixed(np.arange(300, dtype=np.uint64))
    for start in (0, 1000):
        buckets.add(hashes, hashes, np.arange(start, start + 300))
    seen = list(buckets.read())
    assert sum(map(len, seen)) == 600
    assert len(seen) > 1
    places = [set(records["hash"].tolist()) for records in seen]
    assert sum(map(len, places)) == 300
    assert not list((tmp_path / "b").iterdir())


def test_a_batch_of_nothing_but_copies_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trimtab.tasks.stream.PART", 20)
    texts = ["the same text again"] * 100 + [f"text number {i} of its own" for i in range(50)]
    stream = task(write(tmp_path, {"text": texts, "label": ["no"] * 100 + ["no", "yes"] * 25}))
    found = find_duplicates(stream.batches, 150, tmp_path)
    assert found.dropped["duplicate"] == 99


def grouped(folder: Path, items: int, size: int) -> Stream:
    rows = [(f"text number {i} {i * 31}", ("no", "yes")[i % 2], f"g{i // size}") for i in range(items)]
    columns = {name: [row[i] for row in rows] for i, name in enumerate(("text", "label", "author"))}
    return task(write(folder, columns), group="author")


def test_groups_that_do_not_fit_are_an_error_and_not_an_empty_split(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="The test split would have 0 items, wanted 100: related items"):
        roles_of(grouped(tmp_path, 600, 150), 600, tmp_path / "work", supervisor=100, transfer=100, test=100)


def test_a_grouped_pool_is_everybody_who_is_not_tested(tmp_path: Path) -> None:
    stream = grouped(tmp_path, 400, 10)
    found = find_duplicates(stream.batches, 400, tmp_path)
    roles = choose_roles(found, tmp_path / KEYS, SplitSettings(supervisor=100, transfer=100, test=100), grouped=True)
    tested, pooled = (sum(int(roles.of(batch)[side].sum()) for batch in stream.batches()) for side in (1, 2))
    assert (tested, pooled) == (100, 300)
