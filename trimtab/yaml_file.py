"""YAML without its surprises: a duplicated key is an error, 1e-5 is a number, no is a word, and no Python object is
ever made."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from trimtab.errors import ExperimentError


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the floats and truth values of YAML 1.2 and without duplicate keys."""

    # of the truth values of YAML 1.1 only true and false are left: yes, no, on and off are names that classes have
    yaml_implicit_resolvers = {  # noqa: RUF012  (PyYAML's own attribute, copied so that its loader stays as it is)
        first: [one for one in resolvers if one[0] != "tag:yaml.org,2002:bool"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: dict[Any, int] = {}
    for key_node, _ in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            continue
        key = loader.construct_object(key_node, deep=True)
        line = key_node.start_mark.line + 1
        if isinstance(key, dict | list):
            raise ExperimentError(f"line {line}: a key must be a plain name, found {key}")
        if key in seen:
            raise ExperimentError(f'line {line}: the key "{key}" stands twice (first in line {seen[key]}); remove one')
        seen[key] = line
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def read_yaml(path: Path) -> tuple[Any, str]:
    """Return a file's values and its text.

    Raises ExperimentError where the file is absent, empty, not UTF-8 or not YAML.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise ExperimentError(f"{path}: the experiment file {what}; give the path of a YAML file")
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise ExperimentError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from None
    try:
        values = parse_yaml(text)
    except ExperimentError as error:
        raise ExperimentError(f"{path}: {error}") from None
    if values is None:
        raise ExperimentError(f"{path}: the file is empty; see recipes/ for examples")
    return values, text


def parse_yaml(text: str) -> Any:
    """Return the values of a YAML text."""
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506  (a subclass of SafeLoader)
    except (yaml.YAMLError, ValueError) as error:
        # ValueError: a number or a date of impossible value
        raise ExperimentError(f"not valid YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise ExperimentError("not valid YAML: nested too deeply") from None


def override(values: Any, assignment: str) -> None:
    """Set one value in place, as `strong.0.model=./my-model`; the right side is YAML.

    Raises ExperimentError where the path does not lead anywhere.
    """
    path, equals, text = assignment.partition("=")
    if not equals or not path:
        raise ExperimentError(f"--set: found {assignment!r}, wanted path.to.value=VALUE")
    parts = path.split(".")
    try:
        value = parse_yaml(text)
    except ExperimentError as error:
        raise ExperimentError(f"--set {path}: {error}") from None
    place = values
    for depth, part in enumerate(parts[:-1]):
        place = _step_into(place, part, ".".join(parts[: depth + 1]))
    last = parts[-1]
    if isinstance(place, list):
        _step_into(place, last, path)
        place[int(last)] = value
    elif isinstance(place, dict):
        place[last] = value
    else:
        raise ExperimentError(f"--set {path}: {'.'.join(parts[:-1])} is a single value, not a mapping or list")


def _step_into(place: Any, part: str, path: str) -> Any:
    if isinstance(place, list):
        if not part.isdecimal() or int(part) >= len(place):
            wanted = f"a position from 0 to {len(place) - 1}" if place else "another place: the list is empty"
            raise ExperimentError(f"--set {path}: found {part!r}, wanted {wanted}")
        return place[int(part)]
    if isinstance(place, dict):
        if part not in place:
            place[part] = {}
        return place[part]
    raise ExperimentError(f"--set {path}: there is no such place in the experiment")
