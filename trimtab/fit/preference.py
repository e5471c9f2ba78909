"""Direct preference optimisation: TRL's DPOTrainer, on tokens that are given as they were written.

    min over pi of - mean log sigmoid( beta [ log pi(y+|x) / ref(y+|x)  -  log pi(y-|x) / ref(y-|x) ] )

with sums over the answer's tokens; ref is the model that tuning starts from. Rafailov et al. 2023, equation 7
https://arxiv.org/abs/2305.18290

TRL splits texts into tokens itself and ends every answer; here an answer keeps the tokens that a model wrote, and the
ending token only where it really ended.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trimtab.errors import UsageError
from trimtab.fit.checkpoints import COMPLETE, checkpoint_watcher, last_checkpoint
from trimtab.fit.preference_settings import Preference
from trimtab.models.load import is_causal, load_config, load_tokenizer, load_weights, padding_id
from trimtab.models.precision import device_class
from trimtab.models.quiet import quiet
from trimtab.models.shards import fingerprint_of
from trimtab.models.source import fingerprint, locate
from trimtab.types import ModelSpec, Progress

TOGETHER = 8
"""Pairs that go through the model at once."""
SAVE_EVERY = 25
"""Optimiser steps between checkpoints."""


@dataclass(frozen=True)
class TokenPair:
    """A prompt with two answers, in the model's own tokens; an ending token stands where an answer ended."""

    prompt: tuple[int, ...]
    chosen: tuple[int, ...]
    rejected: tuple[int, ...]


def prefer(
    spec: ModelSpec, pairs: Sequence[TokenPair], settings: Preference, seed: int, work: Path, out: Path,
    progress: Progress,
) -> dict[str, Any]:  # fmt: skip
    """Tune a causal model on pairs in float32 and write weights and tokenizer to `out`; goes on from `work`.

    Raises UsageError where there is no pair or the model is not causal; ModelError where it cannot be loaded.
    """
    from datasets import Dataset

    if not pairs:
        raise UsageError("there is no pair to learn from; wanted at least one")
    source = locate(spec)
    config = load_config(source, spec.trust_remote_code)
    if not is_causal(config):
        raise UsageError(f"{spec.model} is an encoder, which writes no answers; wanted a causal language model")
    rows = [{"prompt_ids": one.prompt, "chosen_ids": one.chosen, "rejected_ids": one.rejected} for one in pairs]
    with _old_names():
        trainer = _trainer(spec, source, config, Dataset.from_list(rows), settings, seed, work, progress)
    made_from = fingerprint_of(fingerprint(spec), [vars(one) for one in pairs], vars(settings), seed)
    checkpoint = last_checkpoint(work, made_from, COMPLETE)
    with quiet(), _old_names():
        done = trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        trainer.model.save_pretrained(out)
        trainer.processing_class.save_pretrained(out)
    tokens = sum(2 * len(one.prompt) + len(one.chosen) + len(one.rejected) for one in pairs)
    return {
        "pairs": len(pairs),
        "tokens": settings.epochs * tokens,
        "steps": done.global_step,
        "loss_nats": done.training_loss,
    }


@contextmanager
def _old_names() -> Iterator[None]:
    """Let TRL call transformers by names that are on their way out."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*gradient_checkpointing", category=FutureWarning)
        yield


def _trainer(
    spec: ModelSpec, source: Any, config: Any, rows: Any, settings: Preference, seed: int, work: Path,
    progress: Progress,
) -> Any:  # fmt: skip
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.trainer_callback import PrinterCallback
    from trl.trainer.dpo_config import DPOConfig
    from trl.trainer.dpo_trainer import DPOTrainer

    class TokenTrainer(DPOTrainer):
        """Takes rows of tokens as they are."""

        def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
            return dataset

    def loaded() -> Any:
        model = load_weights(AutoModelForCausalLM, source, config, torch.float32, spec.trust_remote_code)
        model.config.use_cache = False
        return model

    tokenizer = load_tokenizer(source, spec.trust_remote_code)
    tokenizer.pad_token_id = padding_id(tokenizer, config)
    arguments = DPOConfig(
        output_dir=str(work), num_train_epochs=settings.epochs, learning_rate=settings.learning_rate,
        beta=settings.beta,
        per_device_train_batch_size=TOGETHER, gradient_accumulation_steps=settings.batch_size // TOGETHER,
        lr_scheduler_type="linear", weight_decay=0.0, save_strategy="steps", save_steps=SAVE_EVERY, save_total_limit=2,
        report_to="none", disable_tqdm=True, logging_strategy="no", dataloader_pin_memory=False, bf16=False,
        activation_checkpointing=False, max_length=None, use_cpu=device_class() == "cpu", seed=seed, data_seed=seed,
    )  # fmt: skip
    trainer = TokenTrainer(
        model=loaded(), ref_model=loaded(), args=arguments, train_dataset=rows, processing_class=tokenizer,
        callbacks=[checkpoint_watcher(work, progress)],
    )  # fmt: skip
    trainer.remove_callback(PrinterCallback)
    return trainer
