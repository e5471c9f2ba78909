"""The embedded models themselves: padding and batches change no activation by more than 1e-3 in fp32."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tiny_models import tiny_texts

from trimtab.assets import is_present
from trimtab.models.activations import activations
from trimtab.types import ModelSpec

PROMPT = "Review: {text}\nSentiment of the review (positive or negative):"


@pytest.mark.assets
@pytest.mark.parametrize("name", ["smollm2-135m", "minilm-l6"])
def test_padding_and_batches_change_nothing(name):
    if not is_present(name):
        pytest.skip(f"{name} is not fetched: trimtab assets fetch {name}")
    texts, spec = tiny_texts(10), ModelSpec(name, precision="fp32", batch_tokens=1)
    alone = activations(spec, texts, PROMPT).values
    for change in ({"padding": "right"}, {"padding": "left"}, {"padding": "left", "batch_tokens": 100}):
        found = activations(replace(spec, **({"batch_tokens": 4096} | change)), texts, PROMPT).values
        assert np.abs(found - alone).max() < 1e-3
