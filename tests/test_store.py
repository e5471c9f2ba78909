"""The store: artifacts are whole or absent, and whatever is wrong with it is said clearly."""

from __future__ import annotations

import errno
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from trimtab.errors import StoreError
from trimtab.store import RECORDED, Store, write_json

RECORD: dict[str, Any] = {"title": "t", "settings": {}, "inputs": {}, "facts": {}, "seconds": 1.0, "finished": "now",
                           "machine": {}}  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "a store")


def put(store: Store, digest: str = "ab" * 32, text: str = "hello", kind: str = "kind") -> Path:
    with store.write(kind, digest, lambda: dict(RECORD)) as space:
        (space.out / "sub").mkdir()
        (space.out / "sub" / "file.txt").write_text(text)
        (space.work / "part").write_text("half")
    return store.folder(kind, digest)


def test_an_artifact_is_its_files_and_a_manifest(store: Store) -> None:
    folder = put(store)
    assert store.has("kind", "ab" * 32)
    manifest = store.manifest("kind", "ab" * 32)
    assert set(RECORDED) <= set(manifest)
    sha = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"  # of the five bytes "hello"
    assert manifest["files"] == {"sub/file.txt": {"sha256": sha, "bytes": 5}}
    assert sorted(path.name for path in folder.parent.iterdir()) == ["ab" * 32]
    assert list(store.artifacts()) == list(store.artifacts("kind")) == store.find("abab") == [("kind", "ab" * 32)]
    assert store.find("cd") == list(store.artifacts("other")) == []


def test_the_default_place_is_under_the_home(isolated_home: Path) -> None:
    assert Store.open().root == isolated_home / "store"


def test_what_raises_leaves_no_artifact_and_keeps_what_it_can_go_on_from(store: Store) -> None:
    for error in (ValueError("no"), KeyboardInterrupt()):
        with pytest.raises(type(error)), store.write("kind", "cd" * 32, dict) as space:
            (space.out / "half.txt").write_text("half")
            (space.work / "part").write_text("half")
            raise error
        assert not store.has("kind", "cd" * 32)
        assert list(store.artifacts()) == []
        assert sorted(path.name for path in (store.root / "kind").iterdir()) == ["cd" * 32 + ".work"]


def test_leftovers_of_a_killed_process_are_replaced(store: Store) -> None:
    final = store.folder("kind", "ab" * 32)
    for name in (final.name, f"{final.name}.out"):
        (final.parent / name).mkdir(parents=True)
        (final.parent / name / "junk").write_text("junk")
    write_json(final.parent / f"{final.name}.out" / "manifest.json", {"schema": 1})
    assert not store.has("kind", "ab" * 32)
    assert list(store.artifacts()) == []
    folder = put(store)
    assert sorted(path.name for path in folder.iterdir()) == ["manifest.json", "sub"]


def test_claim_says_whether_there_is_work(store: Store) -> None:
    with store.claim("kind", "ab" * 32, lambda: pytest.fail("nobody holds it")) as needed:
        assert needed
        put(store)
    with store.claim("kind", "ab" * 32, lambda: pytest.fail("nobody holds it")) as needed:
        assert not needed


def test_json_is_replaced_whole_and_never_holds_nan(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_json(path, {"b": 1, "a": "é"})
    assert json.loads(path.read_text("utf-8")) == {"a": "é", "b": 1}
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"c": float("nan")})
    assert json.loads(path.read_text("utf-8")) == {"a": "é", "b": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '{"schema": 2}',
            "schema 2, this version reads up to 1; upgrade trimtab or choose another folder with --store",
        ),
        ('{"schema": "x"}', "no schema number"),
        ("[1]", "no schema number"),
        ("{", "not JSON"),
        ("", "not JSON"),
        ("\udcff", "not JSON"),
    ],
)
def test_a_store_that_cannot_be_read(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "store.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(StoreError, match=message):
        Store.open(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["store.json"]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda text: text.replace('"schema": 1', '"schema": 3'), "schema 3, this version reads up to 1; upgrade"),
        (lambda text: text[: len(text) // 2], "damaged: it is not JSON in UTF-8; delete the folder"),
        (lambda text: text.replace('"facts"', '"factz"'), "does not say 'facts'; delete the folder"),
        (lambda text: "null", "damaged: it has no schema number"),
    ],
)
def test_a_manifest_that_cannot_be_read(store: Store, edit: Any, message: str) -> None:
    manifest = put(store) / "manifest.json"
    manifest.write_text(edit(manifest.read_text()))
    with pytest.raises(StoreError, match=message) as caught:
        store.manifest("kind", "ab" * 32)
    assert str(manifest.parent) in str(caught.value)


def test_an_artifact_that_is_not_there(store: Store) -> None:
    with pytest.raises(StoreError, match="there is no kind artifact eeee"):
        store.manifest("kind", "eeee")


def test_a_file_in_the_place_of_the_store(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StoreError, match=r"cannot be opened \((File exists|Not a directory)\); choose another"):
            Store.open(place)


def full(path: str | None = None) -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)


def wrapped() -> Exception:
    error = ValueError("could not save")
    error.__cause__ = full()
    return error


def from_safetensors() -> Exception:
    from safetensors import SafetensorError

    return SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")


@pytest.mark.parametrize("error", [full(), full("/x"), wrapped(), from_safetensors(), OSError(errno.EDQUOT, "quota")])
def test_a_full_disk_is_one_clear_error(store: Store, error: Exception) -> None:
    with pytest.raises(StoreError, match=r"the disk is full: .* could not be written with [\d.]+ MB free. Finished"):
        fail(store, error)
    assert not (store.root / "kind" / ("ef" * 32 + ".out")).exists()


def fail(store: Store, error: Exception) -> None:
    with store.write("kind", "ef" * 32, dict):
        raise error


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, "no such file", "data.csv"),
        PermissionError(errno.EACCES, "denied", "/somewhere/data.csv"),
        RuntimeError("[enforce fail] PytorchStreamWriter failed writing file"),  # with room on the disk
    ],
)
def test_errors_of_the_stage_itself_are_passed_on(store: Store, error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        fail(store, error)
    assert caught.value is error


def test_a_refused_file_of_the_store_is_a_store_error(store: Store) -> None:
    inside = store.root / "kind" / ("ef" * 32 + ".out") / "x"
    for error in (PermissionError(errno.EACCES, "denied", str(inside)), OSError(errno.EROFS, "read-only")):
        with pytest.raises(StoreError, match=r"cannot be written .*choose another folder with --store"):
            fail(store, error)


def test_the_lock_is_let_go_after_an_error(store: Store) -> None:
    with suppress(ValueError), store.claim("kind", "ab" * 32, lambda: None):
        raise ValueError
    with store.claim("kind", "ab" * 32, lambda: pytest.fail("still held")) as needed:
        assert needed
