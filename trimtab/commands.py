"""The commands: one short function each, calling one library function. Data goes to stdout, all else to stderr."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from trimtab.results import Results

NAMED = 3
"""Rows that a warning names before it only counts them."""

app = typer.Typer(
    name="trimtab",
    help="The workbench for weak-to-strong alignment of language models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
assets_app = typer.Typer(help="Pinned models and data that run without a hub.", invoke_without_command=True)
app.add_typer(assets_app, name="assets")

StoreOption = Annotated[
    str | None, typer.Option("--store", help="Folder or URL of the store; without it, TRIMTAB_HOME/store.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
SetOption = Annotated[list[str] | None, typer.Option("--set", help="Override a value: strong.0.model=./my-model.")]
WorkersOption = Annotated[
    int | None, typer.Option("--workers", min=1, help="Processes (SLURM: jobs) that run stages side by side.")
]
RunsOption = Annotated[Path, typer.Option("--runs", help="Folder in which the run's folder is made.")]
FileArgument = Annotated[Path, typer.Argument(help="Experiment file (YAML).", show_default=False)]


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"trimtab {version('trimtab')}")
        raise typer.Exit


@app.callback()
def trimtab(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """The workbench for weak-to-strong alignment of language models."""


@app.command()
def demo(store: StoreOption = None, workers: WorkersOption = None, runs: RunsOption = Path("runs")) -> None:
    """Run the movie-sentiment study on the embedded models and data. What is absent is fetched first."""
    from trimtab.demo import demo_experiment, fetch_missing
    from trimtab.executors.choose import executor_named

    experiment = demo_experiment()
    fetch_missing(experiment)
    _run(experiment, store, executor_named("local", workers=workers), runs, as_json=False)


@app.command()
def run(
    file: FileArgument,
    set_: SetOption = None,
    store: StoreOption = None,
    executor: Annotated[str, typer.Option(help="Who makes the stages: local, ray or slurm.")] = "local",
    workers: WorkersOption = None,
    ray_address: Annotated[str | None, typer.Option(help="HOST:PORT of a running Ray cluster, or auto.")] = None,
    cpus: Annotated[int | None, typer.Option(min=1, help="Processors of a stage (ray, slurm).")] = None,
    gpus: Annotated[int | None, typer.Option(min=0, help="GPUs of a stage that loads a model (ray, slurm).")] = None,
    partition: Annotated[str | None, typer.Option(help="Partition of the queue (slurm).")] = None,
    minutes: Annotated[int | None, typer.Option(min=1, help="Time limit of a job (slurm).")] = None,
    runs: RunsOption = Path("runs"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and stop.")] = False,
    check: Annotated[Path | None, typer.Option("--check", help="Compare with expected.json; exit 1 outside.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Run a study and print its table. Its results.json and report.html go into RUNS/name."""
    from trimtab.executors.choose import executor_named
    from trimtab.experiment import load

    experiment = load(file, set_ or [])
    if dry_run:
        _print_plan(experiment, store, as_json)
        return
    options = {"workers": workers, "ray_address": ray_address, "cpus": cpus, "gpus": gpus}
    chosen = executor_named(executor, **options, partition=partition, minutes=minutes)
    results = _run(experiment, store, chosen, runs, as_json)
    if check is not None:
        from trimtab.expected import check_expected

        problems = check_expected(results, check)
        for problem in problems:
            print(f"outside the expected range: {problem}", file=sys.stderr)
        if problems:
            raise typer.Exit(1)
        print(f"every value of {check} is in its range", file=sys.stderr)


def _run(experiment: Any, store: str | None, executor: Any, runs: Path, as_json: bool) -> Any:
    from trimtab.errors import StageError
    from trimtab.study import run as run_study
    from trimtab.terminal import monitor

    listener = monitor()
    _tell_of_replacing(runs / experiment.name, experiment.text)
    try:
        results = run_study(experiment, store=store, executor=executor, runs=runs, monitor=listener)
    except StageError as error:
        error.args = (listener.without_what_was_said(str(error)),)
        raise
    finally:
        listener.stop()
    _print_json(results.data) if as_json else print(results.table())
    _print_warnings(results)
    print(f"report: {runs / experiment.name / 'report.html'}", file=sys.stderr)
    return results


