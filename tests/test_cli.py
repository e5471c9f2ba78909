"""The command line: what it imports, what goes to which stream, and its exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from tiny_study import study

from trimtab.cli import run_command
from trimtab.commands import app
from trimtab.executors.monitor import StageReport
from trimtab.stages.data import Data
from trimtab.tasks.splits import SplitSettings
from trimtab.tasks.synthetic import Synthetic
from trimtab.terminal import PlainLines

COMMANDS = [
    "demo",
    "run",
    "generate",
    "plan",
    "compare",
    "rank",
    "report",
    "prune",
    "export",
    "ls",
    "show",
    "methods",
    "env",
    "assets",
]

WATCHED = """
import sys
from trimtab.cli import run_command
code = run_command(sys.argv[2:])
found = [name for name in sys.argv[1].split(",") if name in sys.modules]
print("IMPORTED", *found, file=sys.stderr)
sys.exit(code)
"""


def watched(modules: str, *arguments: str, more: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command in a new process; the last line of its stderr names which of `modules` it imported."""
    command = [sys.executable, "-c", WATCHED, modules, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | (more or {}), check=False)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A finished run: experiment file, store, runs folder."""
    folder = tmp_path_factory.mktemp("cli")
    file = folder / "tiny.yaml"
    values = study(folder, seeds=(0,), methods=["naive"], controls=False, metrics=["accuracy"])
    file.write_text(yaml.safe_dump(values), "utf-8")
    assert run_command(["run", str(file), "--store", str(folder / "store"), "--runs", str(folder / "runs")]) == 0
    return file, folder / "store", folder / "runs"


def test_help_imports_nothing_heavy() -> None:
    done = watched("torch,transformers,pydantic,numpy.random,scipy,pandas", "--help")
    assert done.returncode == 0
    assert done.stderr.strip().splitlines()[-1] == "IMPORTED"
    assert all(command in done.stdout for command in COMMANDS)


def test_the_help_of_every_command_imports_nothing_heavy() -> None:
    script = (
        "import sys\nfrom trimtab.cli import run_command\n"
        "codes = [run_command([one, '--help']) for one in sys.argv[1].split(',')]\n"
        "codes += [run_command(['assets', one, '--help']) for one in ('fetch', 'verify')]\n"
        "heavy = ('torch', 'transformers', 'pydantic', 'numpy')\n"
        "print(codes, [m for m in heavy if m in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, ",".join(COMMANDS)], capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == f"{[0] * (len(COMMANDS) + 2)} []"
    assert sorted(command.name or command.callback.__name__ for command in app.registered_commands) == sorted(
        set(COMMANDS) - {"assets"}
    )


def test_commands_that_only_look_import_no_torch(finished: tuple[Path, Path, Path]) -> None:
    file, store, runs = finished
    digest = next((store / "data").iterdir()).name.partition(".")[0]
    place = str(runs / "tiny")
    for arguments in (
        ["ls", "--store", str(store)],
        ["show", digest[:12], "--store", str(store)],
        ["plan", str(file), "--store", str(store)],
        ["report", place, "--output", str(runs / "again.html")],
        ["compare", place, place],
    ):
        done = watched("torch,transformers", *arguments)
        assert done.returncode == 0, done.stderr
        assert done.stderr.strip().splitlines()[-1] == "IMPORTED", arguments
        assert done.stdout.strip()


def test_json_is_alone_on_stdout_and_parses(
    finished: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    file, store, runs = finished
    rows = parsed(capsys, "ls", "--store", str(store), "--json")
    assert {row["kind"] for row in rows} == {"data", "split", "embed", "label", "select", "train", "predict", "compare"}
    assert parsed(capsys, "show", rows[0]["digest"], "--store", str(store))["kind"] == rows[0]["kind"]
    planned = parsed(capsys, "plan", str(file), "--store", str(store), "--json")
    assert (planned["cached"], planned["to_run"]) == (planned["stages"], [])
    found = parsed(capsys, "run", str(file), "--store", str(store), "--runs", str(runs), "--json")
    assert found["rows"] == parsed(capsys, "report", str(runs / "tiny"), "--json")["rows"]
    assert all(one["cached"] for one in found["stages"])
    assert parsed(capsys, "compare", str(runs / "tiny"), str(runs / "tiny"), "--json")
    for command in (["methods"], ["env"], ["assets"]):
        assert parsed(capsys, *command, "--json")
    assert parsed(capsys, "run", str(file), "--store", str(store), "--dry-run", "--json")["stages"] == planned["stages"]


def parsed(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert run_command(list(arguments)) == 0
    return json.loads(capsys.readouterr().out, parse_constant=lambda text: pytest.fail(f"{text} in JSON"))


def test_progress_goes_to_stderr_and_the_table_to_stdout(
    finished: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file, store, _ = finished
    command = ["run", str(file), "--store", str(store), "--runs", str(tmp_path), "--set", "metrics=[auroc]"]
    assert run_command(command) == 0
    captured = capsys.readouterr()
    assert "naive" in captured.out
    assert "stages" not in captured.out
    assert "1 to run" in captured.err
    assert f"report: {tmp_path / 'tiny' / 'report.html'}" in captured.err
    assert (tmp_path / "tiny" / "report.html").is_file()


USAGE = [
    (["frobnicate"], "No such command"),
    (["run"], "Missing argument"),
    (["run", "x.yaml", "--workers", "0"], "Invalid value for '--workers'"),
    (["run", "x.yaml", "--nope"], "No such option"),
    (["show", "feed", "--store", "{store}"], 'no artifact\'s digest begins with "feed"'),
    (["show", "", "--store", "{store}"], "artifacts' digests begin"),
    (["report", "no-such-run"], 'there is no finished run "no-such-run"'),
    (["compare", "no-such-run", "another"], 'there is no finished run "no-such-run"'),
    (["methods", "naiv"], 'Did you mean "naive"?'),
    (["assets", "fetch", "minilm"], "Did you mean"),
]


@pytest.mark.parametrize(("arguments", "message"), USAGE, ids=[" ".join(one) for one, _ in USAGE])
def test_wrong_use_has_exit_code_2(
    arguments: list[str], message: str, finished: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command([one.format(store=finished[1]) for one in arguments]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""
    assert "Traceback" not in captured.err


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["--version"]) == 0
    assert capsys.readouterr().out == f"trimtab {metadata.version('trimtab')}\n"


def test_no_help_text_has_a_stray_space(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    for command in [*COMMANDS, "assets verify", "assets fetch"]:
        assert run_command([*command.split(), "--help"]) == 0
        out = capsys.readouterr().out
        assert " ." not in out, out
        assert "[default: ]" not in out


def test_export_says_how_much_and_lists_it_as_json(
    finished: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    _, store, runs = finished
    command = ["export", str(runs / "tiny"), str(tmp_path / "out"), "--store", str(store)]
    assert run_command(command) == 0
    files = sorted((tmp_path / "out").glob("*.parquet"))
    assert capsys.readouterr().out == f"{len(files)} parquet files in {tmp_path / 'out'}\n"
    assert sorted(parsed(capsys, *command, "--json")) == [str(path) for path in files]


def test_why_a_stage_failed_is_said_when_it_fails_and_at_the_end(
    finished: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "own.py").write_text(
        "from dataclasses import dataclass\nfrom trimtab.objectives.naive import Naive\n"
        "@dataclass(frozen=True)\nclass Own(Naive):\n"
        "    def __call__(self, logits, labels, context):\n        raise KeyError('left out')\n"
    )
    values = yaml.safe_load(finished[0].read_text("utf-8")) | {"methods": ["naive", "own.py:Own"]}
    (tmp_path / "e.yaml").write_text(yaml.safe_dump(values), "utf-8")
    assert run_command(["run", str(tmp_path / "e.yaml"), "--store", str(finished[1]), "--runs", str(tmp_path)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert sum("left out" in line for line in lines) == 2
    assert lines[-1].count("KeyError: 'left out'") == 1
    assert lines[-1].startswith("trimtab: stage train/")
    assert lines[-1].endswith("What finished is kept; run again after mending the cause")


ENDINGS = {
    "at once": ("c._run_command = press", 130),
    "again while it is answered": ("c._run_command = c.print = press", 130),
    # as when a dataclass is being made
    "in code from a string": ("c._run_command = lambda _: exec('press()')", 130),
    "while python ends": ("import atexit\natexit.register(press)", 0),
}


@pytest.mark.parametrize("case", ENDINGS)
def test_ctrl_c_is_an_exit_code_at_every_instant(case: str, tmp_path: Path) -> None:
    """A process that dies by SIGINT has return code -2 here, and takes the calling script with it."""
    setting, code = ENDINGS[case]
    (tmp_path / "pressed.py").write_text(
        "import os, signal, sys, trimtab.cli as c\nsys.argv = ['trimtab', 'methods']\n"
        f"def press(*_, **__):\n    os.kill(os.getpid(), signal.SIGINT)\n{setting}\nc.main()\n"
    )
    command = [sys.executable, "-m", "pressed"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == code, done
    assert "Traceback" not in done.stderr


def test_ctrl_c_is_ignored_where_it_was_before(tmp_path: Path) -> None:
    """A shell starts background jobs with SIGINT ignored."""
    (tmp_path / "pressed.py").write_text(
        "import os, signal, sys, trimtab.cli as c\n"
        "c._run_command = lambda _: os.kill(os.getpid(), signal.SIGINT) or 0\nc.main()\n"
    )
    shell = f"trap '' INT; '{sys.executable}' -m pressed"
    assert subprocess.run(["bash", "-c", shell], check=False, cwd=tmp_path).returncode == 0


def test_nothing_of_weight_is_imported_before_ctrl_c_is_listened_for() -> None:
    check = "import sys, trimtab.cli; print([one for one in sys.modules if one[:7] in ('trimtab', 'typer')])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['trimtab', 'trimtab.cli']"


def test_check_decides_the_exit_code(
    finished: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file, store, _ = finished
    command = ["run", str(file), "--store", str(store), "--runs", str(tmp_path), "--check", str(tmp_path / "e.json")]
    key = "w0-s0-naive-accuracy"
    for bounds, code in (([0, 1], 0), ([2, 3], 1)):
        (tmp_path / "e.json").write_text(json.dumps({key: bounds}))
        assert run_command(command) == code, capsys.readouterr().err
    assert "outside the expected range" in capsys.readouterr().err


def test_a_store_of_a_newer_version_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "store.json").write_text('{"schema": 99}')
    assert run_command(["ls", "--store", str(tmp_path)]) == 1
    assert "schema 99" in capsys.readouterr().err


def test_a_run_folder_that_cannot_be_made_is_one_line(
    finished: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "taken").touch()
    code = run_command(["run", str(finished[0]), "--store", str(finished[1]), "--runs", str(tmp_path / "taken")])
    err = capsys.readouterr().err
    assert code == 1
    assert err.strip().splitlines()[-1] == f"trimtab: {tmp_path / 'taken' / 'tiny'}: Not a directory"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), BrokenPipeError()])
def test_interrupts_and_closed_pipes(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def raising(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("trimtab.store.Store.open", raising)
    if isinstance(error, KeyboardInterrupt):
        assert run_command(["ls"]) == 130
        assert capfd.readouterr().err == "trimtab: interrupted; finished stages are kept, run again to go on\n"
    else:
        script = "import sys; from trimtab.cli import run_command; sys.exit(run_command(['methods', '--json']))"
        shell = f"set -o pipefail; '{sys.executable}' -c \"{script}\" | head -c 1"
        done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "[", "")


def test_a_closed_stderr_does_not_stop_a_run(finished: tuple[Path, Path, Path], tmp_path: Path) -> None:
    file, store, _ = finished
    command = (
        f"'{sys.executable}' -m trimtab run '{file}' --store '{store}' --runs '{tmp_path}' --set 'metrics=[brier]'"
    )
    # the reader of stderr leaves at once
    done = subprocess.run(
        ["bash", "-c", f"{{ {command} 2>&3 | cat; }} 3> >(exec true)"], capture_output=True, text=True, check=False
    )
    assert "naive" in done.stdout, done
    assert (tmp_path / "tiny" / "results.json").is_file()


def test_no_color_where_it_is_not_wanted(finished: tuple[Path, Path, Path]) -> None:
    for arguments in (["--help"], ["ls", "--store", str(finished[1])], ["run", "no.yaml"]):
        done = watched("torch", *arguments, more={"NO_COLOR": "1", "TERM": "xterm-256color"})
        assert "\x1b[" not in done.stdout + done.stderr


def test_what_was_not_tried_is_not_told_one_by_one(capsys: pytest.CaptureFixture[str]) -> None:
    stage = Data(Synthetic(), SplitSettings(supervisor=5, transfer=5, test=5))
    lines = PlainLines()
    lines.begin(2, 0)
    lines.started(stage)
    lines.finished(StageReport("data", stage.digest, stage.title, 0.0, cached=False, error="no room"))
    lines.finished(StageReport("split", "d", "split", 0.0, cached=False, error="not tried", tried=False))
    assert capsys.readouterr().err.splitlines() == [
        "2 stages: 0 cached, 2 to run",
        "[1/2] read synthetic failed: no room",
    ]
