"""All stages of a search study: rewards, a guide, answers by every method and seed, and what judges make of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from trimtab.comparison.search.rows import SearchRow
from trimtab.errors import ExperimentError, ModelError
from trimtab.experiment.search import GUIDE_ALONE, Decoder, GuidePair, MadeGuide, SearchExperiment
from trimtab.models.source import locate
from trimtab.stages.data import Data
from trimtab.stages.search.answer import AnswerPrompts
from trimtab.stages.search.check import CheckGuide
from trimtab.stages.search.classifier import TrainClassifier
from trimtab.stages.search.compare import CompareSearch
from trimtab.stages.search.guide import TrainTuned, TrainUntuned, WritePairs
from trimtab.stages.search.judge import JudgeAnswers
from trimtab.stages.search.prompts import Prompts
from trimtab.stages.search.value import TrainValue
from trimtab.stages.split import Split
from trimtab.stages.stage import Stage, order
from trimtab.types import ModelSpec, Truth

TRUTHS: dict[str | None, Truth] = {
    None: "none",
    "guide": "supervisor",
    "proxy": "supervisor",
    "value": "supervisor",
    "gold": "oracle",
}
"""What has been seen by whatever chooses; a guide that was made elsewhere is counted like one that is made here."""


@dataclass(frozen=True)
class SearchPlan:
    """All stages of a search study, inputs first; the last one compares."""

    stages: tuple[Stage, ...]

    @property
    def compare(self) -> CompareSearch:
        """The stage that makes the results."""
        last = self.stages[-1]
        assert isinstance(last, CompareSearch)
        return last

    def purpose(self, digest: str) -> str | None:
        """Return what a stage is for, in the words of the experiment file; none where it serves all methods."""
        for place, judged in enumerate(self.compare.judged):
            if digest in (judged.digest, self.compare.answers[place].digest):
                row, seed = divmod(place, len(self.compare.seeds))
                return f"method {self.compare.rows[row].name}, seed {self.compare.seeds[seed]}"
        return None


def plan_search(experiment: SearchExperiment) -> SearchPlan:
    """Return the stages of a search study; reads file fingerprints, runs nothing.

    Raises ExperimentError where a model's path does not exist or holds no weights.
    """
    for place, spec in experiment.models():
        try:
            locate(spec)
        except ModelError as error:
            raise ExperimentError(f"{place}: {error}") from None
    return SearchPlan(tuple(order((_Parts(experiment).compare,))))


class _Parts:
    """The stages of one study, each made once."""

    def __init__(self, experiment: SearchExperiment) -> None:
        self.experiment = experiment
        sizes = experiment.split.sizes()
        self.data = Data(experiment.task, sizes.of_pool())
        self.split = Split(self.data, sizes, seed=0)
        self.prompts = Prompts(self.data, self.split, experiment.prompt_words, experiment.split.development)
        self.proxy = TrainClassifier(self.data, self.split, experiment.proxy.spec, experiment.proxy.fit, "supervisor")
        self.gold = TrainClassifier(self.data, self.split, experiment.gold.spec, experiment.gold.fit, "transfer")

    @cached_property
    def guides(self) -> tuple[Stage, ...]:
        """Tuned and untuned guide, where the study makes them."""
        made = self.experiment.guide
        if not isinstance(made, MadeGuide):
            return ()
        untuned = TrainUntuned(self.data, self.split, made.model, made.blocks, made.fresh, made.read)
        pairs = WritePairs(self.prompts, untuned, self.proxy, made.pairs, self.experiment.max_new_tokens)
        return TrainTuned(untuned, pairs, made.prefer), untuned

    @cached_property
    def pair(self) -> tuple[ModelSpec, ...]:
        """Tuned and untuned guide, where they exist."""
        named = self.experiment.guide
        return (named.tuned, named.untuned) if isinstance(named, GuidePair) else ()

    @cached_property
    def value(self) -> TrainValue:
        """The value function, where a method chooses by one."""
        experiment = self.experiment
        guided = experiment.value.reads == "guide"
        return TrainValue(
            self.prompts, experiment.base, self.guides if guided else (), self.pair if guided else (), self.proxy,
            experiment.value, experiment.form, experiment.max_new_tokens,
        )  # fmt: skip

    def _reward(self, decoder: Decoder) -> Stage | None:
        """Return what scores in the place of the guide pair."""
        if decoder.scorer == "value":
            return self.value
        return {"proxy": self.proxy, "gold": self.gold}.get(decoder.scorer or "")

    def _reads_guides(self, decoder: Decoder) -> bool:
        return decoder.guided or (decoder.scorer == "value" and self.experiment.value.reads == "guide")

    def answers(self, decoder: Decoder, seed: int) -> AnswerPrompts:
        """Return the answers of one method and seed."""
        experiment = self.experiment
        alone = decoder.method == GUIDE_ALONE
        return AnswerPrompts(
            prompts=self.prompts,
            base=self.pair[0] if alone and self.pair else experiment.base,
            guides=self.guides if self._reads_guides(decoder) else (),
            pair=self.pair if self._reads_guides(decoder) else (),
            reward=self._reward(decoder),
            base_weights=self.guides[0] if alone and self.guides else None,
            method="sample" if alone else decoder.method,
            method_settings=decoder.settings,
            sampling=experiment.sampling,
            form=experiment.form,
            max_new_tokens=experiment.max_new_tokens,
            seed=seed,
        )

    @cached_property
    def compare(self) -> CompareSearch:
        """The stage that makes the results."""
        experiment = self.experiment
        answers = [self.answers(one, seed) for one in experiment.methods for seed in experiment.seeds]
        about: dict[str, Any] = {"base": experiment.base, "form": experiment.form}
        check = CheckGuide(
            self.prompts, experiment.base, self.guides, self.pair, self.proxy, experiment.form,
            experiment.max_new_tokens,
        )  # fmt: skip
        return CompareSearch(
            data=self.data,
            prompts=self.prompts,
            proxy=self.proxy,
            gold=self.gold,
            guides=self.guides,
            values=(self.value,) if any(one.scorer == "value" for one in experiment.methods) else (),
            check=check,
            answers=tuple(answers),
            judged=tuple(
                JudgeAnswers(self.data, self.split, self.prompts, one, self.proxy, self.gold, **about)
                for one in answers
            ),
            rows=tuple(_row(one) for one in experiment.methods),
            seeds=experiment.seeds,
            models=tuple((place, spec.model) for place, spec in experiment.models()),
        )


def _row(decoder: Decoder) -> SearchRow:
    truth = "supervisor" if decoder.method == GUIDE_ALONE else TRUTHS[decoder.scorer]
    chosen = dict(decoder.settings)
    on_curve = chosen.get("samples", 4) if decoder.method == "best_of_n" and decoder.scorer == "guide" else None
    on_curve = 1 if decoder.method == "sample" else on_curve
    return SearchRow(decoder.name, decoder.method, decoder.settings, decoder.scorer or "none", truth, on_curve)
