"""The exception tree. Every message says what was found, what was wanted and what to do.

TrimtabError
├── UsageError            the caller asked for something that cannot be       exit code 2
│   ├── ExperimentError   a key or value of the experiment file               exit code 2
│   └── TaskError         a row, column or label of a data set                exit code 2
├── AssetError            a pinned download, its hash, its archive            exit code 1
├── ModelError            weights or a tokenizer that cannot be used          exit code 1
├── FitError              a fit that cannot start or did not converge         exit code 1
├── ScoreError            a scorer that raised, or gave no finite number      exit code 1
├── ApiError              a server that refuses, or does not answer           exit code 1
├── StoreError            the store on disk: schema, space, locks             exit code 1
└── StageError            a stage failed; names it and its log                exit code 1
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class TrimtabError(Exception):
    """Anything that this package raises on purpose; its text is meant for the user as it stands."""

    exit_code = 1


class UsageError(TrimtabError):
    """The request itself is wrong: nothing was run."""

    exit_code = 2


class ExperimentError(UsageError):
    """A key or a value of an experiment file is wrong; the text names its path in the file."""


class TaskError(UsageError):
    """A data set cannot be used; the text names file, line and column where they are known."""


class AssetError(TrimtabError):
    """A pinned asset is absent, damaged or refused."""


class ModelError(TrimtabError):
    """A model or its tokenizer cannot be loaded or does not fit what is asked of it."""


class FitError(TrimtabError):
    """A fit cannot be done with what it was given, or it did not converge."""


class ScoreError(TrimtabError):
    """A scorer of answers raised, or did not give one finite number per answer."""


class ApiError(TrimtabError):
    """A server of a model refused a request, or did not answer it after all attempts.

    The batch of prompts that was being answered is lost, earlier ones are not.
    """

    def __init__(self, text: str, prompt: str | None = None) -> None:
        super().__init__(text)
        self.prompt = prompt
        """Id of the prompt that was asked."""


class StoreError(TrimtabError):
    """The store on disk cannot be used."""


class StageError(TrimtabError):
    """A stage failed."""


def did_you_mean(found: str, known: Iterable[str]) -> str:
    """Return ' Did you mean X?' for the nearest known name, or all known names if none is near.

    >>> did_you_mean("naiv", ["naive", "confidence"])
    ' Did you mean "naive"?'
    >>> did_you_mean("zzz", ["naive", "confidence"])
    ' Known: confidence, naive.'
    """
    names = sorted(known)
    near = get_close_matches(found, names, n=1)
    return f' Did you mean "{near[0]}"?' if near else f" Known: {', '.join(names)}."
