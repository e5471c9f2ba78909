"""Mate in one: the truth by a second way, nothing that gives it away, and no position twice."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from trimtab.errors import TaskError
from trimtab.tasks.chess_mate_in_one import ChessMateInOne, board_text
from trimtab.tasks.chess_notation import diagram, names_of, unsigned
from trimtab.tasks.choices import Choices
from trimtab.tasks.mate_positions import SIZES, Found, mates_in_one
from trimtab.tasks.mating_moves import hunt
from trimtab.tasks.self_play import MOST_OF_GAME, random_array

chess = pytest.importorskip("chess", reason="python-chess is not installed: pip install 'trimtab[chess]'")
SETTINGS = ChessMateInOne(40)
STEPS = {"n": [(1, 2), (2, 1), (2, -1), (1, -2), (-1, -2), (-2, -1), (-2, 1), (-1, 2)],
         "k": [(1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1)]}  # fmt: skip
RAYS = {"r": STEPS["k"][::2], "b": STEPS["k"][1::2], "q": STEPS["k"]}


@pytest.fixture(scope="module")
def found() -> list[Found]:
    return mates_in_one(40, 20, 5, 0)


def squares(board: Any) -> dict[tuple[int, int], str]:
    """Return each piece's letter by file and rank."""
    return {(chess.square_file(s), chess.square_rank(s)): piece.symbol() for s, piece in board.piece_map().items()}


def attacked(pieces: dict[tuple[int, int], str], target: tuple[int, int], by_white: bool) -> bool:
    """Say whether a square is attacked, from the rules of how pieces move, without the library's own tables."""

    def mine(at: tuple[int, int], kinds: str) -> bool:
        letter = pieces.get(at, " ")
        return letter.lower() in kinds and letter.isupper() == by_white and letter != " "

    x, y = target
    for kind, steps in STEPS.items():
        if any(mine((x + dx, y + dy), kind) for dx, dy in steps):
            return True
    if any(mine((x + dx, y + (-1 if by_white else 1)), "p") for dx in (-1, 1)):
        return True
    for kind, rays in RAYS.items():
        for dx, dy in rays:
            at = (x + dx, y + dy)
            while 0 <= at[0] < 8 and 0 <= at[1] < 8 and at not in pieces:
                at = (at[0] + dx, at[1] + dy)
            if mine(at, kind):
                return True
    return False


def in_check(board: Any, white: bool) -> bool:
    pieces = squares(board)
    (king,) = [at for at, letter in pieces.items() if letter == ("K" if white else "k")]
    return attacked(pieces, king, by_white=not white)


def mates(board: Any, move: Any) -> bool:
    """In check, and every reply that the pieces can make leaves the king in check."""
    after = board.copy()
    after.push(move)
    if not in_check(after, white=after.turn):
        return False
    for reply in after.pseudo_legal_moves:
        if after.is_castling(reply):
            continue  # never out of check
        tried = after.copy()
        tried.push(reply)
        if not in_check(tried, white=after.turn):
            return False
    return True


def board_of(one: Found) -> Any:
    return chess.Board(f"{one.placement} w - {one.en_passant} 0 1")


def test_exactly_the_answer_mates_by_a_second_way(found: list[Found]) -> None:
    for one in found:
        board = board_of(one)
        legal = {re.sub("[+#]", "", board.san(move)): move for move in board.legal_moves}
        assert set(one.moves) <= set(legal)
        assert len(one.moves) == min(20, one.legal) and one.legal == len(legal) >= 5
        assert [text for text in legal if mates(board, legal[text])] == [one.moves[one.mate]], one
        assert board.san(legal[one.moves[one.mate]]).endswith("#")


def test_the_second_way_knows_a_mate_and_what_is_none() -> None:
    fool = chess.Board("rnb1kbnr/pppp1ppp/8/4p3/5PPq/8/PPPPP2P/RNBQKBNR w KQkq - 1 3")
    assert in_check(fool, white=True)
    before = chess.Board("rnbqkbnr/pppp1ppp/8/4p3/5PP1/8/PPPPP2P/RNBQKBNR b KQkq - 0 2")
    assert [before.san(move) for move in before.legal_moves if mates(before, move)] == ["Qh4#"]
    back_rank = chess.Board("6k1/5ppp/8/8/8/8/5PPP/3R2K1 w - - 0 1")
    assert [back_rank.san(move) for move in back_rank.legal_moves if mates(back_rank, move)] == ["Rd8#"]
    air = chess.Board("6k1/5pp1/7p/8/8/8/5PPP/3R2K1 w - - 0 1")
    assert not [move for move in air.legal_moves if mates(air, move)]


def tried(board: Any) -> set[Any]:
    """Return the moves that mate by making every legal one."""
    mating = set()
    for move in board.legal_moves:
        board.push(move)
        mating |= {move} if board.is_checkmate() else set()
        board.pop()
    return mating


