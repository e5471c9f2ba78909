"""Tuning on pairs and choices: values by hand, one step by a second way, and an order of sides that decides nothing."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from test_objectives_contract import class_of, own_test
from tiny_models import HIDDEN, WORDS, tiny_causal, tiny_encoder
from transformers import AutoModel, AutoTokenizer

from trimtab.errors import FitError
from trimtab.fit.answers import Answers, tables
from trimtab.fit.choice_lesson import ChoiceLesson
from trimtab.fit.lesson import Lesson
from trimtab.fit.lower_layers import lower_layers
from trimtab.fit.pair_lesson import PairLesson
from trimtab.fit.predict_tuned import predict_tuned
from trimtab.fit.probe import Head
from trimtab.fit.reading import Reading
from trimtab.fit.score_head import score_head
from trimtab.fit.student import build_student
from trimtab.fit.tune import Tuning, tune
from trimtab.fit.tune_settings import Layers, Tune
from trimtab.models.prefix_states import INDEX, StoredStates
from trimtab.objectives import OBJECTIVES
from trimtab.objectives.confidence import Confidence
from trimtab.objectives.naive import Naive
from trimtab.objectives.product import Product
from trimtab.types import Context, Labels, ModelSpec

PROMPT = "review : {text} the answer :"
QUICK = Tune(batch_size=8, micro_batch_size=8, epochs=2, learning_rate=1e-2, rank=4, save_every=100)
EVERY = [pytest.param(class_of(name)(**own_test(name).EXAMPLES[0]), id=name) for name in OBJECTIVES]


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIMTAB_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_causal(tmp_path_factory.mktemp("model") / "llama")


@dataclass(frozen=True)
class Told:
    """Items with answers and soft labels: the better answer begins with another word."""

    texts: list[str]
    answers: Answers
    labels: Labels

    def reading(self, spec: ModelSpec) -> Reading:
        return Reading(spec, self.texts, PROMPT, answers=self.answers)


def told(counts: list[int], paired: bool = False, seed: int = 0) -> Told:
    rng = np.random.default_rng(seed)
    texts, gold = [], rng.integers(0, counts)
    for right, count in zip(gold, counts, strict=True):
        for place in range(count):
            words = rng.choice(WORDS[:30], rng.integers(1, 7))
            texts.append(" ".join(["great" if place == right else "dull", *words]))
    soft = np.zeros((len(counts), max(counts)))
    for row, (right, count) in enumerate(zip(gold, counts, strict=True)):
        soft[row, :count] = 0.2 / (count - 1)
        soft[row, right] = 0.8
    ids = tuple(map(str, range(len(counts))))
    labels = Labels(ids, soft, np.linspace(0.5, 2, len(counts)))
    return Told(texts, Answers(tuple(counts), max(counts), paired), labels)


def pairs(count: int, seed: int = 0) -> Told:
    return told([2] * count, paired=True, seed=seed)


def turned(data: Told, some: slice = slice(None, None, 2)) -> Told:
    """Return pairs some of which have their sides exchanged."""
    texts, soft = np.array(data.texts, object).reshape(-1, 2), data.labels.probabilities.copy()
    texts[some], soft[some] = texts[some, ::-1], soft[some, ::-1]
    return Told(texts.ravel().tolist(), data.answers, replace(data.labels, probabilities=soft))


def fit(spec: ModelSpec, data: Told, objective: Any, settings: Tune, root: Path, **named: Any) -> Mapping[str, Any]:
    reading = named.pop("reading", data.reading(spec))
    return tune(Tuning(reading, data.labels, objective, settings, 0, **named), root / "work", root / "out")


def predicted(spec: ModelSpec, data: Told, root: Path) -> np.ndarray:
    return predict_tuned(data.reading(spec), root / "out").probabilities


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def test_which_texts_are_whose() -> None:
    answers = Answers((2, 3, 2), 3)
    assert answers.texts_of([2, 0]) == [5, 6, 0, 1]
    assert answers.chosen([1, 2]).counts == (3, 2)
    found = answers.probabilities(np.array([0.0, 1.0, 5.0, 5.0, 5.0, 2.0, -1.0]))
    wanted = [[1 - sigmoid(1), sigmoid(1), 0], [1 / 3] * 3, [sigmoid(3), 1 - sigmoid(3), 0]]
    np.testing.assert_allclose(found, wanted, atol=1e-12)
    assert found[0, 2] == found[2, 2] == 0
    grouped = {tuple(items.tolist()): table.tolist() for items, table in tables(torch.arange(7.0), (2, 3, 2))}
    assert grouped == {(0, 2): [[0, 1], [5, 6]], (1,): [[2, 3, 4]]}


def test_a_label_beyond_an_items_answers_is_refused(folder: Path, tmp_path: Path) -> None:
    data = told([2, 3, 2])
    soft = data.labels.probabilities.copy()
    soft[2] = [0.3, 0.3, 0.4]
    wrong = replace(data, labels=replace(data.labels, probabilities=soft))
    with pytest.raises(FitError, match=r"1 labels give probability to answers that their items do not have.*has 2"):
        fit(ModelSpec(str(folder)), wrong, Naive(), QUICK, tmp_path)
    short = replace(data, labels=Labels(("a",), soft[:1], np.ones(1)))
    with pytest.raises(FitError, match="3 items for 1 labels"):
        fit(ModelSpec(str(folder)), short, Naive(), QUICK, tmp_path)


def test_the_loss_of_a_pair_by_hand() -> None:
    lesson = PairLesson(Naive(), torch.tensor([[0.3, 0.7], [1.0, 0.0], [0.5, 0.5]]), torch.ones(3))
    said = torch.tensor([[4.0], [4.0], [1.0], [3.0]])  # items 2 and 0
    values, logits = lesson.losses(said, torch.tensor([2, 0]), Context(0.0))
    second = sigmoid(3.0 - 1.0)
    wanted = [math.log(2), -0.3 * math.log(1 - second) - 0.7 * math.log(second)]
    np.testing.assert_allclose(values, wanted, atol=1e-6)
    assert logits.tolist() == [[4, 4], [1, 3]]


def test_a_loss_that_prefers_the_first_side_learns_nothing_from_it() -> None:
    """In one order it would make every first answer the better one."""

    class First(Naive):
        def __call__(self, logits: Any, labels: Any, context: Context) -> Any:
            return -logits.log_softmax(-1)[..., 0]

    said = torch.zeros(4, 1, requires_grad=True)
    labels = torch.tensor([[0.9, 0.1], [0.2, 0.8]])
    for kind, moves in ((Lesson, True), (PairLesson, False)):
        outputs = said.reshape(2, 2) if kind is Lesson else said
        values, _ = kind(First(), labels, torch.ones(2)).losses(outputs, torch.arange(2), Context(0.0))
        (slope,) = torch.autograd.grad(values.sum(), said)
        assert bool(slope.any()) == moves


def test_the_loss_of_choices_by_hand() -> None:
    labels = torch.tensor([[0.5, 0.5, 0.0], [0.2, 0.3, 0.5], [1.0, 0.0, 0.0]])
    lesson = ChoiceLesson(Naive(), labels, torch.ones(3), torch.tensor([2, 3, 2]))
    said = torch.tensor([[1.0], [2.0], [4.0], [0.0], [3.0]])  # items 1 and 2
    values, logits = lesson.losses(said, torch.tensor([1, 2]), Context(0.0))
    total = math.log(math.exp(1) + math.exp(2) + math.exp(4))
    wanted = [total - 0.2 * 1 - 0.3 * 2 - 0.5 * 4, math.log(1 + math.exp(3))]
    np.testing.assert_allclose(values, wanted, atol=1e-5)
    assert logits.tolist() == [[1, 2, 4], [0, 3, 0]]


@pytest.mark.parametrize("objective", EVERY)
def test_turning_a_pair_round_changes_no_loss(objective: Any) -> None:
    """With whatever the objective knows of all pairs."""
    generator = torch.Generator().manual_seed(0)
    said = torch.randn(40, 1, generator=generator)
    labels = torch.rand(20, 1, generator=generator)
    labels = torch.cat([labels, 1 - labels], 1)
    other, other_labels = said.reshape(-1, 2).clone(), labels.clone()
    other[::3], other_labels[::3] = other[::3].flip(1), other_labels[::3].flip(1)
    found = []
    for scores, soft in ((said, labels), (other.reshape(-1, 1), other_labels)):
        lesson = PairLesson(objective, soft, torch.ones(20))
        context = lesson.context(scores.reshape(-1, 2), soft, 0.5)
        found.append(lesson.losses(scores, torch.arange(20), context)[0])
    torch.testing.assert_close(found[0], found[1])


def test_the_class_balance_of_pairs_is_even() -> None:
    """Where nearly all first answers are the better ones, the second are so in the other order."""
    logits = torch.tensor([[2.0, 0.0]] * 9 + [[0.0, 1.0]])
    labels = torch.tensor([[0.9, 0.1]] * 9 + [[0.4, 0.6]])
    known = PairLesson(Confidence(), labels, torch.ones(10)).context(logits, labels, 0.5)
    torch.testing.assert_close(known.statistics["class_offset"], torch.zeros(2))
    plain = Lesson(Confidence(), labels, torch.ones(10)).context(logits, labels, 0.5)
    assert plain.statistics["class_offset"].abs().max() > 0.1


def restated(folder: Path, data: Told, head: np.ndarray, rate: float, steps: int) -> tuple[list[float], dict[str, Any]]:
    """Full tuning of all weights text by text, written from the formula; returns losses and weights."""
    model, tokenizer = AutoModel.from_pretrained(folder).float(), AutoTokenizer.from_pretrained(folder)
    model.eval()
    score = torch.tensor(head, dtype=torch.float32, requires_grad=True)
    parameters = [*model.parameters(), score]
    optimizer = torch.optim.AdamW(parameters, lr=rate, weight_decay=0.0)
    losses = []
    weights = data.labels.weights / data.labels.weights.mean()
    for _ in range(steps):
        rewards = []
        for text in data.texts:
            ids = tokenizer(PROMPT.replace("{text}", text), return_tensors="pt", return_token_type_ids=False)
            rewards.append(model(**ids).last_hidden_state[0, -1] @ score)
        loss, first = torch.tensor(0.0), 0
        for row, count in enumerate(data.answers.counts):
            its = torch.stack(rewards[first : first + count])
            first += count
            soft = torch.tensor(data.labels.probabilities[row, :count], dtype=torch.float32)
            nats = -(soft * (its - its.logsumexp(0))).sum()
            loss = loss + float(weights[row]) * nats / len(data.answers.counts)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses, {**{f"model.{name}": one.detach() for name, one in model.named_parameters()},
                    "head.weight": score.detach().unsqueeze(0)}  # fmt: skip


@pytest.mark.parametrize("data", [pairs(6), told([3, 2, 4, 2, 3, 2])], ids=["pairs", "choices"])
def test_steps_are_those_of_the_formula(data: Told, folder: Path, tmp_path: Path) -> None:
    """Three steps of full tuning from a head that says something, all weights beside a second way to them."""
    column = np.random.default_rng(3).normal(size=HIDDEN) * 0.3
    head = Head(column[:, None].copy(), np.zeros(1), np.zeros(HIDDEN), np.ones(HIDDEN))
    rate, count = 1e-3, len(data.answers.counts)
    settings = Tune("full", learning_rate=rate, epochs=3, batch_size=count, micro_batch_size=2, schedule="constant",
                    warm_up_fraction=0.0)  # fmt: skip
    spec = ModelSpec(str(folder), precision="fp32")
    facts = fit(spec, data, Naive(), settings, tmp_path, head=head)
    losses, weights = restated(folder, data, column, rate, 3)
    np.testing.assert_allclose(facts["losses_nats"], losses, atol=2e-5)
    assert losses[2] < losses[0]
    found = load_file(tmp_path / "out" / "student.safetensors")
    assert set(found) == set(weights), "the bias of a score is not trained"
    before = AutoModel.from_pretrained(folder).state_dict()
    for name, value in found.items():
        # where a slope is as small as its rounding, Adam's step has the length of any other
        close = torch.isclose(value, weights[name], atol=2e-5)
        assert close.float().mean() > 0.995, name
        assert (value - weights[name]).abs().max() <= 6 * rate
        if name.startswith("model.layers."):
            assert (value - before[name.removeprefix("model.")]).abs().max() > rate / 2


@pytest.mark.parametrize("objective", EVERY)
def test_every_objective_tunes_on_pairs_and_sides_decide_nothing(objective: Any, folder: Path, tmp_path: Path) -> None:
    spec, data = ModelSpec(str(folder), precision="fp32"), pairs(16)
    losses, answers = [], []
    for name, its in (("plain", data), ("turned", turned(data))):
        losses.append(fit(spec, its, objective, QUICK, tmp_path / name)["losses_nats"])
        answers.append(predicted(spec, data, tmp_path / name))
    assert np.isfinite(losses).all() and len(losses[0]) == 4
    np.testing.assert_allclose(losses[0], losses[1], atol=1e-4)
    np.testing.assert_allclose(answers[0], answers[1], atol=2e-3)
    assert np.abs(answers[0] - 0.5).max() > 1e-3


@pytest.mark.parametrize("data, objective", [
    (pairs(11), Confidence()), (told([2, 4, 3, 2, 3, 4, 2, 2, 5, 3, 2]), Product()),
], ids=["pairs", "choices"])  # fmt: skip
def test_how_items_are_cut_into_micro_batches_changes_nothing(
    data: Told, objective: Any, folder: Path, tmp_path: Path
) -> None:
    spec, runs = ModelSpec(str(folder), precision="fp32"), []
    for micro in (8, 2, 1):
        facts = fit(spec, data, objective, replace(QUICK, micro_batch_size=micro), tmp_path / str(micro))
        runs.append((facts["losses_nats"], predicted(spec, data, tmp_path / str(micro))))
    for losses, answers in runs[1:]:
        np.testing.assert_allclose(losses, runs[0][0], atol=1e-4)
        np.testing.assert_allclose(answers, runs[0][1], atol=2e-3)


@pytest.mark.parametrize("kind", ["llama", "bert"])
@pytest.mark.parametrize("method", ["lora", "full"])
def test_it_learns_which_answer_is_the_better_one(kind: str, method: str, tmp_path: Path) -> None:
    """Of other pairs and other choices than those that it has learnt; before the first step all are alike."""
    model = tiny_encoder(tmp_path / "m") if kind == "bert" else tiny_causal(tmp_path / "m")
    spec = ModelSpec(str(model), pooling="last" if kind == "llama" else "mean", precision="fp32")
    settings = replace(QUICK, method=method, epochs=8, learning_rate=1e-2 if method == "lora" else 3e-3)
    for name, data, other in (
        ("pairs", pairs(48), pairs(60, seed=1)), ("choices", told([2, 3, 4] * 16), told([2, 3, 4] * 20, seed=1)),
    ):  # fmt: skip
        facts = fit(spec, data, Naive(), settings, tmp_path / name)
        assert facts["items"] == 48 and facts["classes"] == 1
        assert np.mean(facts["losses_nats"][-3:]) < 0.8 * facts["losses_nats"][0]
        found = predicted(spec, other, tmp_path / name)
        np.testing.assert_allclose(found.sum(1), 1)
        assert (found.argmax(1) == other.labels.probabilities.argmax(1)).mean() > 0.8


def test_identical_answers_are_as_good_as_each_other(folder: Path, tmp_path: Path) -> None:
    spec, data = ModelSpec(str(folder), precision="fp32", batch_tokens=40), pairs(16)
    fit(spec, data, Naive(), QUICK, tmp_path)
    same = [text for text in data.texts[::2] for _ in range(2)]
    reading = Reading(spec, same, PROMPT, answers=data.answers)
    np.testing.assert_allclose(predict_tuned(reading, tmp_path / "out").probabilities, 0.5, atol=1e-5)
    exchanged = replace(data, texts=turned(data, slice(None)).texts)
    np.testing.assert_allclose(
        predicted(spec, exchanged, tmp_path)[:, ::-1], predicted(spec, data, tmp_path), atol=1e-5
    )


def test_tokens_of_all_answers_are_counted(folder: Path, tmp_path: Path) -> None:
    data = told([2, 3, 2, 4])
    facts = fit(ModelSpec(str(folder)), data, Naive(), QUICK, tmp_path)
    assert facts["tokens"] == QUICK.epochs * sum(5 + len(text.split()) for text in data.texts)


@pytest.mark.parametrize("data", [pairs(12), told([2, 3, 4] * 4)], ids=["pairs", "choices"])
@pytest.mark.parametrize("method", ["lora", "full"])
def test_stored_states_give_the_same_fit(data: Told, method: Any, folder: Path, tmp_path: Path) -> None:
    spec = ModelSpec(str(folder), precision="fp32")
    settings = replace(QUICK, method=method, layers=Layers(1), learning_rate=3e-3)
    lower = lower_layers(spec, data.texts, PROMPT, 1)
    (tmp_path / "states").mkdir()
    lower.write(tmp_path / "states", lambda *_, **__: None)
    lower.write_index(tmp_path / "states" / INDEX)
    stored = replace(data.reading(spec), states=StoredStates(tmp_path / "states"))
    labels = data.labels.weights.copy()
    labels[3] = 0  # an item in the middle is left out
    data = replace(data, labels=replace(data.labels, weights=labels))
    found = {}
    for way, reading in (("whole", data.reading(spec)), ("stored", stored)):
        facts = fit(spec, data, Naive(), settings, tmp_path / way, reading=reading)
        found[way] = facts["losses_nats"], predict_tuned(reading, tmp_path / way / "out").probabilities
        assert facts["items"] == 11
    np.testing.assert_allclose(found["stored"][0], found["whole"][0], atol=1e-5)
    np.testing.assert_allclose(found["stored"][1], found["whole"][1], atol=1e-4)


def test_a_fit_that_was_stopped_ends_with_the_same_bits(folder: Path, tmp_path: Path) -> None:
    """It goes on from its last checkpoint; a fit on other answers does not go on from there."""
    spec, data = ModelSpec(str(folder), precision="fp32"), pairs(20)
    settings = replace(QUICK, save_every=2)

    def bits(root: Path) -> str:
        return hashlib.sha256((root / "out" / "student.safetensors").read_bytes()).hexdigest()

    facts = fit(spec, data, Confidence(), settings, tmp_path)
    first = bits(tmp_path)
    kept = sorted(one.name for one in (tmp_path / "work").glob("checkpoint-*"))
    assert kept == ["checkpoint-2", "checkpoint-4"] and facts["steps"] == 6
    (tmp_path / "out" / "student.safetensors").unlink()
    assert fit(spec, data, Confidence(), settings, tmp_path) == facts
    assert bits(tmp_path) == first
    alone = replace(data, answers=replace(data.answers, in_both_orders=False))
    fit(spec, alone, Naive(), settings, tmp_path)
    fit(spec, alone, Naive(), settings, tmp_path / "fresh")
    assert bits(tmp_path) == bits(tmp_path / "fresh")


def test_a_score_begins_where_a_probe_ends(folder: Path) -> None:
    """r = ((w_2 - w_1) / scale)'h of a probe on pairs, (w / scale)'h of one on choices."""
    rng = np.random.default_rng(0)
    weight, scale = rng.normal(size=(HIDDEN, 2)), rng.uniform(0.5, 2, HIDDEN)
    probe = Head(weight, np.zeros(2), np.zeros(HIDDEN), scale)
    spec = ModelSpec(str(folder), precision="fp32")
    student, backbone = build_student(spec, Tune("full"), 1, 0)
    student.eval()
    student.start_from(score_head(vars(probe)))
    ids = torch.randint(5, 20, (12, 6), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        states = backbone.hidden_states(ids, torch.ones_like(ids))[:, -1].double().numpy()
        said = student(ids, torch.ones_like(ids)).squeeze(1).numpy()
    np.testing.assert_allclose(
        Answers((2,) * 6, 2).probabilities(said), probe.probabilities(states[1::2] - states[::2]), atol=1e-5
    )
    student.start_from(score_head({"weight": weight[:, 0], "scale": scale}))
    with torch.no_grad():
        said = student(ids, torch.ones_like(ids)).squeeze(1).numpy()
    np.testing.assert_allclose(said, states / scale @ weight[:, 0], atol=1e-4)
