"""Training objectives on class probabilities: one file, one formula each.

To add one: write its file and its test, and name it here. Other packages name theirs under the entry-point group
`trimtab.objectives`; an experiment file may also say `path/to/file.py:ClassName`.
"""

from __future__ import annotations

OBJECTIVES: dict[str, str] = {
    "naive": "trimtab.objectives.naive:Naive",
    "confidence": "trimtab.objectives.confidence:Confidence",
    "product": "trimtab.objectives.product:Product",
    "entropy": "trimtab.objectives.entropy:Entropy",
    "window": "trimtab.objectives.window:Window",
    "forward_kl": "trimtab.objectives.forward_kl:ForwardKL",
    "reverse_kl": "trimtab.objectives.reverse_kl:ReverseKL",
    "reverse_cross_entropy": "trimtab.objectives.reverse_cross_entropy:ReverseCrossEntropy",
    "symmetric": "trimtab.objectives.symmetric:Symmetric",
    "adaptive_cross_entropy": "trimtab.objectives.adaptive_cross_entropy:AdaptiveCrossEntropy",
    "adapt_conf": "trimtab.objectives.adapt_conf:AdaptConf",
    "jensen_shannon": "trimtab.objectives.jensen_shannon:JensenShannon",
    "jeffreys": "trimtab.objectives.jeffreys:Jeffreys",
    "squared_hellinger": "trimtab.objectives.squared_hellinger:SquaredHellinger",
    "pearson_chi_squared": "trimtab.objectives.pearson_chi_squared:PearsonChiSquared",
    "total_variation": "trimtab.objectives.total_variation:TotalVariation",
}