def _print_warnings(results: Results) -> None:
    """Print each warning once on stderr, with the first rows that it is said of."""
    spoken: dict[str, dict[str, None]] = {}
    for one in results.warnings:
        if one["code"] != "data":
            spoken.setdefault(one["text"], {}).update({one["row"]: None} if one["row"] else {})
    for text, rows in spoken.items():
        names = [*list(rows)[:NAMED], *([f"{len(rows) - NAMED} more"] if len(rows) > NAMED else [])]
        print(f"warning: {', '.join(names)}{': ' if names else ''}{text}", file=sys.stderr)


def _tell_of_replacing(folder: Path, text: str) -> None:
    """Say on stderr that a run's folder holds the results of another experiment of the same name."""
    from trimtab.errors import UsageError
    from trimtab.results import Results

    try:
        earlier = Results.read(folder / "results.json")
    except UsageError:
        return  # nothing readable is there to be replaced
    if earlier.data.get("experiment") != text:
        print(f"{folder} holds the results of another experiment of this name; they will be replaced", file=sys.stderr)


@app.command()
def generate(
    prompt: Annotated[str, typer.Argument(help="Prompt; - reads it from standard input.", show_default=False)],
    base: Annotated[
        str, typer.Option(help="Frozen model: asset, folder, GGUF file, hub id, vllm:MODEL, or the URL of an API.")
    ],
    guide: Annotated[
        list[str] | None, typer.Option(help="TUNED:UNTUNED guide pair, may be repeated; of contrastive the amateur.")
    ] = None,
    reward: Annotated[
        list[str] | None, typer.Option(help="Sequence-classification model, in the place of a guide pair or beside it.")
    ] = None,
    cost: Annotated[list[str] | None, typer.Option(help="The same, of which less is better.")] = None,
    weight: Annotated[
        list[float] | None, typer.Option(help="One for each guide, reward and cost, in this order; else 1 each.")
    ] = None,
    method: Annotated[
        str, typer.Option(help="sample, best_of_n, cbs, eft, contrastive, args, deal or qalign.")
    ] = "cbs",
    width: Annotated[int | None, typer.Option(help="Answers that are kept (cbs, deal).")] = None,
    samples: Annotated[int | None, typer.Option(help="Continuations of each (cbs, deal); answers (best_of_n).")] = None,
    chunk: Annotated[int | None, typer.Option(help="Tokens of a round (cbs, deal).")] = None,
    setting: Annotated[list[str] | None, typer.Option("--setting", help="Another one: weight=0.5.")] = None,
    model: Annotated[str | None, typer.Option(help="The server's name of a base behind a URL.")] = None,
    api_kind: Annotated[str | None, typer.Option(help="How a server goes on: completions or chat.")] = None,
    base_setting: Annotated[
        list[str] | None, typer.Option("--base-setting", help="Of a base behind a URL or in vLLM: timeout=30.")
    ] = None,
    max_new_tokens: Annotated[int, typer.Option(help="Longest answer in tokens.")] = 32,
    temperature: Annotated[float, typer.Option(help="0 is greedy.")] = 1.0,
    top_k: Annotated[int | None, typer.Option(help="Likeliest tokens that are left.")] = None,
    top_p: Annotated[float | None, typer.Option(help="Probability of the likeliest tokens that are left.")] = None,
    seed: Annotated[int, typer.Option(help="Names the random numbers.")] = 0,
    form: Annotated[str, typer.Option("--format", help="plain text, or chat: the tokenizer's own template.")] = "plain",
    as_json: JsonOption = False,
) -> None:
    """Answer one prompt with a frozen model that a guide pair steers."""
    from dataclasses import asdict

    from trimtab.decode.generate import Request, generate
    from trimtab.yaml_file import override

    settings = {
        name: value for name, value in {"width": width, "samples": samples, "chunk": chunk}.items() if value is not None
    }
    for one in setting or []:
        override(settings, one)
    place: dict[str, Any] = {} if api_kind is None else {"kind": api_kind}
    for one in base_setting or []:
        override(place, one)
    sampling = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
    text = sys.stdin.read().rstrip("\n") if prompt == "-" else prompt
    steered = {"reward": reward, "cost": cost, "weights": weight or ()}
    request = Request(base, method, guide, form, seed, max_new_tokens, sampling, settings, model, place, **steered)
    (found,) = generate(request, [text])
    if as_json:
        _print_json(asdict(found))
    else:
        print(found.text)


