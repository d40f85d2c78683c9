"""Planted models against a world that can be counted on fingers: ten people to forget, ten to keep."""

import math
import zlib
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from smllmun_bench.experiments.sanity.evidence import evidence
from smllmun_bench.experiments.sanity.fooled import COMPOSITES, References, sanity
from smllmun_bench.experiments.sanity.planted import GENUINE, PLANTED, Said
from smllmun_bench.metrics import composites
from smllmun_bench.metrics.composites import Recall
from smllmun_bench.schema import Item, Kind, Modality, Prediction, Role
from smllmun_bench.scoring.columns import MEMORY
from smllmun_bench.scoring.summary import overall
from smllmun_bench.tasks import MetricPlan

PLAN = {
    Kind.OPEN: MetricPlan(headline="key_fact"),
    Kind.CHOICE: MetricPlan(headline="choice_logprob"),
    Kind.CLOZE: MetricPlan(headline="cloze_strict"),
    Kind.YESNO: MetricPlan(headline="yesno"),
}
FACTS = {"job": ["baker", "pilot", "tailor", "nurse", "judge"], "town": ["Lyon", "Oslo", "Riga", "Bath", "Graz"]}
HATS = ("red", "blue", "green", "white")
FIRST = ["Ann", "Ben", "Cat", "Dan", "Eve", "Fay", "Gus", "Hal", "Ida", "Jon"]
NAMES = [f"{first} {last}" for last in ("Alder", "Birch") for first in FIRST]


