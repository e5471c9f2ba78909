"""What happens to labels and model before the student is trained: one file, one formula each.

To add one: write its file and its test, name it here, and say in `trimtab/plan/schedules.py` which stages make it.
"""

from __future__ import annotations

SCHEDULES: dict[str, str] = {
    "chain": "trimtab.schedules.chain:Chain",
    "strong_to_strong": "trimtab.schedules.strong_to_strong:StrongToStrong",
    "early_stopping": "trimtab.schedules.early_stopping:EarlyStopping",
    "head_then_body": "trimtab.schedules.head_then_body:HeadThenBody",
    "generative": "trimtab.schedules.generative:Generative",
    "weak_few_shot": "trimtab.schedules.weak_few_shot:WeakFewShot",
    "easy_truth": "trimtab.schedules.easy_truth:EasyTruth",
}
