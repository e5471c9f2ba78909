"""What transformers' Trainer is told."""

from __future__ import annotations

from pathlib import Path

from transformers import TrainingArguments

from trimtab.fit.devices import accumulation, not_sharded
from trimtab.fit.tune_settings import Tune
from trimtab.models.precision import device_class

_SCHEDULES = {"linear": "linear", "cosine": "cosine", "constant": "constant_with_warmup"}


def training_arguments(settings: Tune, items: int, seed: int, work: Path) -> TrainingArguments:
    """Return the arguments of a fit; nothing is reported to anybody unless `report_to` asks for it.

    Raises FitError where the devices cannot share the batch, or one alone is to share the weights.
    """
    steps = settings.epochs * -(-items // settings.batch_size)
    arguments = TrainingArguments(
        output_dir=str(work),
        per_device_train_batch_size=settings.micro_batch_size,
        num_train_epochs=settings.epochs,
        learning_rate=settings.learning_rate,
        lr_scheduler_type=_SCHEDULES[settings.schedule],
        warmup_steps=round(settings.warm_up_fraction * steps),
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_gradient_norm,
        save_strategy="steps",
        save_steps=settings.save_every,
        # the one before the last stays until the last is complete
        save_total_limit=2,
        logging_strategy="steps" if settings.report_to else "no",
        logging_steps=1,
        logging_nan_inf_filter=False,
        report_to=list(settings.report_to) or "none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        use_cpu=device_class() == "cpu",
        fsdp=settings.fsdp or None,  # pyright: ignore[reportArgumentType]
        seed=seed,
        data_seed=seed,
    )
    # how many processes there are is known only now
    if settings.fsdp and arguments.world_size == 1:
        raise not_sharded(1, arguments.device.type, "one")
    arguments.gradient_accumulation_steps = accumulation(settings, arguments.world_size)
    return arguments
