"""Where the base model is: in this process, in vLLM, or behind a URL; found without loading anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from trimtab.errors import UsageError
from trimtab.types import ModelSpec

if TYPE_CHECKING:
    from trimtab.decode.base import Base
    from trimtab.decode.language_model import LanguageModel

_VLLM = "vllm:"


@dataclass(frozen=True)
class Place:
    """The base model of a request. Raises UsageError for settings that its place does not have."""

    base: str
    """Asset, folder, GGUF file or hub id; the same after "vllm:"; or the URL of an OpenAI-compatible API."""
    model: str | None = None
    """The server's name of the model, behind a URL."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of an API (`api/settings.py`) or of vLLM."""

    def __post_init__(self) -> None:
        if self.kind != "api" and self.model is not None:
            raise UsageError(f"model {self.model!r} is for a base behind a URL; found base {self.base!r}")
        if self.kind == "here" and self.settings:
            raise UsageError(
                f"{next(iter(self.settings))} is a setting of a base behind a URL or in vLLM; found base {self.base!r}"
            )

    @property
    def kind(self) -> Literal["here", "vllm", "api"]:
        """In which of the three places it is."""
        if self.base.startswith(("http://", "https://")):
            return "api"
        return "vllm" if self.base.startswith(_VLLM) else "here"

    def require(self, method: str, needs: str | None, others: list[str]) -> None:
        """Raise UsageError where a method needs what text does not show: "logits" or "tokens"; None needs nothing."""
        if needs is not None and self.kind != "here":
            raise UsageError(
                f"{method} needs the base model's {needs}, which {self.base} does not give; use {', '.join(others)}, "
                "or a base model in this process"
            )

    def reach(self, form: str) -> tuple[Base, LanguageModel | None]:
        """Return what writes, and the model whose tokens its answers hold; None where they are text.

        Behind a URL `form` is none of the base's business: the server has a template of its own for `kind: chat`.
        """
        if self.kind == "api":
            from trimtab.decode.api.base import ApiBase
            from trimtab.decode.api.settings import api_settings

            return ApiBase(api_settings(self.base, self.model, self.settings)), None
        if self.kind == "vllm":
            from trimtab.decode.vllm_base import VllmBase

            engine = dict(self.settings)
            ours = {name: engine.pop(name) for name in ("per_request", "parameters") if name in engine}
            found = VllmBase(ModelSpec(self.base.removeprefix(_VLLM)), form, engine=engine, **ours)
            return found, found.model
        from trimtab.decode.base import LocalBase
        from trimtab.decode.language_model import language_model

        model = language_model(ModelSpec(self.base))
        return LocalBase(model, form), model
