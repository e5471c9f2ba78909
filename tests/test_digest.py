"""Identity: equal values have equal digests, and whatever changes a result changes its digest."""

from __future__ import annotations

import ast
import hashlib
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from tiny_study import study

from trimtab.comparison.controls import CONTROLS, USUAL
from trimtab.components import find, module_from_file
from trimtab.digest import canonical_json, component_identity, digest_of, settings_of, source_digest
from trimtab.errors import UsageError
from trimtab.experiment import parse
from trimtab.objectives.confidence import Confidence
from trimtab.objectives.naive import Naive
from trimtab.plan import plan
from trimtab.stages.split import Split
from trimtab.stages.stage import Stage, order
from trimtab.tasks.splits import SplitSettings

MINE = """
from dataclasses import dataclass
import itertools, math, sys

from beside import FACTOR
from trimtab.objectives.naive import Naive, cross_entropy

@dataclass(frozen=True)
class Mine(Naive):
    scale: float = 1.0

    def __call__(self, logits, labels, context):
        return self.scale * FACTOR * cross_entropy(logits, labels)
"""


@dataclass(frozen=True)
class Root(Stage):
    """A stage without inputs."""

    number: float
    words: tuple[str, ...] = ("a",)

    kind: ClassVar[str] = "root"

    def run(self, inputs: Any, out: Path, work: Path, progress: Any) -> dict[str, Any]:
        return {}


@dataclass(frozen=True)
class Leaf(Stage):
    """A stage with one input and a tuple of them."""

    first: Stage
    others: tuple[Stage, ...] = ()

    kind: ClassVar[str] = "leaf"

    def run(self, inputs: Any, out: Path, work: Path, progress: Any) -> dict[str, Any]:
        return {}


def test_canonical_json_is_one_text_per_value() -> None:
    assert canonical_json({"b": [1, 2.5, None], "a": "é"}) == '{"a":"\\u00e9","b":[1,2.5,null]}'
    assert digest_of({"x": 1, "y": 2}) == digest_of({"y": 2, "x": 1})
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(float("nan"))


def test_a_stage_digest_is_the_sha256_of_what_the_design_says() -> None:
    text = '{"inputs":{},"kind":"root","settings":{"number":0.5,"words":["a"]},"version":1}'
    assert Root(0.5).digest == hashlib.sha256(text.encode()).hexdigest()
    assert Root(0.5).digest == "6f381573f63d65eec50a17a9d56c6d2722e091bcdf38907aafbcaacbc4586236"
    text = f'{{"inputs":{{"first":"{Root(0.5).digest}"}},"kind":"leaf","settings":{{"others":[]}},"version":1}}'
    assert Leaf(Root(0.5)).digest == hashlib.sha256(text.encode()).hexdigest()


def test_settings_inputs_and_their_places_count() -> None:
    a, b = Root(1.0), Root(2.0)
    values = [a, b, Root(1.0, ("a", "b")), Leaf(a), Leaf(b), Leaf(a, (b,)), Leaf(a, (b, a)), Leaf(a, (a, b))]
    assert len({one.digest for one in values}) == len(values)
    assert Leaf(Root(1.0), (Root(2.0),)).digest == Leaf(a, (b,)).digest

    class Newer(Root):
        version: ClassVar[int] = 2

    assert Newer(1.0).digest != Root(1.0).digest


def test_equal_stages_are_one_stage_and_inputs_come_first() -> None:
    stages = order((Leaf(Root(1.0), (Root(1.0), Root(2.0))), Leaf(Root(2.0)), Leaf(Root(2.0))))
    assert [one.kind for one in stages] == ["root", "root", "leaf", "leaf"]
    assert len({one.digest for one in stages}) == 4


def test_settings_of_a_component() -> None:
    assert settings_of(Confidence(alpha=0.25))["alpha"] == 0.25
    assert settings_of({"a": (1, (2,))}) == {"a": [1, [2]]}
    assert component_identity(Naive()) != component_identity(Confidence())
    assert component_identity(Confidence(alpha=0.25)) != component_identity(Confidence())


def test_a_component_whose_identity_cannot_be_known_is_refused() -> None:
    class Hidden:
        def __init__(self, alpha: float) -> None:
            self.alpha = alpha

    with pytest.raises(UsageError, match="Hidden is not a dataclass"):
        component_identity(Hidden(0.5))
    sys.modules["typed_in"] = module = type(sys)("typed_in")
    try:
        exec("from dataclasses import dataclass\n@dataclass(frozen=True)\nclass Typed: pass", vars(module))
        with pytest.raises(UsageError, match="typed_in has no source file"):
            component_identity(module.Typed())
    finally:
        del sys.modules["typed_in"]


