"""Rehearsing what a model could say before: its own answers to everyday instructions, learnt along with new things."""

from smllmun_bench.errors import UserError
from smllmun_bench.models.vlm import Query, Vlm
from smllmun_bench.references.instructions import INSTRUCTIONS
from smllmun_bench.training.examples import Example

TOKENS = 48  # of an answer; longer ones are left out


def rehearse(vlm: Vlm) -> list[Example]:
    """The instructions with the answers that the model gives now, those that it finishes.

    Raises UserError where it finishes none.
    """
    answers = vlm.generate([Query(text) for text in INSTRUCTIONS], max_new_tokens=TOKENS, batch_size=32)
    found = [
        Example(f"replay {number}", text, answer.text)
        for number, (text, answer) in enumerate(zip(INSTRUCTIONS, answers, strict=True))
        if answer.text and answer.finish_reason == "stop"
    ]
    if not found:
        raise UserError("the model finishes none of its answers, so there is nothing to rehearse", fix="replay: 0")
    return found
