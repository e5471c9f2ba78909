"""The experiment file: what is wrong with it is said in one message that names the place; nothing is run."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from trimtab.cli import run_command
from trimtab.comparison.controls import CONTROLS
from trimtab.errors import ExperimentError
from trimtab.experiment import load, parse
from trimtab.fit.probe_settings import Probe
from trimtab.plan.sizes import check_classes, check_sizes
from trimtab.plan.steps import check_steps
from trimtab.yaml_file import override, parse_yaml, read_yaml

GOOD: dict[str, Any] = {
    "name": "good",
    "task": {"kind": "synthetic", "items": 300, "supervisor": 40, "transfer": 40, "test": 40},
    "split": {"pool": 200},
    "weak": [{"model": "minilm-l6", "fit": "probe"}],
    "strong": [{"model": "smollm2-135m", "fit": {"kind": "tune", "rank": 4}}],
    "methods": ["naive", {"confidence": {"alpha": 0.5}}, {"name": "half", "labels": [{"confident": {"keep": 0.5}}], "objective": "naive"}],  # noqa: E501
    "seeds": [0, 1],
}  # fmt: skip


def with_value(path: str, value: Any) -> dict[str, Any]:
    values = copy.deepcopy(GOOD)
    place: Any = values
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    for part in parents:
        place = place[part]
    place[last] = value
    return values


def test_a_good_file(tmp_path: Path) -> None:
    (tmp_path / "e.yaml").write_text(yaml.safe_dump(GOOD))
    found = load(tmp_path / "e.yaml")
    assert (found.name, found.seeds, found.split.pool) == ("good", (0, 1), 200)
    assert found.weak[0].fit == Probe()
    assert found.strong[0].fit.rank == 4  # pyright: ignore[reportAttributeAccessIssue]
    assert [method.name for method in found.methods] == ["naive", "confidence", "half"]
    assert found.text == (tmp_path / "e.yaml").read_text()
    assert parse({**GOOD, "weak": "minilm-l6"}, tmp_path).weak == found.weak


def prior(value: Any) -> list[Any]:
    return [{"prior_correction": {"prior": value}}]


WRONG = [
    ("metods", ["naive"], 'metods: unknown key. Did you mean "methods"?'),
    ("task.kind", "syntetic", 'task.kind: "syntetic" is not known. Did you mean "synthetic"?'),
    ("task.itmes", 3, 'task.itmes: unknown key. Did you mean "items"?'),
    ("task.items", "300", "task.items: found '300'; wanted a whole number"),
    ("task.items", 3.5, "task.items: found 3.5"),
    ("task.items", True, "task.items: found True"),
    ("task.difficulty", float("nan"), "task.difficulty: found nan, wanted a finite number"),
    ("task.difficulty", float("inf"), "task.difficulty: found inf, wanted a finite number"),
    ("task.difficulty", 2, "task: difficulty and label_noise must be in [0, 1]"),
    ("task", "synthetic", "task: found a text (synthetic), wanted a mapping with a key `kind`"),
    ("task", None, "task: found nothing"),
    ("split", [1], "split: found a list"),
    ("split.test", 5, "split.test: the sizes of the splits belong under task"),
    ("split.pol", 5, 'split.pol: unknown key. Did you mean "pool"?'),
    ("weak", [], "weak: the list is empty"),
    ("weak.0", 7, "weak.0: found a number (7)"),
    ("weak.0.modle", "x", 'weak.0.modle: unknown key. Did you mean "model"?'),
    ("weak.0.fit", "prob", "weak.0.fit: found 'prob', which is not known. Did you mean \"probe\"?"),
    ("weak.0.fit", {"kind": "probe", "fods": 3}, 'weak.0.fit.fods: unknown key. Did you mean "folds"?'),
    ("weak.0.fit", {"kind": "probe", "folds": 1}, "weak.0.fit: folds must be at least 2, found 1"),
    ("weak.0.fit", {"probe": {"strengths": [1, "a"]}}, "weak.0.fit.strengths.1: found 'a'"),
    ("weak.0.precision", "fp16", "weak.0.precision: found 'fp16'"),
    ("strong.0.fit.rank", 0, "strong.0.fit: rank must be at least 1, found 0"),
    ("strong.0.fit.learning_rate", "fast", "strong.0.fit.learning_rate: found 'fast'"),
    ("methods", "naive", "methods: found a text (naive), wanted a list"),
    ("methods", [], "methods: found a list"),
    ("methods.0", "naiv", "methods.0: found 'naiv', which is no method. Did you mean \"naive\"?"),
    ("methods.1", {"confidence": {"alfa": 1}}, 'methods.1.confidence.alfa: unknown key. Did you mean "alpha"?'),
    ("methods.1", {"confidence": 0.5}, "methods.1.confidence: found 0.5, wanted a mapping of settings"),
    ("methods.2.labels.0", {"confidnt": {}}, 'methods.2.labels.0: "confidnt" is not known. Did you mean "confident"?'),
    ("methods.2.labels.0.confident.keep", 0, "methods.2.labels.0"),
    ("methods.2.labels", "confident", "methods.2.labels: found a text (confident), wanted a list of label steps"),
    ("methods.2.objective", "nave", 'methods.2.objective: "nave" is not known. Did you mean "naive"?'),
    ("methods.2.objective", "own.py:Own", "methods.2.objective: there is no file"),
    ("methods.2", {"name": "half"}, "methods.2: found a name alone; wanted one or more of labels, schedule"),
    ("methods.2", {"name": "half", "objectiv": "product"}, 'methods.2.objectiv: unknown key. Did you mean "objective"'),
    ("methods.2", {"labels": [3]}, "methods.2.labels.0: found a number (3), wanted a name"),
    ("methods.2", {"window": {"radius": "x"}}, "methods.2.radius: found 'x'; wanted a number or 'midweak'"),
    ("methods.2.labels", prior("even"), "methods.2.labels.0.prior: found 'even'; wanted a list or 'uniform'"),
    ("methods.2.labels", prior([0.5, "x"]), "methods.2.labels.0.prior.1: found 'x'; wanted a number"),
    ("weak.0", {"mean_ensemble": {"members": ["m", {"bagging": {"model": "n"}}]}},
     "weak.0.mean_ensemble.members.1: found the supervisor bagging, wanted a single model"),
    ("strong.0", {"ccs": {"model": "n"}}, "strong.0: found the supervisor ccs, wanted a single model"),
    ("methods.2.name", "naive", "methods.2: the name 'naive' is taken"),
    ("methods.2.name", "../up", "methods.2.name: found '../up', wanted 1 to 100 characters out of A to Z"),
    ("task.test", 0, "task: test must be at least 1 item, found 0"),
    ("task.supervisor", "40", "task.supervisor: found '40'"),
    ("name", "a b", "name: found 'a b', wanted 1 to 100 characters out of A to Z"),
    ("name", "film-été", "name: found 'film-été', wanted 1 to 100 characters out of A to Z"),
    ("controls", 1, "controls: found 1; wanted true or false"),
    ("seeds", 3, "seeds: found a number (3), wanted a list such as [0, 1, 2]"),
    ("seeds", "abc", "seeds: found a text (abc), wanted a list such as [0, 1, 2]"),
    ("seeds", [0, 0], "seeds: found [0, 0]"),
    ("seeds", [-1], "seeds: found [-1]"),
    ("seeds", [2**32], "seeds: found [4294967296]"),
    ("seeds", [0, "1"], "seeds.1: found '1'"),
    ("controls", "yes", "controls: found 'yes'"),
    ("controls", ["zero_shots"], "controls.0: found 'zero_shots', which is not known. Did you mean \"zero_shot\"?"),
    ("curves", {"sizes": [20, 10]}, "curves: sizes must be ascending numbers of at least 2 labels, found [20, 10]"),
    ("curves", [10, 20], "curves: found [10, 20]; wanted true or false"),
    ("metrics", ["acuracy"], "metrics.0: found 'acuracy', which is not known. Did you mean \"accuracy\"?"),
    ("metrics", [], "metrics: the list is empty"),
    ("study", "serch", "study: found 'serch', which is not known. Did you mean \"search\"?"),
    ("study", 3, "study: found a number (3), wanted one of generalize, search"),
    ("name", "a/b", "name: found 'a/b'"),
    ("name", 5, "name: found 5"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "value", "message"), WRONG, ids=[f"{path}={value!r}"[:60] for path, value, _ in WRONG]
)
def test_what_is_wrong_is_said_with_its_place(
    path: str, value: Any, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "e.yaml"
    file.write_text(yaml.safe_dump(with_value(path, value)), "utf-8")
    command = ["run", str(file), "--store", str(tmp_path / "store"), "--runs", str(tmp_path / "runs")]
    assert run_command(command) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"trimtab: {message}"), captured.err
    assert captured.err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e.yaml"]


def test_an_override_of_a_size_is_named_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "e.yaml").write_text(yaml.safe_dump(GOOD))
    with pytest.raises(ExperimentError, match=r"^task: test must be at least 1 item, found 0$"):
        load(tmp_path / "e.yaml", ["task.test=0"])


@pytest.mark.parametrize(
    ("written", "names"),
    [("[0, 1]", ("0", "1")), ("[no, yes]", ("no", "yes")), ("[off, On]", ("off", "On")), ("[true, x]", ("true", "x"))],
)
def test_classes_may_be_numbers_and_words_that_other_yaml_takes_for_truth_values(
    written: str, names: tuple[str, ...]
) -> None:
    task = {"kind": "file", "path": "x.csv", "classes": parse_yaml(written), "supervisor": 1, "transfer": 1, "test": 1}
    assert parse({**GOOD, "task": task}, Path()).task.classes == names


def test_true_and_false_are_truth_values() -> None:
    assert parse_yaml("[true, True, FALSE, false]") == [True, True, False, False]
    assert yaml.safe_load("[no, yes]") == [False, True]  # PyYAML's own loader is left as it is


@pytest.mark.parametrize("key", ["name", "task", "weak", "strong", "methods"])
def test_a_missing_key(key: str) -> None:
    with pytest.raises(ExperimentError, match=f"^{key}: the key is missing"):
        parse({name: value for name, value in GOOD.items() if name != key}, Path())


@pytest.mark.parametrize("name", CONTROLS)
def test_a_method_named_like_a_control(name: str) -> None:
    with pytest.raises(ExperimentError, match=rf"methods\.2\.name: '{name}' is a control's name"):
        parse(with_value("methods.2.name", name), Path())


FILES = [
    (b"", "the file is empty"),
    (b"# nothing\n", "the file is empty"),
    (b"- 1\n- 2\n", "the experiment must be a mapping of keys to values, found a list"),
    (b"just words", "the experiment must be a mapping of keys to values, found a text"),
    (b"name: \xff\xfe", "byte 6 is not UTF-8; save the file as UTF-8"),
    ("name: x".encode("utf-16"), "byte 0 is not UTF-8"),
    (bytes(range(128)), "not valid YAML"),
    (b"name: [1, 2", "not valid YAML"),
    (b"a: 1\n---\nb: 2\n", "not valid YAML"),
    (b"name: one\nseeds: [0]\nname: two\n", 'line 3: the key "name" stands twice (first in line 1); remove one'),
    (b"task: {kind: file, kind: hub}\n", 'the key "kind" stands twice'),
    (b"? [a, b]\n: 1\n", "a key must be a plain name"),
    (b"name: !!python/object/apply:os.getcwd []\n", "not valid YAML"),
    (b"[" * 5000, "nested too deeply"),
    (b"name: 2020-13-45\n", "not valid YAML"),
]


@pytest.mark.parametrize(("content", "message"), FILES, ids=range(len(FILES)))
def test_files_that_are_no_experiment(
    content: bytes, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "e.yaml").write_bytes(content)
    assert run_command(["plan", str(tmp_path / "e.yaml"), "--store", str(tmp_path / "store")]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert not (tmp_path / "store").exists()


def test_no_file_or_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path, message in ((tmp_path / "none.yaml", "does not exist"), (tmp_path, "is a folder")):
        assert run_command(["run", str(path)]) == 2
        assert (
            capsys.readouterr().err == f"trimtab: {path}: the experiment file {message}; give the path of a YAML file\n"
        )


def test_yaml_numbers_and_merges(tmp_path: Path) -> None:
    numbers = parse_yaml("[1e-5, 1E5, 1.5e3, -2e-3, .5e1, 1_000, 0.1, 1e5x]")
    assert numbers == [1e-5, 1e5, 1500.0, -2e-3, 5.0, 1000, 0.1, "1e5x"]
    assert parse_yaml("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}")["b"] == {"x": 1, "y": 3}
    (tmp_path / "bom.yaml").write_bytes(b"\xef\xbb\xbfname: x\n")
    assert read_yaml(tmp_path / "bom.yaml")[0] == {"name": "x"}


SETS = [
    ("seeds=[5]", lambda v: v["seeds"] == [5]),
    ("strong.0.fit.learning_rate=1e-5", lambda v: v["strong"][0]["fit"]["learning_rate"] == 1e-5),
    ("methods.0=confidence", lambda v: v["methods"][0] == "confidence"),
    ("metrics=[auroc]", lambda v: v["metrics"] == ["auroc"]),
    ("task.prompt=a=b {text}", lambda v: v["task"]["prompt"] == "a=b {text}"),
    ("split.pool=null", lambda v: v["split"]["pool"] is None),
]


@pytest.mark.parametrize(("text", "holds"), SETS, ids=[text for text, _ in SETS])
def test_good_overrides(text: str, holds: Any) -> None:
    values = copy.deepcopy(GOOD)
    override(values, text)
    assert holds(values)
    assert values != GOOD


BAD_SETS = [
    ("seeds", "--set: found 'seeds', wanted path.to.value=VALUE"),
    ("=3", "--set: found '=3', wanted path.to.value=VALUE"),
    ("seeds=[0", "--set seeds: not valid YAML"),
    ("sed=[0]", 'sed: unknown key. Did you mean "seeds"?'),
    ("weak.1.model=x", "--set weak.1: found '1', wanted a position from 0 to 0"),
    ("weak.-1.model=x", "--set weak.-1: found '-1', wanted a position from 0 to 0"),
    ("weak.\N{SUPERSCRIPT TWO}=x", "wanted a position from 0 to 0"),
    ("task.kind.x=1", "--set task.kind.x: task.kind is a single value, not a mapping or list"),
    ("strong.0.fit.rank=many", "strong.0.fit.rank: found 'many'"),
    ("seeds=.nan", "seeds: found nan"),
    ("name=a b", "name: found 'a b'"),
]


@pytest.mark.parametrize(("text", "message"), BAD_SETS, ids=[text for text, _ in BAD_SETS])
def test_bad_overrides(text: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "e.yaml"
    file.write_text(yaml.safe_dump(GOOD))
    assert run_command(["run", str(file), "--store", str(tmp_path / "store"), "--set", text]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert not (tmp_path / "store").exists()


def test_overrides_are_kept_with_the_text(tmp_path: Path) -> None:
    (tmp_path / "e.yaml").write_text(yaml.safe_dump(GOOD))
    found = load(tmp_path / "e.yaml", ["seeds=[7]", "metrics=[auroc]"])
    assert (found.seeds, found.metrics) == ((7,), ("auroc",))
    assert found.text.endswith("# overrides: seeds=[7] metrics=[auroc]\n")


OWN = {
    "NotAnObjective": ("methods.0.objective", "is not an objective: it lacks truth, scheduled, curvature, statistics"),
    "Flat": ("methods.0.objective", "has the curvature 0; wanted a number above 0"),
    "Still": (
        "methods.0.objective",
        "has a `target` that moves with the student, and `scheduled` is False; wanted True",
    ),
    "NotADataclass": ("methods.0.objective", "is not a dataclass; decorate it"),
    "Choosy": ("methods.0.objective", "alpha must be small"),
    "OddTypes": ("methods.0.objective", "the types of OddTypes's settings cannot be read"),
}


@pytest.mark.parametrize("name", OWN)
def test_a_users_class_of_the_wrong_kind(name: str, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("""
from __future__ import annotations
from dataclasses import dataclass
from trimtab.objectives.naive import Naive

