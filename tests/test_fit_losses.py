"""An objective that breaks its promise gets one message that says what it did, what was wanted and what to do.

The same holds for a probe, for one fitted in passes, and for tuning.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import tiny_causal, tiny_texts

from trimtab.errors import FitError
from trimtab.fit.losses import LOST, losses_of_examples, why_lost
from trimtab.fit.probe import fit_probe
from trimtab.fit.probe_settings import Probe
from trimtab.fit.reading import Reading
from trimtab.fit.streamed import Chunk, fit_streamed
from trimtab.fit.tune import Tuning, tune
from trimtab.fit.tune_settings import Tune
from trimtab.objectives.naive import Naive, cross_entropy
from trimtab.types import Context, Labels, ModelSpec

ITEMS = 24


@dataclass(frozen=True)
class Calling(Naive):
    """An objective that returns whatever it is told to."""

    call: Callable[[torch.Tensor, torch.Tensor], Any] = cross_entropy
    seen: Callable[[torch.Tensor, torch.Tensor], Any] = lambda logits, labels: {}

    def statistics(self, logits: Any, labels: Any) -> Any:
        return self.seen(logits, labels)

    def __call__(self, logits: Any, labels: Any, context: Context) -> Any:
        return self.call(logits, labels)


def raising(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return cross_entropy(logits, labels[..., :1, :1] @ logits)


def forgetful(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """A divergence without a thought for labels of exactly 0."""
    return (labels * (labels.log() - logits.log_softmax(-1))).sum(-1)


def spread(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """A root, whose slope at 0 is no number."""
    return logits.pow(2).sum(-1).sqrt()


BROKEN: Mapping[str, tuple[Calling, str]] = {
    "returns nothing": (
        Calling(lambda z, q: None),
        r"returned nothing \(None\); wanted a tensor of shape .*one value per",
    ),
    "returns a number": (Calling(lambda z, q: 0.5), r"returned the number 0\.5; wanted a tensor"),
    "returns an array": (
        Calling(lambda z, q: cross_entropy(z, q).detach().numpy()),
        "returned a value of type ndarray; wanted a tensor",
    ),
    "returns a mean": (
        Calling(lambda z, q: cross_entropy(z, q).mean()),
        r"returned the shape \(\) for logits .*not reduced. Leave out \.mean\(\) and \.sum\(\) over examples",
    ),
    "returns one value per class": (Calling(lambda z, q: -q * z.log_softmax(-1)), r"Sum over the classes, \.sum\(-1\)"),
    "cuts the way back": (Calling(lambda z, q: cross_entropy(z.detach(), q)), "without a slope in the logits; compute"),
    "counts errors": (Calling(lambda z, q: (z.argmax(-1) != q.argmax(-1)).float()), "without a slope in the logits"),
    "raises": (
        Calling(raising),
        r"raised RuntimeError: .* in test_fit_losses\.py, line \d+; it was called with logits",
    ),
    "its statistics raise": (
        Calling(seen=lambda z, q: {"share": q[..., 7]}),
        r"`statistics` of the objective Calling raised IndexError: .* in test_fit_losses\.py, line \d+",
    ),
    "its statistics are a list": (
        Calling(seen=lambda z, q: [q.mean(-2)]),
        "`statistics` of the objective Calling returned a value of type list; wanted a mapping of names to tensors",
    ),
    "its statistics are numbers": (
        Calling(seen=lambda z, q: {"mean": 0.5}),
        r"`statistics` of the objective Calling returned the number 0\.5 for 'mean'; wanted a mapping",
    ),
}


def example() -> tuple[np.ndarray, np.ndarray]:
    """Return activations and hard labels of both classes."""
    gold = np.arange(ITEMS) % 2
    return np.random.default_rng(3).normal(size=(ITEMS, 4)) + gold[:, None], np.eye(2)[gold]


def probed(objective: Calling) -> None:
    x, q = example()
    fit_probe(x, q, np.ones(ITEMS), objective, 0.1, Probe())


def streamed(objective: Calling) -> None:
    x, q = example()
    fit_streamed(lambda: iter([Chunk(x, q, np.ones(ITEMS))]), objective, 0.1, Probe())


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_causal(tmp_path_factory.mktemp("model") / "llama")


def tuned(
    objective: Calling, model: Path, folder: Path, weights: np.ndarray | None = None, told: np.ndarray | None = None
) -> None:
    q = example()[1] if told is None else told
    labels = Labels(tuple(map(str, range(ITEMS))), q, np.ones(ITEMS) if weights is None else weights)
    reading = Reading(ModelSpec(str(model), precision="fp32"), tiny_texts(ITEMS, longest=6), "{text} :")
    settings = Tune(batch_size=8, micro_batch_size=8, epochs=1, rank=2)
    tune(Tuning(reading, labels, objective, settings, 0), folder / "work", folder / "out")


@pytest.mark.parametrize("case", BROKEN)
def test_a_probe_says_what_is_wrong(case: str) -> None:
    objective, message = BROKEN[case]
    for fit in (probed, streamed):
        with pytest.raises(FitError, match=message) as caught:
            fit(objective)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("case", BROKEN)
def test_tuning_says_the_same_at_its_first_step(case: str, model: Path, tmp_path: Path) -> None:
    objective, message = BROKEN[case]
    with pytest.raises(FitError, match=message):
        tuned(objective, model, tmp_path)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("call", "what"), [(forgetful, "loss"), (spread, "slope")])
def test_a_probe_that_is_lost_names_the_example_that_is_no_number(call: Any, what: str) -> None:
    """forgetful: 0 * log 0 at every hard label; spread: 0 / 0 where all logits are 0, which is where a fit begins."""
    message = (
        rf"Calling: (the loss became nan|a slope is not finite) at strength 0\.1\. At logits of 0, where every fit "
        rf"begins, its {what} is nan for 24 of 24 examples, first for the label \(1, 0\): .*torch\.xlogy"
    )
    for fit in (probed, streamed):
        with pytest.raises(FitError, match=message):
            fit(Calling(call))


def test_tuning_stops_at_the_first_loss_that_is_no_number(model: Path, tmp_path: Path) -> None:
    """And tells an objective that is to blame from a model whose weights ran away."""
    message = (
        r"the loss is nan for 8 of 8 examples of step 1, first for the logits \(0, 0\) and the label \((1, 0|0, 1)\)"
    )
    with pytest.raises(FitError, match=message):
        tuned(Calling(forgetful), model, tmp_path / "objective")
    with pytest.raises(
        FitError, match=r"the logits are no numbers any more in step 2; lower learning_rate \(now 0\.0002"
    ):
        tuned(Calling(spread), model, tmp_path / "slopes")


def test_a_fit_that_ran_away_by_itself_is_not_blamed_on_its_values_at_0() -> None:
    labels = torch.tensor([[0.5, 0.5], [1.0, 0.0]], dtype=torch.float64)
    assert why_lost(Calling(lambda z, q: cross_entropy(z, q) + z.pow(4).sum(-1)), labels) == LOST


def test_an_error_of_ours_inside_an_objective_stays_as_it_is() -> None:
    def refusing(logits: Any, labels: Any) -> Any:
        raise FitError("keep more of the labels")

    with pytest.raises(FitError, match=f"^{re.escape('keep more of the labels')}$"):
        losses_of_examples(Calling(refusing), torch.zeros(3, 2), torch.ones(3, 2) / 2, Context(0.0))


@pytest.mark.parametrize("fit", ["probe", "streamed", "tune"])
def test_statistics_count_each_item_with_a_weight_once(fit: str, model: Path, tmp_path: Path) -> None:
    """One of weight 3 is no three items, and one of weight 0 is none: the pages of confidence and rebalance say so."""
    x, q = example()
    weights = np.where(np.arange(ITEMS) < 6, 0.0, np.where(q[:, 1] == 1, 3.0, 0.5))
    seen: list[torch.Tensor] = []

    def shares(logits: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        seen.append(labels.reshape(-1, 2).double())
        return {"shares": labels.mean(-2)}

    objective = Calling(seen=shares)
    q[6, :] = 0.25, 0.75
    if fit == "probe":
        fit_probe(x, q, weights, objective, 0.1, Probe())
    elif fit == "streamed":
        parts = [Chunk(x[one], q[one], weights[one]) for one in (slice(0, 9), slice(9, ITEMS))]
        fit_streamed(lambda: iter(parts), objective, 0.1, Probe())
    else:
        tuned(objective, model, tmp_path, weights, q)
    assert seen[-1].numpy() == pytest.approx(q[6:])
