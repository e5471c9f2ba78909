"""One of several processes that share a fit, each on its own device.

python -m trimtab.executors.rank 2 JOB      starts two of them through torchrun
python -m trimtab.executors.rank JOB        is one of them
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from trimtab.components import module_from_file
from trimtab.executors.memory import die_with_parent
from trimtab.fields import build
from trimtab.stages.tune_job import TuneJob
from trimtab.types import ModelSpec


def job_of(values: dict[str, Any]) -> TuneJob:
    """Return the job that `TuneJob.as_json` described."""
    from trimtab.fit.tune_settings import tune_settings

    told = values["objective"]
    objective = build(_class(told), told["settings"], "objective")
    inputs = {name: Path(folder) for name, folder in values["inputs"].items()}
    spec = ModelSpec(**values["spec"])
    fit = tune_settings(values["fit"])
    return TuneJob(spec, objective, fit, values["seed"], inputs, Path(values["out"]), Path(values["work"]))


def _class(told: dict[str, str]) -> type:
    """Return the class of an objective: of an installed module, or of the user's own file."""
    import importlib
    import importlib.util

    name = told["module"]
    found = name in sys.modules or importlib.util.find_spec(name.partition(".")[0]) is not None
    module = importlib.import_module(name) if found else module_from_file(Path(told["file"]))
    kind = vars(module)[told["class"]]
    assert isinstance(kind, type)
    return kind


def start(count: str, file: str) -> None:
    """Start the processes and wait for them."""
    from torch.distributed.run import main

    main(["--standalone", "--nproc-per-node", count, "-m", "trimtab.executors.rank", file])


def share(file: Path) -> None:
    """Do this process's part of the fit; the first one tells how far it is."""
    import torch

    from trimtab.fit.launch import report_failure

    rank = int(os.environ["RANK"])
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))

    def progress(done: int, total: int, *, tokens: int = 0) -> None:
        if rank == 0:
            print(json.dumps({"done": done, "total": total, "tokens": tokens}), flush=True)

    values = json.loads(file.read_text("utf-8"))
    try:
        job_of(values).learn(progress)
    except Exception as error:
        report_failure(Path(values["work"]), rank, error)
        raise
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


if __name__ == "__main__":
    die_with_parent(os.getppid())
    if len(sys.argv) == 3:
        start(sys.argv[1], sys.argv[2])
    else:
        share(Path(sys.argv[1]))
