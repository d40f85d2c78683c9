"""Two forgotten people and three retained ones, by hand: what attacks are given."""

from typing import Any

import pytest
from PIL import Image

from smllmun_bench.attacks.base import AttackData
from smllmun_bench.schema import Item, Kind, Modality, Role

FACTS = {
    "a": ("Ann Mary Lee", "pilot", "Port Ann"),
    "b": ("Bo Hill", "nurse", "Ulm"),
    "x": ("Xu Day", "judge", "Rome"),
    "y": ("Yan Fox", "baker", "Oslo"),
    "z": ("Zoe Ray", "miner", "Bern"),
}
QUESTIONS = {"job": "What is the job of {who}?", "city": "Which city does {who} live in?"}


class NoImages:
    def image(self, ref: str) -> Image.Image:
        raise AssertionError("attacks look at no pixels")


def facts(entity: str, role: Role, **changes: Any) -> list[Item]:
    name, *answers = FACTS[entity]
    items = []
    for (fact, question), answer in zip(QUESTIONS.items(), answers, strict=True):
        for form, who in (("text", name), ("image", "the person in the picture")):
            items.append(
                Item(
                    f"{entity}.{fact}.{form}",
                    "hand",
                    entity,
                    role,
                    Modality.TEXT if form == "text" else Modality.IMAGE_TEXT,
                    Kind.OPEN,
                    question.format(who=who),
                    answer,
                    subject=name if form == "text" else "",
                    group="person",
                    images=() if form == "text" else (f"{entity}/16",),
                    paraphrases=(f"{fact} one?", f"{fact} two?", f"{fact} three?"),
                    paraphrased_answer=f"It is {answer}.",
                    perturbed_answers=("chef", "clerk"),
                    **changes,
                )
            )
    return items


@pytest.fixture
def data() -> AttackData:
    forgotten = [item for entity in "ab" for item in facts(entity, Role.FORGET)]
    retained = [item for entity in "xyz" for item in facts(entity, Role.RETAIN)]
    photos = {"a/16": ("a/17", "a/18", "a/19"), "b/16": ("b/17",)}
    return AttackData(forgotten, retained, (), (), (), NoImages(), photos)
