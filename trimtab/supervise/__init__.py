"""Label formulas: what a student is told. Steps change labels and are named here; sources make them.

To add a step: write its file and its test, and name it here. Other packages name theirs under the entry-point group
`trimtab.label_steps`; an experiment file may also say `path/to/file.py:ClassName`.
"""

from __future__ import annotations

LABEL_STEPS: dict[str, str] = {
    "confident": "trimtab.supervise.confident:Confident",
    "temperature": "trimtab.supervise.temperature:Temperature",
    "prior_correction": "trimtab.supervise.prior_correction:PriorCorrection",
    "rebalance": "trimtab.supervise.rebalance:Rebalance",
    "certainty_weights": "trimtab.supervise.certainty_weights:CertaintyWeights",
    "trust": "trimtab.supervise.trust:Trust",
    "noisy_channel": "trimtab.supervise.noisy_channel:NoisyChannel",
    "graph_smoothing": "trimtab.supervise.graph_smoothing:GraphSmoothing",
    "topofilter": "trimtab.supervise.topofilter:TopoFilter",
    "overlap_density": "trimtab.supervise.overlap_density:OverlapDensity",
    "co_supervision": "trimtab.supervise.co_supervision:CoSupervision",
    "ground_truth": "trimtab.supervise.ground_truth:GroundTruth",
}