def mine(folder: Path, source: str = MINE, factor: float = 2.0) -> Any:
    """Write a user's objective and the file beside it; return the class."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mine.py").write_text(source)
    (folder / "beside.py").write_text(f"FACTOR = {factor}\n")
    for name in ("beside", *[name for name in sys.modules if name.startswith("mine_")]):
        sys.modules.pop(name, None)
    source_digest.cache_clear()
    return find("mine.py:Mine", "trimtab.objectives", {}, folder)


def test_a_users_source_and_the_file_beside_it_count(tmp_path: Path) -> None:
    first = component_identity(mine(tmp_path)())
    assert component_identity(mine(tmp_path)()) == first
    assert component_identity(mine(tmp_path, factor=3.0)()) != first
    assert component_identity(mine(tmp_path, MINE + "# another remark\n")()) == first
    assert component_identity(mine(tmp_path, MINE.replace("scale: float = 1.0", "scale: float = 1.5"))()) != first
    assert component_identity(mine(tmp_path)(scale=2.0)) != first
    assert component_identity(mine(tmp_path)()) == first


def test_a_users_source_counts_nothing_of_the_standard_library(tmp_path: Path) -> None:
    module = mine(tmp_path).__module__
    files = {name: hashlib.sha256(ast.unparse(ast.parse((tmp_path / name).read_text())).encode()).hexdigest()
             for name in ("mine.py", "beside.py")}  # fmt: skip
    assert source_digest(module) == digest_of(files)


def test_an_edited_file_is_another_module(tmp_path: Path) -> None:
    before = mine(tmp_path)
    after = mine(tmp_path, MINE.replace("scale: float = 1.0", "scale: float = 4.0"))
    assert (before().scale, after().scale) == (1.0, 4.0)
    assert module_from_file(tmp_path / "mine.py") is module_from_file(tmp_path / "mine.py")


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return study(tmp_path_factory.mktemp("study"))


def stages_of(values: dict[str, Any], folder: Path, **changes: Any) -> dict[str, Stage]:
    """Return the stages of the tiny study by digest; dotted keys change values inside."""
    experiment = parse(values | changes, folder)
    return {stage.digest: stage for stage in plan(experiment).stages}


def kinds(stages: dict[str, Stage], but: dict[str, Stage]) -> Counter[str]:
    """Count by kind the stages that are not among `but`."""
    return Counter(stage.kind for digest, stage in stages.items() if digest not in but)


def test_the_order_of_keys_changes_nothing(values: dict[str, Any], tmp_path: Path) -> None:
    turned = {key: values[key] for key in reversed(values)}
    turned["task"] = {key: values["task"][key] for key in reversed(values["task"])}
    assert list(stages_of(turned, tmp_path)) == list(stages_of(values, tmp_path))


def test_name_and_place_of_things_change_nothing(values: dict[str, Any], tmp_path: Path) -> None:
    strong = values["strong"][0]
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for file in Path(strong["model"]).iterdir():
        (moved / file.name).write_bytes(file.read_bytes())
    before, after = stages_of(values, tmp_path), stages_of(values, tmp_path, strong=[strong | {"model": str(moved)}])
    assert kinds(after, before) == {"compare": 1}  # which names the model; nothing is computed again
    assert list(stages_of(values, tmp_path, name="another")) == list(before)


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], dict[str, Any]], set[str]]] = {
    # what is changed: kinds that must be made again, all others must not
    "a method's setting": (lambda v: {"methods": ["naive", {"confidence": {"alpha": 0.4}}, v["methods"][2]]}, {"train", "predict"}),  # noqa: E501
    "a label step": (
        lambda v: {"methods": [*v["methods"][:2], {"name": "x", "labels": [{"confident": {"keep": 0.4}}], "objective": "naive"}]},  # noqa: E501
        {"label", "train", "predict"},
    ),
    "one more method": (lambda v: {"methods": [*v["methods"], {"name": "y", "objective": {"confidence": {"alpha": 0.9}}}]}, {"train", "predict"}),  # noqa: E501
    "metrics": (lambda v: {"metrics": ["auroc"]}, set()),
    "the strong model's layer": (
        lambda v: {"strong": [v["strong"][0] | {"layer": 1}]}, {"embed", "select", "train", "predict"},
    ),
    "one more seed": (lambda v: {"seeds": [*v["seeds"], 2]}, {"split", "label", "select", "train", "predict"}),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_makes_only_what_depends_on_it(values: dict[str, Any], tmp_path: Path, change: str) -> None:
    edit, wanted = CHANGES[change]
    before, after = stages_of(values, tmp_path), stages_of(values, tmp_path, **edit(values))
    assert set(kinds(after, before)) == {"compare"} | wanted


def test_another_method_leaves_the_weak_model_its_labels_and_the_activations(
    values: dict[str, Any], tmp_path: Path
) -> None:
    before = stages_of(values, tmp_path, methods=["naive"], controls=False)
    after = stages_of(values, tmp_path, methods=[{"confidence": {"alpha": 0.3}}], controls=False)
    made = [stage for digest, stage in after.items() if digest not in before]
    # two seeds: a student each, its predictions, and the comparison
    assert Counter(stage.kind for stage in made) == {"train": 2, "predict": 2, "compare": 1}
    naive = stages_of(values, tmp_path, methods=["naive"], controls=False)
    assert Counter(one.kind for one in naive.values()) == Counter(one.kind for one in before.values())


def test_what_is_equal_is_shared(values: dict[str, Any], tmp_path: Path) -> None:
    one = stages_of(values, tmp_path)
    two = stages_of(values, tmp_path, methods=[*values["methods"], {"name": "again", "objective": "naive"}])
    assert kinds(two, one) == {"compare": 1}
    assert Counter(stage.kind for stage in one.values())["embed"] == 2
    # naive and confident-half choose no penalty of their own: one for the weak labels, ground truth, and each control
    assert Counter(stage.kind for stage in one.values())["split"] == 2


def test_a_changed_objective_source_changes_only_its_own_fits(values: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "own"
    methods = ["naive", {"name": "own", "objective": "mine.py:Mine"}]
    mine(folder)
    before = stages_of(values, folder, methods=methods)
    mine(folder, factor=5.0)
    after = stages_of(values, folder, methods=methods)
    assert kinds(after, before) == {"train": 2, "predict": 2, "compare": 1}


def test_data_counts_by_its_bytes(values: dict[str, Any], tmp_path: Path) -> None:
    copy = tmp_path / "copy.csv"
    text = Path(values["task"]["path"]).read_text("utf-8")
    task = values["task"] | {"path": str(copy)}
    copy.write_text(text, "utf-8")
    before = stages_of(values, tmp_path, task=task)
    copy.write_text(text.replace("film", "movie", 1), "utf-8")
    after = stages_of(values, tmp_path, task=task)
    assert not set(after) & set(before)


def test_precision_and_device_are_part_of_activations(
    values: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strong = values["strong"][0] | {"precision": "fp32"}
    before = stages_of(values, tmp_path, strong=[strong])
    assert "embed" in kinds(stages_of(values, tmp_path, strong=[strong | {"precision": "bf16"}]), before)
    monkeypatch.setattr("trimtab.models.precision.device_class", lambda: "cuda")
    assert kinds(stages_of(values, tmp_path, strong=[strong]), before)["embed"] == 2


def test_weights_that_change_in_place_are_noticed(values: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for file in Path(values["weak"][0]["model"]).iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    weak = [values["weak"][0] | {"model": str(folder)}]
    before = stages_of(values, tmp_path, weak=weak)
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "model.safetensors").write_bytes(bytes(weights))
    assert kinds(stages_of(values, tmp_path, weak=weak), before)["embed"] == 1


def test_the_seed_is_part_of_a_split(values: dict[str, Any], tmp_path: Path) -> None:
    data = plan(parse(values, tmp_path)).compare.data
    split = SplitSettings(supervisor=10, transfer=10, test=10)
    assert len({Split(data, replace(split, supervisor=n), seed).digest for n in (10, 11) for seed in (0, 1)}) == 4


def test_control_names_are_those_of_the_plan(values: dict[str, Any], tmp_path: Path) -> None:
    rows = plan(parse(values | {"controls": True}, tmp_path)).compare.rows
    assert {row.control for row in rows if row.control} | {"zero_shot"} == set(USUAL) < set(CONTROLS)
