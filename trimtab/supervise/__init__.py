"""Label formulas: what a student is told. Steps change labels and are named here; sources make them.

To add a step: write its file and its test, and name it here. Other packages name theirs under the entry-point group
`trimtab.label_steps`; an experiment file may also say `path/to/file.py:ClassName`.
"""

from __future__ import annotations

LABEL_STEPS: dict[str, str] = {
    "confident": "trimtab.supervise.confident:Confident",
}
