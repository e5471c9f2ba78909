"""Ray: the same artifacts as on this machine alone, word while it works; a lost node costs the rest of its stage."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import torch
from cluster_stages import Steps, files_in, studied, toys
from test_objectives_third_party import HELPER, SOURCE
from threadpoolctl import threadpool_limits
from tiny_study import study
from toy_stages import Listening

from trimtab.errors import UsageError
from trimtab.executors import ray_cluster
from trimtab.executors.local import run_stages
from trimtab.executors.ray_cluster import THREAD_VARIABLES, connect
from trimtab.executors.ray_settings import RaySettings
from trimtab.store import Store

pytest.importorskip("ray", reason="ray is not installed")
HERE = Path(__file__).parent
ENVIRONMENT = {
    **dict.fromkeys(THREAD_VARIABLES, "1"),
    "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent)]),
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "token",  # a token of its own: nobody else's cluster is met, and none is kept in the home
    "RAY_AUTH_TOKEN": uuid4().hex,
}


def drive(asked: dict[str, Any], folder: Path, prefix: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    """Start a process that runs what is asked for."""
    path = folder / f"{uuid4().hex}.json"
    path.write_text(json.dumps(asked))
    command = [*prefix, sys.executable, str(HERE / "cluster_stages.py"), str(path)]
    return subprocess.Popen(
        command, env=os.environ | ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip


@contextmanager
def ended(process: subprocess.Popen[Any]) -> Iterator[subprocess.Popen[Any]]:
    """End a process of ours, and all that it started in its session, whatever happens."""
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
        for pipe in (process.stdout, process.stderr):
            if pipe:
                pipe.close()


def word_of(process: subprocess.Popen[str], seconds: float) -> dict[str, Any]:
    """Return what a driving process says in the end."""
    out, error = process.communicate(timeout=seconds)
    assert process.returncode == 0, error
    return json.loads(out.splitlines()[-1])


def test_a_local_cluster_makes_the_same_artifacts_and_survives_a_killed_process(tmp_path: Path) -> None:
    methods = ["naive", {"name": "own", "objective": "own.py:Smoothed"}]
    values = study(tmp_path / "study", (0,), methods=methods, controls=False, metrics=["accuracy"])
    (tmp_path / "study" / "own.py").write_text(SOURCE)
    (tmp_path / "study" / "smoothing_helper.py").write_text(HELPER)
    asked = {"executor": "ray", "settings": {"cpus": 1}, "store": str(tmp_path / "ray"), "toys": True,
             "study": values, "folder": str(tmp_path / "study")}  # fmt: skip
    with ended(drive(asked, tmp_path)) as process:
        found = word_of(process, 150)
    store, stages, local = Store.open(tmp_path / "ray"), studied(values, tmp_path / "study"), Store.open(tmp_path / "l")
    with one_thread():
        run_stages(stages, local, 1, Listening())
    made = files_in(store, stages)
    assert made == files_in(local, stages) and len(made) == len(stages)
    sums = {one.title: one for one in toys() if store.has(one.kind, one.digest)}
    texts = {title: (store.folder(one.kind, one.digest) / "sum.txt").read_text() for title, one in sums.items()}
    assert texts == {"add 1": "1", "add 2": "3", "add 3": "4", "add 10": "17"}  # without "add 9", and "add 11" above it
    assert found["begun"].count("add 3") == 2  # killed once, tried again
    assert "AssertionError: the sky fell [log: " in found["error"] and "1 could not be tried" in found["error"]
    assert len(found["reports"]) == len(stages) + len(toys())


@contextmanager
def one_thread() -> Iterator[None]:
    """Let this process compute on one thread, as the cluster's do."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)


def say(line: socket.socket, answer: bytes) -> None:
    """Answer the first who calls."""
    caller, _ = line.accept()
    with caller:
        caller.sendall(answer)


@pytest.mark.parametrize("answer", [None, b"", b"HTTP/1.1 400 Bad Request"])
def test_a_cluster_that_cannot_be_reached_is_a_clear_error_at_once(answer: bytes | None) -> None:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        if answer is not None:  # somebody listens there, and says nothing or something else
            line.listen(1)
        address = f"127.0.0.1:{line.getsockname()[1]}"
        if answer:
            threading.Thread(target=say, args=(line, answer), daemon=True).start()
        began = time.monotonic()
        with pytest.raises(UsageError, match=f"cluster at {address} cannot be reached .*mend --ray-address"):
            connect(RaySettings(address=address, connect_s=1), 1)
        assert time.monotonic() - began < 15  # Ray's import included


