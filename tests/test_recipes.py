"""Every recipe's tiny.yaml runs through the command line on the embedded models; its numbers mean nothing.

In this process, which has imported everything before: what it takes to start the command is tested elsewhere.
"""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

from trimtab.assets import is_present
from trimtab.cli import run_command
from trimtab.demo import demo_experiment
from trimtab.experiment import Experiment, load
from trimtab.plan import SearchPlan, plan
from trimtab.yaml_file import read_yaml

RECIPES = Path(__file__).parent.parent / "recipes"
NEEDED = ("minilm-l6", "smollm2-135m", "vader")
pytestmark = [
    pytest.mark.assets,
    pytest.mark.skipif(
        not all(is_present(name) for name in NEEDED), reason=f"needs: trimtab assets fetch {' '.join(NEEDED)}"
    ),
]


@pytest.fixture(scope="module", autouse=True)
def made_data() -> None:
    """Make the tables that a recipe makes for itself."""
    for script in (*RECIPES.glob("*/make_features.py"), *RECIPES.glob("*/make_tiny_data.py")):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.argv", [str(script)])
            runpy.run_path(str(script), run_name="__main__")


def of_own_data(recipe: Path) -> list[str]:
    """Return overrides that put a recipe's tiny data in the place of the data that its users bring."""
    if not (recipe / "make_tiny_data.py").is_file():
        return []
    task = read_yaml(recipe / "tiny.yaml")[0]["task"]
    paths = [f"task.{key}={value}" for key, value in task.items() if key.endswith("path")]
    return paths + [f"task.{size}={task[size]}" for size in ("supervisor", "transfer", "test") if size in task]


@pytest.mark.parametrize("recipe", sorted(path.name for path in RECIPES.iterdir() if path.is_dir()))
def test_tiny_form_runs(recipe: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = RECIPES / recipe
    if recipe.startswith("chess"):
        pytest.importorskip("chess", reason="python-chess is not installed: pip install 'trimtab[chess]'")
    places = ["--store", str(tmp_path / "store"), "--runs", str(tmp_path / "runs")]
    code = run_command(["run", str(folder / "tiny.yaml"), "--json", *places])
    told = capsys.readouterr()
    assert code == 0, told.err
    results = json.loads(told.out)
    tiny = load(folder / "tiny.yaml")
    assert {row["method"] for row in results["rows"] if not row.get("control")} == {one.name for one in tiny.methods}
    assert (tmp_path / "runs" / tiny.name / "report.html").stat().st_size > 10_000


@pytest.mark.parametrize("recipe", sorted(path.name for path in RECIPES.iterdir() if path.is_dir()))
def test_full_form_is_planned_and_expected_values_name_its_rows(recipe: str) -> None:
    folder = RECIPES / recipe
    experiment = load(folder / "full.yaml", of_own_data(folder))
    planned = plan(experiment)
    if isinstance(planned, SearchPlan):
        rows = {row.name for row in planned.compare.rows}
    else:
        assert isinstance(experiment, Experiment)
        rows = {f"{row.key}-{metric}" for row in planned.compare.rows for metric in experiment.metrics}
    expected = json.loads((folder / "expected.json").read_text("utf-8"))
    assert expected and set(expected) <= rows
    assert (folder / "README.md").is_file()


def test_the_demo_is_the_recipe() -> None:
    recipe = load(RECIPES / "movie-sentiment" / "full.yaml")
    assert plan(demo_experiment()).compare.digest == plan(recipe).compare.digest
