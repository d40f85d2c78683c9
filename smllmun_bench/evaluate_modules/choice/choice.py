"""Multiple choice as an `evaluate` module; configurations `strict` (default) and `compat`."""

from typing import Any

from smllmun_bench.evaluate_modules.base import STRING, STRINGS, StringMetric, mean
from smllmun_bench.metrics.choice import UNPARSED, chance_corrected, parse_choice, parse_first_character, right_choices


class ChoiceAccuracy(StringMetric):
    """Accuracy, chance-corrected accuracy, and the share of replies that could not be read (wrong, never guessed).

    `references`: the right option's text or letter; `choices`: the options of each item, equally many in all.
    Strict: the parser ladder; compat: the first character (MLLMU-Bench).
    """

    inputs = {"predictions": STRING, "references": STRING, "choices": STRINGS}
    options = {"strict": {"strict": True}, "compat": {"strict": False}}

    def scores(
        self, *, predictions: list[str], references: list[str], choices: list[list[str]], strict: bool = True
    ) -> dict[str, Any]:
        parse = parse_choice if strict else parse_first_character
        said = [parse(text, options) for text, options in zip(predictions, choices, strict=True)]
        right = [right_choices(answer, options) for answer, options in zip(references, choices, strict=True)]
        lost = [answer for answer, found in zip(references, right, strict=True) if not found]
        if lost:
            raise ValueError(f"reference {lost[0]!r} is none of its choices")
        accuracy = mean(float(one in wanted) for one, wanted in zip(said, right, strict=True))
        scores = {"accuracy": accuracy, "unparsed": mean(float(one is UNPARSED) for one in said)}
        if len(counts := {len(options) for options in choices}) == 1:  # else there is no one chance level
            scores["chance_corrected"] = chance_corrected(accuracy, counts.pop())
        return scores
