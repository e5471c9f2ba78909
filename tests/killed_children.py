"""Child processes that may be killed: forked from a server that has imported the heavy packages once."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from typing import Any

_HEAVY = [
    "trimtab.fit.tune",
    "trimtab.models.activations",
    "tiny_models",
    "peft",
    "transformers.models.auto.modeling_auto",
    "transformers.models.gpt2.modeling_gpt2",
    "transformers.models.llama.modeling_llama",
    "transformers.models.bert.modeling_bert",
]


def run_child(target: Callable[..., None], *arguments: Any) -> int:
    """Run a function in a child process and return its exit code; -9 where it was killed."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_HEAVY)
    child = context.Process(target=target, args=arguments)
    child.start()
    child.join(120)
    assert child.exitcode is not None, "the child did not end within two minutes"
    return child.exitcode
