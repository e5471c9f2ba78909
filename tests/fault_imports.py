"""What a process imports and looks up once, so that none of its hundreds of forks need do it.

No more than they need: what a process holds in memory is what each fork costs.
"""

from __future__ import annotations

from collections.abc import Callable

from trimtab.environment import package_versions


def for_tables() -> None:
    """Import and look up what stages without a model need."""
    import encodings.ascii
    import encodings.utf_8_sig

    import pandas
    import pyarrow.dataset
    import pyarrow.pandas_compat
    import pyarrow.parquet
    import scipy.special

    import trimtab.comparison.cells
    import trimtab.comparison.curves
    import trimtab.comparison.envelope
    import trimtab.comparison.overlap
    import trimtab.comparison.search.envelope
    import trimtab.comparison.streamed
    import trimtab.stages.streamed.parts
    import trimtab.stages.tables
    import trimtab.supervise.flipped_choices
    import trimtab.supervise.flipped_truth
    import trimtab.supervise.gold
    import trimtab.supervise.subset
    import trimtab.tasks.by_level.pool
    import trimtab.tasks.streamed.roles

    assert all((encodings, pandas, pyarrow, scipy.special, trimtab))
    package_versions()  # for the manifest; reading them is most of what a small stage would do


def for_probes() -> None:
    """Import and look up what stages need that fit a probe on stored activations, or ask one."""
    for_tables()
    import safetensors.numpy
    import scipy.optimize
    import torch

    import trimtab.fit.choice_select
    import trimtab.fit.select
    import trimtab.fit.streamed

    torch.set_num_threads(1)
    assert all((safetensors.numpy, scipy.optimize, trimtab))


def for_models() -> None:
    """Import and look up what stages need that run a model, or train one."""
    for_probes()
    import peft.utils.transformers_weight_conversion
    import scipy.stats
    import torch.utils.serialization
    import transformers.models.bert.modeling_bert
    import transformers.models.llama.modeling_llama
    from transformers.conversion_mapping import get_checkpoint_conversion_mapping

    import trimtab.fit.generative
    import trimtab.fit.lower_layers
    import trimtab.fit.predict_tuned
    import trimtab.fit.tune
    import trimtab.models.activations
    import trimtab.models.choice_activations
    import trimtab.models.zero_shot
    import trimtab.stages.tune_job

    assert all((peft, scipy.stats, torch.utils.serialization, transformers, trimtab))
    # the renamed weights of all architectures: a thousand patterns, half of the time that a tiny model takes to load
    get_checkpoint_conversion_mapping("llama")


def for_guides() -> None:
    """Import and look up what stages need that make guides, or write with them."""
    for_models()
    import datasets
    import trl

    import trimtab.decode.classifier
    import trimtab.decode.generate
    import trimtab.decode.scorers.log_ratio
    import trimtab.fit.preference

    assert all((datasets, trl.DPOTrainer, trimtab))


def for_whole_runs() -> None:
    """Import and look up what a run of a study needs."""
    for_models()
    import trimtab.commands
    import trimtab.report

    assert trimtab


IMPORTS: dict[str, Callable[[], None]] = {"tables": for_tables, "probes": for_probes, "models": for_models,
                                         "guides": for_guides}  # fmt: skip
"""By what the stages need that a process kills."""
