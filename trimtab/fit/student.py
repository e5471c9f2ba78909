"""A pretrained backbone with a linear head on its pooled hidden state: what gradient tuning trains."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from trimtab.errors import FitError
from trimtab.fit.probe import Head
from trimtab.fit.tune_settings import Tune
from trimtab.models.load import Backbone, own_backbone, shared_backbone
from trimtab.models.pooling import pool
from trimtab.models.precision import resolved_precision
from trimtab.models.prefix import Cut, Entrance, entrance_of, find_cut, hollowed
from trimtab.models.text import pooling_of
from trimtab.types import ModelSpec


class Student(nn.Module):
    """Class logits in float32 from a backbone, or one score where there is one class; its state holds the trained
    weights only."""

    def __init__(self, backbone: Backbone, pooling: str, classes: int, bf16: bool) -> None:
        super().__init__()
        self.model = backbone.model
        self.head = nn.Linear(backbone.hidden, classes, device=backbone.device)
        # every class equally likely at first, so that the first predictions are known without running the
        # model
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        # scores are compared with each other: what is added to all of them cancels, and only rounding would move it
        self.head.bias.requires_grad_(classes > 1)
        self._backbone, self._pooling, self._bf16 = backbone, pooling, bf16
        self._upper: list[nn.Module] | None = None
        self._entrance: Entrance | None = None

    def split(self, upper: list[nn.Module], entrance: Entrance) -> None:
        """Have only the upper modules train; stored states come in by the entrance."""
        self._entrance = entrance
        self._upper = list(upper)

    def start_from(self, head: Head) -> None:
        """Let the head say at first what a probe on the untrained backbone's pooled states says.

        z = W' (x - mean) / scale + b = (W / scale)' x + (b - W' mean / scale)
        """
        weight = head.weight / head.scale[:, None]
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(weight.T))
            self.head.bias.copy_(torch.from_numpy(head.bias - head.mean @ weight))

    def train(self, mode: bool = True) -> Student:
        """Switch dropout on or off; modules that are not trained never drop anything."""
        super().train(mode)
        if self._upper is not None:
            self.model.eval()
            for module in self._upper:
                module.train(mode)
        return self

    def forward(
        self,
        input_ids: Int[Tensor, "items tokens"],
        attention_mask: Int[Tensor, "items tokens"],
        states: Float[Tensor, "items tokens hidden"] | None = None,
    ) -> Float[Tensor, "items classes"]:
        """Return one logit per class; pooling and head are float32 whatever the backbone is."""
        if self._entrance is not None:
            self._entrance.states = states
        device = input_ids.device.type
        read = self._backbone.reading(attention_mask, self._pooling)
        with torch.autocast(device, torch.bfloat16, enabled=self._bf16), read:
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


def build_student(
    spec: ModelSpec, settings: Tune, classes: int, seed: int, from_states: bool = False, own: bool = False
) -> tuple[Student, Backbone]:
    """Return an untrained student and its backbone; the seed decides the adapters' first values.

    With `from_states` it takes stored hidden states, and the layers below those that are trained are not there; with
    `own` it shares no weight of those layers with other students, so that adapters may be merged into them.
    Raises FitError where the adapters' target modules do not exist; ModelError where the layers do not.
    """
    precision = resolved_precision(spec)
    bf16 = precision == "bf16"
    cut = None
    if settings.layers is None:
        # AdamW on bf16 weights loses small steps, so weights that are trained stay float32 and only the products
        # are bf16
        backbone = own_backbone(spec, "fp32" if settings.method == "full" else precision)
    else:
        backbone = shared_backbone(replace(spec, compile=False)) if from_states else own_backbone(spec)
        cut = find_cut(backbone, spec.layer, settings.layers.top)
        if from_states:
            backbone = hollowed(backbone, cut, trained=own or settings.method == "full")
    for name, parameter in backbone.model.named_parameters():
        if name.startswith("pooler."):  # reads what is read here too, and is never read itself
            parameter.requires_grad_(False)
    upper = cut.upper(backbone.model) if cut else [backbone.model]
    _set_dropout(upper, settings.dropout)
    entrance = _enter_above(backbone, cut, upper, settings.method) if cut else None
    torch.manual_seed(seed)
    if settings.method == "lora":
        backbone.model = _with_adapters(backbone.model, settings, cut)
    student = Student(backbone, pooling_of(spec, backbone.causal), classes, bf16)
    if entrance is not None:
        student.split(upper, entrance)
    return student, backbone


def _set_dropout(modules: list[nn.Module], share: float) -> None:
    for dropout in (one for module in modules for one in module.modules() if isinstance(one, nn.Dropout)):
        dropout.p = share


def _enter_above(backbone: Backbone, cut: Cut, upper: list[nn.Module], method: str) -> Entrance:
    """Freeze what is below the cut; what is trained in full is float32, as its input is then."""
    if method == "lora":
        return entrance_of(backbone, cut)
    backbone.model.requires_grad_(False)
    for module in upper:
        module.float().requires_grad_(True)
    return entrance_of(backbone, cut, torch.float32)


def _with_adapters(model: Any, settings: Tune, cut: Cut | None) -> Any:
    from peft import LoraConfig, get_peft_model

    named = settings.target_modules
    targets = named if named == "all-linear" else [name.strip() for name in named.split(",")]
    if cut is not None:
        targets = _linear_names(model, cut, targets)
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


def _linear_names(model: nn.Module, cut: Cut, targets: str | list[str]) -> list[str]:
    """Return the full names of the linear layers above the cut that get adapters.

    Raises FitError where there are none.
    """
    from transformers.pytorch_utils import Conv1D

    above = {id(module) for block in cut.above(model) for module in block.modules()}
    linear = [
        name for name, module in model.named_modules() if id(module) in above and isinstance(module, nn.Linear | Conv1D)
    ]
    if targets == "all-linear":
        return linear
    chosen = [name for name in linear if any(f".{name}".endswith(f".{target}") for target in targets)]
    if not chosen:
        known = ", ".join(sorted({name.rpartition(".")[2] for name in linear}))
        raise FitError(f"no layer above the cut is called {', '.join(targets)}; set target_modules to some of {known}")
    return chosen
