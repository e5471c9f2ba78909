"""The catalogue: everything that is said of a component comes from its own docstrings."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from trimtab.catalogue import catalogue, catalogue_text, formula_of, paper_of, settings_table
from trimtab.components import find, known
from trimtab.conflicts import CONFLICTS
from trimtab.errors import UsageError
from trimtab.methods import METHODS
from trimtab.objectives import OBJECTIVES
from trimtab.schedules import SCHEDULES
from trimtab.supervise import LABEL_STEPS
from trimtab.supervisors import SUPERVISORS

ENTRIES = catalogue()
KINDS = {
    "method": METHODS,
    "objective": OBJECTIVES,
    "label step": LABEL_STEPS,
    "supervisor": SUPERVISORS,
    "schedule": SCHEDULES,
    "conflict": CONFLICTS,
}
each_entry = pytest.mark.parametrize("entry", ENTRIES, ids=[f"{e['kind']}-{e['name']}" for e in ENTRIES])


def test_lists_every_component_once():
    found = [(entry["kind"], entry["name"]) for entry in ENTRIES]
    assert len(set(found)) == len(found)
    assert {kind for kind, _ in found} == set(KINDS)
    for kind, names in KINDS.items():
        assert {name for one, name in found if one == kind} >= set(names)


@each_entry
def test_every_entry_says_everything(entry):
    assert entry["summary"].endswith(".")
    assert entry["formula"]
    assert "https://" in entry["paper"]
    assert entry["truth"]
    assert entry["file"].endswith(".py")
    for setting in entry["settings"]:
        assert setting["name"] and setting["type"] and len(setting["description"]) > 10


@each_entry
def test_text_of_one_entry_names_all_of_it(entry):
    text = catalogue_text([entry], detailed=True)
    for part in (entry["name"], entry["summary"], entry["paper"], entry["truth"], *entry["formula"].splitlines()):
        assert part in text
    for setting in entry["settings"]:
        assert setting["name"] in text
        assert setting["description"] in text


def test_one_line_each_in_the_short_text():
    lines = catalogue_text(ENTRIES, detailed=False).splitlines()
    assert len(lines) == len(ENTRIES)
    assert all(entry["name"] in line for entry, line in zip(ENTRIES, lines, strict=True))
    assert len({line.index(" truth: ") for line in lines}) == 1  # a column, however long the names are


def test_the_confidence_entry():
    entries = catalogue("confidence")
    assert {entry["kind"] for entry in entries} == {"method", "objective"}
    entry = entries[0]
    assert entry["formula"].startswith("L = (1 - w) CE(q, p) + w CE(h, p)")
    assert entry["paper"] == "Burns et al. 2023, section 4.3  https://arxiv.org/abs/2312.09390"
    assert entry["file"] == "trimtab/objectives/confidence.py"
    assert entry["truth"] == "none"
    assert [(s["name"], s["type"], s["default"]) for s in entry["settings"]] == [
        ("alpha", "float", 0.5),
        ("warm_up", "float", 0.2),
    ]


def test_a_supervisor_without_defaults_is_described_and_not_made():
    (entry,) = catalogue("dirichlet_ensemble")
    assert (entry["kind"], entry["truth"]) == ("supervisor", "none")
    assert entry["file"] == "trimtab/supervisors/dirichlet_ensemble.py"
    assert [(s["name"], s["required"], s["default"]) for s in entry["settings"]] == [
        ("members", True, None),
        ("prior", False, 2.0),
    ]
    assert "members (tuple[Learner, ...], required)" in catalogue_text([entry], detailed=True)


def test_a_schedule_has_the_truth_of_its_defaults():
    (entry,) = catalogue("early_stopping")
    assert (entry["kind"], entry["truth"]) == ("schedule", "none")
    assert {s["name"]: s["default"] for s in entry["settings"]}["oracle"] is False


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("confidense", "confidence"),
        ("naiv", "naive"),
        ("Confident", "confident"),
        ("baging", "bagging"),
        ("early_stoping", "early_stopping"),
    ],
)
def test_a_slip_is_answered_with_the_nearest_name(typed, meant):
    with pytest.raises(UsageError, match=f'Did you mean "{meant}"'):
        catalogue(typed)


def test_a_strange_name_is_answered_with_all_names():
    kinds = r"there is no method, objective, label step, supervisor, schedule or conflict"
    with pytest.raises(UsageError, match=kinds + r".*Known: adaboost, .*chain, .*confident, .*naive, .*window"):
        catalogue("zzzzzz")


def test_known_names_and_what_they_stand_for(tmp_path):
    assert known("trimtab.objectives", OBJECTIVES) == OBJECTIVES
    for name in OBJECTIVES:
        assert find(name, "trimtab.objectives", OBJECTIVES, tmp_path).__name__.lower() == name.replace("_", "")
    with pytest.raises(UsageError, match=r'"naiv" is not known\. Did you mean "naive"'):
        find("naiv", "trimtab.objectives", OBJECTIVES, tmp_path)


def test_another_packages_objective_is_found_through_its_entry_point(tmp_path, monkeypatch):
    """An installed package is a folder on the path with metadata; ours win where the names are equal."""
    (tmp_path / "elsewhere_objectives.py").write_text("class Theirs:\n    pass\n")
    metadata = tmp_path / "elsewhere-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere\nVersion: 1.0\n")
    points = "[trimtab.objectives]\ntheirs = elsewhere_objectives:Theirs\nnaive = elsewhere_objectives:Theirs\n"
    (metadata / "entry_points.txt").write_text(points)
    monkeypatch.syspath_prepend(tmp_path)
    assert find("theirs", "trimtab.objectives", OBJECTIVES, tmp_path).__name__ == "Theirs"
    assert find("naive", "trimtab.objectives", OBJECTIVES, tmp_path).__module__ == "trimtab.objectives.naive"


def test_first_indented_block_is_the_formula():
    assert formula_of("A.\n\n    x = 1\n      + 2\n\n    y = 3\n") == "x = 1\n  + 2"
    assert formula_of("no formula") == ""


def test_first_paragraph_with_an_address_is_the_paper():
    assert paper_of("A.\n\nB et al. 2020\nhttps://b.org/1 and more\n\nhttps://c.org") == "B et al. 2020 https://b.org/1"
    assert paper_of("B  https://b.org/1;x?y=2; more") == "B  https://b.org/1;x?y=2"
    assert paper_of("no paper") == ""


def test_settings_come_from_the_docstrings_under_the_fields():
    @dataclass
    class Settings:
        """Some."""

        first: int
        """One
        and more."""
        second: float = 2.0
        third: str = "x"
        """Three."""

    described = settings_table(Settings)
    assert [(s["name"], s["required"], s["description"]) for s in described] == [
        ("first", True, "One and more."),
        ("second", False, ""),
        ("third", False, "Three."),
    ]
