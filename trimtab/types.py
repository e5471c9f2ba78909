"""The nouns that pass between the rooms: frozen values without I/O, models or torch.

Axis vocabulary of every shape in this package:

    items     examples of a data set            classes   label classes, in the order of `Items.classes`
    seeds     repetitions of a study            draws     bootstrap resamples
    runs      fits solved side by side          tokens    positions of a text
    directions  principal axes of activations
    hidden    width of a model's activations
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

if TYPE_CHECKING:
    from torch import Tensor
else:  # shapes are checked on any array, so that planning never has to import torch
    Tensor = Any

Array = np.ndarray

Truth = str
"""How much ground truth something has seen: "none", "supervisor", "budget(n)" or "oracle"."""


def is_truth(level: str) -> bool:
    """Say whether a word is a truth level.

    >>> is_truth("budget(50)"), is_truth("some")
    (True, False)
    """
    return level in ("none", "supervisor", "oracle") or re.fullmatch(r"budget\([1-9]\d*\)", level) is not None


def most_truth(levels: list[Truth]) -> Truth:
    """Return the strongest of several truth levels: oracle > budget(n) > supervisor > none.

    >>> most_truth(["none", "budget(100)", "budget(20)", "supervisor"])
    'budget(100)'
    """

    def rank(level: Truth) -> tuple[int, int]:
        items = level.removeprefix("budget(").removesuffix(")")
        return (2, int(items)) if items.isdigit() else ({"none": 0, "supervisor": 1, "oracle": 3}[level], 0)

    return max(levels, key=rank)


def all_truth(levels: list[Truth]) -> Truth:
    """Return the truth level of several parts that each read some: budgets add up, since each buys for itself.

    >>> all_truth(["budget(100)", "supervisor", "budget(20)"]), all_truth(["budget(5)", "oracle"]), all_truth([])
    ('budget(120)', 'oracle', 'none')
    """
    bought = sum(int(level[7:-1]) for level in levels if level.startswith("budget("))
    return most_truth([*levels, *([f"budget({bought})"] if bought else ["none"])])


SplitName = Literal["supervisor", "transfer", "test"]
PER_ITEM = ("ids", "texts", "gold", "groups", "templates", "splits", "ratings", "held_ratings")
PER_ITEM += ("sides", "choices", "second_gold")
"""Fields of `Items` that are absent or have one entry per item, beside its slices."""


@dataclass(frozen=True)
class Items:
    """A data set before it is split: one entry per item in every field.

    Raises ValueError where two fields disagree in length or a gold class is out of range.
    """

    ids: tuple[str, ...]
    """Unique, stable names of the items."""
    texts: tuple[str, ...]
    """Untrusted text as the data set has it."""
    gold: Int[Array, "items"]
    """Ground truth: an index into `classes`."""
    classes: tuple[str, ...]
    """Names of the classes; two of them make the task binary, with class 1 the positive one."""
    groups: tuple[str, ...]
    """Items with equal group never straddle two splits (prompt, review, game); an item alone is its own group."""
    prompt: str = "{text}"
    """How a causal model is asked: holds `{text}` once and ends where the answer would begin."""
    templates: tuple[str, ...] | None = None
    """Name of the template that made each text, where the data set says so; grouped like `groups`."""
    splits: tuple[str, ...] | None = None
    """The user's own membership ("supervisor", "transfer", "test", or "train" for both of the first) where the data set
    has it; "second" for items of a second goal, beside which an empty name is an item whose split is drawn."""
    slices: Mapping[str, Float[Array, "items"]] = field(default_factory=dict)
    """Numbers by which results are sliced in the report (for example the absolute mean rating)."""
    ratings: tuple[tuple[float, ...], ...] | None = None
    """Single human ratings per item, where they exist; positions are not people."""
    held_ratings: tuple[tuple[float, ...], ...] | None = None
    """Ratings that gold was not made of, equally many per item, from which human supervisors draw."""
    sides: tuple[tuple[str, str], ...] | None = None
    """Of a task of pairs, what a model reads of each of the two answers (prompt and answer); class 0 is the first."""
    choices: tuple[tuple[str, ...], ...] | None = None
    """Of a task of choices, what a model reads of each of an item's own answers (question and answer), two at the
    least; `classes` are then the places of the item with most, and probabilities beyond an item's last choice are 0."""
    second_gold: Int[Array, "items"] | None = None
    """Ground truth of a second goal that the items have too: an index into `classes`, -1 where it is unknown. Of items
    of the split "second", `gold` means nothing."""
    notes: tuple[str, ...] = ()
    """Sentences the report must repeat about this data set (contamination, thresholds that use gold)."""

    def __post_init__(self) -> None:
        count = len(self.ids)
        for name in PER_ITEM:
            value = getattr(self, name)
            if value is not None and len(value) != count:
                raise ValueError(f"Items.{name} has {len(value)} entries for {count} ids")
        for name, values in self.slices.items():
            if len(values) != count:
                raise ValueError(f"Items.slices[{name!r}] has {len(values)} entries for {count} ids")
        if count and not (int(self.gold.min()) >= 0 and int(self.gold.max()) < len(self.classes)):
            raise ValueError(f"Items.gold must index {len(self.classes)} classes")
        if self.choices is not None:
            self._check_choices(self.choices)
        second = self.second_gold
        if second is not None and count and not (int(second.min()) >= -1 and int(second.max()) < len(self.classes)):
            raise ValueError(f"Items.second_gold must index {len(self.classes)} classes, or be -1")

    def _check_choices(self, choices: tuple[tuple[str, ...], ...]) -> None:
        counts = [len(one) for one in choices]
        if counts and (min(counts) < 2 or max(counts) != len(self.classes)):
            raise ValueError(
                f"Items.choices has {min(counts)} to {max(counts)} choices an item; wanted 2 to {len(self.classes)}, "
                "one class for each place of the item with most"
            )
        for name, gold, count in zip(self.ids, self.gold.tolist(), counts, strict=True):
            if gold >= count:
                raise ValueError(f"Items.gold of {name} is {gold}, but the item has {count} choices")


