"""Drawing tokens: the law is the one that was asked for, and a draw depends on its own number alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from trimtab.decode.draws import table, uniforms
from trimtab.decode.sampling import Sampling, draw, probabilities, weights
from trimtab.errors import UsageError

LOGITS = torch.log(torch.tensor([[0.4, 0.1, 0.3, 0.2]]))


def grid(count: int) -> torch.Tensor:
    return (torch.arange(count, dtype=torch.float64) + 0.5) / count


@pytest.mark.parametrize(
    ("sampling", "wanted"),
    [
        (Sampling(), [0.4, 0.1, 0.3, 0.2]),
        (Sampling(top_k=2), [4 / 7, 0, 3 / 7, 0]),
        (Sampling(top_k=9), [0.4, 0.1, 0.3, 0.2]),
        (Sampling(top_p=0.65), [4 / 7, 0, 3 / 7, 0]),
        (Sampling(top_p=0.75), [4 / 9, 0, 3 / 9, 2 / 9]),
        (Sampling(top_k=3, top_p=0.5), [4 / 7, 0, 3 / 7, 0]),  # top-p acts on what top-k left: 4/9 is not enough
        (Sampling(temperature=0.5), [16 / 30, 1 / 30, 9 / 30, 4 / 30]),
        (Sampling(temperature=0.5, top_p=0.6), [16 / 25, 0, 9 / 25, 0]),  # temperature first
        (Sampling(temperature=0), [1, 0, 0, 0]),
    ],
)
def test_the_law_and_the_draws_agree_with_hand_derived_values(sampling: Sampling, wanted: list[float]) -> None:
    assert probabilities(LOGITS, sampling)[0].tolist() == pytest.approx(wanted, abs=1e-6)
    drawn = draw(LOGITS.expand(9000, -1), grid(9000), sampling)
    counts = torch.bincount(drawn, minlength=4) / 9000
    assert counts.tolist() == pytest.approx(wanted, abs=2e-4)


def test_every_token_of_a_wide_vocabulary_has_its_share() -> None:
    torch.manual_seed(0)
    logits = torch.randn(1, 1000)
    drawn = draw(logits.expand(200_000, -1), grid(200_000), Sampling())
    counts = torch.bincount(drawn, minlength=1000) / 200_000
    assert (counts - logits[0].softmax(-1)).abs().max() < 1e-5


def test_the_greatest_number_draws_a_token_that_has_weight() -> None:
    logits = torch.full((1, 600), -torch.inf)
    logits[0, 300] = 0.0
    for number in (0.0, 0.5, np.nextafter(1.0, 0.0)):
        assert draw(logits, torch.tensor([number], dtype=torch.float64), Sampling()).item() == 300


def test_a_row_does_not_feel_its_neighbours() -> None:
    torch.manual_seed(1)
    logits, numbers = torch.randn(8, 700), torch.rand(8, dtype=torch.float64)
    together = draw(logits, numbers, Sampling(top_p=0.9))
    alone = [draw(logits[i : i + 1], numbers[i : i + 1], Sampling(top_p=0.9)).item() for i in range(8)]
    assert together.tolist() == alone


def test_the_greatest_weight_is_one() -> None:
    assert weights(LOGITS + 700, Sampling()).max().item() == 1.0


@pytest.mark.parametrize("settings", [{"temperature": -1}, {"top_k": 0}, {"top_p": 0.0}, {"top_p": 1.5}])
def test_settings_out_of_range_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=next(iter(settings))):
        Sampling(**settings)  # pyright: ignore[reportArgumentType]


def test_streams_are_their_own_and_stay_the_same() -> None:
    first = uniforms(0, "p", 0, 6)
    assert (uniforms(0, "p", 0, 3) == first[:3]).all()
    others = [uniforms(1, "p", 0, 6), uniforms(0, "q", 0, 6), uniforms(0, "p", 1, 6), uniforms(0, "p", 0, 6, "chain")]
    assert all((other != first).all() for other in others)
    assert (table(0, ["p", "q"], [0, 0], 6) == np.array([first, others[1]])).all()
    assert abs(uniforms(5, "p", 0, 20_000).mean() - 0.5) < 0.01
