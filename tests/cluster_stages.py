"""A stage that goes on from where it was killed, and a process that runs stages on a cluster and says how it went."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from toy_stages import Killed, Listening, Raising, Sum

from trimtab.errors import TrimtabError
from trimtab.experiment import parse
from trimtab.plan import plan
from trimtab.stages.stage import Stage, order
from trimtab.store import Store
from trimtab.types import Progress


@dataclass(frozen=True)
class Steps(Stage):
    """Multiplies a matrix by itself step by step and keeps the state of every step."""

    number: int
    steps: int = 20
    pause_s: float = 0.25

    kind: ClassVar[str] = "steps"

    @property
    def title(self) -> str:
        return f"steps of {self.number}"

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        (work / f"begun-{_namespace()}").touch()
        done, state = 0, np.random.default_rng(self.number).normal(size=(64, 64)) / 8
        for path in work.glob("state-*.npy"):
            if int(path.stem.split("-")[1]) > done:
                done, state = int(path.stem.split("-")[1]), np.load(path)
        resumed = done
        while done < self.steps:
            state = np.tanh(state @ state + state)
            done += 1
            np.save(work / "part.npy", state)
            (work / "part.npy").rename(work / f"state-{done}.npy")
            time.sleep(self.pause_s)
            progress(done, self.steps)
        np.save(out / "state.npy", state)
        return {"resumed": resumed, "host": _namespace()}


def _namespace() -> str:
    """Return this process's network namespace: what tells the nodes of a test apart."""
    return str(Path("/proc/self/ns/net").readlink()) if sys.platform == "linux" else ""


def toys() -> list[Stage]:
    """Return stages that succeed, die once and fail, and one that could only be tried without the failure."""
    base = Sum(1)
    unlucky, bad = Killed(3, (base,)), Raising(9)
    return order((Sum(10, (Sum(2, (base,)), unlucky)), Sum(11, (bad,))))


def files_in(store: Store, stages: list[Stage]) -> dict[str, Any]:
    """Return the files of every finished artifact with their hashes, by digest."""
    return {
        one.digest: store.manifest(one.kind, one.digest)["files"] for one in stages if store.has(one.kind, one.digest)
    }


def studied(values: dict[str, Any], folder: Path) -> list[Stage]:
    """Return the stages of a study."""
    return plan(parse(values, folder)).stages


def main() -> None:
    """Run what the file named on the command line asks for; the last line says how it went."""
    asked = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    store, heard, error = Store.open(asked["store"]), Listening(), None
    stages: list[Stage] = [Steps(number) for number in asked.get("steps", ())]
    stages += toys() if asked.get("toys") else []
    stages += studied(asked["study"], Path(asked["folder"])) if "study" in asked else []
    began = time.monotonic()
    try:
        _run(asked["executor"], asked["settings"], stages, store, heard)
    except TrimtabError as caught:
        error = str(caught)
    reports = [asdict(report) for report in heard.reports]
    seconds = time.monotonic() - began
    print(json.dumps({"begun": heard.begun, "steps": heard.steps, "reports": reports, "error": error, "s": seconds}))


def _run(executor: str, settings: dict[str, Any], stages: list[Stage], store: Store, heard: Listening) -> None:
    if executor == "ray":
        from trimtab.executors.ray_settings import RaySettings
        from trimtab.executors.ray_tasks import run_stages as on_ray

        on_ray(stages, store, RaySettings(**settings), heard)
    else:
        from trimtab.executors.slurm import run_stages as on_slurm
        from trimtab.executors.slurm_settings import SlurmSettings

        on_slurm(stages, store, SlurmSettings(**settings), heard)


if __name__ == "__main__":
    main()
