"""Language modelling on plain texts: transformers' Trainer as it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from trimtab.errors import ModelError
from trimtab.fit.checkpoints import COMPLETE, checkpoint_watcher, last_checkpoint
from trimtab.models.load import is_causal, load_config, load_tokenizer, load_weights, padding_id
from trimtab.models.precision import device_class
from trimtab.models.quiet import quiet
from trimtab.models.shards import fingerprint_of
from trimtab.models.source import fingerprint, locate
from trimtab.types import ModelSpec, Progress

TOGETHER = 8
"""Texts that go through the model at once."""
SAVE_EVERY = 50
"""Optimiser steps between checkpoints."""


class Reading(Protocol):
    """How long and how fast to read."""

    @property
    def epochs(self) -> int: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def batch_size(self) -> int: ...


def read_texts(
    spec: ModelSpec, texts: Sequence[str], reading: Reading, work: Path, out: Path, progress: Progress
) -> dict[str, Any]:
    """Tune a causal model on texts by next-token prediction in float32, and write weights and tokenizer to `out`.

    Texts longer than the spec's `max_tokens` are cut. The same seed for all: what is read does not depend on it.
    Raises ModelError where the model is not causal.
    """
    import torch
    from transformers import (
        AutoModelForCausalLM,
        DataCollatorForLanguageModeling,
        Trainer,
        TrainingArguments,
    )
    from transformers.trainer_callback import PrinterCallback

    source = locate(spec)
    config = load_config(source, spec.trust_remote_code)
    if not is_causal(config):
        raise ModelError(f"{spec.model} is an encoder and cannot continue a text; generative needs a causal model")
    tokenizer = load_tokenizer(source, spec.trust_remote_code)
    tokenizer.pad_token_id = padding_id(tokenizer, config)
    model = load_weights(AutoModelForCausalLM, source, config, torch.float32, spec.trust_remote_code)
    model.config.use_cache = False
    encoded = [tokenizer(text, truncation=True, max_length=spec.max_tokens)["input_ids"] for text in texts]
    told = [{"input_ids": ids} for ids in encoded if len(ids) > 1]

    class WholeTexts(DataCollatorForLanguageModeling):
        """Learns every token that stands in a text, the ending one too, which may be what batches are filled with."""

        def torch_call(self, examples: Any) -> dict[str, Any]:
            batch = super().torch_call(examples)
            batch["labels"] = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
            return batch

    arguments = TrainingArguments(
        output_dir=str(work), num_train_epochs=reading.epochs, learning_rate=reading.learning_rate,
        per_device_train_batch_size=TOGETHER, gradient_accumulation_steps=reading.batch_size // TOGETHER,
        lr_scheduler_type="linear", weight_decay=0.0, save_strategy="steps", save_steps=SAVE_EVERY, save_total_limit=2,
        report_to="none", disable_tqdm=True, logging_strategy="no", dataloader_pin_memory=False,
        use_cpu=device_class() == "cpu", seed=0, data_seed=0, train_sampling_strategy="group_by_length",
    )  # fmt: skip
    trainer = Trainer(
        model=model, args=arguments, train_dataset=told,  # pyright: ignore[reportArgumentType]
        data_collator=WholeTexts(tokenizer, mlm=False), callbacks=[checkpoint_watcher(work, progress)],
    )  # fmt: skip
    trainer.remove_callback(PrinterCallback)
    made_from = fingerprint_of(fingerprint(spec), encoded, reading.epochs, reading.learning_rate, reading.batch_size)
    checkpoint = last_checkpoint(work, made_from, COMPLETE)
    with quiet():
        done = trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        vars(model.config).pop("quantization_config", None)  # of a GGUF file, whose weights are whole numbers no more
        model.save_pretrained(out)
        tokenizer.save_pretrained(out)
    tokens = reading.epochs * sum(len(one["input_ids"]) for one in told)
    return {"items": len(told), "tokens": tokens, "steps": done.global_step, "loss_nats": done.training_loss}
