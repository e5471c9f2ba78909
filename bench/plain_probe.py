"""Probes as a user would write them by hand: what `grid_probe.py` compares with."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold
from sklearn.preprocessing import StandardScaler
from transformers import AutoModel, AutoTokenizer

STEPS, WARM_UP = 300, 0.2


@dataclass(frozen=True)
class FrozenModel:
    """A frozen model and how one activation is read from it."""

    folder: Path
    causal: bool
    layer: int | None = None


@dataclass(frozen=True)
class HandMethod:
    """How a head learns from weak labels."""

    alpha: float | None = None
    """Final weight of the student's own labels; none for cross-entropy."""
    keep: float = 1.0
    """Share of the most confident labels to learn from."""


def plain_activations(frozen: FrozenModel, texts: Sequence[str], seed: int, batch: int = 32) -> np.ndarray:
    """Load a model, tokenise, and run it over the texts in random order, padding each batch to its longest text."""
    tokenizer = AutoTokenizer.from_pretrained(frozen.folder)
    # blocks above the layer are not even loaded: what a careful user would do
    cut = {} if frozen.layer is None else {"num_hidden_layers": frozen.layer}
    model = AutoModel.from_pretrained(frozen.folder, dtype=torch.float32, **cut).eval()
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "right"
    order = np.random.default_rng(seed).permutation(len(texts))
    found = np.zeros((len(texts), model.config.hidden_size), np.float32)
    with torch.no_grad():
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            batched = [texts[i] for i in chosen]
            inputs = tokenizer(batched, padding=True, truncation=True, max_length=512, return_tensors="pt")
            states = model(**inputs).last_hidden_state
            mask = inputs["attention_mask"]
            if frozen.causal:
                read = states[torch.arange(len(chosen)), mask.sum(1) - 1]
            else:
                read = (states * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True)
            found[chosen] = read.numpy()
    return found


def plain_strength(x: np.ndarray, q: np.ndarray, strengths: Sequence[float], folds: int, seed: int) -> float:
    """Choose a penalty by the held-out cross-entropy to soft labels: one scikit-learn fit per fold and strength."""
    losses = np.zeros(len(strengths))
    for inside, outside in KFold(folds, shuffle=True, random_state=seed).split(x):
        scaler = StandardScaler().fit(x[inside])
        z, held_out = (np.asarray(scaler.transform(x[side])) for side in (inside, outside))
        for i, strength in enumerate(strengths):
            head = plain_cross_entropy(z, q[inside], strength, tolerance=1e-4)
            p = np.clip(head.predict_proba(held_out)[:, 1].astype(float), 1e-12, 1 - 1e-12)
            losses[i] -= (q[outside] * np.log(p) + (1 - q[outside]) * np.log(1 - p)).sum()
    return strengths[int(losses.argmin())]


def plain_cross_entropy(z: np.ndarray, q: np.ndarray, strength: float, tolerance: float) -> LogisticRegression:
    """Fit scikit-learn's logistic regression to soft labels: one weighted copy of each item per class."""
    head = LogisticRegression(C=2 / (strength * len(z)), tol=tolerance, max_iter=5000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return head.fit(np.concatenate([z, z]), np.repeat([0, 1], len(z)), np.concatenate([1 - q, q]))


def plain_predictions(
    x: np.ndarray, q: np.ndarray, others: np.ndarray, method: HandMethod, strength: float
) -> np.ndarray:
    """Fit a head to soft labels and return the probability of class 1 of other items."""
    kept = np.argsort(-np.abs(q - 0.5), kind="stable")[: int(np.ceil(method.keep * len(q)))]
    scaler = StandardScaler().fit(x[kept])
    z, asked = (np.asarray(scaler.transform(one)) for one in (x[kept], others))
    told = q[kept]
    if method.alpha is None:
        return plain_cross_entropy(z, told, strength, tolerance=1e-6).predict_proba(asked)[:, 1]
    return _plain_confidence(z, told, asked, method.alpha, strength)


def _plain_confidence(z: np.ndarray, q: np.ndarray, asked: np.ndarray, alpha: float, strength: float) -> np.ndarray:
    """Fit by full-batch gradient descent with automatic differentiation; hard labels above a quantile."""
    features, labels = torch.from_numpy(z).float(), torch.from_numpy(q).float()
    head = torch.nn.Linear(z.shape[1], 1)
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    optimiser = torch.optim.Adam(head.parameters(), lr=0.01)
    for step in range(STEPS):
        odds = head(features).squeeze(1)
        hard = (odds.detach() > odds.detach().quantile(1 - labels.mean())).float()
        w = alpha * min(1.0, step / (STEPS - 1) / WARM_UP)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(odds, (1 - w) * labels + w * hard)
        loss = loss + strength / 4 * head.weight.square().sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        return head(torch.from_numpy(asked).float()).squeeze(1).sigmoid().numpy()
