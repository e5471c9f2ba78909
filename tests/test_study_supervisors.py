"""Studies whose weak labels come from ensembles, a made-up annotator, a model that is asked, or people."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny_study import study, write_models

from trimtab import assets
from trimtab.errors import ExperimentError, FitError, StageError
from trimtab.experiment import parse
from trimtab.plan import plan
from trimtab.plan.study import Plan
from trimtab.results import Results
from trimtab.stages.stage import Stage
from trimtab.stages.supervisors import PredictAnnotator, PredictEnsemble, PredictPrompted, PredictRatings
from trimtab.stages.tables import Predictions, read_labels, read_predictions, rows_of
from trimtab.store import Store
from trimtab.study import run

CONFUSION = [[0.9, 0.1], [0.3, 0.7]]
NO_MODEL = ("mean_ensemble", "bagging", "adaboost", "dirichlet_ensemble", "annotator", "prompted")

needs_vader = pytest.mark.skipif(
    not assets.is_present("vader"), reason="the asset vader is not here: trimtab assets fetch vader"
)


@dataclass(frozen=True)
class Done:
    """A finished study with its plan and its store."""

    results: Results
    planned: Plan
    store: Store
    folder: Path

    def stage(self, kind: type[Stage], **wanted: Any) -> Any:
        """Return the only stage of a class with some field values."""
        found = [one for one in self.planned.stages if isinstance(one, kind)]
        (one,) = (one for one in found if all(getattr(one, name) == value for name, value in wanted.items()))
        return one

    def at(self, stage: Stage) -> Path:
        """Return where a stage has written."""
        return self.store.folder(stage.kind, stage.digest)

    def told(self, stage: Stage) -> Predictions:
        """Return the predictions of a stage."""
        return read_predictions(self.at(stage))

    def rows(self, number: int) -> list[dict[str, Any]]:
        """Return the accuracy rows of one supervisor."""
        rows = (one for one in self.results.rows if one["slice"] is None and one["metric"] == "accuracy")
        return [one for one in rows if one["weak"] == f"w{number}"]

    def weak(self, number: int) -> Predictions:
        """Return what one supervisor says."""
        (one,) = self.rows(number)[0]["per_seed"]
        return read_predictions(self.store.folder("predict", one["predictions"]["weak"]))


def finish(values: dict[str, Any], folder: Path) -> Done:
    experiment = parse(values, folder)
    results = run(experiment, store=folder / "store")
    return Done(results, plan(experiment), Store.open(folder / "store"), folder)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Done]:
    """One study with every supervisor that needs no single ratings, controls included."""
    folder = tmp_path_factory.mktemp("supervisors")
    values = study(folder, (0,), methods=["naive"])
    one, strong = values["weak"][0], values["strong"][0]["model"]
    members = [one, one | {"layer": 1}, one | {"layer": 1, "max_tokens": 12}]
    values["weak"] = [
        {"mean_ensemble": {"members": members}},
        {"bagging": {"model": one, "rounds": 3}},
        {"adaboost": {"model": one, "rounds": 3}},
        {"dirichlet_ensemble": {"members": members, "prior": 1.5}},
        {"annotator": {"confusion": CONFUSION}},
        {"prompted": {"model": strong, "shots": 0}},
    ]
    yield finish(values, folder)


def members_of(done: Done, rule: str) -> tuple[PredictEnsemble, Predictions, np.ndarray]:
    """Return an ensemble's stage, what it says, and what its members say of the same items."""
    stage = done.stage(PredictEnsemble, rule=rule)
    joined = done.told(stage)
    told = [done.told(one) for one in stage.predictions]
    return stage, joined, np.stack([one.probabilities[rows_of(one.ids, joined.ids)] for one in told])


def test_who_is_labelled(done: Done) -> None:
    for rule in NO_MODEL[:4]:
        assert Counter(members_of(done, rule)[1].splits) == {"transfer": 100, "test": 80}
    for number in range(len(NO_MODEL)):
        assert Counter(done.weak(number).splits) == {"transfer": 100, "test": 80}


