"""What is shown under each attack by pictures, and that the controls show somebody else or nobody."""

from dataclasses import replace

import pytest
from pydantic import ValidationError

from smllmun_bench import attacks
from smllmun_bench.attacks.base import AttackData, NotApplicable, Try
from smllmun_bench.data.alterations import beside, blurred, cropped, mirrored, noisy


def shown(name: str, data: AttackData, item_id: str = "a.job.image", **settings: object) -> list[Try]:
    attack = attacks.get(name)
    tries = attack.tries(data, attack.config(**settings))
    assert {one.item.item_id for one in tries} == {item.item_id for item in data.items if item.images}
    return [one for one in tries if one.item.item_id == item_id]


def pictures(tries: list[Try]) -> list[tuple[str, ...]]:
    return [one.item.images for one in tries]


def test_each_strength_is_a_try(data: AttackData) -> None:
    assert pictures(shown("blur", data, radii=(0.01, 0.1))) == [(blurred("a/16", 0.01),), (blurred("a/16", 0.1),)]
    assert pictures(shown("crop", data, shares=(0.5,))) == [(cropped("a/16", 0.5),)]
    assert pictures(shown("picture-noise", data, levels=(0.2,))) == [(noisy("a/16", 0.2),)]
    assert pictures(shown("mirrored", data)) == [(mirrored("a/16"),)]


def test_new_photos_are_further_ones_of_the_same_person(data: AttackData) -> None:
    assert pictures(shown("new-photo", data)) == [("a/17",), ("a/18",)]
    assert pictures(shown("new-photo", data, "b.job.image")) == [("b/17",)]
    assert attacks.get("new-photo").needs.photos
    with pytest.raises(NotApplicable, match="no second photo"):
        shown("new-photo", replace(data, photos={}))


def test_the_controls_show_a_retained_person_and_nobody(data: AttackData) -> None:
    [other] = shown("other-photo", data)
    assert other.item.images[0] in {"x/16", "y/16", "z/16"}
    assert other.item.question == "What is the job of the person in the picture?"
    [without] = shown("no-photo", data)
    assert (without.item.images, without.item.modality) == ((), "text")
    with pytest.raises(NotApplicable, match="0 retained people"):
        shown("other-photo", replace(data, others=()))


def test_in_a_group_the_question_says_who_is_meant(data: AttackData) -> None:
    places = set()
    for item_id in ("a.job.image", "a.city.image", "b.job.image", "b.city.image"):
        [one] = shown("group-photo", data, item_id)
        place = ("first", "second", "third").index(one.item.question.split()[3])
        places.add(place)
        assert one.item.question.startswith(f"Look at the {one.item.question.split()[3]} of 3 people from the left. W")
        pairs = [(p, q) for p in "xyz" for q in "xyz" if p != q]
        own = f"{item_id[0]}/16"
        assert one.item.images[0] in {beside(own, [f"{p}/16", f"{q}/16"], place) for p, q in pairs}
    assert len(places) > 1
    with pytest.raises(NotApplicable, match="3 retained people have a photo, 4"):
        shown("group-photo", data, people=5)
    with pytest.raises(ValidationError):
        shown("group-photo", data, people=6)


def test_without_pictures_there_is_nothing_to_alter(data: AttackData) -> None:
    words = replace(data, items=[item for item in data.items if not item.images])
    for name in ("blur", "crop", "mirrored", "no-photo", "group-photo", "typographic"):
        with pytest.raises(NotApplicable, match="about a picture"):
            attacks.get(name).tries(words, attacks.get(name).config())
