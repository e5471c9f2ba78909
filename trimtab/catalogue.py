"""What there is to choose from: read from the components' own docstrings, never written twice."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Mapping
from dataclasses import MISSING, fields
from itertools import pairwise
from pathlib import Path
from textwrap import dedent
from typing import Any

from trimtab.components import find, known
from trimtab.conflicts import CONFLICTS
from trimtab.errors import UsageError, did_you_mean
from trimtab.methods import METHODS
from trimtab.objectives import OBJECTIVES
from trimtab.schedules import SCHEDULES
from trimtab.supervise import LABEL_STEPS
from trimtab.supervisors import SUPERVISORS
from trimtab.types import most_truth

_GROUPS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "objective": ("trimtab.objectives", OBJECTIVES),
    "label step": ("trimtab.label_steps", LABEL_STEPS),
    "supervisor": ("trimtab.supervisors", SUPERVISORS),
    "schedule": ("trimtab.schedules", SCHEDULES),
    "conflict": ("trimtab.conflicts", CONFLICTS),
}
_KINDS = ("method", *_GROUPS)


def catalogue(name: str | None = None) -> list[dict[str, Any]]:
    """Return every component, or those of one name: name, kind, summary, formula, paper, truth, settings, file.

    Raises UsageError where no component has that name.
    """
    entries = [*_methods(), *(_component(kind, one) for kind, (g, ours) in _GROUPS.items() for one in known(g, ours))]
    if name is None:
        return entries
    chosen = [entry for entry in entries if entry["name"] == name]
    if not chosen:
        names = {entry["name"] for entry in entries}
        kinds = f"{', '.join(_KINDS[:-1])} or {_KINDS[-1]}"
        raise UsageError(f'there is no {kinds} "{name}".{did_you_mean(name, names)}')
    return chosen


def _methods() -> list[dict[str, Any]]:
    entries = []
    for name, published in METHODS.items():
        parts = [_component("objective", published.objective)]
        parts += [_component("label step", step) for step, _ in published.labels]
        entries.append(
            parts[0]
            | {
                "name": name,
                "kind": "method",
                "paper": published.paper,
                "truth": most_truth([part["truth"] for part in parts]),
                "labels": [step for step, _ in published.labels],
                "objective": published.objective,
            }
        )
    return entries


def _component(kind: str, name: str) -> dict[str, Any]:
    group, ours = _GROUPS[kind]
    cls = find(name, group, ours, Path())
    module = inspect.getmodule(cls)
    text = inspect.getdoc(module) or ""
    return {
        "name": name,
        "kind": kind,
        "summary": text.partition("\n")[0],
        "formula": formula_of(text),
        "paper": paper_of(text),
        # where it depends on a setting, that of the defaults
        "truth": cls.truth if isinstance(cls.truth, str) else cls().truth,
        "settings": settings_table(cls),
        "file": f"{cls.__module__.replace('.', '/')}.py",
    }


def formula_of(text: str) -> str:
    """Return the first indented block of a docstring.

    >>> formula_of("Naive.\\n\\n    L = CE(q, p)\\n\\nBurns")
    'L = CE(q, p)'
    """
    block = re.search(r"(?:^ {4}.*\n?)+", text, re.MULTILINE)
    return dedent(block.group()).strip() if block else ""


def paper_of(text: str) -> str:
    """Return the first line or two that end in a URL.

    >>> paper_of("Naive.\\n\\nBurns et al. 2023  https://arxiv.org/abs/2312.09390\\n")
    'Burns et al. 2023  https://arxiv.org/abs/2312.09390'
    """
    for paragraph in text.split("\n\n"):
        found = re.match(r"(?s)(.*?https?://\S*[^\s;,])", paragraph.strip())
        if found:
            return " ".join(found.group(1).split("\n")).strip()
    return ""


def settings_table(cls: type) -> list[dict[str, Any]]:
    """Return name, type, default and description of each setting of a dataclass, from the docstring under its field."""
    described = _field_docstrings(cls)
    return [
        {
            "name": field.name,
            "type": str(field.type),
            "default": None if field.default is MISSING else field.default,
            "required": field.default is MISSING and field.default_factory is MISSING,
            "description": described.get(field.name, ""),
        }
        for field in fields(cls)
    ]


def _field_docstrings(cls: type) -> dict[str, str]:
    tree = ast.parse(inspect.cleandoc("\n" + inspect.getsource(cls)))
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    found = {}
    for field, text in pairwise(body):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
        ):
            found[field.target.id] = " ".join(str(text.value.value).split())
    return found


def catalogue_text(entries: list[dict[str, Any]], detailed: bool) -> str:
    """Return the entries as text: one line each, or everything about each."""
    if not detailed:
        width = max((len(e["name"]) for e in entries), default=0)
        rows = [f"{e['kind']:11} {e['name']:{width}} truth: {e['truth']:11} {e['summary']}" for e in entries]
        return "\n".join(rows)
    return "\n\n".join(_entry_text(entry) for entry in entries)


def _entry_text(entry: dict[str, Any]) -> str:
    lines = [f"{entry['name']} ({entry['kind']}): {entry['summary']}", ""]
    lines += [f"    {line}" for line in entry["formula"].splitlines()]
    lines += ["", f"paper: {entry['paper']}", f"file:  {entry['file']}", f"truth: {entry['truth']}"]
    for setting in entry["settings"]:
        default = "required" if setting["required"] else f"default {setting['default']}"
        lines += ["", f"{setting['name']} ({setting['type']}, {default})", f"    {setting['description']}"]
    return "\n".join(lines)