@pytest.mark.parametrize("rule", ["mean_ensemble", "bagging"])
def test_the_mean_of_the_members_is_what_they_say_together(done: Done, rule: str) -> None:
    _, joined, members = members_of(done, rule)
    assert len(members) == 3
    assert np.abs(members[0] - members[1]).max() > 0.01
    assert joined.probabilities == pytest.approx(members.sum(0) / 3, abs=1e-12)


def test_bagging_learns_three_samples_of_the_supervisor_split(done: Done) -> None:
    stage, _, _ = members_of(done, "bagging")
    drawn = [read_labels(done.at(one.model.labels)) for one in stage.predictions]
    gold = read_labels(done.at(stage.predictions[0].model.labels.labels))
    for labels in drawn:
        assert labels.weights.sum() == len(labels.ids) == 60
        assert 15 <= (labels.weights == 0).sum() <= 30
        assert labels.ids == gold.ids and np.array_equal(labels.probabilities, gold.probabilities)
    assert len({tuple(one.weights) for one in drawn}) == 3
    # one penalty for all members, chosen on the whole split
    assert len({one.model.selection.digest for one in stage.predictions}) == 1


def test_the_dirichlet_mean_is_restated(done: Done) -> None:
    _, joined, members = members_of(done, "dirichlet_ensemble")
    for i in range(len(joined.ids)):
        mean, variance = members[:, i].mean(0), members[:, i].var(0, ddof=1)
        seen = max(0.0, (mean @ (1 - mean)) / variance.sum() - 1)
        assert joined.probabilities[i] == pytest.approx((seen * mean + 1.5 / 2) / (seen + 1.5), abs=1e-9)


def test_the_dirichlet_ensemble_shares_its_members_with_the_mean(done: Done) -> None:
    both = [members_of(done, rule)[0].predictions for rule in ("mean_ensemble", "dirichlet_ensemble")]
    assert [one.digest for one in both[0]] == [one.digest for one in both[1]]


def test_adaboost_is_restated_from_labels_and_members(done: Done) -> None:
    """Weights and voices from what each member said of its own training items; the vote from the voices."""
    stage, joined, members = members_of(done, "adaboost")
    weights, voices = np.ones(60), []
    for labels, predictions in zip(stage.labels, stage.predictions, strict=True):
        learnt, told = read_labels(done.at(labels)), done.told(predictions)
        assert predictions.model.labels.digest == labels.digest
        assert learnt.weights == pytest.approx(weights)
        answers = told.probabilities[rows_of(told.ids, learnt.ids)].argmax(1)
        wrong = answers != learnt.probabilities.argmax(1)
        error = weights[wrong].sum() / weights.sum()
        assert 0 < error < 0.5
        voices.append(np.log((1 - error) / error))
        weights = np.where(wrong, weights * (1 - error) / error, weights)
        weights /= weights.mean()
    assert done.store.manifest(stage.kind, stage.digest)["facts"]["voices"] == pytest.approx(voices)
    shares = np.array(voices) / np.sum(voices)
    assert joined.probabilities == pytest.approx(np.einsum("k,kic->ic", shares, members), abs=1e-12)


def test_the_annotator_says_what_bayes_says_and_errs_at_the_stated_rates(done: Done) -> None:
    stage = done.stage(PredictAnnotator)
    told = done.told(stage)
    table = pq.read_table(done.at(stage.data) / "gold.parquet").to_pydict()
    gold_of = dict(zip(table["id"], table["gold"], strict=True))
    shares = np.bincount(table["gold"]) / len(table["gold"])
    joint = shares[:, None] * np.array(CONFUSION)
    posterior = (joint / joint.sum(0)).T
    distance = np.abs(told.probabilities[:, None] - posterior).sum(-1)
    assert distance.min(1).max() < 1e-12
    gold, answers = np.array([gold_of[one] for one in told.ids]), distance.argmin(1)
    for y in (0, 1):
        wanted, count = CONFUSION[y][1 - y], (gold == y).sum()
        assert abs((answers[gold == y] != y).mean() - wanted) < 4 * np.sqrt(wanted * (1 - wanted) / count)


