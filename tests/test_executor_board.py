"""Which job comes next: longest chain first, bulk stages together and last, memory respected."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
from toy_stages import Listening, Sum

from trimtab.errors import StageError
from trimtab.executors.board import MOST_TOGETHER, Board
from trimtab.executors.crew import Died, Event, Job
from trimtab.executors.drive import drive
from trimtab.executors.inline import Inline
from trimtab.executors.local import run_stages
from trimtab.executors.monitor import StageReport
from trimtab.executors.needs import LIBRARIES_BYTES, Estimates, Needs
from trimtab.stages.stage import BulkStage, Stage, order
from trimtab.store import Store

NOTHING_KNOWN = Estimates({}, {})


@dataclass(frozen=True)
class Many(BulkStage):
    """Adds its number to its inputs'; remembers with how many others it was solved."""

    number: int
    terms: tuple[Stage, ...] = ()
    bad: bool = False

    kind: ClassVar[str] = "many"
    solved: ClassVar[list[int]] = []

    @property
    def title(self) -> str:
        return f"many {self.number}"

    @property
    def bulk_key(self) -> str:
        return "many"

    @classmethod
    def solve(cls, stages: Sequence[Many], inputs: Sequence[Mapping[str, Path]]) -> Sequence[Any]:
        cls.solved.append(len(stages))
        if any(stage.number < 0 for stage in stages):
            raise MemoryError("no room")
        totals = [sum(int((one / "sum.txt").read_text()) for one in folders.values()) for folders in inputs]
        return [
            ValueError(f"{stage.number} is bad") if stage.bad else stage.number + total
            for stage, total in zip(stages, totals, strict=True)
        ]

    def keep(self, solution: Any, out: Path) -> dict[str, Any]:
        (out / "sum.txt").write_text(str(solution))
        return {"sum": solution}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    Many.solved.clear()
    return Store.open(tmp_path / "store")


def value(store: Store, stage: Stage) -> int:
    return int((store.folder(stage.kind, stage.digest) / "sum.txt").read_text())


def board_of(top: Stage, estimates: Estimates = NOTHING_KNOWN) -> Board:
    return Board(order((top,)), {}, estimates)


def titles(jobs: Any) -> list[list[str]]:
    return [[stage.title for stage in job] for job in jobs]


def test_the_head_of_the_longest_chain_comes_first() -> None:
    short, long = Sum(1), Sum(2)
    top = Sum(9, (short, Sum(3, (long,))))
    seconds = {"add 1": 10.0, "add 2": 4.0, "add 3": 7.0, "add 9": 1.0}
    # by hand: from add 1 to the end 10 + 1 = 11 s, from add 2 4 + 7 + 1 = 12 s
    assert titles(board_of(top, Estimates(seconds, {})).jobs(1)) == [["add 2"], ["add 1"]]
    seconds["add 1"] = 11.5
    assert titles(board_of(top, Estimates(seconds, {})).jobs(1)) == [["add 1"], ["add 2"]]


def test_bulk_stages_go_together_and_after_the_others() -> None:
    board = board_of(Sum(0, (*(Many(n) for n in range(5)), Sum(1))))
    assert titles(board.jobs(1)) == [["add 1"], [f"many {n}" for n in range(5)]]
    assert titles(board.jobs(2))[1] == [f"many {n}" for n in range(3)], "the other worker gets the other two"
    crowd = board_of(Sum(0, tuple(Many(n) for n in range(100))))
    assert len(next(iter(crowd.jobs(1)))) == MOST_TOGETHER


@pytest.mark.parametrize("workers", [1, 2])
def test_solved_together_as_alone(store: Store, tmp_path: Path, workers: int) -> None:
    base = Sum(100)
    top = Sum(0, tuple(Many(n, (base,)) for n in range(6)))
    run_stages(order((top,)), store, workers, Listening())
    assert value(store, top) == 6 * 100 + 15
    if workers == 1:
        assert Many.solved == [6]
    alone = Store.open(tmp_path / "alone")
    for stage in order((top,)):
        run_stages(order((stage,)), alone, 1, Listening())
        files = store.manifest(stage.kind, stage.digest)["files"]
        assert alone.manifest(stage.kind, stage.digest)["files"] == files


def test_one_bad_member_fails_alone(store: Store) -> None:
    bad, good = Many(1, bad=True), [Many(2), Many(3)]
    with pytest.raises(StageError, match="ValueError: 1 is bad") as caught:
        run_stages(order((bad, *good)), store, 1, Listening())
    assert Many.solved == [3]
    assert "more failed" not in str(caught.value)
    assert [value(store, one) for one in good] == [2, 3]
    assert not store.has(bad.kind, bad.digest)


def test_an_error_of_the_whole_job_is_every_members(store: Store) -> None:
    with pytest.raises(StageError, match=r"MemoryError: no room.*1 more failed"):
        run_stages(order((Many(-1), Many(5))), store, 1, Listening())


@dataclass
class Recorder:
    """A crew that performs jobs here and notes who ran beside whom, with a limit of memory."""

    store: Store
    limit: int
    running: list[tuple[Job, Needs]] = field(default_factory=list)
    most: int = 0

    def room(self) -> int:
        return 4 - len(self.running)

    def fits(self, needs: Needs) -> bool:
        taken = sum(one.memory_bytes for _, one in self.running)
        return not self.running or taken + needs.memory_bytes <= self.limit

    def start(self, job: Job, needs: Needs) -> None:
        self.running.append((job, needs))
        self.most = max(self.most, sum(one.memory_bytes for _, one in self.running))

    def listen(self, hear: Callable[[Event], None]) -> None:
        job, needs = self.running.pop(0)
        inline = Inline(self.store)
        inline.start(job, needs)
        inline.listen(hear)

    def close(self) -> None:
        self.running.clear()


def test_never_two_that_do_not_fit(store: Store) -> None:
    leaves = tuple(Sum(n) for n in range(8))
    known = {f"add {n}": 600 if n % 2 else 300 for n in range(8)}
    for stage, title in ((Sum(n), f"add {n}") for n in range(8)):
        assert Estimates({}, known).of_job((stage,)).memory_bytes == known[title]
    crew = Recorder(store, limit=2 * (LIBRARIES_BYTES + 300_000_000))
    drive(order((Sum(99, leaves),)), store, lambda todo: crew, Listening())
    assert crew.most == crew.limit, "two at a time, though four have room"


def test_a_death_costs_only_what_was_not_finished(store: Store) -> None:
    class Dying(Recorder):
        deaths = 0

        def listen(self, hear: Callable[[Event], None]) -> None:
            if self.deaths < 1 and len(self.running[0][0]) > 1:
                self.deaths += 1
                job, _ = self.running.pop(0)
                run_stages(job[:1], self.store, 1, Listening())
                hear(Died(tuple(one.digest for one in job), "cut off"))
                return
            super().listen(hear)

    heard = Listening()
    top = Sum(0, tuple(Many(n) for n in range(4)))
    crew = Dying(store, limit=1 << 40)
    reports = drive(order((top,)), store, lambda todo: crew, heard)
    assert value(store, top) == 6
    assert [report.error for report in reports] == [None] * 5
    assert isinstance(reports[0], StageReport)
