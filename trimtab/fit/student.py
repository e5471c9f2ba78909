"""A pretrained backbone with a linear head on its pooled hidden state: what gradient tuning trains."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from trimtab.errors import FitError
from trimtab.fit.tune_settings import Tune
from trimtab.models.load import Backbone, own_backbone
from trimtab.models.pooling import pool
from trimtab.models.precision import resolved_precision
from trimtab.models.text import pooling_of
from trimtab.types import ModelSpec


class Student(nn.Module):
    """Class logits in float32 from a backbone; its state holds the trained weights only."""

    def __init__(self, backbone: Backbone, pooling: str, classes: int, bf16: bool) -> None:
        super().__init__()
        self.model = backbone.model
        self.head = nn.Linear(backbone.hidden, classes, device=backbone.device)
        # every class equally likely at first, so that the first predictions are known without running the
        # model
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self._backbone, self._pooling, self._bf16 = backbone, pooling, bf16

    def forward(
        self, input_ids: Int[Tensor, "items tokens"], attention_mask: Int[Tensor, "items tokens"]
    ) -> Float[Tensor, "items classes"]:
        """Return one logit per class; pooling and head are float32 whatever the backbone is."""
        device = input_ids.device.type
        with torch.autocast(device, torch.bfloat16, enabled=self._bf16):
            hidden = self._backbone.hidden_states(input_ids, attention_mask)
        with torch.autocast(device, enabled=False):
            return self.head(pool(hidden, attention_mask, self._pooling))

    def state_dict(self, *arguments: Any, **named: Any) -> dict[str, Any]:
        """Return the trained weights: a frozen backbone need not be written again."""
        trained = {name for name, parameter in self.named_parameters() if parameter.requires_grad}
        return {name: value for name, value in super().state_dict(*arguments, **named).items() if name in trained}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Load trained weights. Raises FitError where they are not those of this model."""
        wanted = set(self.state_dict())
        if set(state_dict) != wanted:
            odd = sorted(wanted.symmetric_difference(state_dict))
            raise FitError(f"{len(odd)} trained weights do not belong to this model and fit, first {odd[0]}; fit again")
        found = super().load_state_dict(state_dict, strict=False, assign=assign)
        found.missing_keys.clear()  # only frozen weights are missing, as checked above
        return found


def build_student(spec: ModelSpec, settings: Tune, classes: int, seed: int) -> tuple[Student, Backbone]:
    """Return an untrained student and its backbone; the seed decides the adapters' first values.

    Raises FitError where the adapters' target modules do not exist.
    """
    precision = resolved_precision(spec)
    # AdamW on bf16 weights loses small steps, so weights that are trained stay float32 and only the products
    # are bf16
    backbone = own_backbone(spec, "fp32" if settings.method == "full" else precision)
    for module in backbone.model.modules():
        if isinstance(module, nn.Dropout):
            module.p = settings.dropout
    torch.manual_seed(seed)
    if settings.method == "lora":
        backbone.model = _with_adapters(backbone.model, settings)
    return Student(backbone, pooling_of(spec, backbone.causal), classes, precision == "bf16"), backbone


def _with_adapters(model: Any, settings: Tune) -> Any:
    from peft import LoraConfig, get_peft_model

    named = settings.target_modules
    targets = named if named == "all-linear" else [name.strip() for name in named.split(",")]
    config = LoraConfig(
        r=settings.rank, lora_alpha=settings.alpha, lora_dropout=settings.dropout, target_modules=targets  # pyright: ignore[reportArgumentType]
    )  # fmt: skip
    try:
        with warnings.catch_warnings():
            # peft still asks transformers by a name that transformers has deprecated
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
            # GPT-2 keeps its matrices transposed; peft notices and says that it does the right thing
            warnings.filterwarnings("ignore", "fan_in_fan_out is set to False", UserWarning)
            return get_peft_model(model, config)
    except ValueError as error:
        raise FitError(
            f"adapters cannot be put on target_modules {named!r} of {type(model).__name__}: {error}"
        ) from error
