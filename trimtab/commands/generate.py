"""The command that answers one prompt."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from trimtab.commands.app import JsonOption, app, print_json


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
        print_json(asdict(found))
    else:
        print(found.text)
