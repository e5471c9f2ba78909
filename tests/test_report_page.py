"""The page: whole, closed to the network and to scripts, and never fooled by the texts that it shows."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import example_results as example
import pytest

from trimtab.commands.study import print_warnings
from trimtab.metrics.aggregate import median_pgr
from trimtab.report import write_report
from trimtab.report.findings import aggregate_grid
from trimtab.report.groups import row_name
from trimtab.report.page import render
from trimtab.results import Results

EVIL = (
    "<script>alert(1)</script></style></svg></title>\"'><img src=x onerror=alert(1)> [a](javascript:alert(1)) "
    "\x00\x07\x1b[31m \u202eback\u2066 \ud800 \uffff {{ 7 * 7 }} {% x %}"
)
VOID = {"meta", "path", "use", "rect", "br", "img"}


class Page(HTMLParser):
    """Collects elements, attributes and text, and checks that elements close in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        """The page's text with single blanks."""
        return " ".join(" ".join(self.words).split())


def poisoned() -> dict:
    """Return results in which every text of a user or a data set is hostile."""
    results = example.results(methods=("naive", "confidence"), classes=(EVIL, "b" + EVIL))
    results |= {"name": EVIL, "experiment": EVIL, "control_sentence": EVIL, "device": {EVIL: EVIL}}
    results["task"] |= {"kind": EVIL, "notes": [EVIL], "prompt": EVIL}
    results["versions"] = {EVIL: EVIL}
    results["warnings"] = [{"code": EVIL, "row": EVIL, "text": EVIL}]
    results["stages"].append({"kind": EVIL, "digest": EVIL, "seconds": 1.0, "cached": False})
    results["splits"]["dropped"][EVIL] = 3
    results["models"]["w0"] |= {"model": EVIL, "template": EVIL}
    for row in results["rows"]:
        row["pgr"]["reason"] = EVIL
        if row["method"] == "confidence":
            row |= {"method": EVIL, "truth": EVIL, "slice": None}
    for entry in results["examples"]:
        entry |= {"text": EVIL, "id": EVIL}
    return results


def test_nothing_of_a_hostile_text_becomes_markup():
    clean, page = Page(render(example.results(methods=("naive", "confidence")))), Page(render(poisoned()))
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "img", "iframe", "object", "embed", "link", "form", "a", "base", "animate"}
    assert tags <= {tag for tag, _ in clean.elements}
    assert sum(tag == "style" for tag, _ in page.elements) == 1
    for _, attributes in page.elements:
        assert not any(name.startswith("on") or name in ("src", "style", "action") for name in attributes)
        assert str(attributes.get("href", "#")).startswith("#")
    assert page.open == []
    assert "<script>alert(1)</script>" in page.text
    assert "{{ 7 * 7 }}" in page.text


def test_control_characters_and_direction_overrides_are_shown_and_not_obeyed():
    text = render(poisoned())
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]", text)
    assert "\u2400" in text
    assert "[U+202E]back" in text


def test_a_million_characters_are_cut_and_said():
    results = example.results()
    results["examples"][0]["text"] = "word " * 200_000
    text = render(results)
    assert "first 700 of 1,000,000 characters" in text
    assert len(text) < 400_000