@pytest.mark.parametrize("address", ["nowhere:port", "auto"])
def test_an_address_that_is_none(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(UsageError, match=r"wanted host:port|cannot be reached \(Could not find any running Ray"):
        connect(RaySettings(address=address), 1)


NOTICES_FAST = {"health_check_initial_delay_ms": 1000, "health_check_period_ms": 500, "health_check_timeout_ms": 1000,
                "health_check_failure_threshold": 4}  # fmt: skip


class Nodes:
    """Two Ray nodes with network namespaces, and so addresses, of their own; joined by a pair of virtual cards."""

    def __init__(self, stack: ExitStack, temporary: Path) -> None:
        self._stack, self._temporary = stack, temporary
        # Ray's nodes do not come up from a path with a space in it
        (temporary / "environment").symlink_to(sys.prefix)
        self._python = temporary / "environment" / "bin" / "python"
        mark = uuid4().hex[:6]
        self.names = (f"tt{mark}a", f"tt{mark}b")
        self.addresses = ("10.231.77.1", "10.231.77.2")
        for name in self.names:
            ip("netns", "add", name)
            stack.callback(self._remove, name)
        ip(
            "link",
            "add",
            f"v{mark}a",
            "netns",
            self.names[0],
            "type",
            "veth",
            "peer",
            f"v{mark}b",
            "netns",
            self.names[1],
        )
        for name, card, address in zip(self.names, (f"v{mark}a", f"v{mark}b"), self.addresses, strict=True):
            ip("-n", name, "address", "add", f"{address}/24", "dev", card)
            ip("-n", name, "link", "set", card, "up")
            ip("-n", name, "link", "set", "lo", "up")

    def start(self, which: int) -> None:
        """Start Ray on one of them; the first is the head."""
        own = ["--head", "--port=6379", "--include-dashboard=false", f"--system-config={json.dumps(NOTICES_FAST)}",
               f"--temp-dir={self._temporary}"]  # fmt: skip
        join = [f"--address={self.addresses[0]}:6379"]
        command = [*self.inside(which), str(self._python), "-m", "ray.scripts.scripts", "start", "--block",
                   "--num-cpus=1", "--memory=3000000000", "--object-store-memory=100000000", "--disable-usage-stats",
                   f"--node-ip-address={self.addresses[which]}", *(own if which == 0 else join)]  # fmt: skip
        with (self._temporary / f"node{which}.log").open("w") as log:
            process = subprocess.Popen(
                command, env=os.environ | ENVIRONMENT, stdout=log, stderr=log, start_new_session=True
            )
        self._stack.enter_context(ended(process))

    def inside(self, which: int) -> tuple[str, ...]:
        """Return what runs a command on a node."""
        return ("ip", "netns", "exec", self.names[which])

    def identity(self, which: int) -> str:
        """Return what a process on a node sees as its network namespace."""
        command = [*self.inside(which), "readlink", "/proc/self/ns/net"]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    def kill(self, name: str) -> None:
        """Kill everything on a node at once, as a power cut would."""
        found = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=True, timeout=10)
        for process in found.stdout.split():
            with suppress(ProcessLookupError):
                os.kill(int(process), signal.SIGKILL)

    def _remove(self, name: str) -> None:
        self.kill(name)
        ip("netns", "delete", name)


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=10)


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    """Two nodes of a cluster; skipped where this process may not make them."""
    if shutil.which("ip") is None or os.geteuid() != 0:
        pytest.skip("network namespaces need root and iproute2; a killed process is tested in any case")
    # not below pytest's folder: the name of a socket may have 107 letters only
    temporary = Path("/tmp") / f"tt{uuid4().hex[:8]}"
    with ExitStack() as stack:
        temporary.mkdir()
        stack.callback(shutil.rmtree, temporary, ignore_errors=True)
        try:
            made = Nodes(stack, temporary)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"network namespaces cannot be made here: {error.stderr!r}")
        made.start(0)
        wait_for(lambda: answers(made), 60, "the head")
        made.start(1)
        wait_for(lambda: "Ray runtime started" in (temporary / "node1.log").read_text(), 60, "the second node")
        yield made


def answers(nodes: Nodes) -> bool:
    """Say whether the head listens."""
    check = f"import socket; socket.create_connection(('{nodes.addresses[0]}', 6379), 1)"
    return (
        subprocess.run([*nodes.inside(0), sys.executable, "-c", check], capture_output=True, timeout=10).returncode == 0
    )


def wait_for(condition: Any, seconds: float, what: str) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"{what} did not come within {seconds} s"
        time.sleep(0.1)


def test_a_node_lost_in_the_middle_costs_the_rest_of_its_stage(nodes: Nodes, tmp_path: Path) -> None:
    store, stages = Store.open(tmp_path / "store"), [Steps(1), Steps(2)]
    asked = {"executor": "ray", "settings": {"address": f"{nodes.addresses[0]}:6379"}, "store": store.place,
             "steps": [1, 2]}  # fmt: skip
    with ended(drive(asked, tmp_path, nodes.inside(0))) as process:
        there = nodes.identity(1)
        begun = lambda: [path.parent for path in store.root.glob("steps/*.work/begun-*") if there in path.name]  # noqa: E731
        wait_for(lambda: any((work / "state-4.npy").is_file() for work in begun()), 90, "the middle of its stage")
        nodes.kill(nodes.names[1])
        found = word_of(process, 90)
    assert found["error"] is None
    assert sorted(found["begun"]) in (
        ["steps of 1", "steps of 1", "steps of 2"],
        ["steps of 1", "steps of 2", "steps of 2"],
    )
    facts = [store.manifest(one.kind, one.digest)["facts"] for one in stages]
    assert sorted(one["resumed"] >= 4 for one in facts) == [False, True]  # the lost one went on from where it was
    assert {one["host"] for one in facts} == {nodes.identity(0)}
    seen = [done for title, done, _ in found["steps"] if title == "steps of 1"]
    assert len(set(seen)) > 2  # word came while it worked; how much of it came before the end is a matter of timing
    local = Store.open(tmp_path / "local")
    run_stages([Steps(1), Steps(2)], local, 2, Listening())
    assert files_in(store, stages) == files_in(local, stages)


def test_a_path_with_a_space_reaches_the_shell_that_starts_workers_in_quotes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/a folder/bin/python")
    assert ray_cluster._quiet(1, ours=True)["runtime_env"]["py_executable"] == "'/a folder/bin/python'"
    assert "py_executable" not in ray_cluster._quiet(1, ours=False)["runtime_env"], "nodes have Pythons of their own"
    monkeypatch.setattr(sys, "executable", "/folder/bin/python")
    assert "py_executable" not in ray_cluster._quiet(1, ours=True)["runtime_env"]
