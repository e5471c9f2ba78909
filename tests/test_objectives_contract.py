"""What every objective promises. An objective's own test names its EXAMPLES and the settings it REFUSES."""

from __future__ import annotations

import inspect
from dataclasses import fields, is_dataclass, replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from beartype import beartype
from jaxtyping import TypeCheckError, jaxtyped

from trimtab.catalogue import catalogue, formula_of, paper_of, settings_table
from trimtab.components import find
from trimtab.digest import component_identity, settings_of
from trimtab.errors import ExperimentError
from trimtab.experiment import parse
from trimtab.objectives import OBJECTIVES
from trimtab.objectives.naive import cross_entropy
from trimtab.types import Context, Objective, SelfTargeted
from trimtab.yaml_file import parse_yaml


def class_of(name: str) -> Any:
    return find(name, "trimtab.objectives", OBJECTIVES, Path())


def own_test(name: str) -> ModuleType:
    """Return the objective's own test module, which says what its settings may be."""
    return import_module(f"test_objectives_{name}")


CASES = [
    pytest.param(class_of(name)(**settings), id=f"{name}-{i}")
    for name in OBJECTIVES
    for i, settings in enumerate(own_test(name).EXAMPLES)
]
each_case = pytest.mark.parametrize("objective", CASES)
each_name = pytest.mark.parametrize("name", list(OBJECTIVES))


def data(classes: int, items: int = 64, runs: tuple[int, ...] = (), seed: int = 0):
    """Return float64 logits and soft labels, two of which are certain."""
    rng = np.random.default_rng([seed, classes, items])
    labels = rng.dirichlet(np.ones(classes), (*runs, items))
    labels[..., :2, :] = np.eye(classes)[:2]
    return torch.from_numpy(rng.normal(size=(*runs, items, classes)) * 2), torch.from_numpy(labels)


def context(objective: Objective, progress: float, logits: torch.Tensor, labels: torch.Tensor) -> Context:
    with torch.no_grad():
        return Context(progress, objective.statistics(logits, labels))


def value(objective: Objective, progress: float, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return objective(logits, labels, context(objective, progress, logits, labels))


@each_case
@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("runs", [(), (3,), (2, 3)])
def test_one_value_per_example(objective, classes, runs):
    logits, labels = data(classes, runs=runs)
    found = value(objective, 0.4, logits, labels)
    assert found.shape == (*runs, 64)
    assert found.dtype == logits.dtype
    assert torch.isfinite(found).all()


@each_case
@pytest.mark.parametrize("classes", [2, 4])
def test_runs_are_independent(objective, classes):
    logits, labels = data(classes, runs=(3,))
    together = value(objective, 0.4, logits, labels)
    for run in range(3):
        torch.testing.assert_close(together[run], value(objective, 0.4, logits[run], labels[run]))


@each_case
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [1e2, 1e4, 1e30])
@pytest.mark.parametrize("classes", [2, 3])
def test_extreme_logits_stay_finite(objective, dtype, size, classes):
    logits, labels = data(classes)
    extreme = (logits.sign() * size).to(dtype)
    extreme[5] = 0
    extreme.requires_grad_()
    found = value(objective, 1.0, extreme, labels.to(dtype))
    (slope,) = torch.autograd.grad(found.sum(), extreme)
    assert torch.isfinite(found).all()
    assert torch.isfinite(slope).all()


@each_case
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("progress", [0.0, 0.1, 1.0])
def test_gradient_is_that_of_the_value(objective, classes, progress):
    """Where the target is the student's own and moves with it, that of the cross-entropy to the target as it stands."""
    logits, labels = data(classes, items=8)
    fixed = context(objective, progress, logits, labels)
    if isinstance(objective, SelfTargeted):
        target = objective.target(logits, labels, fixed)
        torch.testing.assert_close(objective(logits, labels, fixed), cross_entropy(logits, target))
        seen = logits.clone().requires_grad_()
        (slope,) = torch.autograd.grad(objective(seen, labels, fixed).sum(), seen)
        torch.testing.assert_close(slope, logits.softmax(-1) - target)
        return
    assert torch.autograd.gradcheck(lambda z: objective(z, labels, fixed), [logits.requires_grad_()])


@each_case
@pytest.mark.parametrize("classes", [2, 3])
def test_curvature_is_an_upper_bound(objective, classes):
    """The probe's step length rests on it."""
    logits, labels = data(classes, items=12)
    logits[0] = 0  # an even prediction has the largest curvature of a cross-entropy
    fixed = context(objective, 1.0, logits, labels)
    for item in range(len(logits)):

        def one(z: torch.Tensor, item: int = item) -> torch.Tensor:
            return objective(z.unsqueeze(0), labels[item : item + 1], fixed).sum()

        matrix = torch.autograd.functional.hessian(one, logits[item])
        assert torch.linalg.eigvalsh(matrix).abs().max() <= objective.curvature + 1e-9


@each_case
def test_permuting_items_permutes_values(objective):
    logits, labels = data(3)
    order = torch.from_numpy(np.random.default_rng(1).permutation(len(logits)))
    torch.testing.assert_close(
        value(objective, 0.7, logits[order], labels[order]), value(objective, 0.7, logits, labels)[order]
    )


@each_case
@pytest.mark.parametrize("classes", [2, 3, 5])
def test_permuting_classes_changes_nothing(objective, classes):
    logits, labels = data(classes)
    order = torch.from_numpy(np.random.default_rng(2).permutation(classes)[::-1].copy())
    torch.testing.assert_close(
        value(objective, 0.7, logits[:, order], labels[:, order]), value(objective, 0.7, logits, labels)
    )


