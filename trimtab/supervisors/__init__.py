"""Who gives weak labels, beside a single model: one file, one formula each.

To add one: write its file and its test, name it here, and give it a row in `trimtab/plan/supervisors.py`.
"""

from __future__ import annotations

SUPERVISORS: dict[str, str] = {
    "human_ratings": "trimtab.supervisors.human_ratings:HumanRatings",
    "trained_on_ratings": "trimtab.supervisors.trained_on_ratings:TrainedOnRatings",
    "annotator": "trimtab.supervisors.annotator:Annotator",
    "mean_ensemble": "trimtab.supervisors.mean_ensemble:MeanEnsemble",
    "bagging": "trimtab.supervisors.bagging:Bagging",
    "adaboost": "trimtab.supervisors.adaboost:AdaBoost",
    "dirichlet_ensemble": "trimtab.supervisors.dirichlet_ensemble:DirichletEnsemble",
    "prompted": "trimtab.supervisors.prompted:Prompted",
    "ccs": "trimtab.supervisors.ccs:ContrastConsistent",
    "icm": "trimtab.supervisors.icm:InternalCoherence",
}
