"""The user's own file: what is read, and what is said about files that cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from trimtab.errors import TaskError
from trimtab.tasks.file import File
from trimtab.tasks.splits import SplitSettings, draw, fix_pool

ROWS = [
    {"text": "a good day", "label": "yes", "who": "x", "made_by": "t1"},
    {"text": "a bad day", "label": "no", "who": "x", "made_by": None},
    {"text": 'ünïcode, "quoted"\nand two lines', "label": " yes ", "who": "", "made_by": "t2"},
]


def written(folder: Path, ending: str, rows: list[dict] = ROWS) -> str:
    path = folder / f"data.{ending}"
    frame = pd.DataFrame(rows)
    if ending == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    elif ending == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="\t" if ending == "tsv" else ",")
    return str(path)


@pytest.mark.parametrize("ending", ["jsonl", "csv", "tsv", "parquet"])
def test_all_formats_give_the_same_items(tmp_path: Path, ending: str) -> None:
    task = File(written(tmp_path, ending), group="who", template="made_by", prompt="{text} ?")
    items = task.read()
    assert items.texts == tuple(row["text"] for row in ROWS)
    assert items.classes == ("no", "yes")
    assert items.gold.tolist() == [1, 0, 1]
    assert items.groups[0] == items.groups[1] == "x"
    assert items.groups[2] not in ("x", "")  # an item without a group stands alone
    assert items.templates is not None
    assert (items.templates[0], items.templates[2]) == ("t1", "t2")
    assert len(set(items.ids)) == 3
    assert items.prompt == "{text} ?"
    other = File(written(tmp_path, "jsonl"), group="who", template="made_by").read()
    assert items.ids == other.ids


def test_classes_are_ordered_by_number_and_can_be_named(tmp_path: Path) -> None:
    rows = [{"text": f"t{k}", "label": k} for k in (10, 9, -1, 2)]
    path = written(tmp_path, "jsonl", rows)
    assert File(path).read().classes == ("-1", "2", "9", "10")
    chosen = File(path, classes=("10", "9", "2", "-1")).read()
    assert chosen.gold.tolist() == [0, 1, 3, 2]
    flags = written(tmp_path, "parquet", [{"text": "a", "label": True}, {"text": "b", "label": False}])
    assert File(flags).read().classes == ("false", "true")


def test_ids_do_not_depend_on_the_order_of_rows_nor_on_other_rows(tmp_path: Path) -> None:
    rows = [{"text": f"text number {k % 50}", "label": k % 2} for k in range(100)]  # every text twice
    items = File(written(tmp_path, "jsonl", rows)).read()
    turned = File(written(tmp_path, "jsonl", rows[::-1])).read()
    assert dict(zip(items.ids, zip(items.texts, items.gold.tolist(), strict=True), strict=True)) == dict(
        zip(turned.ids, zip(turned.texts, turned.gold.tolist(), strict=True), strict=True)
    )
    assert set(File(written(tmp_path, "jsonl", rows[:60])).read().ids) <= set(items.ids)
    settings = SplitSettings(15, 15, 15)
    assert fix_pool(items, settings) == fix_pool(turned, settings)


def test_own_ids_and_own_splits(tmp_path: Path) -> None:
    names = ["supervisor"] * 10 + ["transfer"] * 10 + ["test"] * 10
    rows = [{"key": k, "text": f"number {k} of thirty", "label": k % 2, "part": name} for k, name in enumerate(names)]
    items = File(written(tmp_path, "csv", rows), id="key", split="part").read()
    assert items.ids == tuple(map(str, range(30)))
    members = draw(fix_pool(items, SplitSettings()), SplitSettings(), 0)
    assert set(members.test) == {str(k) for k in range(20, 30)}


def test_fingerprint_is_that_of_the_bytes(tmp_path: Path) -> None:
    path = Path(written(tmp_path, "jsonl"))
    first = File(str(path)).fingerprint()
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(path.read_bytes())
    assert File(str(copy)).fingerprint() == first
    copy.write_bytes(path.read_bytes() + b"\n")
    assert File(str(copy)).fingerprint() != first
    with pytest.raises(TaskError, match="does not exist"):
        File(str(tmp_path / "none.csv")).fingerprint()


def test_a_byte_order_mark_and_other_encodings(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes("text,label\ncafé,a\nthé,b\n".encode("utf-8-sig"))
    assert File(str(path)).read().texts == ("café", "thé")
    path.write_bytes("text,label\ncafé,a\nthé,b\n".encode("cp1252"))
    assert File(str(path), encoding="cp1252").read().texts == ("café", "thé")
    with pytest.raises(TaskError, match='no encoding "utf-9"'):
        File(str(path), encoding="utf-9").read()


GOOD = '{"text": "one", "label": "a"}\n{"text": "two", "label": "b"}\n'

BAD = {
    "broken JSON": ("jsonl", GOOD + '\n{"text": "three", "label": }\n', r"line 4, character 28.*broken JSON"),
    "JSON list": ("jsonl", GOOD + "[1]\n", r"line 3: found a JSON list, wanted an object"),
    "key twice": (
        "jsonl",
        GOOD + '{"text": "x", "text": "y", "label": "a"}\n',
        r'line 3: found the key "text" twice',
    ),
    "null label": (
        "jsonl",
        GOOD + '{"text": "x", "label": null}\n',
        r'line 3, column "label": found no label',
    ),
    "no label key": ("jsonl", GOOD + '{"text": "x"}\n', r'line 3, column "label": found no label'),
    "empty text": (
        "jsonl",
        GOOD + '{"text": " ", "label": "a"}\n',
        r'line 3, column "text": found an empty text',
    ),
    "null text": ("jsonl", GOOD + '{"text": null, "label": "a"}\n', r'line 3, column "text": found no value'),
    "text is a number": (
        "jsonl",
        GOOD + '{"text": 3, "label": "a"}\n',
        r'line 3, column "text": found int 3',
    ),
    "half a surrogate": (
        "jsonl",
        GOOD + '{"text": "\\ud83d", "label": "a"}\n',
        r'line 3, column "text": .*surrogate',
    ),
    "label is a fraction": (
        "jsonl",
        GOOD + '{"text": "x", "label": 0.5}\n',
        r'line 3, column "label": found float 0.5',
    ),
    "label is a list": (
        "jsonl",
        GOOD + '{"text": "x", "label": ["a"]}\n',
        r'line 3, column "label": found list',
    ),
    "one class": ("jsonl", '{"text": "x", "label": "a"}\n' * 2, r'column "label": all 2 labels are "a"'),
    "empty file": ("jsonl", "", r"is empty \(0 bytes\)"),
    "blank file": ("jsonl", "\n\n", r"has no rows"),
    "only a header": ("csv", "text,label\n", r"has no rows"),
    "missing column": ("csv", "text,lable\nx,a\n", r'no column "label", .*Did you mean "lable"'),
    "column twice": ("csv", "text,label,text\nx,a,y\n", r'line 1: found the column "text" twice'),
    "too many columns": (
        "csv",
        'text,label\n"two\nlines",a\nx,a,b\n',
        r"line 4: found 3 columns, wanted the 2",
    ),
    "too few columns": ("csv", "text,label\nx\n", r"line 2: found 1 columns"),
    "open quote": ("csv", 'text,label\nx,a\n"y,b\n', r"line 3: found broken CSV"),
    "empty label": ("csv", 'text,label\n"x\ny",a\nx,\n', r'line 4, column "label": found no label'),
    "not parquet": ("parquet", "text,label\n", r"cannot be read as parquet"),
    "wrong ending": ("xlsx", "x", r'found the ending ".xlsx", wanted one of .jsonl'),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files(tmp_path: Path, case: str) -> None:
    ending, content, message = BAD[case]
    path = tmp_path / f"data.{ending}"
    path.write_text(content, "utf-8")
    with pytest.raises(TaskError, match=message) as caught:
        File(str(path)).read()
    assert str(path) in str(caught.value)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"none.csv does not exist; wanted a jsonl"):
        File(str(tmp_path / "none.csv")).read()
    with pytest.raises(TaskError, match="is not a file"):
        File(str(tmp_path)).read()


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_bytes_that_are_not_utf_8(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"data.{ending}"
    path.write_bytes(b"text,label\nx,a\ncaf\xe9,b\n")
    with pytest.raises(TaskError, match="line 3, byte 4 of the line: found byte 0xe9, which is not utf-8"):
        File(str(path)).read()


def test_a_label_outside_the_classes(tmp_path: Path) -> None:
    path = written(tmp_path, "csv", [{"text": f"t{k}", "label": name} for k, name in enumerate(("pos", "neg", "poss"))])
    with pytest.raises(TaskError, match=r'line 4, column "label": found label "poss".*Did you mean "pos"'):
        File(path, classes=("neg", "pos")).read()
    with pytest.raises(TaskError, match='class "none" of the setting "classes" has no items'):
        File(path, classes=("neg", "pos", "poss", "none")).read()


def test_of_many_classes_a_message_lists_a_few(tmp_path: Path) -> None:
    names = tuple(f"intent-{k:03d}" for k in range(150))
    path = written(tmp_path, "csv", [{"text": f"t{k}", "label": name} for k, name in enumerate((*names, "zzz"))])
    with pytest.raises(TaskError, match=r"intent-000, .*intent-004, \.\.\. \(150 in all\)\.") as caught:
        File(path, classes=names).read()
    assert len(str(caught.value)) < 400
    with pytest.raises(TaskError, match=r"\(151 in all\)") as caught:
        File(path, classes=(*names, "zzz", "none")).read()
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("classes", "labels"),
    [((0, 1), (0, 1)), ((1, 0), ("1", "0")), ((False, True), ("false", "true")), ((2.0, 10), (2.0, 10.0))],
)
def test_classes_are_named_as_the_labels_are(tmp_path: Path, classes: tuple, labels: tuple) -> None:
    rows = [{"text": f"t{k}", "label": labels[k % 2]} for k in range(4)]
    task = File(written(tmp_path, "jsonl", rows), classes=classes)
    items = task.read()
    assert items.gold.tolist() == [0, 1, 0, 1]
    assert task == File(task.path, classes=items.classes)  # however they are written, one study


def test_a_column_that_is_there_and_not_named_is_pointed_out(tmp_path: Path) -> None:
    rows = [
        {"id": k, "text": f"t{k}", "label": k % 2, "group": k // 2, "split": "x", "template": "a"} for k in range(4)
    ]
    path = written(tmp_path, "csv", rows)
    notes = File(path).read().notes
    assert [note.split('"')[1] for note in notes] == ["id", "group", "template", "split"]
    assert "add `group: group` to the task" in notes[1]
    assert str(tmp_path) not in notes[1]
    told = File(path, id="id", group="id", template="group").read().notes
    assert [note.split('"')[1] for note in told] == ["split"]  # `group` is in use under another name
    parquet = File(written(tmp_path, "parquet", rows), id="id").read().notes
    assert [note.split('"')[1] for note in parquet] == ["group", "template", "split"]
    assert File(written(tmp_path, "jsonl", [{"text": f"t{k}", "label": k} for k in range(2)])).read().notes == ()


@pytest.mark.parametrize(("delimiter", "shown"), [(";", '";"'), ("\t", r'"\t"'), ("|", '"|"')])
def test_other_delimiters_are_named_and_can_be_set(tmp_path: Path, delimiter: str, shown: str) -> None:
    path = tmp_path / "data.csv"
    pd.DataFrame(ROWS).to_csv(path, index=False, sep=delimiter)
    with pytest.raises(TaskError, match="found one column") as caught:
        File(str(path)).read()
    assert f"set `delimiter: {shown}` in the task" in str(caught.value)
    assert "there would be 4" in str(caught.value)
    assert File(str(path), delimiter=delimiter).read().texts == tuple(row["text"] for row in ROWS)


def test_delimiters_that_cannot_be(tmp_path: Path) -> None:
    for delimiter in ("", ";;", '"', "\n"):
        with pytest.raises(ValueError, match="must be one character"):
            File("x.csv", delimiter=delimiter)
    with pytest.raises(ValueError, match=r'found the ending "\.jsonl"'):
        File("x.jsonl", delimiter=";")
    one_column = tmp_path / "data.csv"
    one_column.write_text("words\na\n", "utf-8")
    with pytest.raises(TaskError, match='no column "text"'):
        File(str(one_column)).read()


def test_ids_that_repeat_or_lack(tmp_path: Path) -> None:
    rows = [{"key": key, "text": f"t{k}", "label": k % 2} for k, key in enumerate(("p", "q", "p"))]
    with pytest.raises(TaskError, match=r'line 4, column "key": found id "p", which line 2 has too'):
        File(written(tmp_path, "csv", rows), id="key").read()
    rows[1]["key"] = ""
    with pytest.raises(TaskError, match=r'line 3, column "key": found no id'):
        File(written(tmp_path, "csv", rows), id="key").read()


def test_own_splits_that_cannot_be(tmp_path: Path) -> None:
    rows = [{"text": f"t{k}", "label": k % 2, "part": "test"} for k in range(4)]
    rows[2]["part"] = "tests"
    with pytest.raises(TaskError, match=r'row 3, column "part": found "tests".*Did you mean "test"'):
        File(written(tmp_path, "parquet", rows), split="part").read()
    rows[2]["part"] = "supervisor"
    with pytest.raises(TaskError, match=r"data.parquet: .*own splits are supervisor, test; wanted all three"):
        File(written(tmp_path, "parquet", rows), split="part").read()


def test_impossible_settings() -> None:
    with pytest.raises(ValueError, match="exactly once"):
        File("x.csv", prompt="Is it good?")
    with pytest.raises(ValueError, match="different names"):
        File("x.csv", classes=("a", "a"))
    with pytest.raises(ValueError, match="different names"):
        File("x.csv", classes=(1, "1"))
    with pytest.raises(ValueError, match=r"words or whole numbers, found 0.5"):
        File("x.csv", classes=(0.5, 1))


def test_a_data_frame_with_gaps(tmp_path: Path) -> None:
    rows = [{"text": f"t{k}", "label": float(k % 2), "who": np.nan if k else 7.0} for k in range(4)]
    items = File(written(tmp_path, "parquet", rows), group="who").read()
    assert items.classes == ("0", "1")
    assert items.groups[0] == "7"
    assert len(set(items.groups)) == 4


def test_columns_of_numbers_become_slices(tmp_path: Path) -> None:
    rows = [row | {"hard": number / 2} for number, row in enumerate(ROWS)]
    assert File(written(tmp_path, "csv", rows), slices=("hard",)).read().slices["hard"].tolist() == [0, 0.5, 1]


@pytest.mark.parametrize("value, found", [("high", "str 'high'"), (None, "no value")])
def test_a_slice_that_is_no_number_is_named(tmp_path: Path, value: object, found: str) -> None:
    rows = [row | {"hard": value if number == 1 else 0.5} for number, row in enumerate(ROWS)]
    with pytest.raises(TaskError, match=rf"line 2.*hard.*{found}.*a number"):
        File(written(tmp_path, "jsonl", rows), slices=("hard",)).read()


def test_a_slice_without_a_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r'no column "hard", which the setting "slices" asks for'):
        File(written(tmp_path, "csv"), slices=("hard",)).read()
