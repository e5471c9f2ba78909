"""Control (e): a student for which copying its supervisor is trivial."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from trimtab.errors import ExperimentError
from trimtab.experiment import Experiment, Supervisor
from trimtab.learner import Learner
from trimtab.models.source import locate
from trimtab.objectives.naive import Naive
from trimtab.plan.kinds import IN_MEMORY, Kinds
from trimtab.plan.seed import Predictor, Seed
from trimtab.plan.supervisors import supervised, weak_labels
from trimtab.stages.hint import TextHinted
from trimtab.stages.stage import Stage

NAME = "trivial_imitation"


@dataclass(frozen=True)
class HintedSeed(Seed):
    """A seed whose texts hold an answer; who is in which split stays as it was."""

    plain: Seed

    @cached_property
    def split(self) -> Stage:
        return self.plain.split


def imitating(seed: Seed, supervisor: Supervisor, student: Learner) -> Predictor:
    """The student on weak labels and on texts that say what its supervisor answers, in training and in the test."""
    told = weak_labels(seed, supervisor)
    texts = TextHinted(seed.data, seed.split, supervised(seed, supervisor).predictions)
    return HintedSeed(seed.experiment, seed.kinds, texts, seed.seed, seed).fitted(student, Naive(), told, told)


def check_imitation(experiment: Experiment, kinds: Kinds) -> None:
    """Raise ExperimentError where there is no text that an answer could be written into, or texts are streamed."""
    if NAME not in experiment.controls:
        return
    if kinds is not IN_MEMORY:
        raise ExperimentError(
            f"controls: {NAME} writes the supervisor's answer into every text, which a task of kind "
            f"{experiment.task.kind} does not allow: its items are streamed, or have two texts; leave it out"
        )
    for place, learner in enumerate(experiment.strong):
        if locate(learner.spec).kind == "features":
            raise ExperimentError(
                f"controls: {NAME} writes the supervisor's answer into every text, and strong.{place}, "
                f"{learner.spec.model}, is a table of features; leave it out"
            )