def test_a_prompted_supervisor_says_what_zero_shot_says(done: Done) -> None:
    told = done.weak(5).of_split("test")
    (row,) = (one for one in done.rows(5) if one["method"] == "zero_shot")
    asked = read_predictions(done.store.folder("predict", row["per_seed"][0]["predictions"]["student"]))
    assert told.probabilities == pytest.approx(asked.probabilities[rows_of(asked.ids, told.ids)], abs=1e-6)


@pytest.mark.parametrize("number", range(len(NO_MODEL)))
def test_rows_truth_and_controls_of_a_supervisor_that_is_no_model(done: Done, number: int) -> None:
    rows = {one["method"]: one for one in done.rows(number)}
    assert set(rows) == {"naive", "flipped_truth", "zero_shot"}
    assert rows["naive"]["truth"] == ("oracle" if NO_MODEL[number] == "annotator" else "none")
    assert rows["flipped_truth"]["truth"] == "oracle"
    assert rows["zero_shot"]["truth"] == "none"
    assert rows["naive"]["chain"] == [f"w{number}", "s0"]
    assert 0 < rows["naive"]["weak_score"]["mean"] < 1
    assert done.results.data["models"][f"w{number}"]["fit"] == NO_MODEL[number]


def test_the_student_is_told_what_the_supervisor_says(done: Done) -> None:
    for number in range(len(NO_MODEL)):
        (one,) = done.rows(number)[0]["per_seed"]
        labels = read_labels(done.store.folder("label", one["labels"]["labels"]))
        told = done.weak(number).of_split("transfer")
        assert labels.ids == told.ids
        assert np.array_equal(labels.probabilities, told.probabilities)
        assert (labels.weights == 1).all()


def test_solved_examples_are_truth_of_the_supervisor_split(done: Done, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three shots: each example's text is of that split, and its answer is its class."""
    values = study(done.folder, (0,), methods=["naive"], controls=False)
    values["weak"] = [{"prompted": {"model": values["strong"][0]["model"], "shots": 3}}]
    templates = []
    from trimtab.models import zero_shot as module

    ask = module.zero_shot
    monkeypatch.setattr(module, "zero_shot", lambda spec, *rest: (templates.append(spec.template), ask(spec, *rest))[1])
    few = finish(values, done.folder)
    stage = few.stage(PredictPrompted)
    (template,) = templates
    gold = read_labels(few.at(stage.examples))
    items = pq.read_table(few.at(stage.data) / "items.parquet").to_pydict()
    text_of = dict(zip(items["id"], items["text"], strict=True))
    solved = {f"review : {text_of[one]} answer : {('bad', 'good')[row.argmax()]}"
              for one, row in zip(gold.ids, gold.probabilities, strict=True)}  # fmt: skip
    *examples, last = template.split("\n\n")
    assert last == "review : {text} answer :"
    assert len(set(examples)) == 3 and set(examples) <= solved
    assert not np.allclose(few.told(stage).probabilities, done.weak(5).probabilities)


def tiny(folder: Path, weak: Any) -> dict[str, Any]:
    return study(folder, (0,), methods=["naive"], controls=False) | {"weak": weak}


@pytest.mark.parametrize(
    ("weak", "message"),
    [
        ([{"human_rating": {}}], r'weak\.0\.human_rating: .* Did you mean "human_ratings"\?'),
        ([{"bagging": {"model": "m", "round": 3}}], r'weak\.0\.bagging\.round: unknown key\. Did you mean "rounds"'),
        ([{"bagging": {"rounds": 3}}], r"weak\.0\.bagging\.model: the key is missing"),
        ([{"adaboost": {"model": "m", "rounds": 1}}], r"weak\.0\.adaboost: rounds must be at least 2, found 1"),
        ([{"mean_ensemble": {"members": ["m"]}}], r"weak\.0\.mean_ensemble: members must be at least two models"),
        (
            [{"dirichlet_ensemble": {"members": ["m", "n"], "prior": 0.0}}],
            r"weak\.0\.dirichlet_ensemble: prior must be",
        ),
        ([{"human_ratings": {"crowd": 0}}], r"weak\.0\.human_ratings: crowd must be at least 1, found 0"),
        ([{"prompted": {"model": "m", "shots": -1}}], r"weak\.0\.prompted: shots must be at least 0, found -1"),
        ([{"annotator": {"confusion": [[0.8, 0.3], [0.2, 0.8]]}}], r"weak\.0\.annotator: confusion must be a square"),
        ([], r"weak: the list is empty; name at least one supervisor"),
    ],
)
def test_a_wrong_supervisor_names_its_place(weak: Any, message: str, tmp_path: Path) -> None:
    values = {"name": "x", "task": {"kind": "synthetic"}, "strong": "s", "methods": ["naive"], "weak": weak}
    with pytest.raises(ExperimentError, match=message):
        parse(values, tmp_path)


@pytest.mark.parametrize("supervisor", ["prompted", "ccs", "icm"])
def test_an_encoder_cannot_be_asked(supervisor: str, tmp_path: Path) -> None:
    values = tiny(tmp_path, None)
    encoder = str(tmp_path / "weak")
    message = rf"weak\.0\.{supervisor}\.model: {supervisor} asks a model .*weak comes without a language head"
    with pytest.raises(ExperimentError, match=message):
        plan(parse(values | {"weak": [{supervisor: {"model": encoder}}]}, tmp_path))


def test_people_where_no_ratings_are_held_back(tmp_path: Path) -> None:
    message = "2 human ratings are drawn per item and the task holds 0 back for it; set `held_ratings: 2` of a task"
    with pytest.raises(StageError, match=message):
        run(parse(tiny(tmp_path, [{"human_ratings": {"crowd": 2}}]), tmp_path), store=tmp_path / "store")


def test_a_matrix_of_the_wrong_size(tmp_path: Path) -> None:
    third = [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]]
    message = r"weak\.0\.annotator\.confusion: found 3 rows, and the task has 2 classes \(bad, good\)"
    with pytest.raises(ExperimentError, match=message):
        run(parse(tiny(tmp_path, [{"annotator": {"confusion": third}}]), tmp_path), store=tmp_path / "store")