@app.command()
def plan(file: FileArgument, set_: SetOption = None, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Show what a study would do. What is cached, what the rest may cost, what gap its test split can resolve."""
    from trimtab.experiment import load

    _print_plan(load(file, set_ or []), store, as_json)


def _print_plan(experiment: Any, store: str | None, as_json: bool) -> None:
    from trimtab.forecast import forecast, forecast_text
    from trimtab.store import Store

    found = forecast(experiment, Store.open(store))
    _print_json(found) if as_json else print(forecast_text(found))


@app.command()
def compare(
    first: str,
    second: str,
    everything: Annotated[bool, typer.Option("--all", help="Also the other metrics and the slices.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Put two runs side by side. Folders, results.json files or names under runs/; --json has all metrics."""
    from trimtab.report import compare_rows, compare_table
    from trimtab.results import Results

    a, b = dict(Results.read(first).data), dict(Results.read(second).data)
    _print_json(compare_rows(a, b)) if as_json else print(compare_table(a, b, everything=everything))


@app.command()
def rank(
    runs: Annotated[list[str], typer.Argument(help="Run folders, results.json files or names under runs/.")],
    as_json: JsonOption = False,
) -> None:
    """Rank the methods that several runs have in common, and take the mean over runs and pairs of models."""
    from trimtab.report.ranks import mean_ranks, ranks_table
    from trimtab.results import Results

    found = mean_ranks([dict(Results.read(one).data) for one in runs])
    _print_json(found) if as_json else print(ranks_table(found))


@app.command()
def report(
    name: Annotated[str, typer.Argument(help="Run folder, results.json or name under runs/.", show_default=False)],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="HTML file to write.")] = None,
    figures: Annotated[Path | None, typer.Option("--figures", help="Folder for the figures as PNG and PDF.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also the other metrics and the slices.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Print a finished run's table and write its report again."""
    from trimtab.results import Results

    results = Results.read(name)
    _print_json(results.data) if as_json else print(results.table(everything=everything))
    if output is not None:
        print(f"report: {results.report(output)}", file=sys.stderr)
    if figures is not None:
        from trimtab.report import write_figures

        for path in write_figures(dict(results.data), figures):
            print(f"figure: {path}", file=sys.stderr)


@app.command()
def export(
    name: Annotated[str, typer.Argument(help="Run folder, results.json or name under runs/.")],
    folder: Annotated[Path, typer.Argument(help="Folder for the files, made if absent.")],
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write items, predictions and labels as parquet files. They go into FOLDER; --json lists them."""
    from trimtab.results import Results
    from trimtab.store import Store

    opened = Store.open(store) if store else None
    files = [str(path) for path in Results.read(name).export(folder, opened)]
    _print_json(files) if as_json else print(f"{len(files)} parquet files in {folder}")


@app.command()
def ls(
    kind: Annotated[str | None, typer.Argument(help="Only artifacts of this kind.")] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the store's artifacts."""
    from trimtab.store import Store

    opened = Store.open(store)
    manifests = [opened.manifest(one, digest) for one, digest in opened.artifacts(kind)]
    rows = [{key: one[key] for key in ("kind", "digest", "title", "seconds", "finished")} for one in manifests]
    if as_json:
        _print_json(rows)
        return
    for row in rows:
        print(f"{row['kind']:8} {row['digest'][:16]}  {row['seconds']:9.1f} s  {row['finished']}  {row['title']}")
    print(f"{len(rows)} artifacts in {opened.root}", file=sys.stderr)


@app.command()
def show(identifier: Annotated[str, typer.Argument(metavar="ID")], store: StoreOption = None) -> None:
    """Print the manifest of one artifact. Its digest begins with ID."""
    from trimtab.errors import UsageError
    from trimtab.store import Store

    opened = Store.open(store)
    found = opened.find(identifier)
    if len(found) != 1:
        what = "no artifact's digest begins" if not found else f"{len(found)} artifacts' digests begin"
        raise UsageError(f'{what} with "{identifier}"; see `trimtab ls` and give more digits')
    _print_json(opened.manifest(*found[0]))


@app.command()
def prune(
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="Also what unfinished stages could go on from.")
    ] = False,
    store: StoreOption = None,
) -> None:
    """Remove what killed and failed stages left. Finished artifacts stay."""
    from trimtab.errors import UsageError
    from trimtab.store import Store
    from trimtab.store.local import LocalStore
    from trimtab.store.prune import prune as prune_store

    opened = Store.open(store)
    if not isinstance(opened, LocalStore):
        raise UsageError(f"{opened.place} is an object store: nothing unfinished lies there; wanted a folder")
    removed = list(prune_store(opened, unfinished=unfinished))
    for path in removed:
        print(path)
    print(f"{len(removed)} leftovers removed from {opened.place}", file=sys.stderr)


@app.command()
def methods(
    name: Annotated[str | None, typer.Argument(help="Only this method, with its settings.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List methods, objectives, label steps, supervisors and schedules. With formula, paper, truth and settings."""
    from trimtab.catalogue import catalogue, catalogue_text

    entries = catalogue(name)
    _print_json(entries) if as_json else print(catalogue_text(entries, detailed=name is not None))


@app.command()
def env(as_json: JsonOption = False) -> None:
    """Print versions, device and folders, for a bug report."""
    from trimtab.environment import environment

    found = environment()
    if as_json:
        _print_json(found)
        return
    for key, value in found.items():
        print(f"{key:18} {value}")


@assets_app.callback()
def assets(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the pinned assets. Size, licence, source, present or not."""
    if context.invoked_subcommand is None:
        from trimtab.assets import ASSETS, is_present

        rows = [
            {
                "name": asset.name,
                "present": is_present(asset.name),
                "megabytes": round(asset.download_bytes / 1e6),
                "licence": asset.licence,
                "source": asset.source,
                "optional": asset.optional,
                "description": asset.description,
            }
            for asset in ASSETS.values()
        ]
        if as_json:
            _print_json(rows)
            return
        for row in rows:
            state = "present" if row["present"] else "optional" if row["optional"] else "absent"
            print(f"{row['name']:14} {state:9} {row['megabytes']:4} MB  {row['licence']:11} {row['source']}")


@assets_app.command()
def fetch(names: Annotated[list[str], typer.Argument(help="Names of assets.", metavar="NAME...")]) -> None:
    """Download, check and convert assets."""
    from trimtab.demo import fetch_named

    for path in fetch_named(names):
        print(path)


@assets_app.command()
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(help="Names of assets; without any, all that are present.")
    ] = None,
) -> None:
    """Compare assets with the hashes recorded when fetched. Exit 1 on damage."""
    from trimtab.assets import ASSETS, is_present
    from trimtab.assets import verify as verify_asset

    problems = 0
    for name in names or [name for name in ASSETS if is_present(name)]:
        found = verify_asset(name)
        problems += len(found)
        print(f"{name}: {'intact' if not found else 'damaged'}")
        for problem in found:
            print(f"  {problem}")
    if problems:
        raise typer.Exit(1)


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False))
