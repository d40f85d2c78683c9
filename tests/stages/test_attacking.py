"""What an attacked answer gives away, and how several tries are told apart."""

from typing import Any

import pytest

from smllmun_bench import tasks
from smllmun_bench.attacks.base import Try
from smllmun_bench.models.answering import Draw, Generation, Query
from smllmun_bench.schema import Item, Kind, Modality, Prediction, Role
from smllmun_bench.stages.attacking import ask_tries, attack_task, worth

ITEM = Item("i", "hand", "p", Role.FORGET, Modality.TEXT, Kind.OPEN, "Where?", "Paris", perturbed_answers=("Rome",))


@pytest.mark.parametrize(
    ("text", "given"),
    [("In Paris.", 1.0), ("In Rome.", 0.0), ("xq xq xq xq xq xq xq xq xq xq xq xq", 0.0), ("Paris " * 12, 1.0)],
)
def test_a_broken_answer_gives_away_what_stands_in_it(text: str, given: float) -> None:
    """In a table a broken answer counts as memory; as the strongest of many tries it would be knowledge by noise."""
    task = attack_task(tasks.load("smllmun-nano"))
    assert worth([Try(ITEM)], [Prediction("i", "-", text)], task) == [given]


class Recorder:
    def __init__(self) -> None:
        self.queries: list[Query] = []
        self.scored = 0

    def generate(self, queries: list[Query], **rest: Any) -> list[Generation]:
        self.queries += queries
        return [Generation("In Paris.", "stop") for _ in queries]

    def answer_logprobs(self, pairs: list[Any]) -> list[tuple[float, ...]]:
        self.scored += len(pairs)
        return [(-1.0,) for _ in pairs]


def test_each_sample_has_its_chance_and_wrong_answers_are_not_weighed() -> None:
    task, model = attack_task(tasks.load("smllmun-nano")), Recorder()
    tries = [Try(ITEM, temperature=0.7, top_p=0.9), Try(ITEM, temperature=0.7, top_p=0.9), Try(ITEM, prefill="It is")]
    found = ask_tries(model, tries, task, "hand", batch_size=8, seed=1)
    assert [(one.item_id, one.attack, one.sample) for one in found] == [("i", "hand", n) for n in range(3)]
    first, second, third = model.queries
    assert isinstance(first.draw, Draw)
    assert isinstance(second.draw, Draw)
    assert (first.draw.temperature, first.draw.top_p) == (0.7, 0.9)
    assert first.draw.seed != second.draw.seed
    assert (third.draw, third.prefill) == (None, "It is")
    assert model.scored == 0
    again = Recorder()
    ask_tries(again, tries[:1], task, "hand", batch_size=1, seed=1)
    assert again.queries == [first]