@each_case
@pytest.mark.parametrize("pieces", [2, 8, 64])
def test_micro_batches_change_nothing(objective, pieces):
    """Everything beyond one example comes through the context, so a batch may be cut anywhere."""
    logits, labels = data(3)
    fixed = context(objective, 0.7, logits, labels)
    whole = objective(logits, labels, fixed)
    parts = zip(logits.chunk(pieces), labels.chunk(pieces), strict=True)
    torch.testing.assert_close(torch.cat([objective(z, q, fixed) for z, q in parts]), whole, rtol=0, atol=1e-14)


def largest_step(objective: Objective, steps: int) -> float:
    logits, labels = data(3)
    statistics = objective.statistics(logits, labels)
    path = [objective(logits, labels, Context(i / steps, statistics)) for i in range(steps + 1)]
    return float((torch.stack(path).diff(dim=0)).abs().max())


@each_case
def test_is_continuous_in_progress(objective):
    """Half the step in progress, about half the step in value.

    openai/weak-to-strong is the counter-example: its weight is coefficient * progress until the warm-up ends and the
    whole coefficient from the next step on, so that its largest step stays the same however fine the grid is.
    """
    assert largest_step(objective, 1600) <= 0.6 * largest_step(objective, 800) + 1e-12


def test_the_continuity_check_finds_a_jump():
    class Jumps:
        def statistics(self, logits, labels):
            return {}

        def __call__(self, logits, labels, context):
            weight = 0.5 * (1.0 if context.progress > 0.1 else context.progress)
            return weight * (logits * labels).sum(-1)

    assert largest_step(Jumps(), 1600) > 0.9 * largest_step(Jumps(), 800) > 0  # pyright: ignore[reportArgumentType]


@each_name
def test_no_setting_is_dead(name):
    """Every setting differs from its default in one of the examples, and there changes the value somewhere."""
    cls, examples = class_of(name), own_test(name).EXAMPLES
    logits, labels = data(3)
    base = cls(**examples[0])

    def values(objective: Objective) -> torch.Tensor:
        return torch.stack([value(objective, progress, logits, labels) for progress in np.linspace(0, 1, 11)])

    moved = set()
    for example in examples[1:]:
        for field, setting in example.items():
            assert not torch.equal(values(replace(base, **{field: setting})), values(base)), f"{field} does nothing"
            moved.add(field)
    assert moved == {field.name for field in fields(cls)}


@each_name
def test_bad_settings_are_refused(name):
    cls, refused = class_of(name), own_test(name).REFUSED
    assert {key for one in refused for key in one} == {field.name for field in fields(cls)}
    for settings in refused:
        with pytest.raises(ValueError, match=next(iter(settings))):
            cls(**settings)


def experiment(method: Any) -> Any:
    return {
        "name": "x", "task": {"kind": "synthetic"}, "weak": "w", "strong": "s", "methods": [method],
    }  # fmt: skip


@each_case
def test_experiment_file_round_trip(objective, tmp_path):
    import yaml

    name = next(name for name in OBJECTIVES if class_of(name) is type(objective))
    text = yaml.safe_dump(experiment({"name": "m", "objective": {name: settings_of(objective)}}))
    found = parse(parse_yaml(text), tmp_path).methods[0].objective
    assert found == objective
    assert component_identity(found) == component_identity(objective)


@each_name
def test_experiment_file_names_what_is_wrong(name, tmp_path):
    with pytest.raises(ExperimentError, match=r"methods\.0.*colour: unknown key"):
        parse(experiment({name: {"colour": 1}}), tmp_path)
    for refused in own_test(name).REFUSED:
        with pytest.raises(ExperimentError, match=r"methods\.0"):
            parse(experiment({name: refused}), tmp_path)


@each_name
def test_is_documented(name):
    cls = class_of(name)
    text = inspect.getdoc(inspect.getmodule(cls)) or ""
    assert "=" in formula_of(text)
    assert "https://" in paper_of(text)
    assert "Differs from" in text
    assert cls.truth in ("none", "supervisor", "oracle") or cls.truth.startswith("budget(")
    assert all(setting["description"] for setting in settings_table(cls))
    assert any(entry["kind"] == "objective" for entry in catalogue(name))


@each_name
def test_is_a_frozen_value(name):
    cls = class_of(name)
    one, other = cls(), cls()
    assert is_dataclass(one)
    assert isinstance(one, Objective)
    assert one == other
    assert hash(one) == hash(other)
    with pytest.raises(AttributeError):
        one.anything = 1


@each_case
@pytest.mark.parametrize("runs", [(), (2,)])
def test_annotated_shapes_hold(objective, runs):
    """The shapes in the signatures, checked while they run; a wrong shape is refused, so the check is alive."""
    cls = type(objective)
    call = jaxtyped(cls.__call__, typechecker=beartype)
    statistics = jaxtyped(cls.statistics, typechecker=beartype)
    logits, labels = data(3, runs=runs)
    fixed = Context(0.5, statistics(objective, logits, labels))
    call(objective, logits, labels, fixed)
    with pytest.raises(TypeCheckError):
        call(objective, logits, labels[..., :-1, :], fixed)


@each_name
def test_public_functions_state_their_shapes(name):
    """Every public function of the module annotates its arrays with shapes, so that the check above means something."""
    module = inspect.getmodule(class_of(name))
    assert module is not None
    functions = [
        one
        for key, one in vars(module).items()
        if inspect.isfunction(one) and one.__module__ == module.__name__ and not key.startswith("_")
    ]
    assert functions, "the formula is a module-level function"
    for one in functions:
        assert "Float[Tensor" in one.__annotations__["return"]
        assert one.__doc__
