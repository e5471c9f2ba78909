"""What every label step promises. A step's own test names its EXAMPLES and the settings it REFUSES.

It may also name the settings that are one number PER_CLASS, and say that it tells CLASSES_IN_PLACES apart.
"""

from __future__ import annotations

import inspect
from dataclasses import fields, is_dataclass, replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import numpy as np
import pytest

from trimtab.catalogue import formula_of, paper_of, settings_table
from trimtab.components import find
from trimtab.digest import component_identity, settings_of
from trimtab.errors import ExperimentError, FitError
from trimtab.experiment import parse
from trimtab.supervise import LABEL_STEPS
from trimtab.types import Evidence, InformedStep, Judged, Labels, LabelStep, Need, is_truth
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
INFORMED = [case for case in CASES if isinstance(case.values[0], InformedStep)]
each_case = pytest.mark.parametrize("step", CASES)
each_informed = pytest.mark.parametrize("step", INFORMED)
each_name = pytest.mark.parametrize("name", list(LABEL_STEPS))


def name_of(step: Any) -> str:
    return next(name for name in LABEL_STEPS if class_of(name) is type(step))


def labels(classes: int = 3, items: int = 200) -> Labels:
    rng = np.random.default_rng([classes, items])
    ids = tuple(f"item {i}" for i in rng.permutation(items))
    weights = rng.choice([0.0, 0.5, 1.0], items)
    return Labels(ids, rng.dirichlet(np.full(classes, 0.2), items), weights, "none")


def evidence_for(labels: Labels, step: Any, seed: int = 7) -> Evidence:
    """Return all the evidence there can be; what belongs to an item depends on its id and not on its place.

    The supervisor is right on three items in four of its own split, mostly where its first activation is high.
    """
    classes = labels.probabilities.shape[1]
    number = np.array([int(one.removeprefix("item ")) for one in labels.ids])
    rng = np.random.default_rng([classes, 0xE71D])
    items, own = int(number.max()) + 1, 400
    gold = rng.integers(0, classes, items)
    states, own_gold = rng.normal(size=(own, 6)).astype(np.float32), rng.integers(0, classes, own)
    shown = states[:, 0] + 0.5 * rng.normal(size=own)
    answers = np.where(shown > -0.75, own_gold, (own_gold + 1) % classes)
    said = rng.dirichlet(np.full(classes, 0.2), own)
    top, rows = said.argmax(1), np.arange(own)
    said[rows, top], said[rows, answers] = said[rows, answers], said[rows, top]
    beliefs = [rng.dirichlet(np.ones(classes), items) for _ in range(4)]

    def sell(rows: np.ndarray) -> np.ndarray:
        if len(rows) > step.budget:
            raise FitError(f"{len(rows)} items are more than the budget of {step.budget}")
        return gold[number[rows]]

    return Evidence(
        student_states=rng.normal(size=(items, 8)).astype(np.float32)[number],
        student_beliefs=beliefs[0][number],
        supervisor_states=rng.normal(size=(items, 6)).astype(np.float32)[number],
        judged=Judged(states, said, own_gold),
        members=tuple(one[number] for one in beliefs[1:]),
        gold=sell,
        seed=seed,
    )


def with_classes_in_order(evidence: Evidence, order: np.ndarray) -> Evidence:
    """Return the evidence as it is where class `order[i]` is called i."""
    new = np.argsort(order)
    judged, sell, beliefs = evidence.judged, evidence.gold, evidence.student_beliefs
    assert judged is not None
    assert sell is not None
    assert beliefs is not None
    return replace(
        evidence,
        student_beliefs=beliefs[:, order],
        judged=Judged(judged.states, judged.probabilities[:, order], new[judged.gold]),
        members=tuple(one[:, order] for one in evidence.members),
        gold=lambda rows: new[sell(rows)],
    )


def apply(step: Any, labels: Labels, evidence: Evidence | None = None) -> Labels:
    """Call a step with or without evidence, as it wants."""
    if isinstance(step, InformedStep):
        return step(labels, evidence or evidence_for(labels, step))
    return step(labels)


def for_classes(step: Any, classes: int) -> Any:
    """Return the step for another number of classes: settings with one share per class get that many."""
    shares = tuple(2 * (classes - i) / (classes * (classes + 1)) for i in range(classes))
    per_class = getattr(own_test(name_of(step)), "PER_CLASS", ())
    return replace(step, **{name: shares for name in per_class if isinstance(getattr(step, name), tuple)})


def with_settings_in_order(step: Any, order: np.ndarray) -> Any:
    """Return the step where class `order[i]` is called i."""
    given = {name: getattr(step, name) for name in getattr(own_test(name_of(step)), "PER_CLASS", ())}
    return replace(step, **{k: tuple(v[i] for i in order) for k, v in given.items() if isinstance(v, tuple)})


@each_case
@pytest.mark.parametrize("classes", [2, 3, 10])
def test_returns_valid_labels_of_the_same_items(step, classes):
    before = labels(classes)
    after = apply(for_classes(step, classes), before)
    assert after.ids == before.ids
    assert after.probabilities.shape == before.probabilities.shape
    np.testing.assert_allclose(after.probabilities.sum(1), 1, atol=1e-12)
    assert (after.probabilities >= 0).all()
    assert np.isfinite(after.weights).all()
    assert (after.weights >= 0).all()
    assert after.weights.any()
    assert not np.array_equal(after.probabilities, before.probabilities) or not np.array_equal(
        after.weights, before.weights
    )


