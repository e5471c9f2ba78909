"""Stores behind a URL: no lock, no rename; what is read was checked, and of two makers the first one counts."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import fsspec
import pytest
from toy_stages import Listening, Sum

from trimtab.errors import StoreError, UsageError
from trimtab.executors.local import run_stages
from trimtab.stages.stage import order
from trimtab.store import Store

RECORD: dict[str, Any] = {"title": "t", "settings": {}, "inputs": {}, "facts": {}, "seconds": 1.0, "finished": "now",
                          "machine": {}}  # fmt: skip
DIGEST = "ab" * 32


@pytest.fixture(scope="module")
def s3_endpoint() -> Iterator[str]:
    """An S3 of its own on the loopback."""
    server_module = pytest.importorskip("moto.server", reason="moto is not installed")
    pytest.importorskip("s3fs", reason="s3fs is not installed")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        yield "http://{}:{}".format(*server.get_host_and_port())
    finally:
        server.stop()


@pytest.fixture(params=["file", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A place for a store on a file system of fsspec's: a folder, and an S3."""
    if request.param == "file":
        yield f"file://{tmp_path}/remote"
        return
    endpoint = request.getfixturevalue("s3_endpoint")
    settings = {"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b",
                "AWS_DEFAULT_REGION": "us-east-1"}  # fmt: skip
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    bucket = f"bucket-{tmp_path.name.replace('_', '-').lower()[:40]}"
    fsspec.filesystem("s3").mkdir(bucket)
    yield f"s3://{bucket}/a/store"
    fsspec.get_filesystem_class("s3").clear_instance_cache()


@pytest.fixture
def machine(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Open the store as if from machines of different names."""

    def open_from(name: str) -> Store:
        monkeypatch.setenv("TRIMTAB_HOME", str(tmp_path / name))
        return Store.open(url)

    return open_from


def put(store: Store, text: str = "hello") -> None:
    with store.write("kind", DIGEST, lambda: dict(RECORD)) as space:
        (space.out / "sub").mkdir()
        (space.out / "sub" / "file.txt").write_text(text)
        (space.out / "empty").touch()
        (space.work / "part").write_text("half")


def text_in(store: Store) -> str:
    return (store.folder("kind", DIGEST) / "sub" / "file.txt").read_text()


def remote_files(url: str) -> Any:
    return fsspec.core.url_to_fs(url, use_listings_cache=False)


def test_what_one_machine_makes_another_reads(machine: Any) -> None:
    a, b = machine("a"), machine("b")
    assert a.root != b.root and a.place == b.place
    assert not b.has("kind", DIGEST)
    with a.claim("kind", DIGEST, lambda: pytest.fail("nobody holds it")) as needed:
        assert needed
        put(a)
    assert b.has("kind", DIGEST)
    assert list(b.artifacts()) == b.find("abab") == list(b.artifacts("kind")) == [("kind", DIGEST)]
    assert b.find("cd") == list(b.artifacts("other")) == []
    assert text_in(b) == "hello"
    assert (b.folder("kind", DIGEST) / "empty").read_bytes() == b""
    assert b.manifest("kind", DIGEST) == a.manifest("kind", DIGEST)
    assert sorted(path.name for path in (b.root / "kind").iterdir()) == [DIGEST]
    with b.claim("kind", DIGEST, lambda: pytest.fail("nobody holds it")) as needed:
        assert not needed


def test_of_two_that_make_the_same_the_first_counts_for_both(machine: Any) -> None:
    a, b = machine("a"), machine("b")
    with a.claim("kind", DIGEST, lambda: None) as first, b.claim("kind", DIGEST, lambda: None) as second:
        assert first and second  # no lock holds two machines apart
        put(b, "of b")
        put(a, "of a")
    assert text_in(a) == text_in(b) == "of b"
    assert a.manifest("kind", DIGEST) == b.manifest("kind", DIGEST)


def test_many_at_once_agree(machine: Any, url: str) -> None:
    stores = [machine(f"m{i}") for i in range(4)]
    barrier = threading.Barrier(4, timeout=30)

    def race(i: int) -> str:
        with stores[i].write("kind", DIGEST, lambda: dict(RECORD)) as space:
            (space.out / "sub").mkdir()
            (space.out / "sub" / "file.txt").write_text(f"of {i}")
            barrier.wait()
        return text_in(stores[i])

    with ThreadPoolExecutor(4) as pool:
        texts = list(pool.map(race, range(4)))
    assert len(set(texts)) == 1
    assert text_in(machine("late")) == texts[0]


@pytest.mark.parametrize("url", ["file"], indirect=True)
def test_a_manifest_in_a_folder_appears_whole(machine: Any, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is whole before it gets its name, and nothing is left over."""
    seen = []
    real = os.link

    def link(source: Path, target: Path) -> None:
        seen.append(json.loads(Path(source).read_text("utf-8"))["schema"])
        real(source, target)

    monkeypatch.setattr(os, "link", link)
    put(machine("a"))
    assert len(seen) >= 1
    files, base = remote_files(url)
    assert not [path for path in files.find(base) if path.endswith(".tmp")]


def test_what_raises_leaves_nothing_there_and_can_go_on_here(machine: Any, url: str) -> None:
    a = machine("a")
    with pytest.raises(KeyboardInterrupt), a.write("kind", DIGEST, dict) as space:
        (space.out / "half").write_text("half")
        (space.work / "part").write_text("half")
        raise KeyboardInterrupt
    assert not a.has("kind", DIGEST)
    files, base = remote_files(url)
    assert [path.rpartition("/")[2] for path in files.find(base)] == ["store.json"]
    with a.write("kind", DIGEST, lambda: dict(RECORD)) as space:
        assert (space.work / "part").read_text() == "half"


def test_a_damaged_or_missing_file_is_found_by_its_checksum(machine: Any, url: str) -> None:
    put(machine("a"))
    files, base = remote_files(url)
    sha = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"  # of the five bytes "hello"
    files.pipe_file(f"{base}/kind/{DIGEST}/{sha}", b"hallo")
    b = machine("b")
    with pytest.raises(StoreError, match=r"sub/file.txt\) is damaged; delete it"):
        b.folder("kind", DIGEST)
    files.rm_file(f"{base}/kind/{DIGEST}/{sha}")
    with pytest.raises(StoreError, match=r"sub/file.txt\) is missing; delete"):
        b.folder("kind", DIGEST)
    assert list((b.root / "kind").iterdir()) == []  # nothing half is kept


def test_a_manifest_cannot_reach_outside(machine: Any, url: str) -> None:
    put(machine("a"))
    files, base = remote_files(url)
    path = f"{base}/kind/{DIGEST}.json"
    text = files.cat_file(path).decode().replace("sub/file.txt", "../../../x")
    files.pipe_file(path, text.encode())
    with pytest.raises(StoreError, match="outside of its folder"):
        machine("b").folder("kind", DIGEST)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "not JSON"), ('{"schema": 9}', "schema 9.*upgrade"), ('{"schema": 1}', "does not say 'kind'")],
)
def test_a_manifest_that_cannot_be_read(machine: Any, url: str, text: str, message: str) -> None:
    put(machine("a"))
    files, base = remote_files(url)
    files.pipe_file(f"{base}/kind/{DIGEST}.json", text.encode())
    with pytest.raises(StoreError, match=message):
        machine("b").manifest("kind", DIGEST)
    with pytest.raises(StoreError, match="there is no kind artifact eeee"):
        machine("b").manifest("kind", "eeee")


