"""A reward model: a sequence-classification model whose only output is how good an answer is.

    s(x, y) = r(x, y)            reward model
    s(x, y) = -c(x, y)           cost model: the same kind of model, of which less is better

Stiennon et al. 2020  https://arxiv.org/abs/2009.01325 ; costs: Dai et al. 2023  https://arxiv.org/abs/2310.12773

What the model reads is prompt and answer as one plain text, or a user's turn and an answer in its tokenizer's own chat
template, in which only an answer that has ended is closed. The number is read where the model itself reads it: a causal
one at the last token that is not its padding token. Every call reads whole texts: nothing is kept. An empty answer
has the reward of the prompt alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from trimtab.decode.answer import Answer, Compute, Prompt
from trimtab.decode.scorers.scorer import WholeScorer
from trimtab.decode.sequence_classifier import SequenceClassifier
from trimtab.errors import UsageError


class RewardModel(WholeScorer):
    """The output of a sequence-classification model as a reward, or with its sign turned as a cost."""

    def __init__(
        self, model: SequenceClassifier, form: str = "plain", cost: bool = False, batch_tokens: int = 1024
    ) -> None:
        """`form` is "plain" or "chat"; `batch_tokens` is the size of a batch in tokens, padding included."""
        if form not in ("plain", "chat"):
            raise UsageError(f'the form of a reward model is {form!r}; wanted "plain" or "chat"')
        self.model, self.form, self.cost, self.batch_tokens = model, form, cost, batch_tokens
        self.name = f"{'cost' if cost else 'reward'}_model {model.name}"

    def values(self, prompts: Sequence[Prompt], answers: Sequence[Answer], compute: Compute) -> Sequence[float]:
        """Return each answer's reward, or its negative cost; tokens are counted under "reward".

        Raises UsageError where prompt and answer are longer than the context, or the chat template is missing.
        """
        texts = [self._ids(prompt, answer) for prompt, answer in zip(prompts, answers, strict=True)]
        found = self.model.outputs(texts, self.batch_tokens)
        compute.add("reward", sum(map(len, texts)), self.model.parameters)
        return (-found if self.cost else found).tolist()

    def _ids(self, prompt: Prompt, answer: Answer) -> list[int]:
        model = self.model
        if self.form == "chat":
            ids = model.chat_ids(prompt.text, answer.text, answer.ended)
        else:
            ids = model.plain_ids(prompt.text, answer.text)
        if len(ids) > model.context:
            raise UsageError(
                f"prompt {prompt.id} and its answer have {len(ids):,} tokens, but {model.name} reads "
                f"{model.context:,}; shorten the prompt, lower max_new_tokens, or use a model with a longer context"
            )
        return ids
