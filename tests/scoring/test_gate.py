"""The gate: a target that never knew, or that lost what it had, is no yardstick."""

import random
from dataclasses import replace

import pytest

from smllmun_bench.schema import Kind, Modality, Role, Score
from smllmun_bench.scoring.gate import Verdict, gate

ROLES = (Role.FORGET, Role.RETAIN, Role.UNDERSTANDING_FORGET, Role.UNDERSTANDING_RETAIN, Role.GENERAL)


def scored(people: int = 20, questions: int = 4, seed: int = 0, **shares: float) -> list[Score]:
    """`shares`: how many answers of a role are right (`forget_text` for one modality); unnamed roles are all right."""
    chance, found = random.Random(seed), []
    for role in ROLES:
        ways = (Modality.IMAGE_TEXT, Modality.TEXT) if role in (Role.FORGET, Role.RETAIN) else (Modality.IMAGE_TEXT,)
        for way in ways:
            share = shares.get(f"{role}_{way}", shares.get(role.value, 1.0))
            for person in range(people):
                for question in range(questions):
                    right = float(chance.random() < share)
                    who = "" if role is Role.GENERAL else f"{role}{person}"
                    name = f"{role}/{way}/{person}/{question}"
                    found.append(Score(name, who, role, way, Kind.OPEN, "correct" if right else "wrong", right))
    return found


def test_a_target_that_knows_opens_the_gate() -> None:
    found = gate(scored(forget=0.1, retain=0.1), scored(), scored(forget=0.1, seed=1))
    assert (found.verdict, found.measurable, found.failed()) == (Verdict.OPEN, ("forget_image", "forget_text"), ())


def test_a_target_equal_to_its_base_has_nothing_to_forget() -> None:
    same = scored(forget=0.3, retain=0.3)
    found = gate(same, same, None)
    assert (found.verdict, found.measurable) == (Verdict.NOTHING_TO_FORGET, ())
    assert {check.column for check in found.failed()} == {"forget_image", "forget_text", "retain_image", "retain_text"}


def test_a_difference_within_the_noise_is_no_memory() -> None:
    """Published once: 38.78 % for the target, 36.73 % for gold, on 245 questions each."""
    answers = {"target": 95, "gold": 90}
    models = {
        name: [
            Score(f"q{n}", f"p{n // 5}", Role.FORGET, Modality.IMAGE_TEXT, Kind.OPEN, "", float(n * 97 % 245 < right))
            for n in range(245)
        ]
        for name, right in answers.items()
    }
    shuffled = random.Random(0).sample(range(245), 90)
    models["gold"] = [
        Score(s.item_id, s.entity_id, s.role, s.modality, s.kind, "", float(n in shuffled))
        for n, s in enumerate(models["gold"])
    ]
    never = [Score(s.item_id, s.entity_id, s.role, s.modality, s.kind, "", 0.0) for s in models["gold"]]
    assert gate(never, models["target"], None).verdict is Verdict.OPEN
    found = gate(never, models["target"], models["gold"])
    assert found.verdict is Verdict.NOTHING_TO_FORGET
    assert [check.against for check in found.failed()] == ["gold"]


def test_one_modality_may_be_all_there_is_to_forget() -> None:
    base = scored(forget=0.1, retain=0.1)
    found = gate(base, scored(forget_text=0.1, seed=2), scored(forget=0.1, seed=1))
    assert (found.verdict, found.measurable) == (Verdict.OPEN, ("forget_image",))


@pytest.mark.parametrize(("left", "damaged"), [(1.0, False), (0.97, False), (0.6, True)])
def test_abilities_may_cost_a_margin_and_no_more(left: float, damaged: bool) -> None:
    found = gate(scored(forget=0.1, retain=0.1), scored(general=left, seed=3), None)
    assert (found.verdict is Verdict.TARGET_DAMAGED) == damaged
    assert [check.column for check in found.failed()] == (["general_vqa"] if damaged else [])


def test_both_verdicts_are_told() -> None:
    assert gate(scored(forget=0.1), scored(forget=0.1, general=0.5), None).verdict is Verdict.BOTH


def test_one_person_is_judged_by_the_questions() -> None:
    base, target = scored(people=1, questions=8, forget=0.0, retain=0.0), scored(people=1, questions=8)
    assert gate(base, target, None).verdict is Verdict.OPEN
    mixed = scored(people=1, questions=8, forget=0.1, seed=2)
    assert gate(base, mixed, None).verdict is Verdict.NOTHING_TO_FORGET


def test_people_and_not_questions_are_the_unit() -> None:
    """One of three people is known in all 40 questions: as questions that is certain, as people it is not."""
    base = scored(people=3, questions=40, forget=0.0)
    target = [
        Score(s.item_id, s.entity_id, s.role, s.modality, s.kind, s.state, float(s.entity_id == "forget0"))
        if s.role is Role.FORGET
        else s
        for s in base
    ]
    assert gate(base, target, None).verdict is Verdict.NOTHING_TO_FORGET


def test_models_that_were_asked_different_things_cannot_be_held_together() -> None:
    with pytest.raises(ValueError, match="same identities"):
        gate(scored(people=3), scored(people=4), None)


def broken(scores: list[Score]) -> list[Score]:
    """Broken answers to what should be forgotten count as memory, elsewhere as nothing (`scoring.items`)."""
    return [replace(s, state="broken", headline=float(s.role is Role.FORGET)) for s in scores]


def test_a_broken_base_decides_nothing_where_there_is_a_gold() -> None:
    """Target .750, base 1.000, gold .000: there is something to forget, and the base is said to be broken."""
    target, gold = scored(forget=0.75), scored(forget=0.0, seed=1)
    found = gate(broken(target), target, gold)
    assert (found.verdict, found.measurable) == (Verdict.OPEN, ("forget_image", "forget_text"))
    assert found.base_broken == ("forget_image", "forget_text")
    assert found.lines()[0] == "base broken: most of its answers are, in forget_image, forget_text"


def test_without_a_gold_a_broken_base_is_not_called_nothing_to_forget() -> None:
    target = scored(forget=0.75)
    assert gate(broken(target), target, None).verdict is Verdict.BASE_BROKEN


def test_what_gold_knows_as_well_is_nothing_to_forget_whatever_the_base() -> None:
    target = scored(forget=0.75)
    for base in (broken(target), scored(forget=0.0)):
        assert gate(base, target, scored(forget=0.75)).verdict is Verdict.NOTHING_TO_FORGET


def test_a_sound_base_is_not_called_broken() -> None:
    found = gate(scored(forget=0.8, seed=4), scored(forget=0.8), None)
    assert (found.verdict, found.base_broken) == (Verdict.NOTHING_TO_FORGET, ())
