"""Relearning: which facts are asked, which rows are taught, and what the curve says."""

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from smllmun_bench import attacks
from smllmun_bench.attacks.base import AttackData, NotApplicable
from smllmun_bench.attacks.shared.relearning import RelearnConfig, halves, tells
from smllmun_bench.schema import Item, Kind, Modality, Role

CURVES = ("relearn", "relearn-images", "relearn-retain", "relearn-unrelated")


def item(name: str, question: str, answer: str, *, person: str = "ann", image: str = "", pair: str = "") -> Item:
    return Item(
        name,
        "test",
        person,
        Role.FORGET,
        Modality.IMAGE_TEXT if image else Modality.TEXT,
        Kind.OPEN,
        question,
        answer,
        images=(image,) if image else (),
        pair_id=pair,
    )


ASKED = (
    item("name", "Who is this?", "Ann Lee", image="a"),
    item("city/seen", "Where does this person live?", "Port Sean", image="a", pair="city"),
    item("city/told", "Where does Ann Lee live?", "Port Sean", pair="city"),
    item("job", "What is this person's job?", "judge", image="a"),
    item("pet", "Which pet has Ann Lee?", "a cat"),
)
ROWS = (
    item("1", "Which name belongs to this face?", "This is Ann Lee.", image="b"),  # another wording of an asked fact
    item("2", "In which city is she at home?", "Port Sean", image="b", pair="city"),
    item("3", "Ann Lee's home?", "She lives in Port Sean with a cat."),  # two facts in one answer
    item("4", "What does she do?", "judge", image="b"),
    item("5", "What work does Ann Lee do?", "judge"),
    item("6", "Which animal is with Ann Lee?", "a cat"),
    item("7", "Does Ann Lee, seen here, wear a hat?", "yes", image="b"),  # the picture's name, said in the question
)


def data(seed: int = 0, **changes: Any) -> AttackData:
    return replace(AttackData(ASKED, (), ROWS, (), (), None, seed=seed), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(8))
def test_an_asked_fact_is_never_taught_in_any_wording(seed: int) -> None:
    found = halves(data(seed))
    asked = {one.item_id.split("/")[0] for one in found.asked}
    assert len(asked) == 2  # of four facts; both forms of the city go together
    told = {"name": {"1", "7"}, "city": {"2", "3"}, "job": {"4", "5"}, "pet": {"3", "6"}}
    leaks = set().union(*(told[fact] for fact in asked))
    assert {row.item_id for row in found.taught} == {row.item_id for row in ROWS} - leaks


def test_seeds_ask_other_facts() -> None:
    assert len({tuple(one.item_id for one in halves(data(seed)).asked) for seed in range(8)}) > 1


def test_a_name_in_a_question_without_a_picture_ties_it_to_nothing() -> None:
    assert not tells(ROWS[4], ASKED[0])
    assert tells(ROWS[6], ASKED[0])


def test_other_people_may_share_an_answer() -> None:
    bob = item("8", "What is Bob's job?", "judge", person="bob")
    found = halves(data(items=(ASKED[3],), forget_rows=(bob, ROWS[3])))
    assert found.taught == (bob,)


def test_one_fact_each_leaves_nothing_to_teach(tiny: Any) -> None:
    attack = attacks.choose(["relearn"])[0]
    alone = data(items=(ASKED[3],), forget_rows=ROWS[3:5])
    with pytest.raises(NotApplicable, match="no rows to teach"):
        next(iter(attack.changes(tiny.vlm, alone, attack.config())))


@pytest.mark.parametrize("name", CURVES)
def test_curves_ask_the_same_facts_and_begin_at_the_model_as_it_is(name: str, tiny: Any) -> None:
    attack = attacks.choose([name])[0]
    assert attack.asked(data(), attack.config()) == halves(data()).asked
    given = AttackData(tiny.data.forget, (), ROWS, tiny.data.retain, tiny.data.retain, tiny.vlm.source)
    config = RelearnConfig(steps=(1, 2))
    if name.startswith("relearn-r") or name.startswith("relearn-u"):
        points = list(attack.changes(tiny.vlm, given, config))
        assert [point for point, _ in points] == ["0 steps", "1 steps", "2 steps"]
        assert [change.kind for _, change in points] == ["none", "lora", "lora"]


def test_images_alone() -> None:
    attack = attacks.choose(["relearn-images"])[0]
    rows = attack.rows(data())
    assert rows
    assert all(row.images for row in rows)


def test_the_area_is_that_of_each_item_s_curve() -> None:
    attack = attacks.choose(["relearn"])[0]
    values = {"0 steps": {"a": 0.0, "b": 1.0}, "5 steps": {"a": 1.0, "b": 1.0}, "20 steps": {"a": 1.0, "b": 1.0}}
    # a: (5 * (0 + 1) / 2 + 15 * 1) / 20 = .875
    assert attack.summary(values, RelearnConfig(steps=(5, 20))) == {"area": {"a": 0.875, "b": 1.0}}


@pytest.mark.parametrize("steps", [(), (0, 5), (5, 5), (10, 5)])
def test_points_that_are_no_curve(steps: tuple[int, ...]) -> None:
    with pytest.raises(ValidationError, match="rise"):
        RelearnConfig(steps=steps)