@each_case
def test_leaves_its_input_alone_and_repeats_itself(step):
    before, copy = labels(), labels()
    evidence, same = evidence_for(before, step), evidence_for(copy, step)
    first, second = apply(step, before, evidence), apply(step, before, evidence)
    assert np.array_equal(before.probabilities, copy.probabilities)
    assert np.array_equal(before.weights, copy.weights)
    assert np.array_equal(first.probabilities, second.probabilities)
    assert np.array_equal(first.weights, second.weights)
    for name in ("student_states", "student_beliefs", "supervisor_states", "members"):
        assert np.array_equal(getattr(evidence, name), getattr(same, name))
    for field in fields(Judged):
        assert np.array_equal(getattr(evidence.judged, field.name), getattr(same.judged, field.name))


@each_case
def test_a_dropped_item_stays_dropped(step):
    before = labels()
    assert (apply(step, before).weights[before.weights == 0] == 0).all()


@each_case
def test_permuting_items_permutes_the_result(step):
    before = labels()
    order = np.random.default_rng(0).permutation(len(before.ids))
    shuffled = Labels(tuple(before.ids[i] for i in order), before.probabilities[order], before.weights[order])
    wanted, found = apply(step, before), apply(step, shuffled)
    np.testing.assert_allclose(found.weights, wanted.weights[order])
    np.testing.assert_allclose(found.probabilities, wanted.probabilities[order], rtol=1e-6, atol=1e-9)


@each_case
def test_permuting_classes_permutes_the_result(step):
    """Where a step tells the classes' places apart, most of what it keeps is the same."""
    before, step = labels(4), for_classes(step, 4)
    order = np.array([2, 0, 3, 1])
    evidence = evidence_for(before, step)
    wanted = apply(step, before, evidence)
    found = apply(
        with_settings_in_order(step, order),
        replace(before, probabilities=before.probabilities[:, order]),
        with_classes_in_order(evidence, order),
    )
    if getattr(own_test(name_of(step)), "CLASSES_IN_PLACES", False):
        kept, other = wanted.weights > 0, found.weights > 0
        assert (kept & other).sum() > 0.7 * kept.sum()
    else:
        np.testing.assert_allclose(found.weights, wanted.weights)
    np.testing.assert_allclose(found.probabilities, wanted.probabilities[:, order], rtol=1e-6, atol=1e-9)


@each_informed
def test_sees_only_what_it_names(step):
    before = labels()
    whole = evidence_for(before, step)
    assert set(step.needs) <= set(get_args(Need))
    assert set(get_args(Need)) == {field.name for field in fields(Evidence)}
    named = Evidence(**{name: getattr(whole, name) for name in step.needs})
    wanted, found = apply(step, before, whole), apply(step, before, named)
    assert np.array_equal(found.probabilities, wanted.probabilities)
    assert np.array_equal(found.weights, wanted.weights)


@each_informed
def test_the_seed_says_nothing_to_a_step_that_does_not_name_it(step):
    before = labels()
    results = [apply(step, before, evidence_for(before, step, seed)) for seed in (7, 8)]
    same = all(np.array_equal(*(getattr(one, part) for one in results)) for part in ("probabilities", "weights"))
    assert same or "seed" in step.needs


@each_name
def test_no_setting_is_dead(name):
    """All examples give different results, and together they give every setting at least two values."""
    cls, examples, before = class_of(name), own_test(name).EXAMPLES, labels()
    results = [apply(cls(**example), before) for example in examples]
    columns = [np.column_stack([after.probabilities, after.weights]) for after in results]
    for i, one in enumerate(columns):
        for other in columns[:i]:
            assert not np.array_equal(one, other)
    for field in fields(cls):
        assert len({getattr(cls(**example), field.name) for example in examples}) > 1


@each_name
def test_bad_settings_are_refused(name, tmp_path):
    """Every setting comes first in one of them, and the message names it."""
    cls, refused = class_of(name), own_test(name).REFUSED
    assert {next(iter(one)) for one in refused if one} == {field.name for field in fields(cls)}
    for settings in refused:
        with pytest.raises(ValueError, match=next(iter(settings), r"\w")):
            cls(**settings)
        with pytest.raises(ExperimentError, match=r"methods\.0\.labels\.0"):
            read({name: settings}, tmp_path)


def read(step: Any, folder: Path) -> LabelStep:
    method = {"name": "m", "labels": [step], "objective": "naive"}
    values = {"name": "x", "task": {"kind": "synthetic"}, "weak": "w", "strong": "s", "methods": [method]}
    return parse(values, folder).methods[0].labels[0]  # pyright: ignore[reportReturnType]


@each_case
def test_experiment_file_round_trip(step, tmp_path):
    import yaml

    given = {key: value for key, value in settings_of(step).items() if value is not None}
    found = read(parse_yaml(yaml.safe_dump({name_of(step): given})), tmp_path)
    assert found == step
    assert component_identity(found) == component_identity(step)


@each_name
def test_is_documented(name):
    cls = class_of(name)
    step = cls(**own_test(name).EXAMPLES[0])
    text = inspect.getdoc(inspect.getmodule(cls)) or ""
    assert formula_of(text)
    assert "https://" in paper_of(text)
    assert is_truth(step.truth)
    assert all(setting["description"] for setting in settings_table(cls))
    assert isinstance(step, LabelStep)


@each_name
def test_is_a_frozen_value(name):
    cls, settings = class_of(name), own_test(name).EXAMPLES[0]
    assert is_dataclass(cls)
    assert cls(**settings) == cls(**settings)
    assert hash(cls(**settings)) == hash(cls(**settings))
    with pytest.raises(AttributeError):
        cls(**settings).anything = 1
