"""Dialogues in the usual chat form, lists of messages with `role` and `content`, as text.

user: How do I open it?

assistant: Pull it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from trimtab.tasks.rows import Row, Table
from trimtab.tasks.values import text_of, wrong


@dataclass(frozen=True)
class Message:
    """What somebody says in a dialogue."""

    role: str
    content: str

    def __str__(self) -> str:
        return f"{self.role}: {self.content}"


def messages_of(table: Table, row: Row, column: str) -> tuple[Message, ...]:
    """Return the messages of a value; raise TaskError where it is no list of them."""
    value = row.values.get(column)
    messages: list[Any] = value if isinstance(value, list) and value else [value]
    for one in messages:
        if not (isinstance(one, dict) and isinstance(one.get("role"), str) and "content" in one):
            wanted = 'a list of messages such as {"role": "user", "content": "..."}, in both answers alike.'
            raise wrong(table, row, column, f"{type(one).__name__} {one!r:.60}", wanted)
    return tuple(Message(one["role"], _content(table, row, column, one)) for one in messages)


def _content(table: Table, row: Row, column: str, message: dict[str, Any]) -> str:
    return text_of(table, Row(row.place, {column: message["content"]}), column)


def text_of_messages(messages: Sequence[Message]) -> str:
    r"""Return a dialogue as text.

    >>> text_of_messages([Message("user", "Open?"), Message("assistant", "Pull.")])
    'user: Open?\n\nassistant: Pull.'
    """
    return "\n\n".join(map(str, messages))


def in_common(chosen: Sequence[Message], rejected: Sequence[Message]) -> int:
    """Return how many leading messages two dialogues have in common, one less where that leaves no answer."""
    most = min(len(chosen), len(rejected)) - 1
    return next((place for place in range(most) if chosen[place] != rejected[place]), most)


def prompt_messages(table: Table, row: Row, column: str) -> tuple[Message, ...]:
    """Return a prompt as messages: a text is what the user says."""
    if isinstance(row.values.get(column), list):
        return messages_of(table, row, column)
    return (Message("user", text_of(table, row, column)),)


def answers_apart(chosen: Sequence[Message], rejected: Sequence[Message], shared: int) -> tuple[str, str, str]:
    r"""Return the prompt, which ends where the first message that differs begins, and both answers as texts.

    >>> asked = Message("user", "Open?")
    >>> answers_apart([asked, Message("assistant", "Pull.")], [asked, Message("assistant", "Push.")], 1)
    ('user: Open?\n\nassistant:', ' Pull.', ' Push.')
    """
    before = text_of_messages(chosen[:shared])
    if before and chosen[shared].role == rejected[shared].role:
        before += f"\n\n{chosen[shared].role}:"
    return before, text_of_messages(chosen)[len(before) :], text_of_messages(rejected)[len(before) :]