@dataclass(frozen=True)
class ModelSpec:
    """Which weights, which layer, which precision, and how a model's text is built."""

    model: str
    """Asset name, local folder, GGUF file or Hugging Face hub id."""
    revision: str | None = None
    """Hub revision (branch, tag or commit); the commit it resolves to is recorded."""
    layer: int | None = None
    """Which hidden state is read: 0 = embeddings, k = after block k, none = the last (after the final norm)."""
    pooling: Literal["auto", "last", "mean"] = "auto"
    """`last` reads the last token, `mean` averages all; `auto` is `last` for causal models, `mean` for encoders."""
    padding: Literal["right", "left"] = "right"
    """Side on which a batch is filled; results agree within 1e-3 in fp32."""
    template: str | None = None
    """Text given to the model, with `{text}` once; none = the task's prompt for causal models, the bare text for
    encoders."""
    max_tokens: int = 512
    """Longest input in tokens (also capped by the model's context); `{text}` is cut and counted, never the template
    around it."""
    cut: Literal["end", "start"] = "end"
    """Which end of a text that is too long goes. In dialogues the answer stands last: `start` keeps it."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """`auto` is bf16 where the device computes it natively, else fp32; heads and losses are always fp32 or better."""
    batch_tokens: int = 1024
    """Tokens of a batch including padding; changes speed, memory and last digits only. 1,024 is fastest on a CPU, GPUs
    like more."""
    compile: bool = False
    """Compile the model's blocks with torch.compile: minutes of start-up (and a C++ compiler on a CPU) for faster
    passes; changes last digits only."""
    trust_remote_code: bool = False
    """Run Python code that comes with the weights; off unless the experiment file turns it on."""


@dataclass(frozen=True)
class Labels:
    """What a supervisor believes about some items, and where that belief comes from."""

    ids: tuple[str, ...]
    probabilities: Float[Array, "items classes"]
    """Class probabilities; each row sums to 1."""
    weights: Float[Array, "items"]
    """Weight of each item in the student's loss; 0 drops it."""
    truth: Truth = "none"
    """The most ground truth that went into any of it."""

    def __post_init__(self) -> None:
        if not (len(self.ids) == len(self.probabilities) == len(self.weights)):
            raise ValueError(
                f"Labels: {len(self.ids)} ids, {len(self.probabilities)} rows of probabilities, "
                f"{len(self.weights)} weights"
            )
        if not is_truth(self.truth):
            raise ValueError(f'Labels.truth is "{self.truth}"; wanted none, supervisor, budget(n) or oracle')