def positions_of_play(games: int) -> Iterator[Any]:
    """Yield boards of random games: from the usual array, and from few pieces, where mates are frequent."""
    rng = np.random.default_rng(0)
    for game in range(games):
        board = chess.Board() if game % 4 == 0 else random_array(chess, Random(str(game)), SIZES[game % 4])
        for _ in range(150 if game % 4 == 0 else 25):
            yield board
            legal = list(board.legal_moves)
            if not legal:
                break
            board.push(legal[int(rng.integers(len(legal)))])


def test_every_move_that_mates_is_found_and_no_other() -> None:
    """All mates of random games, with castling, promotions and positions in check."""
    several = mating = 0
    for board in positions_of_play(80):
        wanted = tried(board)
        found = hunt(chess, board).mating_moves()
        assert set(found) == wanted and len(found) == len(wanted), board.fen()
        mating += len(wanted)
        several += len(wanted) > 1
    assert mating > 100 and several > 10


@pytest.mark.parametrize("fen, answer", [
    ("5k2/8/8/4R1R1/8/8/8/4K2R w K - 0 1", "O-O#"),
    ("R6R/6k1/8/5pPP/2B5/8/8/K4R2 w - f6 0 1", "gxf6#"),
    ("7b/5P1k/7p/8/8/8/8/1K4R1 w - - 0 1", "f8=N#"),
    ("6rk/6pp/8/6N1/8/8/8/K7 w - - 0 1", "Nf7#"),
    ("6k1/7p/5Q2/7p/6K1/8/8/6R1 w - - 0 1", "Kxh5#"),
    ("k7/8/1K6/8/8/8/8/7R b - - 0 1", None),
    ("7K/8/6k1/8/8/8/8/r7 b - - 0 1", "Ra8#"),
])  # fmt: skip
def test_rare_ways_to_mate(fen: str, answer: str | None) -> None:
    board = chess.Board(fen)
    found = hunt(chess, board).mating_moves()
    assert set(found) == tried(board)
    assert (answer in {board.san(move) for move in found}) if answer else not found


def test_names_and_diagrams_are_those_of_the_library() -> None:
    """Of positions in which nobody may castle, seen by whoever moves."""
    seen = which = 0
    for board in positions_of_play(40):
        if board.castling_rights:
            continue
        shown = board if board.turn else board.mirror()
        legal = list(board.legal_moves)
        names = names_of(chess, board, legal, legal)
        turned = 0 if board.turn else 56
        for move, name in zip(legal, names, strict=True):
            same = chess.Move(move.from_square ^ turned, move.to_square ^ turned, move.promotion)
            assert name == unsigned(shown.san(same)), (board.fen(), move)
            which += len(re.findall("[a-h1-8]", name)) > 2 and name[0] in "NBRQ"
        assert len(set(names)) == len(names)
        assert diagram(chess, board).placement == shown.board_fen()
        seen += 1
    assert seen > 500 and which > 50


TURNS = ("flip_horizontal", "flip_vertical", "flip_diagonal", "flip_anti_diagonal")


def test_forms_of_one_position_are_one() -> None:
    """Colours exchanged, left and right exchanged, and without pawns any turn of the board."""
    board = chess.Board("6k1/5ppp/8/8/8/8/5PPP/3R2K1 w - - 0 1")
    wanted = diagram(chess, board).canonical
    for same in (board.mirror(), board.transform(chess.flip_horizontal)):
        assert diagram(chess, same).canonical == wanted
    assert diagram(chess, board.transform(chess.flip_vertical)).canonical != wanted
    assert diagram(chess, chess.Board("6k1/5ppp/8/8/8/8/5PPP/4R1K1 w - - 0 1")).canonical != wanted
    bare = chess.Board("6k1/8/8/2N5/8/8/8/3R2K1 w - - 0 1")
    wanted = diagram(chess, bare).canonical
    for turn in TURNS:
        turned = bare.transform(getattr(chess, turn))
        assert diagram(chess, turned).canonical == diagram(chess, turned.mirror()).canonical == wanted


def test_no_text_gives_the_answer_away(found: list[Found]) -> None:
    items = SETTINGS.read()
    assert items.choices is not None
    for text, its in zip(items.texts, items.choices, strict=True):
        assert not set("+#") & set(text + "".join(its))
        assert "checkmate" not in text.lower()
    assert not any("+" in move or "#" in move for one in found for move in one.moves)


def test_the_place_of_the_answer_says_nothing() -> None:
    items = ChessMateInOne(200).read()
    assert items.choices is not None
    share = np.array([(gold + 0.5) / len(its) for gold, its in zip(items.gold, items.choices, strict=True)])
    assert share.mean() == pytest.approx(0.5, abs=5 * np.sqrt(1 / 12 / 200))
    assert set(items.classes) == {f"choice {place + 1}" for place in range(max(map(len, items.choices)))}


