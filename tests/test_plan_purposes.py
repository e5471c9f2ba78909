"""What a stage is for is said in the words of the experiment file, also where it fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny_study import study

from trimtab.errors import StageError
from trimtab.executors.monitor import StageReport
from trimtab.experiment import parse
from trimtab.plan import Plan, plan
from trimtab.plan.purposes import Purposes
from trimtab.study import run
from trimtab.terminal import PlainLines


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A study of two layers of one weak model, with a method of every kind that has stages of its own."""
    folder = tmp_path_factory.mktemp("purposes")
    found = study(folder)
    between = found["strong"][0] | {"layer": 1}
    methods = [
        "naive",
        {"confidence": {"alpha": 0.5}},
        {"name": "handed-on", "schedule": {"chain": {"through": [between]}}},
        {"name": "early", "schedule": {"early_stopping": {"lengths": [2, 4]}}},
    ]
    found |= {"weak": [*found["weak"], found["weak"][0] | {"layer": 1}], "methods": methods, "curves": {"sizes": [50]}}
    return found | {"folder": folder}


@pytest.fixture(scope="module")
def planned(values: dict[str, Any]) -> Plan:
    return plan(parse({key: one for key, one in values.items() if key != "folder"}, values["folder"]))


def fit_of(planned: Plan, weak: str, method: str, role: str, position: int) -> str:
    """Return the digest of a fit in some row."""
    row = next(one for one in planned.compare.rows if (one.weak, one.method) == (weak, method))
    return planned.compare.models[getattr(row, f"{role}_fits")[position]].digest


@pytest.mark.parametrize(
    ("weak", "method", "role", "position", "said"),
    [
        ("w0", "naive", "weak", 0, "supervisor weak (weak.0), seed 0"),
        ("w1", "confidence", "weak", 1, "supervisor weak (weak.1), seed 1"),
        ("w0", "confidence", "student", 1, "method confidence (weak (weak.0) -> strong), seed 1"),
        ("w1", "handed-on", "student", 0, "method handed-on (weak (weak.1) -> strong), seed 0"),
        ("w0", "flipped_truth", "student", 0, "control flipped_truth (weak (weak.0) -> strong), seed 0"),
        (
            "w0",
            "naive",
            "student",
            1,
            "method naive (weak (weak.0) -> strong) and learning curve (weak (weak.0) -> str",
        ),
    ],
)
def test_a_fit_says_whose_it_is(planned: Plan, weak: str, method: str, role: str, position: int, said: str) -> None:
    found = Purposes(planned)(fit_of(planned, weak, method, role, position))
    assert found is not None
    assert found.startswith(said) if said.endswith("str") else found == said


def test_a_ceiling_is_nobodys_method(planned: Plan) -> None:
    """The curve of ground truth ends at the ceiling."""
    found = Purposes(planned)(fit_of(planned, "w0", "naive", "ceiling", 0)) or ""
    assert found.startswith("ceiling of strong, learning curve (") and found.endswith(", seed 0")


def test_the_folds_of_a_chain_and_the_lengths_of_a_stop_are_their_methods(planned: Plan) -> None:
    purposes, compare = Purposes(planned), planned.compare
    row = next(one for one in compare.rows if (one.weak, one.method) == ("w0", "handed-on"))
    relabelled: Any = compare.labels[row.labels[0]]
    said = {purposes(one.model.digest) for one in relabelled.predictions}
    assert said == {"method handed-on (weak (weak.0) -> strong), seed 0"}
    row = next(one for one in compare.rows if (one.weak, one.method) == ("w1", "early"))
    best: Any = compare.predictions[row.student_predictions[1]]
    assert {purposes(one.digest) for one in best.predictions} == {"method early (weak (weak.1) -> strong), seed 1"}
    ceiling: Any = compare.predictions[row.ceiling_predictions[1]]
    assert purposes(ceiling.digest) == "ceiling of strong by early_stopping, seed 1"


def test_what_all_share_is_the_whole_studys(planned: Plan) -> None:
    purposes, compare = Purposes(planned), planned.compare
    assert purposes(compare.data.digest) == "the whole study"
    assert [purposes(one.digest) for one in compare.splits] == ["the whole study, seed 0", "the whole study, seed 1"]
    assert purposes(compare.digest) is None
    embedded = dict(zip(compare.embedded, compare.embeds, strict=True))
    # both layers' supervisors have one of their own, without a seed; the control (b) and (c) fit on it too
    assert (purposes(embedded["w1"].digest) or "").startswith("supervisor weak (weak.1)")
    assert "seed" not in (purposes(embedded["s0"].digest) or "seed")


def test_nothing_but_the_comparison_is_without_a_purpose(planned: Plan) -> None:
    purposes = Purposes(planned)
    assert [one.kind for one in planned.stages if not purposes(one.digest)] == ["compare"]


BROKEN = """
from dataclasses import dataclass
from trimtab.objectives.naive import Naive

@dataclass(frozen=True)
class Own(Naive):
    def __call__(self, logits, labels, context):
        return None
"""


class Heard(PlainLines):
    """Keeps what is told of stages that ended."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[StageReport] = []

    def finished(self, report: StageReport) -> None:
        super().finished(report)
        self.ends.append(report)


def test_a_failure_is_told_with_method_pair_and_seed(
    values: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own.py").write_text(BROKEN)
    changes = {
        "weak": values["weak"][:1],
        "curves": False,
        "controls": False,
        "methods": [{"name": "mine", "objective": "own.py:Own"}, "naive"],
    }
    told = {key: one for key, one in values.items() if key != "folder"} | changes
    heard = Heard()
    with pytest.raises(
        StageError, match=r"\(fit probe, own\) failed for method mine \(weak -> strong\), seed [01]: the"
    ):
        run(parse(told, tmp_path), store=tmp_path / "store", monitor=heard)
    failed = [one for one in heard.ends if one.error and one.tried]
    assert {one.purpose for one in failed} == {f"method mine (weak -> strong), seed {seed}" for seed in (0, 1)}
    assert "fit probe, own failed for method mine (weak -> strong), seed 1: the objective" in capsys.readouterr().err
    assert all(one.purpose is None for one in heard.ends if not one.error)
