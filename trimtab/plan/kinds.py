"""The stage classes of a study: in memory, for pairs, for choices, for a split by level, or streamed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from trimtab.stages.by_level.compare import CompareByLevel
from trimtab.stages.by_level.data import DataByLevel
from trimtab.stages.by_level.split import SplitByLevel
from trimtab.stages.choices import EmbedChoices, LabelFlippedChoices, PredictChoices, SelectChoices, TrainChoices
from trimtab.stages.compare import Compare
from trimtab.stages.data import Data
from trimtab.stages.embed import Embed
from trimtab.stages.label import LabelFlipped, LabelGold, LabelModel, LabelStepped
from trimtab.stages.pairs import EmbedPairs, PredictPairs, SelectPairs, TrainPairs
from trimtab.stages.predict import PredictProbe, PredictZeroShot
from trimtab.stages.split import Split
from trimtab.stages.streamed.compare import StreamedCompare
from trimtab.stages.streamed.data import StreamedData
from trimtab.stages.streamed.embed import StreamedEmbed
from trimtab.stages.streamed.label import (
    StreamedLabelFlipped,
    StreamedLabelGold,
    StreamedLabelModel,
    StreamedLabelStepped,
)
from trimtab.stages.streamed.predict import StreamedPredictProbe, StreamedPredictZeroShot
from trimtab.stages.streamed.split import StreamedSplit
from trimtab.stages.streamed.train import StreamedSelect, StreamedTrainProbe
from trimtab.stages.train import Select, TrainProbe


@dataclass(frozen=True)
class Kinds:
    """One class for each verb."""

    data: Any
    split: Any
    embed: Any
    gold: Any
    weak: Any
    stepped: Any
    flipped: Any
    select: Any
    train: Any
    predict: Any
    zero_shot: Any
    compare: Any


IN_MEMORY = Kinds(
    data=Data,
    split=Split,
    embed=Embed,
    gold=LabelGold,
    weak=LabelModel,
    stepped=LabelStepped,
    flipped=LabelFlipped,
    select=Select,
    train=TrainProbe,
    predict=PredictProbe,
    zero_shot=PredictZeroShot,
    compare=Compare,
)
PAIRED = replace(IN_MEMORY, embed=EmbedPairs, select=SelectPairs, train=TrainPairs, predict=PredictPairs)
CHOICES = replace(
    IN_MEMORY,
    embed=EmbedChoices,
    flipped=LabelFlippedChoices.of,
    select=SelectChoices,
    train=TrainChoices,
    predict=PredictChoices,
)
BY_LEVEL = replace(IN_MEMORY, data=DataByLevel, split=SplitByLevel, compare=CompareByLevel)
STREAMED = Kinds(
    data=StreamedData,
    split=StreamedSplit,
    embed=StreamedEmbed,
    gold=StreamedLabelGold,
    weak=StreamedLabelModel,
    stepped=StreamedLabelStepped,
    flipped=StreamedLabelFlipped,
    select=StreamedSelect,
    train=StreamedTrainProbe,
    predict=StreamedPredictProbe,
    zero_shot=StreamedPredictZeroShot,
    compare=StreamedCompare,
)
