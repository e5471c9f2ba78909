"""Ray on this machine against two worker processes, on the same stages, with both warm.

    .venv/bin/python bench/ray_cluster.py [--quick]

Twelve stages of at least 2 s (quick: six of at least 1 s) on one thread each; two at a time on both sides. Start-up is
measured apart: the cluster's own, and that of the processes, for which the stages wait. Goal: at most 15 % slower.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from functools import partial
from statistics import median

from demo import device
from workers import Run, in_turn, local, products_for, seconds, stages_of, timed

from trimtab.executors.ray_cluster import connect, import_ray
from trimtab.executors.ray_settings import RaySettings
from trimtab.executors.ray_tasks import run_stages

SETTINGS = RaySettings(workers=2, cpus=1)


def on_ray() -> Run:
    """Return a run on the cluster that this process is connected to."""
    return lambda stages, store, monitor: run_stages(stages, store, SETTINGS, monitor)


def main() -> None:
    """Measure and print; the last line is one JSON object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="fewer and shorter stages")
    quick = parser.parse_args().quick
    count = 6 if quick else 12
    products = products_for(1.0 if quick else 2.0)
    stages = stages_of(count, products, 2)
    print(f"load before: {os.getloadavg()[0]:.2f}; {count} stages of {products} products")
    began = time.perf_counter()
    connect(SETTINGS, len(stages))
    print(f"start-up of a local Ray cluster: {time.perf_counter() - began:.2f} s")
    try:
        cluster, processes = in_turn(3, partial(timed, on_ray(), stages), partial(timed, local(2), stages))
    finally:
        import_ray().shutdown()
    for name, times in (("Ray", cluster), ("two workers", processes)):
        print(f"{name}: work {seconds([one[1] for one in times])} s; start-up {seconds([one[0] for one in times])} s")
    print(f"load after: {os.getloadavg()[0]:.2f}")
    ratio = median(one[1] for one in cluster) / median(one[1] for one in processes)
    found = {"bench": "ray_cluster", "value": round(ratio, 3), "goal": 1.15, "met": ratio <= 1.15, "device": device()}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
