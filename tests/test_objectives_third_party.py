"""An objective from the user's own file: used by path, and another objective as soon as its source is another."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from trimtab.digest import component_identity
from trimtab.errors import ExperimentError
from trimtab.experiment import parse
from trimtab.fit.probe import fit_probe
from trimtab.fit.probe_settings import Probe
from trimtab.types import Context

SOURCE = '''"""Label smoothing, for this test.

    L = CE((1 - e) q + e / k, p)          https://arxiv.org/abs/1512.00567
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from smoothing_helper import smooth

from trimtab.objectives.naive import cross_entropy


@dataclass(frozen=True)
class Smoothed:
    """Cross-entropy to smoothed labels."""

    amount: float = 0.1
    """Share of the label that is spread over all classes, in [0, 1]."""

    truth: ClassVar[str] = "none"
    scheduled: ClassVar[bool] = False
    curvature: ClassVar[float] = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.amount <= 1:
            raise ValueError(f"amount must lie in [0, 1], found {self.amount}")

    def statistics(self, logits, labels):
        return {}

    def __call__(self, logits, labels, context):
        return cross_entropy(logits, smooth(labels, self.amount))
'''
HELPER = '''"""Beside the user's file."""


def smooth(labels, amount):
    """Mix labels with the uniform distribution."""
    return (1 - amount) * labels + amount / labels.shape[-1]
'''
ASK = """
import json, sys
from pathlib import Path
from trimtab.digest import component_identity
from trimtab.experiment import parse
method = {"name": "m", "objective": {"mine.py:Smoothed": {"amount": 0.2}}}
values = {"name": "x", "task": {"kind": "synthetic"}, "weak": "w", "strong": "s", "methods": [method]}
print(json.dumps(component_identity(parse(values, Path(sys.argv[1])).methods[0].objective)))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(SOURCE)
    (tmp_path / "smoothing_helper.py").write_text(HELPER)
    return tmp_path


def read(folder: Path, method):
    values = {"name": "x", "task": {"kind": "synthetic"}, "weak": "w", "strong": "s", "methods": [method]}
    return parse(values, folder).methods[0].objective


def identity_in_new_process(folder: Path) -> dict:
    found = subprocess.run([sys.executable, "-c", ASK, str(folder)], capture_output=True, text=True, check=True)
    return json.loads(found.stdout)


def test_works_by_path_and_fits_a_probe(folder):
    """A label (.8, .2) smoothed by .1 is (.77, .23); a head without information predicts the mean label."""
    objective = read(folder, {"name": "m", "objective": {"mine.py:Smoothed": {"amount": 0.1}}})
    labels = torch.tensor([[0.8, 0.2]], dtype=torch.float64)
    logits = torch.zeros(1, 2, dtype=torch.float64)
    assert float(objective(logits, labels, Context(0.0))) == pytest.approx(np.log(2))
    fitted = fit_probe(np.ones((6, 2)), np.tile([0.8, 0.2], (6, 1)), np.ones(6), objective, 1.0, Probe())
    np.testing.assert_allclose(fitted.head.probabilities(np.ones((1, 2))), [[0.77, 0.23]], atol=1e-6)


def test_settings_are_checked_like_ours(folder):
    with pytest.raises(ExperimentError, match=r"amount must lie in \[0, 1\], found 2"):
        read(folder, {"mine.py:Smoothed": {"amount": 2.0}})
    with pytest.raises(ExperimentError, match='Did you mean "amount"'):
        read(folder, {"mine.py:Smoothed": {"amuont": 0.2}})
    with pytest.raises(ExperimentError, match='no class "Smooth"'):
        read(folder, "mine.py:Smooth")
    with pytest.raises(ExperimentError, match="there is no file"):
        read(folder, "absent.py:Smoothed")


def test_a_class_that_is_no_objective_is_refused(folder):
    (folder / "other.py").write_text(
        "from dataclasses import dataclass\n\n\n@dataclass(frozen=True)\nclass Other:\n    x: int = 1\n"
    )
    with pytest.raises(ExperimentError, match="is not an objective"):
        read(folder, "other.py:Other")


def test_identity_follows_the_source_and_the_modules_beside_it(folder):
    first = identity_in_new_process(folder)
    assert identity_in_new_process(folder) == first
    (folder / "unrelated.py").write_text("x = 1\n")
    assert identity_in_new_process(folder) == first
    (folder / "mine.py").write_text(SOURCE.replace("for this test", "for that test"))
    assert identity_in_new_process(folder) == first, "a docstring computes nothing"
    (folder / "mine.py").write_text(SOURCE.replace("amount: float = 0.1", "amount: float = 0.125"))
    second = identity_in_new_process(folder)
    assert second["source"] != first["source"]
    (folder / "smoothing_helper.py").write_text(HELPER.replace("amount / labels", "amount * 1.0 / labels"))
    third = identity_in_new_process(folder)
    assert third["source"] not in (first["source"], second["source"])
    assert first["settings"] == second["settings"] == third["settings"] == {"amount": 0.2}


def test_an_edited_file_is_another_objective_in_the_same_process(folder):
    before = read(folder, "mine.py:Smoothed")
    (folder / "mine.py").write_text(SOURCE.replace("amount: float = 0.1", "amount: float = 0.125"))
    after = read(folder, "mine.py:Smoothed")
    assert component_identity(after)["source"] != component_identity(before)["source"]
    assert read(folder, "mine.py:Smoothed") == after


def test_the_same_file_elsewhere_is_the_same_objective(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("elsewhere")
    for name in ("mine.py", "smoothing_helper.py"):
        (other / name).write_bytes((folder / name).read_bytes())
    assert identity_in_new_process(other) == identity_in_new_process(folder)
