"""Near duplicates: hand-made pairs, and the index against comparing every pair."""

from __future__ import annotations

import re
import time

import numpy as np
import pytest

from trimtab.tasks.duplicates import near_duplicates, normal_form


def gram_set(text: str) -> set[tuple[str, ...]]:
    words = tuple(re.findall(r"\w+", normal_form(text))) or (normal_form(text),)
    return {words[at : at + 8] for at in range(max(1, len(words) - 7))}


def sets_by_comparing_all(texts: list[str]) -> list[int]:
    """The definition restated: connected components of overlap > 0.8, every pair compared."""
    grams = [gram_set(text) for text in texts]
    label = list(range(len(texts)))
    changed = True
    while changed:
        changed = False
        for a in range(len(texts)):
            for b in range(a):
                shared = len(grams[a] & grams[b])
                if shared * 10 > 8 * min(len(grams[a]), len(grams[b])) and label[a] != label[b]:
                    low, high = sorted((label[a], label[b]))
                    label = [low if one == high else one for one in label]
                    changed = True
    return label


ALPHABET = [f"word{letter}" for letter in "abcdefghijklmn"]


@pytest.mark.parametrize(
    ("other", "together"),
    [
        (ALPHABET, True),
        ([*ALPHABET, "oscar"], True),  # 7 of 7 grams are in the longer text
        (["zulu", *ALPHABET[1:]], True),  # 6 of 7 = 0.857
        (["zulu", *ALPHABET[1:-1], "zulu"], False),  # 5 of 7 = 0.714
        ([*ALPHABET[:7], "zulu", *ALPHABET[8:]], False),  # the word in the middle is in all grams
        (ALPHABET[:8], True),  # one gram, and it is in the longer text
        (ALPHABET[:7], False),  # fewer words than a gram: only the same words count
    ],
)
def test_overlap_of_a_pair(other: list[str], together: bool) -> None:
    found = near_duplicates([" ".join(ALPHABET), " ".join(other)])
    assert (found[0] == found[1]) is np.bool_(together)


def test_overlap_of_exactly_four_fifths_is_not_near() -> None:
    words = [f"w{k}" for k in range(12)]  # 5 grams
    other = ["x", *words[1:]]  # shares 4 of them
    assert near_duplicates([" ".join(words), " ".join(other)]).tolist() == [0, 1]


def test_case_punctuation_and_short_texts() -> None:
    texts = ["Great film!", "great FILM...", "great film indeed", ":)", ":(", "\uff1a)"]
    # the full-width colon is a colon after NFKC
    assert near_duplicates(texts).tolist() == [0, 0, 2, 3, 4, 3]


def test_no_texts() -> None:
    assert near_duplicates([]).tolist() == []


@pytest.mark.parametrize("seed", range(20))
def test_index_finds_what_comparing_all_pairs_finds(seed: int) -> None:
    draw = np.random.default_rng(seed)
    vocabulary = [f"v{k}" for k in range(40)]
    texts: list[str] = []
    for _ in range(60):
        if texts and draw.random() < 0.7:
            words = texts[draw.integers(len(texts))].split()
            for _ in range(draw.integers(0, 3)):
                at = int((0, len(words) - 1, draw.integers(len(words)))[draw.integers(3)])
                words[at] = vocabulary[draw.integers(40)]
            if draw.random() < 0.4:
                words = words[draw.integers(0, 3) :] + [vocabulary[k] for k in draw.integers(40, size=3)]
        else:
            words = [vocabulary[k] for k in draw.integers(40, size=draw.integers(1, 40))]
        texts.append(" ".join(words))
    expected = sets_by_comparing_all(texts)
    assert near_duplicates(texts).tolist() == expected
    assert len(set(expected)) < len(texts)


def test_many_copies_of_one_template_stay_cheap() -> None:
    body = " ".join(f"b{k}" for k in range(19))
    started = time.perf_counter()
    found = near_duplicates([f"name{k} {body}" for k in range(20_000)])
    assert set(found.tolist()) == {0}
    assert time.perf_counter() - started < 15  # comparing every pair would take minutes