@dataclass(frozen=True)
class Context:
    """What an objective may know beyond its batch."""

    progress: float
    """Share of the fit that is done, in [0, 1]."""
    statistics: Mapping[str, Tensor] = field(default_factory=dict)
    """What `Objective.statistics` computed over the whole training set or a buffer of at least 1,024 predictions."""


@runtime_checkable
class Objective(Protocol):
    """A training loss: frozen settings and one pure call on tensors.

    Add one: a module with a formula and a frozen dataclass like `trimtab/objectives/naive.py`.
    """

    truth: ClassVar[Truth]
    """How much ground truth the formula itself reads; almost always "none"."""
    scheduled: ClassVar[bool]
    """Whether the value depends on progress or on the student's own predictions."""
    curvature: ClassVar[float]
    """Largest curvature of one example's loss in its logits, in nats (1/2 for a cross-entropy); sets the step length
    of a probe's fit."""

    def statistics(
        self, logits: Float[Tensor, "*runs items classes"], labels: Float[Tensor, "*runs items classes"]
    ) -> Mapping[str, Tensor]:
        """Return what the formula needs to know of more than one example; called without gradients."""
        ...

    def __call__(
        self,
        logits: Float[Tensor, "*runs items classes"],
        labels: Float[Tensor, "*runs items classes"],
        context: Context,
    ) -> Float[Tensor, "*runs items"]:
        """Return one loss value in nats per example, not reduced."""
        ...


@runtime_checkable
class SelfTargeted(Objective, Protocol):
    """An objective that is the cross-entropy to a target which follows the student's own soft predictions."""

    def target(
        self,
        logits: Float[Tensor, "*runs items classes"],
        labels: Float[Tensor, "*runs items classes"],
        context: Context,
    ) -> Float[Tensor, "*runs items classes"]:
        """Return rows that sum to 1, through which no gradient flows."""
        ...


@runtime_checkable
class LabelStep(Protocol):
    """A change of labels before the student sees them: filter, reweight, correct."""

    truth: ClassVar[Truth]

    def __call__(self, labels: Labels) -> Labels:
        """Return new labels over the same ids, in the same order; a dropped item gets weight 0."""
        ...


Need = Literal["student_states", "student_beliefs", "supervisor_states", "judged", "members", "gold", "seed"]
"""What a label step may ask for beside the labels: a member of `Evidence`."""


@dataclass(frozen=True)
class Judged:
    """A supervisor on the items of its own training split, where the truth is known."""

    states: Float[Array, "items hidden"]
    """Its activations."""
    probabilities: Float[Array, "items classes"]
    """What it says of each item when it was trained on the others (cross-fitted)."""
    gold: Int[Array, "items"]
    """Ground truth of the supervisor split."""


class Gold(Protocol):
    """Ground truth of the labelled items, bought one by one."""

    def __call__(self, rows: Int[Array, "bought"]) -> Int[Array, "bought"]:
        """Return the classes of some items; raises FitError where more are asked for than the step's budget allows."""
        ...


@dataclass(frozen=True)
class Evidence:
    """What a label step sees beside the labels, aligned with them; only what it names in `needs` is there."""

    student_states: Float[Array, "items hidden"] | None = None
    """Activations of the strong model, before it is trained."""
    student_beliefs: Float[Array, "items classes"] | None = None
    """What the student says of each item after it has learnt the labels of the others (cross-fitted, naive)."""
    supervisor_states: Float[Array, "items hidden"] | None = None
    """Activations of the weak supervisor."""
    judged: Judged | None = None
    """The supervisor on its own split."""
    members: tuple[Float[Array, "items classes"], ...] = ()
    """What each member of an ensemble of supervisors says."""
    gold: Gold | None = None
    """Ground truth, up to the budget that the step declares."""
    seed: int = 0
    """The study's seed."""


@runtime_checkable
class InformedStep(Protocol):
    """A label step that looks at more than the labels."""

    truth: ClassVar[Truth]
    needs: ClassVar[tuple[Need, ...]]

    def __call__(self, labels: Labels, evidence: Evidence) -> Labels:
        """Return new labels over the same ids, in the same order; a dropped item gets weight 0."""
        ...


class Progress(Protocol):
    """How a long loop tells what it has done; may be called often."""

    def __call__(self, done: int, total: int, *, tokens: int = 0) -> None:
        """Report `done` of `total` units and the tokens processed so far."""
        ...


def silent(done: int, total: int, *, tokens: int = 0) -> None:
    """Report nothing (the default `Progress`)."""