def test_the_policy_allows_the_pages_own_style_and_nothing_else():
    text = render(example.results())
    style = re.search(r"<style>(.*?)</style>", text, re.S)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style.group(1).encode()).digest()).decode()
    policy = next(
        attributes["content"]
        for tag, attributes in Page(text).elements
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert not re.search(r"url\((?!#)|@import|https?://(?!www\.w3\.org/)", text)


def test_ids_are_unique_and_every_figure_is_described():
    page = Page(render(example.results(weak=("a", "b"), strong=("c", "d"))))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in page.elements:
        if tag == "svg":
            assert attributes["role"] == "img"
            assert attributes["aria-labelledby"] in ids
        if tag == "section":
            assert attributes["aria-labelledby"] in ids


def test_every_part_of_a_full_result_is_on_the_page():
    text = Page(render(example.results(statuses=("ok", "imprecise", "no_gap")))).text
    for words in (
        "That recovers 56 % of the performance gap (interval 42 % to 71 %).",
        "averaging out label noise explains this much",
        "0.827 [0.811, 0.843]",
        "Student right, supervisor wrong",
        "Student wrong, supervisor right",
        "0.918 [0.906, 0.930]",
        "ECE 0.041 [0.032, 0.050]",
        "dropped: near duplicate 74",
        "cut to the longest input of smollm2-135m 12",
        "134.5 million",
        "The chosen strength 0.01 is the weakest of the grid.",
        "Items with |mean rating| up to 0.5 are left out",
        "confidence: {alpha: 0.5}",
        "2.13.0",
        "2,000 draws",
        "negative 0.88",
    ):
        assert words in text, words


def test_an_item_of_several_methods_is_shown_once():
    results = example.results()
    again = [entry | {"key": "w0/s0/confidence/accuracy"} for entry in results["examples"]]
    results["examples"] += again
    text = Page(render(results)).text
    assert text.count("movie-1000") == 1
    assert "method naive item movie-1000" in text


def test_costs_add_up():
    text = Page(render(example.results())).text
    # 15 fits of 1.7 s, 5 labellings of 0.1 s, 15 predictions of 0.2 s, 4.2 s of comparison; 204.1 s cached
    assert "all 38 2 33.2 s 3 min 57 s" in text


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ("no_gap", "the ceiling is not shown to beat the supervisor, so there is no gap to recover."),
        ("reversed", "the ceiling is worse than the supervisor."),
        ("self_pair", "supervisor and student are the same model."),
        ("undefined", "No PGR for calibration by default."),
    ],
)
def test_the_answer_says_why_there_is_no_pgr_and_the_table_gives_the_numbers_once(status: str, why: str):
    results = example.results(statuses=(status,), metrics=(("accuracy", True),))
    reason = example.STATUS_REASONS[status]
    methods = [row for row in results["rows"] if not row["control"]]
    if status in ("no_gap", "reversed"):
        results["warnings"] += [{"code": status, "row": row["key"], "text": reason} for row in methods]
    answer, rest = Page(render(results)).text.split("Comparison", 1)
    assert f"There is no PGR: {why}" in answer
    assert "recovers" not in answer
    assert rest.count(reason.rstrip(".")) == 1
    assert answer.count(reason.rstrip(".")) == (status == "undefined")


def test_labels_given_and_kept_stand_beside_each_other_with_their_accuracy():
    text = Page(render(example.results())).text
    told = text.split("What each student was told")[1]
    assert "naive 2,000 0.786 [0.766, 0.806] 2,000 0.786 [0.766, 0.806] 0 none" in told
    assert "confident-half 2,000 0.786 [0.766, 0.806] 1,000 0.894 [0.877, 0.911] 0 none" in told
    # controls that are not told weak labels do not repeat how right those are
    assert "(a) flipped truth \u2014 \u2014 2,000 0.786 [0.766, 0.806] 2,000 oracle" in told
    assert "(d) zero-shot \u2014 \u2014 \u2014 \u2014 \u2014 none" in told


def test_a_note_of_all_labels_is_said_once_and_marks_nothing():
    results = example.results(metrics=(("accuracy", True),))
    for row in results["rows"]:
        for name in ("weak_accuracy", "kept_accuracy"):
            if row["labels"][name]:
                row["labels"][name] = row["labels"][name] | {"reason": "A t interval over seeds."}
    told = render(results).split("What each student was told")[1].split("</section>")[0]
    assert told.count("A t interval over seeds.") == 1
    assert "<sup" not in told


def test_a_warning_names_what_it_is_about_in_words():
    results = example.results(metrics=(("accuracy", True),))
    for row in results["rows"]:
        row["key"] = f"{row['weak']}-{row['strong']}-{row['method']}-accuracy"
    keys = ("w0", "s0-ceiling", "w0-s0-confidence", "w0-s0-flipped_truth", "w9-unknown")
    results["warnings"] = [{"code": "c", "row": key, "text": f"About {key}."} for key in keys]
    text = Page(render(results)).text
    for said in (
        "About w0. (minilm-l6)",
        "About s0-ceiling. (strong ceiling of smollm2-135m)",
        "About w0-s0-confidence. (confidence)",
        "About w0-s0-flipped_truth. ((a) flipped truth)",
        "About w9-unknown. (w9-unknown)",
    ):
        assert said in text, said


