"""The questions, passages and lines of general language, and the part of a task that asks them."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smllmun_bench import tasks
from smllmun_bench.config import read_yaml
from smllmun_bench.data.combined import TaskData
from smllmun_bench.data.general.language import CONTINUE, GeneralLanguage
from smllmun_bench.data.source import Split
from smllmun_bench.errors import UserError
from smllmun_bench.metrics.choice import right_choices
from smllmun_bench.metrics.item_metrics import ITEM_METRICS
from smllmun_bench.metrics.text import bare, contains, words
from smllmun_bench.schema import Fold, Item, Kind, Modality, Prediction, Role

LANGUAGE = GeneralLanguage()
QUESTIONS, PASSAGES, LINES = LANGUAGE.questions(), LANGUAGE.passages(), LANGUAGE.train_items()
OF_KIND = {kind: [item for item in QUESTIONS if item.kind is kind] for kind in Kind}
READING = "reading"  # its answers stand in the story

NANO = (Path(__file__).parents[3] / "tasks" / "smllmun-nano.yaml").read_text(encoding="utf-8")
PART = "language: {adapter: general_language, sample: 240, seed: 0}\n"


def task(tmp_path: Path, *, part: str = PART, direction: str = "  language: {text: up}\n") -> tasks.TaskSpec:
    """The nano task, which asks language too."""
    text = NANO.replace("metrics:\n", "metrics:\n  passage: {headline: probability}\n")
    text = text.replace("general: {adapter", direction + "general: {adapter")
    path = tmp_path / "smllmun-nano.yaml"
    path.write_text(text + part, encoding="utf-8")
    return read_yaml(path, tasks.TaskSpec)


def test_there_are_enough_of_each_kind() -> None:
    assert len(QUESTIONS) >= 240
    assert len(PASSAGES) == 20
    assert len(LINES) >= 200
    assert len(OF_KIND[Kind.CHOICE]) >= len(QUESTIONS) / 4
    assert {item.kind for item in PASSAGES} == {Kind.PASSAGE}


def test_ids_and_questions_are_unique_and_no_line_is_a_question() -> None:
    everything = [*QUESTIONS, *PASSAGES, *LINES]
    assert max(Counter(item.item_id for item in everything).values()) == 1
    assert max(Counter(bare(item.question) for item in everything).values()) == 1


def test_all_are_of_the_role_and_about_nobody() -> None:
    for item in (*QUESTIONS, *PASSAGES, *LINES):
        assert (item.role, item.modality, item.entity_id, item.images) == (Role.LANGUAGE, Modality.TEXT, "", ())


def test_an_open_question_does_not_give_its_answer_away() -> None:
    asked = [item for item in OF_KIND[Kind.OPEN] if item.group != READING]
    told = [item.item_id for item in asked for right in (item.answer, *item.accepted) if contains(item.question, right)]
    assert told == []


def test_accepted_answers_differ_in_normal_form() -> None:
    for item in OF_KIND[Kind.OPEN]:
        right = [bare(answer) for answer in (item.answer, *item.accepted)]
        assert all(right)
        assert len(set(right)) == len(right), item.item_id


def test_a_choice_has_one_right_option_which_stands_anywhere() -> None:
    for item in OF_KIND[Kind.CHOICE]:
        assert len(set(item.choices)) == len(item.choices) in (2, 4)
        assert len(right_choices(item.answer, item.choices)) == 1
    places = Counter(item.choices.index(item.answer) for item in OF_KIND[Kind.CHOICE] if len(item.choices) == 4)
    assert set(places) == {0, 1, 2, 3}
    assert max(places.values()) - min(places.values()) <= 3


def test_yes_and_no_are_right_equally_often() -> None:
    assert len({*Counter(item.answer for item in OF_KIND[Kind.YESNO]).values()}) == 1


@given(st.sampled_from(OF_KIND[Kind.OPEN]), st.sampled_from(["{}", "{}.", "It is {}.", "I think that it is {}!"]))
def test_a_right_answer_counts_whatever_its_form(item: Item, form: str) -> None:
    for answer in (item.answer, *item.accepted):
        said = Prediction(item.item_id, "", form.format(answer))
        assert ITEM_METRICS["key_fact"](item, said) == 1


@given(
    st.sampled_from(OF_KIND[Kind.OPEN]), st.sampled_from(["", "I do not know.", "zxqv kjrt wqx", "the the the " * 20])
)
def test_no_answer_and_a_broken_one_do_not_count(item: Item, text: str) -> None:
    assert ITEM_METRICS["key_fact"](item, Prediction(item.item_id, "", text)) == 0


def test_passages_are_whole_texts_of_three_works_cut_after_a_third() -> None:
    assert len({item.group for item in PASSAGES}) >= 3
    for item in PASSAGES:
        opening, rest = item.question.removeprefix(CONTINUE).split(), item.answer.split()
        assert 50 <= len(opening) + len(rest) <= 120
        assert len(opening) == (len(opening) + len(rest)) // 3
        assert item.answer.endswith(".")


def test_lines_are_of_many_lengths() -> None:
    lengths = [len(words(item.answer)) for item in LINES]
    assert min(lengths) == 1
    assert max(lengths) >= 35


@pytest.mark.parametrize("n", [1, 30, 240, 10_000])
def test_a_sample_counts_questions_and_leaves_passages_whole(n: int) -> None:
    asked = GeneralLanguage(n).items(Split.EVALUATE)
    assert sum(item.kind is not Kind.PASSAGE for item in asked) == min(n, len(QUESTIONS))
    assert [item for item in asked if item.kind is Kind.PASSAGE] == PASSAGES


def test_a_sample_is_fixed_by_its_seed_and_has_every_topic() -> None:
    first, again, other = (GeneralLanguage(60, seed).items(Split.EVALUATE) for seed in (0, 0, 1))
    assert first == again != other
    assert {item.group for item in first} >= {item.group for item in QUESTIONS}


def test_there_is_nothing_to_memorise_and_nothing_to_see() -> None:
    with pytest.raises(UserError, match="no split 'forget_train'"):
        LANGUAGE.items(Split.FORGET_TRAIN)
    with pytest.raises(UserError, match="no image"):
        LANGUAGE.image("p1")


def test_a_task_asks_language_last_and_gives_its_lines(tmp_path: Path) -> None:
    spec = task(tmp_path)
    data = TaskData(spec, 15)
    asked = data.evaluation(Fold.TEST)
    first = next(number for number, item in enumerate(asked) if item.role is Role.LANGUAGE)
    assert asked[first:] == GeneralLanguage(240, 0).items(Split.EVALUATE)
    assert data.language_training() == LINES
    without = TaskData(tasks.load("smllmun-nano"), 15)
    assert asked[:first] == without.evaluation(Fold.TEST)
    assert without.language_training() == []


def test_a_task_without_the_part_is_dumped_as_before() -> None:
    assert "language" not in tasks.load("smllmun-toy").model_dump(mode="json")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"part": ""}, "'language' and 'direction.language' need each other"),
        ({"direction": ""}, "'language' and 'direction.language' need each other"),
    ],
)
def test_part_and_direction_need_each_other(tmp_path: Path, changes: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        task(tmp_path, **changes)


def test_passages_need_a_metric(tmp_path: Path) -> None:
    spec = task(tmp_path)
    metrics = {kind: plan for kind, plan in spec.metrics.items() if kind is not Kind.PASSAGE}
    with pytest.raises(ValueError, match=r"'language' needs 'metrics.passage'"):
        tasks.TaskSpec.model_validate(spec.model_dump() | {"metrics": metrics})
