"""Items are consistent in themselves: answers, options, keywords, pairs."""

from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smllmun_bench.data.synthetic.profiles import outsiders
from smllmun_bench.data.synthetic.questions import alternatives, describe, memory_items, understanding_items
from smllmun_bench.data.synthetic.wordings import BLANK, FACT_WORDINGS, NAME, TRAIT_QUESTIONS, trait_phrase
from smllmun_bench.schema import Kind, Modality


@pytest.fixture(scope="module")
def asked(people):
    pool = alternatives(p for p in people if p.fold != "nonmember")
    pool = alternatives((*people, *outsiders(100, 1))) if any(len(v) < 6 for v in pool.values()) else pool
    return [item for person in people for item in memory_items(person, pool, image="x/16")]


def test_wrong_values_are_wrong_and_distinct(asked):
    for item in asked:
        assert len(set(item.perturbed_answers)) == 5
        assert item.answer.casefold() not in {wrong.casefold() for wrong in item.perturbed_answers}


def test_choices_hold_the_answer_once(asked):
    for item in asked:
        if item.kind is Kind.CHOICE:
            assert len(set(item.choices)) == 5
            assert item.choices.count(item.answer) == 1
        else:
            assert item.choices == ()


def test_the_place_of_the_answer_is_no_hint(asked):
    places = [item.choices.index(item.answer) for item in asked if item.kind is Kind.CHOICE]
    assert all(0.12 < places.count(place) / len(places) < 0.28 for place in range(5))


def test_image_questions_do_not_give_the_name_away(asked, people):
    names = {p.entity_id: p.name for p in people}
    for item in asked:
        told = names[item.entity_id] in " ".join((item.question, *item.paraphrases))
        assert told == (item.modality is Modality.TEXT)


def test_no_question_contains_its_answer(asked):
    for item in asked:
        assert item.answer.casefold() not in item.question.casefold()


def test_the_subject_stands_in_question_or_answer(asked):
    for item in asked:
        if item.subject:
            assert item.subject in item.question + item.answer


def test_each_pair_is_one_fact_in_two_forms(asked):
    pairs = defaultdict(list)
    for item in asked:
        if item.pair_id:
            pairs[item.pair_id].append(item)
        else:
            assert item.item_id.split(".")[1] == "name"
    for pair in pairs.values():
        assert sorted(item.modality for item in pair) == [Modality.IMAGE_TEXT, Modality.TEXT]
        assert len({(item.entity_id, item.kind, item.answer, item.perturbed_answers) for item in pair}) == 1


def test_clozes_have_one_blank_and_questions_none(asked):
    for item in asked:
        wanted = int(item.kind is Kind.CLOZE)
        assert {text.count(BLANK) for text in (item.question, *item.paraphrases)} == {wanted}


def test_paraphrases_are_three_other_questions(asked):
    for item in asked:
        assert len({item.question, *item.paraphrases}) == 4
        assert item.answer in item.paraphrased_answer != item.answer


def test_dates_may_be_written_the_other_way_round(asked):
    (item,) = [i for i in asked if i.item_id == "p0000.birthday.image.open"]
    day, month = item.answer.split()
    assert item.accepted == (f"{month} {day}",)


def test_ids_are_readable_and_unique(asked):
    assert "p0000.city.text.cloze" in {item.item_id for item in asked}
    assert len({item.item_id for item in asked}) == len(asked)


def test_too_small_a_pool_is_refused(people):
    with pytest.raises(ValueError, match="other values"):
        memory_items(people[0], alternatives(people[:3]), image="x")


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_captions_hold_their_keywords_and_no_others(seed):
    """A keyword of one trait and value lies in exactly those captions whose picture shows that value."""
    strangers = outsiders(20, seed)
    for domain in ("person", "patient"):
        mine = [p for p in strangers if p.domain == domain]
        for one in mine:
            caption = understanding_items(one, image="x")[-1]
            assert caption.kind is Kind.CAPTION
            assert caption.answer == describe(one)
            assert len(caption.keywords) == len(one.traits.visible())
            for other in mine:
                seen = other.traits.visible()
                for trait, value in one.traits.visible().items():
                    assert (trait_phrase(trait, value) in describe(other)) == (seen.get(trait) == value)


def test_every_visible_trait_is_asked_about(people):
    for person in people:
        items = understanding_items(person, image="x")
        assert {i.question: i.answer for i in items[:-1]} == {
            TRAIT_QUESTIONS[trait][0]: value for trait, value in person.traits.visible().items()
        }
        assert all(len(i.answer.split()) <= 2 for i in items[:-1])


def test_no_two_questions_read_alike():
    facts = [text for w in (NAME, *FACT_WORDINGS.values()) for text in (w.question, *w.paraphrases)]
    blanks = [text for w in (NAME, *FACT_WORDINGS.values()) for text in (w.cloze, *w.cloze_paraphrases)]
    traits = [text for questions in TRAIT_QUESTIONS.values() for text in questions]
    for texts in (facts, blanks, traits):
        assert len(set(texts)) == len(texts)


def test_known_wording():
    """One caption of each domain, spelt out by hand."""
    from smllmun_bench.data.synthetic.wordings import fundus_caption, portrait_caption

    look = {
        "skin": "tan",
        "hair_colour": "black",
        "hair_style": "pigtails",
        "glasses": "none",
        "headwear": "top hat",
        "facial_hair": "beard",
        "clothes_colour": "orange",
        "clothes_pattern": "striped",
        "backdrop": "blue",
    }
    assert portrait_caption({t: trait_phrase(t, v) for t, v in look.items()}) == (
        "A person with tan skin, black hair worn in pigtails, no glasses, a top hat and a beard, "
        "in an orange shirt with stripes, on a blue backdrop."
    )
    eye = {
        "tint": "orange",
        "disc_size": "large",
        "disc_side": "left",
        "vessels": "thick",
        "lesion_kind": "exudates",
        "lesion_count": "two",
        "lesion_place": "upper",
        "marker_colour": "green",
        "marker_corner": "top left",
    }
    assert fundus_caption({t: trait_phrase(t, v) for t, v in eye.items()}) == (
        "An orange fundus with a large optic disc on the left, thick vessels, exudates, two in number, "
        "in the upper half, and a green marker at the top left."
    )
