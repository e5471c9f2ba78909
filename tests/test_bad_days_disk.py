"""A full or read-only disk: one clear error, what is finished stays, and with more room the run goes on."""

from __future__ import annotations

import gc
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from fault_data import write_fault_study
from fault_study import named, stages_of
from killed_stages import files_of, link

from trimtab.cli import run_command
from trimtab.errors import StageError, StoreError
from trimtab.executors.local import run_stages
from trimtab.executors.monitor import Quiet
from trimtab.executors.perform import perform
from trimtab.stages.stage import Stage, order
from trimtab.store import Store


class Disk:
    """A file system in memory of a size that can be changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", "size=64m", "trimtab-test", str(folder)]
        try:
            made = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            pytest.skip("there is no mount command here")
        if made.returncode:
            pytest.skip(f"mounting is not permitted here: {made.stderr.strip()}")

    def leave(self, size: int) -> None:
        """Make the disk so small that `size` bytes are free."""
        used = os.statvfs(self.folder)
        taken = (used.f_blocks - used.f_bfree) * used.f_frsize
        self.remount(f"size={taken + size}")

    def remount(self, options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", str(self.folder)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    made = Disk(tmp_path / "disk")
    yield made
    gc.collect()  # frames of what failed may still hold a file open
    subprocess.run(["umount", str(made.folder)], check=True)


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> tuple[Stage, ...]:
    torch.set_num_threads(1)
    return stages_of(write_fault_study(tmp_path_factory.mktemp("study")))


@pytest.fixture(scope="module")
def whole(stages: tuple[Stage, ...], tmp_path_factory: pytest.TempPathFactory) -> Store:
    """What the stages make, and what they need, on a disk with room."""
    store = Store.open(tmp_path_factory.mktemp("whole"))
    for needed in order(tuple(named(stages)[name] for name in SPACE)):
        perform(needed, store)
    return store


SPACE: dict[str, tuple[int, Callable[[Path], bool]]] = {
    # stage -> bytes left on the disk, and what must have been kept of the unfinished work
    "Data": (8_192, lambda work: True),
    "Split": (4_096, lambda work: True),
    # one shard of 256 texts with 32 floats fits, the second does not
    "Embed": (60_000, lambda work: len(list(work.glob("shard-*.safetensors"))) == 1),
    # one or more checkpoints fit
    "TrainTune": (120_000, lambda work: bool(list(work.glob("checkpoint-*/trainer_state.json")))),
    "TrainProbe": (4_096, lambda work: True),
    "PredictProbe": (4_096, lambda work: True),
    "Compare": (4_096, lambda work: True),
}


@pytest.mark.parametrize("name", SPACE)
def test_a_full_disk_and_then_a_bigger_one(disk: Disk, stages: tuple[Stage, ...], whole: Store, name: str) -> None:
    room, kept = SPACE[name]
    stage, store = named(stages)[name], Store.open(disk.folder / "store")
    link(order((stage,))[:-1], whole, store.root)
    finished = list(store.artifacts())
    disk.leave(room)
    with pytest.raises(
        StoreError, match=r"the disk is full: .* with [\d.]+ MB free. Finished stages are kept; make room"
    ):
        perform(stage, store)
    assert list(store.artifacts()) == finished
    place = store.folder(stage.kind, stage.digest)
    assert not place.exists()
    assert not place.with_name(f"{stage.digest}.out").exists()
    assert kept(place.with_name(f"{stage.digest}.work"))
    disk.remount("size=64m")
    assert not perform(stage, store).cached
    assert files_of(store, stage) == files_of(whole, stage)


def test_a_run_on_a_full_disk_names_the_stage(disk: Disk, stages: tuple[Stage, ...]) -> None:
    store = Store.open(disk.folder / "store")
    disk.leave(8_192)
    with pytest.raises(StageError, match=r"stage data/[0-9a-f]{12} \(read file\) failed: the disk is full"):
        run_stages(stages, store, 1, Quiet())
    assert list(store.artifacts()) == []


def test_no_room_for_the_lock_or_the_store(disk: Disk, stages: tuple[Stage, ...]) -> None:
    store = Store.open(disk.folder / "store")
    disk.remount("nr_inodes=4")
    with pytest.raises(StoreError, match="the disk is full"):
        perform(named(stages)["Data"], store)
    with pytest.raises(StoreError, match="the disk is full"):
        Store.open(disk.folder / "another" / "store")


def test_a_read_only_store_can_be_read_and_says_that_it_cannot_be_written(
    disk: Disk, stages: tuple[Stage, ...], whole: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    store, split = Store.open(disk.folder / "store"), named(stages)["Split"]
    link(order((split,))[:-1], whole, store.root)
    disk.remount("ro")
    assert run_command(["ls", "--store", str(store.root)]) == 0
    assert capsys.readouterr().out.startswith("data ")
    with pytest.raises(
        StoreError, match=r"cannot be written \(Read-only file system\); choose another folder with --store"
    ):
        perform(split, store)
    with pytest.raises(StoreError, match="cannot be written"):
        Store.open(disk.folder / "new")
    disk.remount("rw")