@dataclass(frozen=True)
class NotAnObjective:
    alpha: float = 1.0

class NotADataclass:
    pass

@dataclass(frozen=True)
class Flat(Naive):
    curvature = 0

@dataclass(frozen=True)
class Still(Naive):
    def target(self, logits, labels, context):
        return labels

@dataclass(frozen=True)
class Choosy(Naive):
    def __post_init__(self):
        raise TypeError("alpha must be small")

@dataclass(frozen=True)
class OddTypes(Naive):
    alpha: Nowhere = 1.0
""")
    place, message = OWN[name]
    with pytest.raises(ExperimentError, match=message) as caught:
        parse({**GOOD, "methods": [{"name": "own", "objective": f"own.py:{name}"}]}, tmp_path)
    assert str(caught.value).startswith(place)


def test_a_class_whose_name_is_no_name_of_a_method_needs_another(tmp_path: Path) -> None:
    text = "from dataclasses import dataclass\nfrom trimtab.objectives.naive import Naive\n"
    (tmp_path / "own.py").write_text(f"{text}@dataclass(frozen=True)\nclass Größe(Naive):\n    pass\n", "utf-8")
    with pytest.raises(ExperimentError, match=r"methods.0.name: found 'größe', wanted 1 to 100 .*; give it a `name`$"):
        parse({**GOOD, "methods": ["own.py:Größe"]}, tmp_path)
    named = parse({**GOOD, "methods": [{"name": "groesse", "objective": "own.py:Größe"}]}, tmp_path)
    assert [one.name for one in named.methods] == ["groesse"]


def test_a_users_label_step_and_task_of_the_wrong_kind(tmp_path: Path) -> None:
    text = "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass Empty:\n    keep: float = 0.5\n"
    (tmp_path / "own.py").write_text(text)
    with pytest.raises(ExperimentError, match=r"methods.0.labels.0: 'own.py:Empty' is not a label step"):
        parse({**GOOD, "methods": [{"name": "own", "labels": ["own.py:Empty"], "objective": "naive"}]}, tmp_path)
    with pytest.raises(ExperimentError, match=r"task.kind: 'own.py:Empty' is not a task"):
        parse({**GOOD, "task": {"kind": "own.py:Empty"}}, tmp_path)


def test_an_objective_in_the_place_of_a_label_step(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match=r"methods.0.labels.0: 'own.py:Own' is an objective, not a label step"):
        text = "from dataclasses import dataclass\nfrom trimtab.objectives.naive import Naive\n"
        (tmp_path / "own.py").write_text(f"{text}@dataclass(frozen=True)\nclass Own(Naive):\n    pass\n")
        parse({**GOOD, "methods": [{"name": "own", "labels": ["own.py:Own"], "objective": "naive"}]}, tmp_path)


def test_label_steps_alone_are_learnt_naively_and_name_their_method(tmp_path: Path) -> None:
    methods = parse({**GOOD, "methods": ["naive", {"labels": ["rebalance", {"confident": {"keep": 0.5}}]}]}, tmp_path)
    composed = methods.methods[1]
    assert (composed.name, type(composed.objective).__name__) == ("rebalance-confident", "Naive")


@pytest.mark.parametrize(
    "method, message",
    [
        (
            {"labels": [{"ground_truth": {"budget": 5000}}]},
            r"methods.0.labels.0.budget: found 5000, wanted at most 40:",
        ),
        (
            {"labels": [{"graph_smoothing": {"neighbours": 4999}}]},
            r"methods.0.labels.0.neighbours: found 4999, wanted at most 39:",
        ),
        (
            {"schedule": {"strong_to_strong": {"folds": 5000}}},
            r"methods.0.schedule.strong_to_strong.folds: found 5000, wanted at most 40,",
        ),
    ],
)
def test_more_than_there_is_is_told_by_the_plan(method: dict[str, Any], message: str, tmp_path: Path) -> None:
    experiment = parse({**GOOD, "methods": [method]}, tmp_path)
    with pytest.raises(ExperimentError, match=message):
        check_sizes(experiment)


@pytest.mark.parametrize(
    "weak, message",
    [
        (
            {"annotator": {"confusion": [[0.8, 0.2], [0.2, 0.8]]}},
            r"weak.0.annotator.confusion: found 2 rows, .*; give a row and a column for each class, in this order",
        ),
        ({"ccs": {"model": "minilm-l6"}}, r"weak.0: ccs tells two classes apart, and the task has 3 \(a, b, c\)"),
    ],
)
def test_supervisors_for_another_number_of_classes(weak: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match=message):
        check_classes(parse({**GOOD, "weak": [weak]}, tmp_path), ("a", "b", "c"))
    check_classes(parse({**GOOD, "weak": [weak]}, tmp_path), ("a", "b"))
    step = {"labels": [{"prior_correction": {"prior": [0.5, 0.5]}}]}
    with pytest.raises(ExperimentError, match=r"methods.0.labels.0.prior: found 2 shares, .* 3 classes .*or `uniform`"):
        check_classes(parse({**GOOD, "methods": [step]}, tmp_path), ("a", "b", "c"))


@pytest.mark.parametrize(
    "needs, truth, wanted",
    [
        ("judged", "none", "supervisor"),
        ("judged", "supervisor", None),
        ("judged", "budget(3)", None),
        ("gold", "none", r"budget\(n\)"),
        ("gold", "supervisor", r"budget\(n\)"),
        ("gold", "budget(3)", None),
        ("gold", "oracle", None),
        ("student_states", "none", None),
    ],
)
def test_a_step_declares_the_truth_that_it_needs(needs: str, truth: str, wanted: str | None, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(f"""
from dataclasses import dataclass