def test_a_store_of_a_newer_version_is_left_alone(machine: Any, url: str) -> None:
    files, base = remote_files(url)
    machine("a")
    files.pipe_file(f"{base}/store.json", json.dumps({"schema": 9}).encode())
    with pytest.raises(StoreError, match="schema 9, this version reads up to 1; upgrade"):
        machine("b")


def test_stages_run_on_it_and_go_on_from_another_machine(machine: Any) -> None:
    base = Sum(1)
    top = Sum(10, (Sum(2, (base,)), Sum(3, (base,))))
    a, heard = machine("a"), Listening()
    run_stages([base], a, 1, heard)
    b, again = machine("b"), Listening()
    run_stages(order((top,)), b, 1, again)
    assert again.counts == (3, 1)
    assert (machine("c").folder(top.kind, top.digest) / "sum.txt").read_text() == "17"


def test_a_file_system_that_overwrites_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from fsspec.implementations.local import LocalFileSystem

    def overwrite(self: LocalFileSystem, path: str, value: bytes, mode: str = "overwrite") -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(value)

    monkeypatch.setattr(LocalFileSystem, "pipe_file", overwrite)
    monkeypatch.setattr("trimtab.store.remote._is_on_disk", lambda files: False)
    with pytest.raises(StoreError, match="overwrites what is there although it was asked not to"):
        Store.open(f"file://{tmp_path}/remote")


def test_an_unknown_scheme_is_wrong_use() -> None:
    with pytest.raises(UsageError, match="nosuch://x cannot be read"):
        Store.open("nosuch://x")


def test_an_endpoint_that_does_not_answer_is_a_clear_error_in_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    s3fs = pytest.importorskip("s3fs", reason="s3fs is not installed")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens there
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{taken.getsockname()[1]}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
        s3fs.S3FileSystem.clear_instance_cache()
        began = time.monotonic()
        with pytest.raises(StoreError, match=r"s3://b/x cannot be opened .*look at the address"):
            Store.open("s3://b/x")
        assert time.monotonic() - began < 30
        s3fs.S3FileSystem.clear_instance_cache()