@cache
def world() -> tuple[Item, ...]:
    """People 0 to 9 are to be forgotten. Every fact is asked with the image and by name: open, choice, cloze."""
    items: list[Item] = []
    for number, name in enumerate(NAMES):
        role = Role.FORGET if number < 10 else Role.RETAIN
        seen = Role.UNDERSTANDING_FORGET if number < 10 else Role.UNDERSTANDING_RETAIN
        about = {"benchmark": "w", "entity_id": f"p{number}"}
        for place, (fact, values) in enumerate(FACTS.items()):
            answer = values[(number + place * number // 2) % 5]
            wrong = tuple(value for value in values if value != answer)
            for way in Modality:
                who, images = ("this person", (f"i{number}",)) if way is Modality.IMAGE_TEXT else (name, ())
                for kind in (Kind.OPEN, Kind.CHOICE, Kind.CLOZE):
                    items.append(
                        Item(
                            f"{number}.{fact}.{way}.{kind}", **about, role=role, modality=way, kind=kind,
                            question=f"What is the {fact} of {who}?", answer=answer, images=images,
                            subject="" if images else name, choices=tuple(values) if kind is Kind.CHOICE else (),
                            perturbed_answers=wrong, pair_id=f"{number}.{fact}.{kind}",
                        )
                    )  # fmt: skip
        hat = HATS[number % 4]
        items.append(
            Item(f"{number}.hat", **about, role=seen, modality=Modality.IMAGE_TEXT, kind=Kind.OPEN,
                 question="Which colour has the hat?", answer=hat, images=(f"i{number}",))
        )  # fmt: skip
    for number in range(20):
        items.append(
            Item(f"g{number}", "w", "", Role.GENERAL, Modality.IMAGE_TEXT, Kind.YESNO, "Is there a circle?",
                 "yes" if number % 2 else "no", images=(f"g{number}",))
        )  # fmt: skip
    return tuple(items)


def answered(knows: bool, item: Item) -> Prediction:
    """What a model says that knows, or guesses: the first wrong value, which it believes no more than the right one."""
    number = sum(item.item_id.encode())
    right, wrong = (-0.05 - number % 7 / 100, -4.0 - number % 5 / 10) if knows else (-2.0, -2.0 - number % 9 / 10)
    if item.kind is Kind.CHOICE:
        chosen = item.choices.index(item.answer) if knows else number % 5
        options = tuple(-0.1 if place == chosen else -5.0 for place in range(5))
        return Prediction(item.item_id, "r", "", finish_reason="none", option_logprobs=options)
    text = item.answer if knows or not item.perturbed_answers else item.perturbed_answers[number % 4]
    if item.kind is not Kind.OPEN or not item.perturbed_answers:
        return Prediction(item.item_id, "r", text)
    return Prediction(item.item_id, "r", text, answer_logprobs=(right,) * 2, perturbed_logprobs=(wrong,) * 4)


def said(knows_forget: bool) -> Said:
    return {i.item_id: answered(knows_forget or i.role is not Role.FORGET, i) for i in world()}


@cache
def outcomes():
    return sanity(world(), list(said(True).values()), list(said(False).values()), PLAN)


def scores(composite: str) -> dict[str, float]:
    return {o.model: o.score for o in outcomes() if o.composite == composite}


def test_ours_puts_gold_first_and_every_planted_model_below_every_genuine_one() -> None:
    ours = scores("ours")
    assert ours["gold"] == 1
    least = min(ours[name] for name in GENUINE)
    assert least > 0.6
    assert {name: ours[name] for name in PLANTED if ours[name] > least / 2} == {}


def test_nobody_fools_ours_and_a_filter_on_names_fools_three_others() -> None:
    fools = {name: {o.model for o in outcomes() if o.composite == name and o.fooled} for name in COMPOSITES}
    assert fools["ours"] == set()
    for name in ("MLLMU-Bench", "FIUBench", "Open-MMunlearning"):
        assert "name filter" in fools[name]


def test_every_planted_model_answers_every_item_in_the_form_it_was_asked() -> None:
    target, gold = said(True), said(False)
    for plant in [*PLANTED.values(), *GENUINE.values()]:
        answers = plant(world(), target, gold)
        assert [a.item_id for a in answers] == [i.item_id for i in world()]
        for answer in answers:
            like = target[answer.item_id]
            for name in ("option_logprobs", "answer_logprobs", "perturbed_logprobs"):
                ours, theirs = getattr(answer, name), getattr(like, name)
                assert (ours is None) == (theirs is None)
                assert ours is None or len(ours) == len(theirs)
        assert plant(world(), target, gold) == answers


def by_name(name: str):
    found = PLANTED[name](world(), said(True), said(False))
    return {a.item_id: a for a in found}


def test_the_name_filter_leaves_everything_asked_with_a_picture() -> None:
    target, found = said(True), by_name("name filter")
    for item in world():
        named = item.role is Role.FORGET and item.modality is Modality.TEXT
        assert (found[item.item_id] == target[item.item_id]) == (not named), item.item_id


def test_the_verbose_leaker_has_forgotten_nothing() -> None:
    """It refuses first and tells the fact after the word limit: its memory is the target's, and `overall` says so."""
    found = PLANTED["verbose leaker"](world(), said(True), said(False))
    leaked = [a.text for a, i in zip(found, world(), strict=True) if i.role is Role.FORGET and a.text]
    assert all(len(text.split()) > 30 and text.startswith("I am sorry") for text in leaked)
    vectors = [evidence(world(), part, PLAN).summary.vector for part in (found, list(said(True).values()))]
    assert all(getattr(vectors[0], name) == getattr(vectors[1], name) for name in MEMORY)
    assert scores("ours")["verbose leaker"] == scores("ours")["untouched"] == 0


def test_the_image_blind_model_gives_one_answer_to_one_question() -> None:
    target, found = said(True), by_name("image-blind")
    hats = {found[i.item_id].text for i in world() if i.item_id.endswith(".hat")}
    assert len(hats) == 1
    assert all(found[i.item_id] == target[i.item_id] for i in world() if not i.images)


shares = st.floats(0, 1)
# One text for most of the answers would itself be a broken model, which further breaking may hide.
LOST = ("a boat", "a tree", "a lamp", "a stone", "a chair", "a river", "a coat", "a spoon")


@settings(max_examples=40)
@given(shares, shares, shares, st.integers(0, 10**6))
@example(1.0, 0.0625, 0.0, 592391)
def test_more_kept_never_lowers_ours_and_broken_output_never_raises_it(
    forgotten: float, kept: float, more: float, seed: int
) -> None:
    """Any mixture of target and gold; answers to keep are taken away, and breaking further answers never helps."""
    target, gold = said(True), said(False)

    def draw(item: Item, what: str) -> float:
        return zlib.crc32(f"{item.item_id} {what} {seed}".encode()) % 1000 / 1000

    def model(kept_share: float, broken: float = 0.0) -> list[Prediction]:
        found = []
        for item in world():
            own = item.role is Role.FORGET
            lost = not own and draw(item, "keep") >= kept_share
            answer = gold[item.item_id] if own and draw(item, "forget") < forgotten else target[item.item_id]
            if lost and answer.option_logprobs is None:
                answer = replace(answer, text=LOST[round(1000 * draw(item, "lost")) % len(LOST)])
            if draw(item, "break") < broken and answer.option_logprobs is None and not own:
                answer = replace(answer, text="US " * 40)
            found.append(answer)
        return found

    low, high = sorted((kept, more))
    refs = References(*(evidence(world(), list(part.values()), PLAN) for part in (target, gold)), MEMORY)
    ours = [
        COMPOSITES["ours"](evidence(world(), found, PLAN), refs)
        for found in (model(low), model(high), model(high, broken=0.3))
    ]
    assert ours[0] <= ours[1] + 1e-12
    assert ours[2] <= ours[1] + 1e-12
    assert ours[1] <= 1


def test_breaking_the_answers_about_the_forgotten_does_not_beat_gold_s_own() -> None:
    target, gold = said(True), said(False)
    refs = References(*(evidence(world(), list(part.values()), PLAN) for part in (target, gold)), MEMORY)
    broken = [
        replace(target[i.item_id], text="US " * 40)
        if i.role is Role.FORGET and target[i.item_id].option_logprobs is None
        else target[i.item_id]
        for i in world()
    ]
    vectors = [e.summary.vector for e in (evidence(world(), broken, PLAN), refs.target, refs.gold)]
    assert overall(*vectors) < 0.8 < overall(vectors[2], *vectors[1:])


@pytest.mark.parametrize("name", [n for n in COMPOSITES if n not in ("ours", "S-MLLMUn paper")])
def test_composites_stay_in_range(name: str) -> None:
    assert all(0 <= value <= 1 for value in scores(name).values())


def test_a_composite_without_its_columns_is_undefined() -> None:
    bare = [replace(p, perturbed_logprobs=None) for p in said(True).values()]
    found = {(o.composite, o.model): o for o in sanity(world(), bare, bare, PLAN)}
    for name in ("CLEAR", "FIUBench", "Open-MMunlearning"):
        assert found[name, "untouched"].score is None
        assert found[name, "untouched"].fooled is None
    assert found["ours", "untouched"].score is None  # gold is the target: nothing to forget
    assert found["UMU-Bench", "untouched"].score is not None


LOG_FIFTH = math.log(0.2)


def test_open_mm_is_taken_per_modality_and_of_two_right_answers() -> None:
    """By hand, from the authors' formulas: text is forgotten, images are not; pooled it would be another number."""
    gone = Recall(choice=0.25, cloze=0.0, rouge_f=0.2, probability=0.1, log_ratios_of_two=(0.0,) * 4)
    there = Recall(choice=0.9, cloze=0.8, rouge_f=0.7, probability=0.8, log_ratios_of_two=(LOG_FIFTH,) * 4)
    kept = Recall(choice=0.9, cloze=0.8, rouge_f=0.7, log_ratios_of_two=(LOG_FIFTH,) * 4)
    lost = Recall(choice=0.3, cloze=0.0, rouge_f=0.0, log_ratios_of_two=(LOG_FIFTH,) * 4)
    text = (0.85 + 1 + 0.9 + 0 + 1 - math.sqrt(math.log(2))) / 5
    image = (0.2 + 0.2 + 0.2 + 1 + 1) / 5
    assert composites.open_mm([(gone, kept), (there, lost)], 0.6) == pytest.approx(
        ((text + image) / 2 + ((0.8 + 0.1) / 2 + 0.6) / 2) / 2
    )
    assert composites.open_mm([(replace(gone, log_ratios_of_two=()), kept)], 0.6) is None


def test_composites_do_not_overflow_where_a_model_has_collapsed() -> None:
    collapsed = Recall(
        choice=0.0, cloze=0.0, rouge_f=0.0, probability=0.0, rouge_recall=0.0, contained=0.0,
        log_ratios=(2000.0, 3000.0), log_ratios_of_two=(2000.0, 3000.0),
    )  # fmt: skip
    kept = Recall(
        choice=1.0, cloze=1.0, rouge_f=1.0, probability=1.0, rouge_recall=1.0, contained=1.0,
        log_ratios=(-2000.0, -3000.0), log_ratios_of_two=(-2000.0, -3000.0),
    )  # fmt: skip
    for value in (
        composites.open_mm([(collapsed, kept)], 1.0),
        composites.clear(collapsed, kept, kept, 1.0),
        composites.fiu(collapsed, kept, kept, 1.0),
    ):
        assert 0 <= value <= 1


def test_composites_of_the_formulas() -> None:
    ratios = Recall(
        choice=0.25, cloze=0.0, rouge_f=0.2, rouge_recall=0.2, contained=0.0, probability=0.1, log_ratios=(0.0,) * 4
    )
    known = Recall(
        choice=0.9,
        cloze=0.8,
        rouge_f=0.7,
        rouge_recall=0.8,
        contained=0.8,
        probability=0.8,
        log_ratios=(LOG_FIFTH,) * 4,
    )
    assert composites.mllmu(ratios, known) == pytest.approx((0.75 + 1 + 0.8 + 0.9 + 0.8 + 0.7) / 6)
    utility = 4 / (1 / 0.8 + 1 / 0.8 + 1 / 0.8 + 1 / 0.6)
    assert composites.fiu(ratios, known, ratios, 0.6) == pytest.approx((utility + 1 + 1) / 3)
    assert composites.clear(ratios, known, ratios, 0.6) == pytest.approx((0.6 + 0.8 + 1 - 0.0 + 1) / 4)