@dataclass(frozen=True)
class Peek:
    truth = "{truth}"
    needs = ("{needs}",)

    def __call__(self, labels, evidence):
        return labels
""")
    experiment: Any = parse({**GOOD, "methods": ["naive", {"name": "own", "labels": ["own.py:Peek"]}]}, tmp_path)
    if wanted is None:
        check_steps(experiment)
        return
    message = (
        rf"methods.1.labels.0: the label step Peek reads ground truth \(`{needs}`\) .*`{truth}`; wanted `{wanted}`"
    )
    with pytest.raises(ExperimentError, match=message):
        check_steps(experiment)


def test_ground_truth_is_bought_once(tmp_path: Path) -> None:
    steps = [{"ground_truth": {"budget": 5}}, "rebalance", {"ground_truth": {"budget": 3, "choose": "least_certain"}}]
    with pytest.raises(ExperimentError, match=r"methods.0.labels.2: found a second ground_truth, .* that of labels.0"):
        check_steps(parse({**GOOD, "methods": [{"name": "two", "labels": steps}]}, tmp_path))
    apart = [{"name": "one", "labels": steps[:2]}, {"name": "other", "labels": steps[1:]}]
    check_steps(parse({**GOOD, "methods": apart}, tmp_path))


def test_a_step_that_reads_the_supervisors_states_names_its_place(tmp_path: Path) -> None:
    values = {
        **GOOD,
        "weak": [*GOOD["weak"], "human_ratings"],
        "methods": ["naive", {"labels": ["rebalance", "trust"]}],
    }
    message = r"methods.1.labels.1: the label step trust reads .* hidden states, and human_ratings has none"
    with pytest.raises(ExperimentError, match=message):
        check_steps(parse(values, tmp_path))
    check_steps(parse(values | {"weak": GOOD["weak"]}, tmp_path))
