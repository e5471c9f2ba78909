"""Class probabilities of a tuned model, or those of each item's own answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from trimtab.errors import FitError
from trimtab.fit.reading import Reading, inputs_of
from trimtab.fit.student import build_student
from trimtab.fit.tune_settings import tune_settings
from trimtab.fit.tuned_files import read_facts, read_weights
from trimtab.models.batches import by_length, token_batches
from trimtab.models.precision import resolved_precision
from trimtab.models.source import fingerprint
from trimtab.types import Array, Progress, silent


@dataclass(frozen=True)
class Predicted:
    """Probabilities of a tuned model, and what they took."""

    probabilities: Float[Array, "items classes"]
    truncated: int
    """How many texts were cut at the end."""
    tokens: int
    """Tokens that went through the model; padding not counted."""


def predict_tuned(reading: Reading, fit_folder: Path, progress: Progress = silent) -> Predicted:
    """Return the probabilities that a tuned model gives the classes, or the answers, of each item.

    Raises FitError where the fit belongs to other weights than the reading's model.
    """
    facts, spec = read_facts(fit_folder), reading.spec
    if facts["model"] != fingerprint(spec):
        raise FitError(f"{fit_folder} was fitted on {facts['model']}, not on {fingerprint(spec)}; fit again")
    settings = tune_settings(facts["settings"])
    merged = settings.method == "lora" and resolved_precision(spec) == "fp32"  # bf16 would round the adapters away
    student, backbone = build_student(
        spec, settings, facts["classes"], facts["seed"], reading.states is not None, own=merged
    )
    student.load_state_dict(read_weights(fit_folder))
    student.eval()
    if merged:
        student.model.merge_adapter()  # one product a layer instead of three
    inputs = inputs_of(reading, backbone)
    logits = np.zeros((len(inputs.lengths), facts["classes"]))
    done = tokens = 0
    with torch.inference_mode():
        for batch in token_batches(by_length(inputs.encoded.ids), inputs.lengths, spec.batch_tokens):
            named = {name: value.to(backbone.device) for name, value in inputs.batch(batch).items()}
            logits[batch] = student(**named).cpu().numpy()
            done, tokens = done + len(batch), tokens + sum(inputs.lengths[item] for item in batch)
            progress(done, len(logits), tokens=tokens)
    answers = reading.answers
    found = torch.from_numpy(logits).softmax(-1).numpy() if answers is None else answers.probabilities(logits[:, 0])
    return Predicted(found, inputs.encoded.truncated, tokens)
