"""Identity of values and of source code: what makes two stages the same stage."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from trimtab.errors import UsageError


def canonical_json(value: Any) -> str:
    """Return the one JSON text of a value: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)


def digest_of(value: Any) -> str:
    """Return the sha256 of a value's canonical JSON, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """Return the sha256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def settings_of(value: Any) -> Any:
    """Return frozen settings as JSON values: data classes by field, tuples as lists."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: settings_of(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple | list):
        return [settings_of(one) for one in value]
    if isinstance(value, Mapping):
        return {str(key): settings_of(one) for key, one in value.items()}
    return value


def component_identity(component: object) -> dict[str, Any]:
    """Return what identifies an objective or a label step: its class, its settings and its source code.

    Raises UsageError where it is no dataclass, since other settings would then not be noticed.
    """
    kind = type(component)
    if not is_dataclass(component):
        raise UsageError(
            f"{kind.__qualname__} is not a dataclass, so its settings cannot be read; decorate it with "
            "@dataclass(frozen=True)"
        )
    return {
        "class": kind.__qualname__,
        "settings": settings_of(component),
        "source": source_digest(kind.__module__),
    }


@cache
def source_digest(module_name: str) -> str:
    """Return the sha256 over what a module and the modules of the same package that it imports do.

    Modules are read, not run; comments, docstrings and layout do not count. A user's own file counts the files
    beside it that it imports.
    Raises UsageError where the module has no source file.
    """
    if _source_path(module_name) is None:
        raise UsageError(
            f"the module {module_name} has no source file, so a change of it would not be noticed; put its classes "
            "into a .py file and import them from there"
        )
    sources: dict[str, str] = {}
    pending = [module_name]
    while pending:
        name = pending.pop()
        path = _source_path(name)
        # a user's file is the same wherever it lies; inside a package the module's name says more
        known_as = name if "." in name or path is None else path.name
        if known_as in sources or path is None:
            continue
        text = path.read_text("utf-8")
        sources[known_as] = hashlib.sha256(_what_it_does(text).encode()).hexdigest()
        pending += [near for near in _imports(text, name) if _near(near, name, path.parent)]
    return digest_of(sources)


@cache
def code_digest(name: str) -> str:
    """Return the sha256 over what a module or a whole package of ours does, as in `source_digest`.

    Raises UsageError where there is no source.
    """
    path = _source_path(name)
    if path is None:
        raise UsageError(f"the module {name} has no source file; install the package from its sources or wheel")
    files = sorted(path.parent.rglob("*.py")) if path.name == "__init__.py" else [path]
    return digest_of({str(one.relative_to(path.parent)): _what_it_does(one.read_text("utf-8")) for one in files})


def _what_it_does(source: str) -> str:
    """Return the source without comments, docstrings and layout.

    Text, not a dump of the tree: the latter has other fields in every version of Python.
    """
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            kept = [one for one in body if not (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant))]
            node.body = kept or [ast.Pass()]  # pyright: ignore[reportAttributeAccessIssue]
    return ast.unparse(tree)


def _source_path(name: str) -> Path | None:
    module = sys.modules.get(name)
    origin = vars(module).get("__file__") if isinstance(module, ModuleType) else None
    if origin is None and module is None:
        try:
            spec = importlib.util.find_spec(name)
        except ModuleNotFoundError:
            return None
        origin = spec.origin if spec else None
    return Path(origin) if origin and origin.endswith(".py") and Path(origin).is_file() else None


def _near(name: str, importer: str, folder: Path) -> bool:
    """Say whether a module is of the importer's package; outside of packages, whether it lies beside the importer."""
    package = importer.rpartition(".")[0]
    ours = importer.split(".")[0] == "trimtab"
    related = name.rpartition(".")[0] == package if ours else name.split(".")[0] == importer.split(".")[0]
    if package and not related:
        return False
    if not package and "." in name:
        return False
    path = None if package else _source_path(name)
    return bool(package) or (path is not None and path.parent == folder)


def _imports(text: str, importer: str) -> list[str]:
    """Return the absolute names that a module's import statements may refer to."""
    package = importer.rpartition(".")[0]
    names: list[str] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".") if package else []
                base = ".".join([*parents[: len(parents) - node.level + 1], *([base] if base else [])])
            names += [base, *(f"{base}.{alias.name}" if base else alias.name for alias in node.names)]
    return [name for name in names if name]
