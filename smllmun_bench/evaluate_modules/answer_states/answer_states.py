"""Answer states as an `evaluate` module."""

from typing import Any

from smllmun_bench.evaluate_modules.base import STRING, StringMetric, mean
from smllmun_bench.metrics.states import State, answer_state, is_correct, mark_constant
from smllmun_bench.schema import Kind


class AnswerStates(StringMetric):
    """Shares of correct, wrong, refusal and broken answers to open questions, one string for everything included.

    `questions` may be empty strings where they are not known; echoes and constants are then not found.
    """

    inputs = {"predictions": STRING, "references": STRING, "questions": STRING}

    def scores(self, *, predictions: list[str], references: list[str], questions: list[str]) -> dict[str, Any]:
        each = zip(predictions, references, questions, strict=True)
        found = [answer_state(text, kind=Kind.OPEN, answer=answer, question=asked) for text, answer, asked in each]
        marked = mark_constant(
            found,
            predictions,
            questions,
            [[answer] for answer in references],
            is_right=lambda place, text: is_correct(text, kind=Kind.OPEN, answer=references[place]),
        )
        return {state.value: mean(float(one.state is state) for one in marked) for state in State}