def test_people_tell_two_classes_apart(tmp_path: Path) -> None:
    """A user's own task may hold ratings of three classes back; they cannot be read as yes and no."""
    data = tmp_path / "data"
    data.mkdir()
    pq.write_table(pa.table({"id": ["a"], "ratings": [[1.0, -1.0]]}), data / "ratings.parquet")
    (data / "data.json").write_text(json.dumps({"classes": ["a", "b", "c"]}))
    experiment = parse(tiny(tmp_path, ["human_ratings"]), tmp_path)
    (stage,) = (one for one in plan(experiment).stages if isinstance(one, PredictRatings))
    with pytest.raises(FitError, match=r"human_ratings tells two classes apart, and the task has 3 \(a, b, c\)"):
        stage.run({"data": data, "split": tmp_path}, tmp_path, tmp_path, lambda *_, **__: None)


SIZES = {"supervisor": 60, "transfer": 100, "test": 80}


def movies(folder: Path, held: int, seeds: tuple[int, ...] = (0, 1), crowd: int = 1) -> dict[str, Any]:
    """Return a study on movie snippets with people as supervisors and a tiny student."""
    _, strong = write_models(folder)
    fit = {"kind": "probe", "strengths": [0.1], "steps": 20}
    return {
        "name": "people",
        "task": {"kind": "movie_sentiment", "held_ratings": held, **SIZES},
        "split": {"pool": 300},
        "weak": [{"human_ratings": {"crowd": crowd}}],
        "strong": [{"model": str(strong), "layer": 0, "pooling": "mean", "max_tokens": 40, "fit": fit}],
        "methods": ["naive"],
        "seeds": list(seeds),
        "controls": False,
    }


def own_ratings() -> dict[str, list[float]]:
    """Return all ratings by id, from the asset's own file."""
    lines = (assets.path("vader") / "movieReviewSnippets_anonDataRatings.txt").read_text("utf-8-sig").splitlines()
    cells = [line.split("\t") for line in lines if line.strip()]
    return {one[0].strip(): json.loads(one[3]) for one in cells}


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Done:
    folder = tmp_path_factory.mktemp("people")
    return finish(movies(folder, held=5), folder)


