"""Learning curves: the student trained naively on some of the weak labels, and on as much ground truth."""

from __future__ import annotations

from trimtab.comparison.learning_curves import Curve, Point, halves
from trimtab.errors import ExperimentError
from trimtab.experiment import Experiment
from trimtab.objectives.naive import Naive
from trimtab.plan.kinds import STREAMED, Kinds
from trimtab.plan.pair import Pair
from trimtab.plan.supervisors import supervised, weak_labels
from trimtab.stages.stage import Stage
from trimtab.stages.subset import LabelSubset


def curve_sizes(experiment: Experiment, kinds: Kinds) -> tuple[int, ...]:
    """Return how many labels the students of the curves learn, without the whole transfer split.

    Raises ExperimentError where a size does not suit the transfer split, or the data are streamed.
    """
    wanted, transfer = experiment.curves, experiment.split.transfer
    if wanted is None:
        return ()
    if kinds is STREAMED:
        raise ExperimentError(
            "curves: subsets of the labels are drawn in memory, and a streamed task does not hold them; use the task "
            "`file` for data that fit"
        )
    if wanted.sizes is None:
        return _halved(transfer)
    if transfer is not None and wanted.sizes[-1] > transfer:
        raise ExperimentError(
            f"curves.sizes: found {wanted.sizes[-1]}, wanted at most {transfer}, the size of the transfer split"
        )
    return tuple(size for size in wanted.sizes if size != transfer)


def _halved(transfer: int | None) -> tuple[int, ...]:
    if transfer is None:
        raise ExperimentError(
            "curves: found true, which halves the size of the transfer split, and the data's own split column decides "
            "it; name the sizes, `curves: {sizes: [100, 200, 400]}`"
        )
    if not halves(transfer):
        raise ExperimentError(
            f"curves: found true, but half of the transfer split, {transfer // 2} items, is less than a curve begins "
            "with; name the sizes, `curves: {sizes: [20, 40]}`"
        )
    return halves(transfer)


def learning_curve(pair: Pair, sizes: tuple[int, ...]) -> Curve:
    """Return both curves of a pair; after all labels stand the naive student and the ceiling."""
    predictions = pair.registers.predictions
    return Curve(
        pair.weak_key,
        pair.strong_key,
        predictions.positions(supervised(seed, pair.weak).predictions for seed in pair.seeds),
        _points(pair, [weak_labels(seed, pair.weak) for seed in pair.seeds], sizes),
        _points(pair, [seed.gold("transfer") for seed in pair.seeds], sizes),
    )


def _points(pair: Pair, labels: list[Stage], sizes: tuple[int, ...]) -> tuple[Point, ...]:
    some = [[LabelSubset(one, size, seed.seed) for seed, one in zip(pair.seeds, labels, strict=True)] for size in sizes]
    return tuple(_point(pair, told) for told in (*some, labels))


def _point(pair: Pair, told: list[Stage] | list[LabelSubset]) -> Point:
    """The student of every seed after it has learnt what it is told; its penalty is chosen on these labels alone."""
    fitted = [
        seed.fitted(pair.strong, Naive(), one, one).predictions for seed, one in zip(pair.seeds, told, strict=True)
    ]
    return Point(pair.registers.labels.positions(told), pair.registers.predictions.positions(fitted))
