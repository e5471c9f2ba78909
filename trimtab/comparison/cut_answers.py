"""The warning that answers were cut: of pairs and choices, what a model reads ends with the answer that is judged."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

ANSWERED = ("pairs", "choices")
"""By what the data says of its items: the text that is read ends with an answer."""


def cut_answer_warnings(
    models: Mapping[str, Mapping[str, Any]], data: Mapping[str, Any], cut_at_end: Collection[str]
) -> list[dict[str, Any]]:
    """Return a warning per model that lost the ends of answers, for data with these facts.

    `cut_at_end` are the keys of the models whose texts are cut there.
    """
    if not any(kind in data for kind in ANSWERED):
        return []
    return [
        {"code": "cut_answers", "row": key, "text": _sentence(one)}
        for key, one in models.items()
        if key in cut_at_end and one["truncated"]
    ]


def _sentence(model: Mapping[str, Any]) -> str:
    count = model["truncated"]
    what = f"{count:,} text{'s are' if count != 1 else ' is'} longer than max_tokens"
    limit = f" ({model['max_tokens']})" if "max_tokens" in model else ""
    return (
        f"{model['model']}: {what}{limit} and lost the end, where the answer stands. Set `cut: start` beside "
        "`max_tokens` of the model, or a larger `max_tokens`."
    )