@needs_vader
def test_gold_is_the_sign_of_the_mean_of_the_ratings_that_are_not_held(people: Done) -> None:
    folder, ratings = people.at(people.planned.compare.data), own_ratings()
    held = pq.read_table(folder / "ratings.parquet").to_pydict()
    gold = pq.read_table(folder / "gold.parquet").to_pydict()
    assert held["id"] == gold["id"]
    moved = 0
    for key, kept_back, truth in zip(held["id"], held["ratings"], gold["gold"], strict=True):
        assert len(kept_back) == 5
        others = Counter(ratings[key])
        others.subtract(kept_back)
        assert min(others.values()) >= 0 and others.total() == len(ratings[key]) - 5
        mean = sum(value * count for value, count in others.items()) / others.total()
        assert abs(mean) > 0.5
        assert truth == (mean > 0)
        moved += abs(mean - np.mean(ratings[key])) > 0.1
    assert moved > 50, "the held ratings count for gold"


@needs_vader
def test_held_and_other_ratings_are_disjoint_positions() -> None:
    """The positions that an id draws are held, in their order; all others make gold."""
    from trimtab.tasks.movie_sentiment import MovieSentiment

    items, ratings = MovieSentiment(held_ratings=5).read(), own_ratings()
    assert items.held_ratings is not None
    for key, kept_back, all_of_it in list(zip(items.ids, items.held_ratings, items.ratings or (), strict=True))[:500]:
        assert list(all_of_it) == ratings[key]
        drawn = set(np.random.default_rng([zlib.crc32(key.encode()), 5]).permutation(len(all_of_it))[:5].tolist())
        assert len(drawn) == 5
        assert list(kept_back) == [value for i, value in enumerate(all_of_it) if i in drawn]


@needs_vader
def test_people_say_one_of_the_held_ratings_and_another_seed_draws_anew(people: Done) -> None:
    folder = people.at(people.planned.compare.data)
    table = pq.read_table(folder / "ratings.parquet").to_pydict()
    held = dict(zip(table["id"], table["ratings"], strict=True))
    stages = [one for one in people.planned.stages if isinstance(one, PredictRatings)]
    told = [people.told(one).of_split("test") for one in sorted(stages, key=lambda one: one.seed)]
    for one in told:
        for key, row in zip(one.ids, one.probabilities, strict=True):
            assert row[1] in {(np.sign(value) + 1) / 2 for value in held[key]}
            assert row.sum() == 1
    assert told[0].ids == told[1].ids
    assert not np.array_equal(told[0].probabilities, told[1].probabilities)
    (row,) = people.rows(0)
    assert row["truth"] == "none"
    assert row["weak_score"]["mean"] > 0.6


@needs_vader
def test_the_whole_crowd_does_not_depend_on_the_seed(people: Done, tmp_path: Path) -> None:
    (first, second) = (one for one in people.planned.stages if isinstance(one, PredictRatings))
    told = []
    for stage in (first, second):
        out = tmp_path / str(stage.seed)
        out.mkdir()
        inputs = {name: people.at(one) for name, one in stage.inputs.items()}
        replace(stage, crowd=5).run(inputs, out, out, lambda *_, **__: None)
        told.append(read_predictions(out).of_split("test"))
    assert told[0].ids == told[1].ids
    assert np.array_equal(told[0].probabilities, told[1].probabilities)


@needs_vader
def test_more_people_than_ratings_are_held_back(people: Done, tmp_path: Path) -> None:
    with pytest.raises(
        ExperimentError, match="human_ratings draws 6 ratings per item and the task holds 5 back for it"
    ):
        run(parse(movies(tmp_path, held=5, seeds=(0,), crowd=6), tmp_path), store=people.folder / "store")


def test_people_need_ratings_that_the_task_holds_back(tmp_path: Path) -> None:
    values = study(tmp_path, (0,), methods=["naive"], controls=False)
    task = {"kind": "movie_sentiment", "supervisor": 20, "transfer": 20, "test": 20, "held_ratings": 2}
    told = parse(values | {"task": task, "split": {}, "weak": [{"human_ratings": {"crowd": 3}}]}, tmp_path)
    with pytest.raises(ExperimentError, match="draws 3 ratings per item and the task holds 2 back"):
        plan(told)
