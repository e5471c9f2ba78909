"""What a stage is: a frozen value of settings and inputs, whose digest is its identity."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from trimtab.digest import code_digest, digest_of, settings_of
from trimtab.types import Progress


@dataclass(frozen=True)
class Stage(ABC):
    """One verb with settings (its plain fields) and inputs (its fields that are stages).

    Subclasses set `kind` and `version` and define `run`. The version is raised when the code's results change by more
    than rounding, which no identity holds: processors and numbers of threads differ by it too.
    """

    kind: ClassVar[str]
    version: ClassVar[int] = 1
    code: ClassVar[tuple[str, ...]] = ()
    """Modules and packages whose source is part of the identity: those of cheap stages, made again when they change.
    Dear stages (data, embed, tune) raise `version` instead; a test holds them to it."""

    elastic: ClassVar[bool] = False
    """Whether the number of threads may change while it runs: true of those that only run a model over texts, whose
    results can then differ by rounding alone."""

    @cached_property
    def inputs(self) -> dict[str, Stage]:
        """The stages that this one reads, by field name; of a tuple by name and position."""
        found: dict[str, Stage] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Stage):
                found[field.name] = value
            elif isinstance(value, tuple):
                found |= {f"{field.name}.{i}": one for i, one in enumerate(value) if isinstance(one, Stage)}
        return found

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Everything but the inputs that decides the result, as JSON values."""
        plain = [field.name for field in fields(self) if not _holds_stages(getattr(self, field.name))]
        return {name: settings_of(getattr(self, name)) for name in plain}

    @cached_property
    def digest(self) -> str:
        """The sha256 of kind, code version, settings and the digests of the inputs."""
        identity = {
            "kind": self.kind,
            "version": self.version,
            "settings": self.settings,
            "inputs": {name: stage.digest for name, stage in self.inputs.items()},
        }
        if self.code:
            identity["code"] = {name: code_digest(name) for name in self.code}
        return digest_of(identity)

    @property
    def title(self) -> str:
        """What is being done, in a few words for a progress line."""
        return self.kind

    @property
    def memory_bytes(self) -> int:
        """Peak memory beyond the libraries', roughly, for a schedule that knows of no stage like it."""
        return 300_000_000

    @property
    def model_key(self) -> str | None:
        """Which model it loads, so that a worker that holds it may go on with it; none where it loads none."""
        return None

    @property
    def bulk_key(self) -> str | None:
        """Equal for stages that are cheaper made together than alone; none where there is nothing to share."""
        return None

    @abstractmethod
    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Read the inputs' folders, write the result into `out`, return what the manifest should say about it.

        `work` keeps its content when the process is killed: a long loop goes on from there.
        """


class BulkStage(Stage):
    """A stage of which many are solved as one problem; each has its own digest, and the same bits as alone."""

    @classmethod
    @abstractmethod
    def solve(cls, stages: Sequence[Any], inputs: Sequence[Mapping[str, Path]]) -> Sequence[Any]:
        """Return for each stage what `keep` writes, or the exception that stops this one alone."""

    @abstractmethod
    def keep(self, solution: Any, out: Path) -> dict[str, Any]:
        """Write the result into `out`, return what the manifest should say about it."""

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Solve this one alone and write it."""
        (solution,) = self.solve([self], [inputs])
        if isinstance(solution, Exception):
            raise solution
        progress(1, 1)
        return self.keep(solution, out)


def _holds_stages(value: object) -> bool:
    return isinstance(value, Stage) or (isinstance(value, tuple) and any(isinstance(one, Stage) for one in value))


def order(targets: tuple[Stage, ...]) -> list[Stage]:
    """Return every stage that the targets need, each once, inputs before those that read them."""
    placed: dict[str, Stage] = {}

    def place(stage: Stage) -> None:
        if stage.digest in placed:
            return
        for needed in stage.inputs.values():
            place(needed)
        placed[stage.digest] = stage

    for target in targets:
        place(target)
    return list(placed.values())
