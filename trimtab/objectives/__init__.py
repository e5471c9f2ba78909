"""Training objectives on class probabilities: one file, one formula each.

To add one: write its file and its test, and name it here. Other packages name theirs under the entry-point group
`trimtab.objectives`; an experiment file may also say `path/to/file.py:ClassName`.
"""

from __future__ import annotations

OBJECTIVES: dict[str, str] = {
    "naive": "trimtab.objectives.naive:Naive",
    "confidence": "trimtab.objectives.confidence:Confidence",
}