def test_the_slices_are_the_number_of_moves_and_of_pieces() -> None:
    items = SETTINGS.read()
    assert items.choices is not None
    shown = [len(its) for its in items.choices]
    np.testing.assert_array_equal(np.minimum(items.slices["legal moves"], 20), shown)
    assert items.slices["legal moves"].min() >= 5 and items.slices["legal moves"].max() > 20
    for text, pieces in zip(items.texts, items.slices["pieces"], strict=True):
        board = text.split("White mates")[0]
        assert len(re.findall(r"\b[a-h][1-8]\b", board)) == pieces


def test_no_position_is_there_twice_in_any_form() -> None:
    seen: set[str] = set()
    for one in mates_in_one(300, 20, 2, 3):
        board = board_of(one)
        forms = {form.board_fen() for turned in (board, board.mirror())
                 for form in (turned, turned.transform(chess.flip_horizontal))}  # fmt: skip
        assert not forms & seen
        seen |= forms


def test_positions_of_one_game_are_a_group() -> None:
    found = mates_in_one(300, 20, 5, 0)
    sizes = Counter(one.game for one in found)
    assert max(sizes.values()) == MOST_OF_GAME and len(sizes) > 100
    items = ChessMateInOne(300).read()
    assert items.groups == tuple(one.game for one in found)
    assert len(set(items.ids)) == 300


def test_every_size_of_array_is_as_frequent() -> None:
    """Whatever is found in them how often."""
    found = mates_in_one(202, 20, 5, 0)
    counts = Counter(one.game.split("-")[1] for one in found)
    assert sorted(counts.items()) == [("07", 51), ("08", 51), ("09", 50), ("10", 50)]
    assert all(one.pieces <= 2 * int(one.game.split("-")[1]) + 2 for one in found)


def test_a_hundred_thousand_positions_take_two_processes_two_minutes_at_most() -> None:
    """Measured on a fiftieth of them by one."""
    began = time.process_time()
    assert len(ChessMateInOne(2000).read().ids) == 2000
    assert time.process_time() - began < 2 * 120 / 50


def test_the_number_of_processes_changes_nothing(found: list[Found]) -> None:
    assert mates_in_one(40, 20, 5, 0, processes=2) == found


def test_the_same_seed_gives_the_same_positions_and_more_only_adds(found: list[Found]) -> None:
    again = mates_in_one(15, 20, 5, 0)
    assert again == found[:15]
    assert mates_in_one(3, 20, 5, 1) != again[:3]


def test_boards_are_written_by_hand() -> None:
    assert board_text("6k1/5ppp/8/8/8/8/5PPP/3R2K1", "pieces") == (
        "White: pawns f2 g2 h2, rook d1, king g1. Black: pawns f7 g7 h7, king g8. White mates in one move:"
    )


@pytest.mark.parametrize("settings, message", [
    ({"positions": 0}, "positions must be at least 1"), ({"fewest_moves": 1}, "fewest_moves must be at least 2"),
    ({"moves": 1}, "moves must be at least 2"),
    ({"fewest_moves": 90}, "fewest_moves must be at most 50"), ({"board": "png"}, "board must be pieces or fen"),
])  # fmt: skip
def test_settings_that_cannot_be(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ChessMateInOne(**settings)


def test_an_illegal_move_as_answer_is_named(tmp_path: Path, found: list[Found]) -> None:
    import json

    one = found[0]
    rows = [{"question": board_text(each.placement, "pieces"), "choices": each.moves, "answer": each.moves[each.mate]}
            for each in found[:3]]  # fmt: skip
    rows[2]["answer"] = "Qz9"
    path = tmp_path / "positions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    with pytest.raises(TaskError, match=r'positions\.jsonl, line 3, column "answer": found "Qz9", which is no choice'):
        Choices(str(path), answer_as="text").read()
    assert one.moves


def test_a_cached_file_holds_the_same_items(tmp_path: Path) -> None:
    """Made by two processes."""
    script = Path(__file__).parent.parent / "recipes" / "chess-mate-in-one" / "make_positions.py"
    path = tmp_path / "positions.jsonl"
    subprocess.run([sys.executable, str(script), "25", str(path), "2"], check=True)
    cached = Choices(str(path), id="id", group="game", answer_as="text", slices=("legal_moves", "pieces")).read()
    played = ChessMateInOne(25).read()
    assert cached.ids == played.ids and cached.choices == played.choices and cached.groups == played.groups
    np.testing.assert_array_equal(cached.gold, played.gold)


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "chess", None)
    with pytest.raises(TaskError, match=r"needs python-chess, which is not installed.*trimtab\[chess\]"):
        SETTINGS.read()
    SETTINGS.fingerprint()  # a plan needs no chess
