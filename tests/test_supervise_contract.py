"""What every label step promises. A step's own test names its EXAMPLES and the settings it REFUSES."""

from __future__ import annotations

import inspect
from dataclasses import fields, replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from trimtab.catalogue import formula_of, paper_of, settings_table
from trimtab.components import find
from trimtab.digest import component_identity, settings_of
from trimtab.errors import ExperimentError
from trimtab.experiment import parse
from trimtab.supervise import LABEL_STEPS
from trimtab.types import Labels, LabelStep
from trimtab.yaml_file import parse_yaml


def class_of(name: str) -> Any:
    return find(name, "trimtab.label_steps", LABEL_STEPS, Path())


def own_test(name: str) -> ModuleType:
    """Return the step's own test module, which says what its settings may be."""
    return import_module(f"test_supervise_{name}")


CASES = [
    pytest.param(class_of(name)(**settings), id=f"{name}-{i}")
    for name in LABEL_STEPS
    for i, settings in enumerate(own_test(name).EXAMPLES)
]
each_case = pytest.mark.parametrize("step", CASES)
each_name = pytest.mark.parametrize("name", list(LABEL_STEPS))


def labels(classes: int = 3, items: int = 200) -> Labels:
    rng = np.random.default_rng([classes, items])
    ids = tuple(f"item {i}" for i in rng.permutation(items))
    weights = rng.choice([0.0, 0.5, 1.0], items)
    return Labels(ids, rng.dirichlet(np.full(classes, 0.2), items), weights, "none")


@each_case
@pytest.mark.parametrize("classes", [2, 3, 10])
def test_returns_valid_labels_of_the_same_items(step, classes):
    before = labels(classes)
    after = step(before)
    assert after.ids == before.ids
    assert after.probabilities.shape == before.probabilities.shape
    np.testing.assert_allclose(after.probabilities.sum(1), 1, atol=1e-12)
    assert (after.probabilities >= 0).all()
    assert np.isfinite(after.weights).all()
    assert (after.weights >= 0).all()
    assert after.weights.any()


@each_case
def test_leaves_its_input_alone_and_repeats_itself(step):
    before, copy = labels(), labels()
    first, second = step(before), step(before)
    assert np.array_equal(before.probabilities, copy.probabilities)
    assert np.array_equal(before.weights, copy.weights)
    assert np.array_equal(first.probabilities, second.probabilities)
    assert np.array_equal(first.weights, second.weights)


@each_case
def test_a_dropped_item_stays_dropped(step):
    before = labels()
    assert (step(before).weights[before.weights == 0] == 0).all()


@each_case
def test_permuting_items_permutes_the_result(step):
    before = labels()
    order = np.random.default_rng(0).permutation(len(before.ids))
    shuffled = Labels(tuple(before.ids[i] for i in order), before.probabilities[order], before.weights[order])
    wanted, found = step(before), step(shuffled)
    np.testing.assert_allclose(found.weights, wanted.weights[order])
    np.testing.assert_allclose(found.probabilities, wanted.probabilities[order])


@each_case
def test_permuting_classes_permutes_the_result(step):
    before = labels(4)
    order = np.array([2, 0, 3, 1])
    wanted, found = step(before), step(replace(before, probabilities=before.probabilities[:, order]))
    np.testing.assert_allclose(found.weights, wanted.weights)
    np.testing.assert_allclose(found.probabilities, wanted.probabilities[:, order])


@each_name
def test_no_setting_is_dead(name):
    """All examples give different results, and together they give every setting at least two values."""
    cls, examples, before = class_of(name), own_test(name).EXAMPLES, labels()
    results = [np.column_stack([after.probabilities, after.weights]) for after in (cls(**e)(before) for e in examples)]
    for i, one in enumerate(results):
        for other in results[:i]:
            assert not np.array_equal(one, other)
    for field in fields(cls):
        assert len({getattr(cls(**example), field.name) for example in examples}) > 1


@each_name
def test_bad_settings_are_refused(name, tmp_path):
    refused = own_test(name).REFUSED
    assert refused
    for settings in refused:
        with pytest.raises(ValueError, match=r"\w"):
            class_of(name)(**settings)
        with pytest.raises(ExperimentError, match=r"methods\.0\.labels\.0"):
            read({name: settings}, tmp_path)


def read(step: Any, folder: Path) -> LabelStep:
    method = {"name": "m", "labels": [step], "objective": "naive"}
    values = {"name": "x", "task": {"kind": "synthetic"}, "weak": "w", "strong": "s", "methods": [method]}
    return parse(values, folder).methods[0].labels[0]


@each_case
def test_experiment_file_round_trip(step, tmp_path):
    import yaml

    name = next(name for name in LABEL_STEPS if class_of(name) is type(step))
    given = {key: value for key, value in settings_of(step).items() if value is not None}
    found = read(parse_yaml(yaml.safe_dump({name: given})), tmp_path)
    assert found == step
    assert component_identity(found) == component_identity(step)


@each_name
def test_is_documented(name):
    cls = class_of(name)
    text = inspect.getdoc(inspect.getmodule(cls)) or ""
    assert formula_of(text)
    assert "https://" in paper_of(text)
    assert cls.truth in ("none", "supervisor", "oracle") or cls.truth.startswith("budget(")
    assert all(setting["description"] for setting in settings_table(cls))
    assert isinstance(cls(**own_test(name).EXAMPLES[0]), LabelStep)
