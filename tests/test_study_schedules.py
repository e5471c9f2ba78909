"""Studies with schedules that relabel or prompt: chains, rounds, few-shot; each fold's model knows nothing of it."""

from __future__ import annotations

import csv
import json
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file
from tiny_models import save, tiny_bert
from tiny_study import study

from trimtab.errors import ExperimentError, StageError
from trimtab.executors.local import run_stages
from trimtab.executors.monitor import Quiet
from trimtab.experiment import Experiment, parse
from trimtab.fit.probe import fit_probe
from trimtab.fit.probe_settings import Probe
from trimtab.methods import Method
from trimtab.objectives.naive import Naive
from trimtab.plan import plan
from trimtab.plan.study import Plan
from trimtab.results import Results
from trimtab.schedules.chain import Chain
from trimtab.schedules.strong_to_strong import StrongToStrong
from trimtab.schedules.weak_few_shot import WeakFewShot
from trimtab.stages.cross_fit import LabelCrossFitted
from trimtab.stages.label import LabelGold
from trimtab.stages.stage import Stage, order
from trimtab.stages.supervisors import PredictPrompted
from trimtab.stages.tables import read_labels, read_predictions, rows_of
from trimtab.store import Store, facts_of
from trimtab.study import run

PROMPT = "review : {text} answer :"