def test_a_warning_on_the_terminal_names_what_the_table_does(capsys: pytest.CaptureFixture[str]):
    results = example.results()
    keys = ["w0", "s0-ceiling", results["rows"][0]["key"], "w9-unknown"]
    results["warnings"] = [{"code": "c", "row": key, "text": "Said."} for key in keys]
    results["warnings"].append({"code": "c", "row": None, "text": "Of all."})
    print_warnings(Results(results))
    named = "minilm-l6, strong ceiling of smollm2-135m, naive, 1 more"
    assert capsys.readouterr().err == f"warning: {named}: Said.\nwarning: Of all.\n"


@pytest.mark.parametrize(
    ("between", "name"),
    [
        ([], "far"),
        (["s0", "s0"], "far via itself, itself"),
        (["/home/me/models/middle, layer 3", "org/model"], "far via middle, layer 3, org/model"),
    ],
)
def test_the_models_in_between_are_named_without_keys_and_folders(between: list[str], name: str):
    assert row_name({"method": "far", "weak": "w0", "strong": "s0", "chain": ["w0", *between, "s0"]}) == name


def test_tokens_and_memory_are_added_up_where_they_were_measured():
    results = example.results()
    assert "Tokens" not in Page(render(results)).text
    for stage in results["stages"]:
        embeds = stage["kind"] == "embed"
        stage |= {"title": f"{stage['kind']} it", "tokens": 100_000 if embeds else None}
        stage["peak_memory_bytes"] = 3 * 2**30 if embeds else 2**29 if stage["kind"] == "train" else None
    text = Page(render(results)).text
    # 200,000 tokens in 61.3 + 142.8 s; the probes' 15 x 1.7 s count no tokens and do not slow the speed
    assert "embed 2 2 0.0 s 3 min 24 s 200,000 980 3.0 GiB" in text
    assert "train 15 0 25.5 s 25.5 s \u2014 \u2014 512 MiB" in text
    assert "label 5 0 0.5 s 0.5 s \u2014 \u2014 \u2014" in text
    assert "all 38 2 33.2 s 3 min 57 s 200,000 980 3.0 GiB" in text
    dearest = text.split("Dearest stages")[1]
    assert dearest.index("embed it embed yes 2 min 23 s 100,000 700 3.0 GiB") < dearest.index(
        "embed it embed yes 1 min 1 s"
    )
    assert "label it" not in dearest


def test_the_split_of_every_seed_is_on_the_page_where_it_was_recorded():
    results = example.results(seeds=(0, 7))
    assert "Items of each seed" not in render(results)
    for name, letter in (("supervisor", "a"), ("transfer", "b")):
        results["splits"][name]["per_seed"] = [{"seed": s, "digest": f"{s}{letter}" * 32} for s in (0, 7)]
    assert "7 7a7a7a7a7a7a 7b7b7b7b7b7b" in Page(render(results)).text


def test_several_pairs_are_counted_against_control_a_and_each_is_named():
    results = example.results(strong=("small", "large"), metrics=(("accuracy", True),))
    spans = {"s0": (0.01, 0.02), "s1": (-0.01, 0.01)}
    results["controls"] = [
        {"weak": "w0", "strong": key, "difference": {"mean": sum(span) / 2, "low": span[0], "high": span[1]},
         "sentence": f"Naive of {key}."}
        for key, span in spans.items()
    ]  # fmt: skip
    answer, rest = Page(render(results)).text.split("Comparison", 1)
    assert "scores higher in 1 and lower in 0 of 2 pairs, and is not told apart from it in 1." in answer
    assert "minilm-l6 to small: Naive of s0. minilm-l6 to large: Naive of s1." in rest


def test_a_table_that_goes_on_sideways_says_so_without_a_script():
    style = re.search(r"<style>(.*?)</style>", render(example.results()), re.S)
    assert style is not None
    frame = re.search(r"\.scroll, pre \{(.*?)\}", style.group(1), re.S)
    assert frame is not None
    covers, shades = (
        re.findall(rf"linear-gradient\([^\n]*no-repeat {kind}", frame.group(1)) for kind in ("local", "scroll")
    )
    assert (len(covers), len(shades)) == (2, 2)
    assert style.group(1).count("--shade: ") == 2  # light and dark


