"""The shape of the house: imports point one way, planning needs nothing heavy, every public thing says what it is."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "trimtab"
ORDER = (
    {"types", "errors", "home"},
    {"digest"},
    {"assets"},
    {"objectives", "metrics", "models", "supervise", "tasks"},
    {"fit", "diagnostics"},
    {"decode"},
    {"learner"},
    {"store", "comparison", "supervisors", "schedules", "conflicts"},
    {"stages"},
    {"components", "fields", "yaml_file", "methods"},
    {"experiment"},
    {"plan"},
    {"environment"},
    {"executors"},
    {"terminal", "report", "export"},
    {"results", "catalogue", "preflight"},
    {"forecast"},
    {"study", "demo", "expected"},
    {"commands"},
    {"cli"},
    {"__init__", "__main__"},
)
"""Rooms from the ground up: a module imports from its own room and from those above it in this list."""
HEIGHT = {room: height for height, rooms in enumerate(ORDER) for room in rooms}
MODULES = sorted(PACKAGE.rglob("*.py"))


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module == "trimtab":
            names = [f"trimtab.{alias.name}" for alias in node.names]
        for name in (one for one in names if one.split(".")[0] == "trimtab"):
            other = room_of(name)
            assert other == room or HEIGHT[other] < HEIGHT[room], f"{path.name} in {room} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_module_and_public_definition_says_what_it_is(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    assert ast.get_docstring(tree), f"{path} has no docstring"
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{path.name}: {node.name} has no docstring"


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import trimtab", ("numpy", "torch", "transformers", "pydantic")),
        ("import trimtab.cli", ("torch", "transformers", "pydantic", "pandas", "scipy", "matplotlib")),
        ("import trimtab.plan, trimtab.experiment", ("torch", "transformers", "pandas", "scipy", "matplotlib")),
        ("import trimtab.study, trimtab.report", ("torch", "transformers", "pandas", "matplotlib")),
    ],
)
def test_planning_and_reporting_import_nothing_heavy(code: str, absent: tuple[str, ...]) -> None:
    check = f"import sys; {code}; print([name for name in {absent!r} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_every_module_can_be_imported_where_no_gpu_is_visible() -> None:
    names = [
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        for path in MODULES
        if path.name != "__main__.py"
    ]
    code = f"import importlib; [importlib.import_module(name) for name in {names!r}]"
    environment = {"CUDA_VISIBLE_DEVICES": "", "PATH": "", "HOME": "/nonexistent"}
    subprocess.run([sys.executable, "-W", "error::DeprecationWarning:trimtab", "-c", code], check=True, env=environment)


def test_nothing_reads_a_pickle_or_runs_remote_code_by_default() -> None:
    for path in MODULES:
        text = path.read_text("utf-8")
        assert "import pickle" not in text and "torch.load(" not in text, path
        assert "trust_remote_code=True" not in text, path
        # a stage on its way to our own process of a queue; nothing that anybody else made is read in this way
        assert "cloudpickle" not in text or path.relative_to(PACKAGE) == Path("executors/slurm.py"), path


def random_streams(source: str) -> list[int]:
    """Return the numbers by which a module tells its random streams of a seed from others: its own STREAM, and those
    written into a call of default_rng.

    A call with the seed alone would share its numbers with every other such call, and is an error.
    """
    tree = ast.parse(source)
    named = [one for one in tree.body if isinstance(one, ast.Assign) and ast.unparse(one.targets[0]) == "STREAM"]
    calls = [one for one in ast.walk(tree) if isinstance(one, ast.Call)]
    calls = [one for one in calls if ast.unparse(one.func).endswith("default_rng")]
    for call in calls:
        assert call.args and isinstance(call.args[0], ast.List), f"{ast.unparse(call)} names no stream"
    found = [part for one in (*named, *calls) for part in ast.walk(one) if isinstance(part, ast.Constant)]
    return [part.value for part in found if isinstance(part.value, int)]


def test_no_two_random_streams_of_a_seed_are_the_same() -> None:
    homes: dict[int, list[str]] = {}
    for path in MODULES:
        for number in random_streams(path.read_text("utf-8")):
            homes.setdefault(number, []).append(path.name)
    assert {0xF01D, 0xF11B, 0x601D} <= set(homes)
    assert {hex(number): files for number, files in homes.items() if len(files) > 1} == {}


def test_the_search_for_random_streams_sees_them() -> None:
    source = "STREAM = 0xA\nOTHER = 3\ndef f(seed):\n    return np.random.default_rng([seed, 0xB]), g(4)\n"
    assert random_streams(source) == [0xA, 0xB]
    with pytest.raises(AssertionError, match="names no stream"):
        random_streams("np.random.default_rng(seed)")
