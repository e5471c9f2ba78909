"""What a student is made to want beside what its supervisor says: one file, one formula each.

To add one: write its file and its test, name it here, and say in `trimtab/plan/conflicts.py` which stages make it.
"""

from __future__ import annotations

CONFLICTS: dict[str, str] = {
    "implicit": "trimtab.conflicts.implicit:Implicit",
    "explicit": "trimtab.conflicts.explicit:Explicit",
}