def test_the_truth_level_marks_a_control_in_every_table_of_rows():
    text = Page(render(example.results(metrics=(("accuracy", True),)))).text
    # comparison, agreement, errors, misfit, calibration, and one line per seed; the table of labels has a column for it
    assert text.count("(a) flipped truth [oracle]") == 5 + 5


def test_the_answer_admits_one_seed_imprecision_and_absent_controls():
    results = example.results(seeds=(0,), statuses=("imprecise",), controls=False)
    results["control_sentence"] = None
    answer = Page(render(results)).text.split("Comparison")[0]
    assert "small beside its error: imprecise" in answer
    assert "Only one seed ran" in answer
    assert "No controls ran" in answer


def test_the_answer_names_the_methods_that_differ():
    results = example.results(metrics=(("accuracy", True),))
    assert "No other method (confidence, confident-half) is told apart from naive" in render(results)
    results["rows"][1]["vs_naive"] |= {"delta": 0.031, "p_holm": 0.002}
    assert "confidence +0.031 (p 0.002)" in render(results)


def test_the_median_over_pairs_is_shown_by_the_main_metric_alone():
    """In the fields that `metrics/aggregate.py` gives it: a value with its ends, or the reason why there is none."""
    results = example.results(weak=("w0", "w1"))
    fields = set(vars(median_pgr([]))) - {"n_ok", "n_imprecise", "n_no_gap", "n_other"}
    assert all(set(entry["median_pgr"]) == fields for entry in results["aggregates"])
    grid = aggregate_grid(results)
    assert grid is not None
    assert [row[2].text for row in grid.rows] == ["0.55"] * len(grid.rows)  # pyright: ignore[reportAttributeAccessIssue]
    assert {row[1] for row in grid.rows} == {"accuracy"}


def test_a_bare_result_still_makes_a_page():
    row = {"key": "k", "weak": "w0", "strong": "s0", "method": "naive", "student": example.interval(0.8)}
    text = Page(render({"rows": [row]})).text
    assert "0.800 [0.784, 0.816]" in text
    assert "Splits were not recorded." in text
    assert "compared no method" in Page(render({"rows": []})).text


@pytest.mark.parametrize(
    "results",
    [
        example.results(methods=tuple(f"method-{i}-{'long' * 30}" for i in range(196)), metrics=(("accuracy", True),)),
        example.results(methods=("naive",), metrics=(("accuracy", True),), controls=False, seeds=(0,)),
        example.results(classes=tuple(f"class {i}" for i in range(10))),
    ],
    ids=["200 rows", "1 row", "10 classes"],
)
def test_small_and_large_results(results):
    page = Page(render(results))
    assert page.open == []
    assert "nan" not in page.text.lower().split()


def test_the_same_results_give_the_same_page():
    assert render(example.results()) == render(example.results())


def test_a_report_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    out = tmp_path / "runs" / "report.html"
    assert write_report(example.results(), out) == out
    before = out.read_bytes()

    def full_disk(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_report(example.results(seeds=(0,)), out)
    assert out.read_bytes() == before
    assert [path.name for path in out.parent.iterdir()] == ["report.html"]


def test_the_same_results_are_drawn_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    results, notebook = example.results(), tmp_path / "figures.json"
    first = write_report(results, tmp_path / "first.html", notebook).read_text("utf-8")
    assert first == write_report(results, tmp_path / "plain.html").read_text("utf-8")

    def refused(_: object):
        raise AssertionError("drawn again")

    monkeypatch.setattr("trimtab.report.drawn.score_figures", refused)
    assert write_report(results, tmp_path / "again.html", notebook).read_text("utf-8") == first
    results["rows"][0]["student"]["mean"] += 0.01
    with pytest.raises(AssertionError, match="drawn again"):
        write_report(results, tmp_path / "changed.html", notebook)


@pytest.mark.parametrize("content", ["", "{", '{"key": 1}', "[]", "null"])
def test_a_damaged_memory_of_figures_is_made_again(tmp_path: Path, content: str):
    notebook = tmp_path / "figures.json"
    notebook.write_text(content, "utf-8")
    assert "<svg" in write_report(example.results(), tmp_path / "r.html", notebook).read_text("utf-8")
    assert json.loads(notebook.read_text("utf-8"))["figures"]["score_figures"]
