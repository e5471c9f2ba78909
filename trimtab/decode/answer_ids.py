"""How a model reads a base model's answers: by the base's own tokens where they mean the same to it, else by text."""

from __future__ import annotations

from trimtab.decode.answer import Answer, Prompt
from trimtab.decode.base import check_room
from trimtab.decode.language_model import LanguageModel, same_vocabulary


class AnswerIds:
    """The tokens of prompts and answers in one model."""

    def __init__(self, model: LanguageModel, base: LanguageModel | None, form: str) -> None:
        """`base` writes the answers, or is None where it is reached by text only; `form` is "plain" or "chat"."""
        self.model, self.form = model, form
        self.shares_tokens = base is not None and same_vocabulary(base, model)

    def of_prompt(self, prompt: Prompt) -> list[int]:
        """Return the tokens of a prompt alone."""
        return self.model.prompt_ids(prompt.text, self.form)

    def of_answer(self, prompt: Prompt, begun: list[int], answer: Answer) -> list[int]:
        """Return the tokens of a prompt, which are `begun` alone, with an answer; its end counts where it has ended.

        Raises UsageError where they are longer than the model's context.
        """
        if self.shares_tokens:
            assert answer.ids is not None
            found = begun + list(answer.ids)
        else:
            joined, _ = self.model.joined_ids(prompt.text, answer.text, self.form)
            found = joined + ([self.model.end_id] if answer.ended else [])
        check_room(self.model, prompt, len(found), 0)
        return found
