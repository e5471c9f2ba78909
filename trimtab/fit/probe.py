"""Linear probes: an L2-regularised head on standardised activations, for any objective on soft labels.

    z_i = W' (x_i - mean) / scale + b
    minimise  sum_i w_i L(z_i, q_i) / sum_i w_i  +  lambda / 2 |W|^2          (b is free)

Objectives without a schedule stop at a gradient tolerance; those that follow a schedule or the student's own
predictions take a stated number of accelerated full-batch steps, less those at the end that would change nothing
(`bulk_block.py`). All arithmetic is float64, or between exact steps float64 plus differences in float32
(`bulk_products.py`), on one thread: a fit has the same bits on every executor, and whatever it is solved together with.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Float

from trimtab.fit.bulk import Problem, Solution, constant, solve_all
from trimtab.fit.probe_settings import Probe
from trimtab.types import Array, Objective


@dataclass(frozen=True)
class Head:
    """A fitted linear head and the standardisation that goes with it."""

    weight: Float[Array, "hidden classes"]
    bias: Float[Array, "classes"]
    mean: Float[Array, "hidden"]
    scale: Float[Array, "hidden"]

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name).flags.c_contiguous:
                raise ValueError(f"Head.{field.name} is a view with strides, which safetensors would write wrongly")

    def probabilities(self, activations: Float[Array, "items hidden"]) -> Float[Array, "items classes"]:
        """Return the softmax of the head's logits."""
        with one_thread():
            features = torch.from_numpy((activations.astype(np.float64) - self.mean) / self.scale)
            logits = features @ torch.from_numpy(self.weight) + torch.from_numpy(self.bias)
            return logits.softmax(-1).numpy()


@dataclass(frozen=True)
class Fitted:
    """A head and how its fit went."""

    head: Head
    loss: float
    """Weighted mean loss in nats, without the penalty."""
    steps: int
    converged: bool
    """Whether the gradient tolerance was reached; always true for a schedule of stated length."""


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one thread: the bits of a sum then do not depend on the machine's load or cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def probabilities_of(
    heads: Sequence[Head], activations: Float[Array, "items hidden"]
) -> Float[Array, "runs items classes"]:
    """Return the class probabilities of heads with one standardisation in common."""
    first = heads[0]
    with one_thread():
        features = torch.from_numpy((activations.astype(np.float64) - first.mean) / first.scale)
        logits = features @ torch.from_numpy(np.concatenate([one.weight for one in heads], 1))
        logits = logits.unflatten(1, (len(heads), -1)).transpose(0, 1)
        return (logits + torch.from_numpy(np.stack([one.bias for one in heads])).unsqueeze(1)).softmax(-1).numpy()


def fit_probe(
    activations: Float[Array, "items hidden"],
    labels: Float[Array, "items classes"],
    weights: Float[Array, "items"],
    objective: Objective,
    strength: float,
    settings: Probe,
) -> Fitted:
    """Fit one head; items of weight 0 are left out, also of the standardisation.

    Raises FitError where no item is left, or an activation or the loss is not finite. Labels of one class give the head
    that always answers it.
    """
    problem = Problem(np.arange(len(activations)), labels, weights, objective, strength, settings)
    (fitted,) = fit_probes(activations, [problem])
    if isinstance(fitted, Exception):
        raise fitted
    return fitted


def fit_probes(activations: Float[Array, "rows hidden"], problems: Sequence[Problem]) -> list[Fitted | Exception]:
    """Fit many heads on one matrix as one problem; return each, or what stopped this one."""
    with one_thread():
        solutions = solve_all(activations, problems)
    return [one if isinstance(one, Exception) else _fitted(one) for one in solutions]


def constant_head(hidden: int, classes: int, only: int) -> Fitted:
    """Return the head that labels of one class teach: it answers that class whatever it reads."""
    return _fitted(constant(hidden, classes, only))


def _fitted(solution: Solution) -> Fitted:
    head = Head(solution.weight, solution.bias, solution.mean, solution.scale)
    return Fitted(head, solution.loss, solution.steps, solution.converged)
