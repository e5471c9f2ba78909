"""Find an objective, a label step or a task by name: ours, another package's, or a class in the user's own file."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from trimtab.digest import digest_of, file_digest, source_digest
from trimtab.errors import UsageError, did_you_mean

_LOADED: list[Path] = []


def known(group: str, ours: Mapping[str, str]) -> dict[str, str]:
    """Return name -> "module:Class" of our own entries and of the entry points of a group; ours win."""
    return {entry.name: entry.value for entry in entry_points(group=group)} | dict(ours)


def find(name: str, group: str, ours: Mapping[str, str], folder: Path) -> type:
    """Return the class that a name or "path/to/file.py:ClassName" (relative to `folder`) stands for.

    Raises UsageError where there is no such name, file or class.
    """
    if ".py:" in name:
        path, _, attribute = name.rpartition(":")
        return _attribute(module_from_file((folder / path).resolve()), attribute, name)
    # other packages are asked for what is not ours alone: reading what is installed takes tens of milliseconds
    table = ours if name in ours else known(group, ours)
    if name not in table:
        raise UsageError(f'"{name}" is not known.{did_you_mean(name, table)}')
    module, _, attribute = table[name].partition(":")
    try:
        imported = importlib.import_module(module)
    except ImportError as error:
        raise UsageError(f'"{name}" cannot be imported from {module}: {error}; install or mend its package') from error
    return _attribute(imported, attribute, name)


def user_files() -> list[Path]:
    """Return the users' own files that were loaded in this process, for worker processes to load as well."""
    return list(_LOADED)


def module_from_file(path: Path) -> ModuleType:
    """Import a user's file by path, once for each content it has had.

    Raises UsageError where it is absent or raises.
    """
    if not path.is_file():
        raise UsageError(f'there is no file "{path}"; give the path relative to the experiment file')
    # place and content of the file and of those beside it are part of the name, so that an edited or another folder's
    # file is never answered with the module of an older one
    beside = sorted(one for one in path.parent.glob("*.py") if one != path)
    content = [str(path), *(file_digest(one) for one in (path, *beside))]
    module_name = f"{path.stem}_{digest_of(content)[:12]}"
    if module_name in sys.modules:
        return sys.modules[module_name]
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f'"{path}" cannot be imported as a Python file')
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    for one in beside:
        if one.stem not in sys.stdlib_module_names:
            sys.modules.pop(one.stem, None)
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[module_name]
        raise UsageError(f'"{path}"{_line_in(path, error)} raised {type(error).__name__}: {error}; mend it') from error
    finally:
        sys.path.remove(str(path.parent))
    _LOADED.append(path)
    source_digest(module_name)  # remembered now: what runs is the text that was just loaded
    return module


def _line_in(path: Path, error: BaseException) -> str:
    """Return ', line N' for the last line of the file that an error came through; nothing if it could not be parsed."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f", line {lines[-1]}," if lines else ""


def _attribute(module: ModuleType, attribute: str, name: str) -> type:
    found = vars(module).get(attribute)
    if not isinstance(found, type):
        classes = [key for key, value in vars(module).items() if isinstance(value, type)]
        raise UsageError(f'"{name}": the module has no class "{attribute}".{did_you_mean(attribute, classes)}')
    return found
