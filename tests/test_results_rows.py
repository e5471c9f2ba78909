"""Finding a row of the results: by method, metric and pair, with the nearest name where there is none."""

from __future__ import annotations

import example_results as example
import pytest

from trimtab.errors import UsageError
from trimtab.results import Results


def test_a_row_is_found_by_its_method_under_the_main_metric():
    results = Results(example.results())
    assert results.row("confidence")["key"] == "w0/s0/confidence/accuracy"
    assert results.row("naive", "ece")["metric"] == "ece"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"method": "naiv"}, 'method "naiv" .* Did you mean "naive"?'),
        ({"method": "naive", "metric": "acuracy"}, 'metric "acuracy" .* Did you mean "accuracy"?'),
        ({"method": "naive", "weak": "w1"}, 'weak "w1" .* Known: w0.'),
        ({"method": "naive", "strong": "zzz"}, 'strong "zzz" .* Known: s0.'),
        # known as such, but not under this metric: what is there under it is named
        ({"method": "zero_shot", "metric": "ece"}, 'metric "ece" .* Known: accuracy, auroc.'),
    ],
)
def test_a_row_that_is_not_there_names_the_nearest(asked: dict[str, str], told: str):
    with pytest.raises(UsageError, match=told.replace("?", "[?]")):
        Results(example.results()).row(**asked)