def grouped(folder: Path, **changes: Any) -> dict[str, Any]:
    """Return a study in which two reviews each belong together, and three models lie between the two that it has."""
    values = study(folder, (0,), controls=False)
    with (folder / "reviews.csv").open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    with (folder / "reviews.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, ["id", "text", "label", "film"])
        writer.writeheader()
        writer.writerows(row | {"film": f"film{i // 2}"} for i, row in enumerate(rows))
    values["task"] |= {"group": "film"}
    return values | changes


def between(values: dict[str, Any]) -> list[dict[str, Any]]:
    """Return two models that are neither supervisor nor student."""
    return [values["weak"][0] | {"layer": 1}, values["strong"][0] | {"layer": 1}]


@dataclass(frozen=True)
class Done:
    """A finished study with its plan and its store."""

    results: Results
    planned: Plan
    store: Store
    values: dict[str, Any]
    folder: Path

    def at(self, stage: Stage) -> Path:
        """Return where a stage has written."""
        return self.store.folder(stage.kind, stage.digest)

    def told(self, method: str) -> Any:
        """Return the stage of the labels that the student of a method learnt."""
        compare = self.planned.compare
        (row,) = (one for one in compare.rows if one.method == method)
        return compare.labels[row.labels[0]]

    def predictions(self, method: str) -> str:
        """Return the digest of a student's predictions."""
        return self.results.row(method)["per_seed"][0]["predictions"]["student"]


def finish(values: dict[str, Any], folder: Path) -> Done:
    experiment = parse(values, folder)
    results = run(experiment, store=folder / "store")
    return Done(results, plan(experiment), Store.open(folder / "store"), values, folder)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """One study with every schedule of this file."""
    folder = tmp_path_factory.mktemp("schedules")
    values = grouped(folder)
    methods: list[Any] = [
        "naive",
        {"name": "empty", "schedule": "chain"},
        {"name": "none", "schedule": {"strong_to_strong": {"rounds": 0}}},
        {"name": "one", "schedule": {"chain": {"through": between(values)[:1]}}},
        {"name": "two", "schedule": {"chain": {"through": between(values), "folds": 2}}},
        {"schedule": "strong_to_strong"},
        {"name": "again", "schedule": {"strong_to_strong": {"rounds": 2, "folds": 2}}},
        {
            "name": "kept",
            "labels": [{"confident": {"keep": 0.5}}],
            "schedule": {"chain": {"through": between(values)[:1]}},
        },
        {"name": "few", "schedule": {"weak_few_shot": {"shots": 1}}},
        {"name": "more", "schedule": {"weak_few_shot": {"shots": 3}}},
        {"name": "sure", "labels": [{"confident": {"keep": 0.1}}], "schedule": {"weak_few_shot": {"shots": 2}}},
    ]
    return finish(values | {"methods": methods}, folder)


@pytest.mark.parametrize("method", ["empty", "none"])
def test_nothing_in_between_is_naive(done: Done, method: str) -> None:
    assert done.predictions(method) == done.predictions("naive")
    assert done.told(method).digest == done.told("naive").digest


def test_a_chain_from_python_without_models_is_naive(done: Done) -> None:
    experiment = parse(done.values | {"methods": ["naive"]}, done.folder)
    methods = (Method("empty", Naive(), schedule=Chain(())), Method("none", Naive(), schedule=StrongToStrong(0)))
    rows = plan(replace(experiment, methods=(*experiment.methods, *methods))).compare.rows
    assert len({one.student_predictions for one in rows}) == 1


def activations_of(done: Done, stage: Any) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the ids of the data and a stage's stored activations of them, read without the package's own code."""
    ids = tuple(pq.read_table(done.at(stage.data) / "items.parquet", columns=["id"])["id"].to_pylist())
    return ids, load_file(done.at(stage.activations) / "activations.safetensors")["activations"]


@pytest.mark.parametrize("method", ["one", "strong_to_strong", "two"])
def test_labels_come_from_a_model_that_did_not_learn_them(done: Done, method: str) -> None:
    """Each fold, fitted again from the stored labels and activations of the other folds, says what is stored of it."""
    stage = done.told(method)
    assert isinstance(stage, LabelCrossFitted)
    before, after = read_labels(done.at(stage.labels)), read_labels(done.at(stage))
    assert after.ids == before.ids
    seen = np.zeros(len(before.ids))
    for prediction in stage.predictions:
        model: Any = prediction.model
        learnt = read_labels(done.at(model.labels))
        out = learnt.weights == 0
        assert learnt.ids == before.ids and np.array_equal(learnt.probabilities, before.probabilities)
        strength = json.loads((done.at(model.selection) / "selection.json").read_text("utf-8"))["strength"]
        ids, values = activations_of(done, model)
        rows = rows_of(ids, learnt.ids)
        inside = rows[~out]
        head = fit_probe(
            values[inside], before.probabilities[~out], np.ones(len(inside)), Naive(), strength, Probe()
        ).head
        assert head.probabilities(values[rows[out]]) == pytest.approx(after.probabilities[out], abs=1e-9)
        seen += out
    assert (seen == 1).all(), "every item is left out once"
    assert (after.weights == 1).all()
    assert np.abs(after.probabilities - before.probabilities).max() > 0.05


@pytest.mark.parametrize(("method", "folds"), [("one", 3), ("two", 2), ("strong_to_strong", 3), ("again", 2)])
def test_related_items_share_a_fold(done: Done, method: str, folds: int) -> None:
    stage = done.told(method)
    assert len(stage.predictions) == folds
    items = pq.read_table(done.at(stage.data) / "items.parquet").to_pydict()
    related_of = dict(zip(items["id"], items["related"], strict=True))
    together: dict[int, set[int]] = {}
    sizes: Counter[int] = Counter()
    for number, prediction in enumerate(stage.predictions):
        labels = read_labels(done.at(prediction.model.labels))
        for one, weight in zip(labels.ids, labels.weights, strict=True):
            if weight == 0:
                together.setdefault(related_of[one], set()).add(number)
                sizes[number] += 1
    assert all(len(folds_of) == 1 for folds_of in together.values())
    assert len(together) < 100, "some items are related"
    assert max(sizes.values()) - min(sizes.values()) <= 2


def test_the_links_hand_labels_on_in_their_order(done: Done) -> None:
    """The second model of `two` learns what the first one said, and the first one the weak labels."""
    weak = done.told("naive")
    second = done.told("two")
    first = second.labels
    assert isinstance(first, LabelCrossFitted)
    assert first.labels.digest == weak.digest
    specs = [{one.model.activations.spec.layer for one in link.predictions} for link in (first, second)]
    models = [{one.model.activations.spec.model for one in link.predictions} for link in (first, second)]
    assert specs == [{1}, {1}]
    assert models == [{done.values["weak"][0]["model"]}, {done.values["strong"][0]["model"]}]


def test_a_student_that_relabels_twice_learns_from_its_second_labels(done: Done) -> None:
    second = done.told("again")
    assert second.labels.labels.digest == done.told("naive").digest
    assert {one.model.activations.spec.layer for one in second.predictions} == {0}
    assert len({done.predictions(name) for name in ("naive", "strong_to_strong", "again")}) == 3


def test_items_that_a_step_dropped_teach_no_link_and_are_relabelled(done: Done) -> None:
    stage = done.told("kept")
    kept = read_labels(done.at(stage.labels)).weights > 0
    assert kept.sum() == 50
    for prediction in stage.predictions:
        assert not read_labels(done.at(prediction.model.labels)).weights[~kept].any()
    assert (read_labels(done.at(stage)).weights == 1).all()


@pytest.mark.parametrize(
    ("method", "chain"),
    [
        ("naive", ["w0", "s0"]),
        ("empty", ["w0", "s0"]),
        ("none", ["w0", "s0"]),
        ("one", ["w0", "weak, layer 1", "s0"]),
        ("two", ["w0", "weak, layer 1", "strong, layer 1", "s0"]),
        ("strong_to_strong", ["w0", "s0", "s0"]),
        ("again", ["w0", "s0", "s0", "s0"]),
        ("few", ["w0", "s0"]),
    ],
)
def test_results_name_the_models_in_between(done: Done, method: str, chain: list[str]) -> None:
    row = done.results.row(method)
    assert [Path(one).name for one in row["chain"]] == chain
    assert row["truth"] == "none"


def test_all_are_tested_against_one_supervisor_and_one_ceiling(done: Done) -> None:
    rows = [one for one in done.results.rows if one["metric"] == "accuracy" and one["slice"] is None]
    assert len(rows) == len(done.planned.compare.rows) == 11
    for role in ("weak", "ceiling"):
        assert len({one["per_seed"][0]["predictions"][role] for one in rows}) == 1
    assert all(0 < one["student"]["mean"] < 1 for one in rows)


def asked(done: Done, method: str) -> PredictPrompted:
    """Return the stage that prompts the student of a method."""
    (stage,) = (one for one in done.planned.stages if one.digest == done.predictions(method))
    assert isinstance(stage, PredictPrompted)
    return stage


def template_of(done: Done, stage: PredictPrompted, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the template that the student is asked with; it is not asked."""
    from trimtab.models import zero_shot

    found = []

    def note(spec: Any, texts: Any, *_: Any) -> Any:
        found.append(spec.template)
        return zero_shot.ZeroShot(np.full((len(texts), 2), 0.5), 0, 0)

    monkeypatch.setattr(zero_shot, "zero_shot", note)
    inputs = {name: done.at(one) for name, one in stage.inputs.items()}
    stage.run(inputs, folder, folder, lambda *_, **__: None)
    (template,) = found
    return template


def solved(done: Done, stage: PredictPrompted, labels: Any) -> dict[str, str]:
    """Return id -> how an item would stand in the prompt with the class of these labels."""
    items = pq.read_table(done.at(stage.data) / "items.parquet").to_pydict()
    text_of = dict(zip(items["id"], items["text"], strict=True))
    names = [("bad", "good")[row.argmax()] for row in labels.probabilities]
    return {one: f"review : {text_of[one]} answer : {name}" for one, name in zip(labels.ids, names, strict=True)}


def test_examples_are_weakly_labelled_transfer_items(
    done: Done, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of forty examples, twenty of each weak class, some have a wrong answer: the weak one and not the truth."""
    stage = replace(asked(done, "more"), shots=40)
    weak = read_labels(done.at(done.told("naive")))
    split = pq.read_table(done.at(stage.split) / "membership.parquet").to_pydict()
    transfer = {one for one, name in zip(split["id"], split["split"], strict=True) if name == "transfer"}
    assert set(weak.ids) == transfer
    *examples, last = template_of(done, stage, tmp_path, monkeypatch).split("\n\n")
    assert last == PROMPT
    assert len(set(examples)) == 40
    id_of = {text: one for one, text in solved(done, stage, weak).items()}
    assert set(examples) <= set(id_of)
    assert Counter(one.rpartition(" ")[2] for one in examples) == {"good": 20, "bad": 20}
    table = pq.read_table(done.at(stage.data) / "gold.parquet").to_pydict()
    gold_of = dict(zip(table["id"], table["gold"], strict=True))
    wrong = [one for one in examples if one.endswith("good") != (gold_of[id_of[one]] == 1)]
    assert wrong, "a wrong weak label is shown as it is"


def test_examples_are_among_the_items_that_label_steps_kept(
    done: Done, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten of a hundred are kept; as many examples of a class as that one has among them are all of it."""
    stage = asked(done, "sure")
    labels = read_labels(done.at(done.told("sure")))
    kept = labels.weights > 0
    assert kept.sum() == 10
    rarest = np.bincount(labels.probabilities[kept].argmax(1), minlength=2).min()
    assert rarest >= 1
    texts = solved(done, stage, labels)
    allowed = {texts[one] for one, stays in zip(labels.ids, kept, strict=True) if stays}
    *examples, _ = template_of(done, replace(stage, shots=int(2 * rarest)), tmp_path, monkeypatch).split("\n\n")
    assert len(set(examples)) == 2 * rarest
    assert set(examples) <= allowed


def test_the_prompt_grows_with_shots_and_the_answers_change(
    done: Done, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few, more = asked(done, "few"), asked(done, "more")
    tokens = [facts_of(done.at(one))["tokens"] for one in (few, more)]
    assert tokens[0] < tokens[1] < 1.2 * tokens[0]  # examples are run once, not before every question
    assert done.predictions("few") != done.predictions("more")
    templates = [template_of(done, one, tmp_path, monkeypatch) for one in (few, more)]
    assert [one.count("answer :") for one in templates] == [2, 4]
    assert [one.count("{text}") for one in templates] == [1, 1]
    for one in (few, more):
        assert facts_of(done.at(one))["items"] == 80, "test items only"


def test_with_a_supervisor_without_errors_it_is_few_shot_with_the_truth(tmp_path: Path) -> None:
    """Shown the true labels of the same items by the stage of `prompted` supervisors, the model says the same."""
    values = study(tmp_path, (0,), methods=["naive", {"name": "few", "schedule": {"weak_few_shot": {"shots": 2}}}])
    values |= {"weak": [{"annotator": {"confusion": [[1.0, 0.0], [0.0, 1.0]]}}], "controls": False}
    done = finish(values, tmp_path)
    weak = asked(done, "few")
    true = replace(weak, examples=LabelGold(weak.data, weak.split, "transfer"))
    run_stages(order((true,)), done.store, 1, Quiet())
    assert weak.digest != true.digest
    found, wanted = (read_predictions(done.at(one)) for one in (weak, true))
    assert found.ids == wanted.ids
    np.testing.assert_array_equal(found.probabilities, wanted.probabilities)


def test_another_seed_shows_other_examples(done: Done, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = replace(asked(done, "more"), shots=6)
    first, again, other = (template_of(done, replace(stage, seed=seed), tmp_path, monkeypatch) for seed in (0, 0, 1))
    assert first == again != other


def planned(values: dict[str, Any], folder: Path) -> tuple[Experiment, Plan]:
    experiment = parse(values, folder)
    return experiment, plan(experiment)


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ({"chains": {}}, r"methods\.1\.schedule: found 'chains', which is not known\. Did you mean \"chain\"\?"),
        ({"chain": {"fold": 2}}, r'methods\.1\.schedule\.chain\.fold: unknown key\. Did you mean "folds"'),
        ({"chain": {"folds": 1}}, r"methods\.1\.schedule\.chain: folds must be at least 2, found 1"),
        (
            {"strong_to_strong": {"folds": 1}},
            r"methods\.1\.schedule\.strong_to_strong: folds must be at least 2, found 1",
        ),
        ({"strong_to_strong": {"rounds": -1}}, r"methods\.1\.schedule\.strong_to_strong: rounds must be at least 0"),
        ({"weak_few_shot": {"shots": 0}}, r"methods\.1\.schedule\.weak_few_shot: shots must be at least 1, found 0"),
        (
            {"chain": {"through": ["m", "n", "m"]}},
            r"methods\.1\.schedule\.chain: through holds m twice, read and fitted",
        ),
        ({"chain": {"through": [{"layer": 1}]}}, r"methods\.1\.schedule\.chain\.through\.0\.model: the key is missing"),
    ],
)
def test_a_wrong_schedule_names_its_place(schedule: Any, message: str, tmp_path: Path) -> None:
    values = {"name": "x", "task": {"kind": "synthetic"}, "weak": "w", "strong": "s"}
    with pytest.raises(ExperimentError, match=message):
        parse(values | {"methods": ["naive", {"schedule": schedule}]}, tmp_path)


def test_a_chain_through_the_student_or_the_supervisor_itself(done: Done) -> None:
    """Whatever the student is called; another layer of it is another model. So with the supervisor."""
    through = {"name": "self", "schedule": {"chain": {"through": done.values["strong"]}}}
    with pytest.raises(ExperimentError, match=r"methods: the chain goes through .*strong, which is the student itself"):
        planned(done.values | {"methods": ["naive", through]}, done.folder)
    through = {"name": "back", "schedule": {"chain": {"through": done.values["weak"]}}}
    with pytest.raises(
        ExperimentError, match=r"methods: the chain goes through .*weak, which is the supervisor itself"
    ):
        planned(done.values | {"methods": ["naive", through]}, done.folder)
    other = {"name": "other", "schedule": {"chain": {"through": between(done.values)}}}
    planned(done.values | {"methods": ["naive", other]}, done.folder)


def test_a_schedule_on_a_streamed_task(done: Done, tmp_path: Path) -> None:
    pq.write_table(pa_csv.read_csv(done.folder / "reviews.csv"), tmp_path / "reviews.parquet", row_group_size=100)
    task = {**done.values["task"], "kind": "stream", "path": str(tmp_path / "reviews.parquet")}
    del task["group"]
    for schedule in ("strong_to_strong", "weak_few_shot", {"chain": {"through": between(done.values)}}):
        values = done.values | {"task": task, "split": {}, "methods": ["naive", {"name": "m", "schedule": schedule}]}
        with pytest.raises(
            ExperimentError, match=r"methods: the schedule \w+ .* in memory, which a streamed task does not"
        ):
            planned(values, tmp_path)


def test_more_examples_than_the_context_holds(done: Done) -> None:
    values = done.values | {"methods": ["naive", {"schedule": {"weak_few_shot": {"shots": 30}}}]}
    with pytest.raises(StageError, match=r"the template alone has \d+ tokens, but max_tokens and the model's context"):
        run(parse(values, done.folder), store=done.folder / "store")


def test_what_schedules_read_of_the_truth() -> None:
    assert {Chain.truth, StrongToStrong.truth, WeakFewShot.truth} == {"none"}


@pytest.mark.parametrize("schedule", ["generative", "weak_few_shot"])
def test_a_student_that_cannot_continue_a_text_is_told_before_anything_runs(schedule: str, tmp_path: Path) -> None:
    values = study(tmp_path, (0,), methods=["naive", {"name": "own", "schedule": schedule}])
    encoder = save(tiny_bert(), tmp_path / "encoder", encoder=True)
    values["strong"] = [values["strong"][0] | {"model": str(encoder)}]
    message = (
        rf"methods\.1\.schedule: {schedule} needs a model that continues texts, and strong\.0, .*encoder, comes without"
    )
    with pytest.raises(ExperimentError, match=message):
        plan(parse(values, tmp_path))
