"""A study with every kind of stage, small enough to be killed hundreds of times."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from trimtab.executors.perform import perform
from trimtab.experiment import Experiment, parse
from trimtab.plan import plan
from trimtab.stages.stage import Stage
from trimtab.store import Store


def fault_experiment(weak: Path, strong: Path, **changes: Any) -> Experiment:
    """Return a study on made-up sentences: a probed encoder teaches a probed and a tuned causal model."""
    probe = {"kind": "probe", "strengths": [0.1, 1.0], "folds": 2, "steps": 30, "max_steps": 200}
    tune = {"kind": "tune", "rank": 2, "epochs": 1, "batch_size": 8, "micro_batch_size": 8, "save_every": 1}
    values = {
        "name": "faults",
        "task": {"kind": "synthetic", "items": 700, "supervisor": 40, "transfer": 40, "test": 60},
        "split": {"pool": 600},
        "weak": [{"model": str(weak), "fit": probe, "precision": "fp32"}],
        "strong": [
            {"model": str(strong), "fit": probe, "precision": "fp32"},
            {"model": str(strong), "fit": tune, "precision": "fp32"},
        ],
        "methods": ["confidence"],
        "seeds": [0],
        "controls": False,
        "metrics": ["accuracy"],
    }
    return parse(values | changes, Path())


def stages_of(weak: str, strong: str) -> tuple[Stage, ...]:
    """Return the study's stages."""
    return plan(fault_experiment(Path(weak), Path(strong))).stages


def named(stages: tuple[Stage, ...]) -> dict[str, Stage]:
    """Return the last stage of each kind by the name of its class: data, split, embed, select, train (twice), ..."""
    return {type(stage).__name__: stage for stage in stages}


def files_of(store: Store, stage: Stage) -> dict[str, Any]:
    """Return name -> sha256 and size of an artifact's files."""
    return store.manifest(stage.kind, stage.digest)["files"]


def import_everything() -> None:
    """Import now what any stage imports, so that forked children need not."""
    import peft
    import pyarrow.parquet
    import safetensors.numpy
    import scipy.stats
    import transformers.models.bert.modeling_bert
    import transformers.models.llama.modeling_llama

    import trimtab.comparison.envelope
    import trimtab.fit.select
    import trimtab.fit.tune
    import trimtab.models.activations
    import trimtab.models.zero_shot
    import trimtab.supervise.gold

    assert all((peft, pyarrow.parquet, safetensors.numpy, scipy.stats, transformers, trimtab))


def forked(action: Callable[[], None]) -> int:
    """Run an action in a fork of this process; return its exit code, or minus the signal that killed it."""
    child = os.fork()
    if child == 0:
        try:
            action()
        except BaseException:  # noqa: BLE001  (whatever it was, the child must end here)
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def count_changes(root: Path, at: Callable[[int], None]) -> None:
    """Call `at(n)` before the n-th change of this process under `root`: opening to write, renaming, removing."""
    seen = [0]
    prefix = str(root)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "shutil.rmtree"):
            return
        if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)):
            return
        if str(arguments[0]).startswith(prefix):
            seen[0] += 1
            at(seen[0])

    sys.addaudithook(hook)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_at_change(number: int, root: Path) -> None:
    """Kill this process before its n-th change under `root`."""
    count_changes(root, lambda n: die() if n == number else None)


def kill_after(seconds: float) -> None:
    """Kill this process after some time, wherever it is then."""

    def wait() -> None:
        time.sleep(seconds)
        die()

    threading.Thread(target=wait, daemon=True).start()


def kill_in_write(size: int) -> None:
    """Let the system kill this process in the middle of the first file that grows past `size` bytes."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def make_all(weak: str, strong: str, root: str) -> None:
    """Make every artifact without disturbance; in a child process."""
    import torch

    torch.set_num_threads(1)
    store = Store.open(Path(root))
    for stage in stages_of(weak, strong):
        perform(stage, store)


def kill_each(names: tuple[str, ...], weak: str, strong: str, whole: str, work: str, kills: int, seed: int) -> None:
    """Do `kill_often` to several stages, in a process that imports everything once and computes nothing itself."""
    import torch

    torch.set_num_threads(1)
    import_everything()
    stages = named(stages_of(weak, strong))
    for name in names:
        kill_often(name, stages[name], Store.open(Path(whole)), Path(work) / name, kills, seed)


def kill_often(name: str, stage: Stage, wanted: Store, root: Path, kills: int, seed: int) -> None:
    """Kill a stage `kills` times at seeded moments, finish it, compare it with the undisturbed one; write a report.

    A third of the kills comes before a change of the store, a third at any time, a third in the middle of a write.
    After every fourth kill the stage is finished, compared, and begun afresh.
    """
    for needed in stage.inputs.values():
        target = root / needed.kind / needed.digest
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            target.symlink_to(wanted.folder(needed.kind, needed.digest), target_is_directory=True)
    store = Store.open(root)
    place = root / stage.kind / stage.digest
    note = root / "changes.json"

    def measured() -> None:
        last = [0]
        began = time.monotonic()
        count_changes(root / stage.kind, lambda n: last.__setitem__(0, n))
        perform(stage, store)
        found = [last[0], time.monotonic() - began]
        Path(note).write_text(json.dumps(found))

    def afresh() -> None:
        for path in place.parent.glob(f"{stage.digest}*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    assert forked(measured) == 0
    changes, seconds = json.loads(note.read_text())
    largest = max(entry["bytes"] for entry in files_of(wanted, stage).values())
    moments, done, equal, signals = random.Random(f"{name}{seed}"), 0, 0, dict[int, int]()
    afresh()
    for attempt in range(6 * kills):
        if done == kills:
            break

        def disturbed(attempt: int = attempt) -> None:
            way = attempt % 3
            if way == 0:
                kill_at_change(moments.randint(1, changes), root / stage.kind)
            elif way == 1:
                kill_after(moments.random() * seconds * 0.9)
            else:
                kill_in_write(moments.randrange(largest))
            perform(stage, store)

        code = forked(disturbed)
        moments.random()  # the child's draws are its own: go on to the next moment here too
        assert code in (0, -signal.SIGKILL, -signal.SIGXFSZ), code
        if code:
            done += 1
            signals[code] = signals.get(code, 0) + 1
        if store.has(stage.kind, stage.digest) or (code and done % 4 == 0) or done == kills:
            assert forked(lambda: perform(stage, store) and None) == 0
            assert files_of(store, stage) == files_of(wanted, stage), name
            equal += 1
            afresh()
    report = {"kills": done, "finished": equal, "signals": {str(key): value for key, value in signals.items()}}
    (root / "report.json").write_text(json.dumps(report))
