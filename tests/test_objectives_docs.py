"""The pages of the methods: their examples run, and their experiments are read."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from trimtab.catalogue import settings_table
from trimtab.experiment import parse
from trimtab.fit.probe import fit_probe
from trimtab.fit.probe_settings import Probe
from trimtab.objectives import OBJECTIVES
from trimtab.schedules import SCHEDULES
from trimtab.supervise import LABEL_STEPS
from trimtab.supervisors import SUPERVISORS
from trimtab.yaml_file import parse_yaml

DOCS = Path(__file__).parent.parent / "docs"
NEW_METHOD = DOCS / "adding-a-method.md"
TABLES = OBJECTIVES | LABEL_STEPS | SUPERVISORS | SCHEDULES
NAMES = list(TABLES)
PAGES = [*(DOCS / "methods" / f"{name}.md" for name in NAMES), NEW_METHOD]
SECTIONS = ("Formula", "In an experiment file", "In Python", "What is logged", "Deviations", "Results")


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def own_files(page: Path, folder: Path) -> None:
    """Write the blocks that a page names as files."""
    for name, text in re.findall(r"^```python file=(\S+)\n(.*?)^```", page.read_text("utf-8"), re.M | re.S):
        (folder / name).write_text(text)


def experiment_of(text: str, folder: Path):
    """Read an experiment of which a page states some keys."""
    values = {"name": "x", "task": {"kind": "synthetic"}, "weak": "w", "strong": "s", **parse_yaml(text)}
    return parse(values, folder)


def methods_of(text: str, folder: Path):
    return experiment_of(text, folder).methods


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_python_examples_run(page):
    found = blocks(page, "python")
    assert found
    for text in found:
        exec(compile(text, str(page), "exec"), {"__name__": "example"})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_experiments_are_read(page, tmp_path):
    own_files(page, tmp_path)
    found = blocks(page, "yaml")
    assert found
    for text in found:
        assert methods_of(text, tmp_path)


@pytest.mark.parametrize("name", SUPERVISORS)
def test_the_page_of_a_supervisor_uses_it(name, tmp_path):
    cls = SUPERVISORS[name].rpartition(":")[2]
    found = [experiment_of(text, tmp_path).weak for text in blocks(DOCS / "methods" / f"{name}.md", "yaml")]
    assert cls in {type(one).__name__ for weak in found for one in weak}


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_page_of_a_schedule_uses_it(name, tmp_path):
    cls = SCHEDULES[name].rpartition(":")[2]
    found = [methods_of(text, tmp_path) for text in blocks(DOCS / "methods" / f"{name}.md", "yaml")]
    assert cls in {type(one.schedule).__name__ for methods in found for one in methods}


@pytest.mark.parametrize("name", NAMES)
def test_every_method_has_a_whole_page(name):
    text = (DOCS / "methods" / f"{name}.md").read_text("utf-8")
    assert all(f"\n## {section}\n" in text for section in SECTIONS)
    assert "https://" in text
    module, _, cls = TABLES[name].partition(":")
    assert f"{module.replace('.', '/')}.py" in text
    for setting in settings_table(vars(__import__(module, fromlist=[cls]))[cls]):
        assert f"`{setting['name']}`" in text


def test_the_new_method_of_the_page_can_be_fitted(tmp_path):
    """A fifth of the labels is wrong; what is learnt is nevertheless the rule behind them."""
    own_files(NEW_METHOD, tmp_path)
    robust = {one.name: one.objective for one in methods_of(blocks(NEW_METHOD, "yaml")[0], tmp_path)}["robust-half"]
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 4))
    gold = (x[:, 0] > 0).astype(int)
    noisy = np.where(rng.random(200) < 0.2, 1 - gold, gold)
    fitted = fit_probe(x, np.eye(2)[noisy], np.ones(200), robust, 0.01, Probe())
    assert fitted.converged
    assert (fitted.head.probabilities(x).argmax(1) == gold).mean() > 0.9
