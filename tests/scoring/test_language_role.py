"""General language as a role: its columns, its part in `overall`, its intervals, and a model that is really asked."""

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest

from smllmun_bench.data.general.language import GeneralLanguage
from smllmun_bench.data.source import Split
from smllmun_bench.schema import Direction, Item, Kind, Modality, Prediction, Role, Score
from smllmun_bench.scoring.columns import LARGEST_LOSS, NOT_GENERATED
from smllmun_bench.scoring.intervals import row_intervals
from smllmun_bench.scoring.items import score_items
from smllmun_bench.scoring.summary import overall, summarise
from smllmun_bench.scoring.vectors import ScoreVector
from smllmun_bench.stages.predicting import limited, predict_items
from smllmun_bench.tasks import ChoiceHandling, Generation, MetricPlan

PLAN = {
    Kind.OPEN: MetricPlan(headline="key_fact", also=("probability", "meaningful")),
    Kind.CHOICE: MetricPlan(headline="choice_logprob"),
    Kind.YESNO: MetricPlan(headline="yesno"),
    Kind.PASSAGE: MetricPlan(headline="probability"),
}
DIRECTIONS = {Role.LANGUAGE: {Modality.TEXT: Direction.UP}}
TASK = SimpleNamespace(generation=Generation(max_new_tokens=4), choice=ChoiceHandling(listed=False, answer="logprob"))


def item(name: str, kind: Kind, answer: str, **more: object) -> Item:
    return Item(name, "general_language", "", Role.LANGUAGE, Modality.TEXT, kind, f"{name}?", answer, **more)  # type: ignore[arg-type]


ITEMS = [
    item("open", Kind.OPEN, "Paris"),
    item("choice", Kind.CHOICE, "red", choices=("red", "blue")),
    item("first", Kind.PASSAGE, "and so on"),
    item("second", Kind.PASSAGE, "to the end"),
]


def said(text: str = "It is Paris.", *passages: float) -> list[Prediction]:
    first, second = passages or (0.5, 0.125)
    return [
        Prediction("open", "", text),
        Prediction("choice", "", "", "none", option_logprobs=(-1.0, -2.0)),
        *(
            Prediction(name, "", "", "none", answer_logprobs=(math.log(p),) * 3)
            for name, p in (("first", first), ("second", second))
        ),
    ]


def test_questions_and_passages_are_kept_apart() -> None:
    vector = summarise(score_items(ITEMS, said(), PLAN, directions=DIRECTIONS)).vector
    assert vector.language == 1
    assert vector.passages == pytest.approx((0.5 + 0.125) / 2)
    assert vector.language_loss == pytest.approx(math.log(4))  # the mean of ln 2 and ln 8
    assert vector.general_vqa is None


def test_a_passage_has_no_state_of_answer() -> None:
    scores = score_items(ITEMS, said(), PLAN, directions=DIRECTIONS)
    assert [score.state for score in scores] == ["correct", "correct", NOT_GENERATED, NOT_GENERATED]
    assert all("meaningful" not in score.values for score in scores if score.kind is Kind.PASSAGE)
    assert summarise(scores).vector.broken == 0


def test_a_broken_speaker_loses_the_open_questions_and_keeps_the_choices() -> None:
    vector = summarise(score_items(ITEMS, said("Paris Paris " * 30), PLAN, directions=DIRECTIONS)).vector
    assert vector.language == 0.5
    assert vector.broken == 0.5


def test_declining_is_over_refusal() -> None:
    vector = summarise(score_items(ITEMS, said("I do not know."), PLAN, directions=DIRECTIONS)).vector
    assert (vector.refusal_retain, vector.refusal_forget, vector.language) == (1, None, 0.5)


def test_a_model_that_computes_no_number_is_broken_and_its_loss_is_finite() -> None:
    scores = score_items(ITEMS, said("Paris", math.nan, math.nan), PLAN, directions=DIRECTIONS)
    assert [score.state for score in scores[2:]] == ["broken", "broken"]
    vector = summarise(scores).vector
    assert (vector.passages, vector.language_loss, vector.broken) == (0, LARGEST_LOSS, 0.5)


def vector(**columns: float) -> ScoreVector:
    same = dict.fromkeys(("retain_image", "understanding_retain", "general_vqa"), 1.0) | {"broken": 0.0}
    empty = dict.fromkeys(ScoreVector.__slots__)
    return ScoreVector(**(empty | same | columns))  # type: ignore[arg-type]


TARGET, GOLD, UNLEARNED = vector(forget_image=1.0), vector(forget_image=0.0), vector(forget_image=0.2)


def test_language_is_one_more_ability_of_overall() -> None:
    without = overall(UNLEARNED, TARGET, GOLD)
    kept, lost = (
        overall(*(replace(v, language=s) for v, s in zip((UNLEARNED, TARGET, GOLD), scores, strict=True)))
        for scores in ((0.8, 0.8, 0.8), (0.4, 0.8, 0.8))
    )
    assert without == pytest.approx(4 / (1 / 0.8 + 3))
    assert kept == pytest.approx(5 / (1 / 0.8 + 4))
    assert lost == pytest.approx(5 / (1 / 0.8 + 3 + 2))


def test_passages_are_no_part_of_overall() -> None:
    worse = [replace(v, passages=s) for v, s in ((UNLEARNED, 0.01), (TARGET, 0.3), (GOLD, 0.3))]
    assert overall(*worse) == overall(UNLEARNED, TARGET, GOLD)


def scores(values: dict[Kind, list[float]]) -> list[Score]:
    return [
        Score(f"{kind}/{number}", "", Role.LANGUAGE, Modality.TEXT, kind, "correct", value)
        for kind, row in values.items()
        for number, value in enumerate(row * 10)
    ]


def test_intervals_of_both_columns() -> None:
    ours = scores({Kind.OPEN: [0.0, 1.0], Kind.PASSAGE: [0.2, 0.2]})
    found = row_intervals([ours], ours, ours)
    assert found["language"].low < 0.5 < found["language"].high
    assert tuple(found["passages"]) == pytest.approx((0.2, 0.2))


def test_drawing_language_leaves_the_other_columns_as_they_were() -> None:
    people = [
        Score(f"f{n}", f"f{n}", Role.FORGET, Modality.TEXT, Kind.OPEN, "correct", float(n % 2)) for n in range(10)
    ]
    more = [*people, *scores({Kind.OPEN: [0.0, 1.0]})]
    assert row_intervals([people], people, None)["forget_text"] == row_intervals([more], more, None)["forget_text"]


def test_a_model_is_asked_everything_and_only_weighs_passages(tiny) -> None:
    asked = limited(GeneralLanguage().items(Split.EVALUATE), 12)
    asked += [one for one in GeneralLanguage().questions() if one.kind is not Kind.OPEN][:25]
    assert {one.kind for one in asked} >= {Kind.OPEN, Kind.CHOICE, Kind.PASSAGE, Kind.YESNO}
    done: list[int] = []
    answers = predict_items(tiny.vlm, asked, TASK, run_id="r", batch_size=16, on_done=done.append)  # type: ignore[arg-type]
    assert [answer.item_id for answer in answers] == [one.item_id for one in asked]
    assert sum(done) == len(asked)
    for one, answer in zip(asked, answers, strict=True):
        weighed = one.kind in (Kind.CHOICE, Kind.PASSAGE)
        assert (answer.finish_reason == "none") == weighed
        assert (answer.answer_logprobs is not None) == (one.kind is Kind.PASSAGE)
        assert len(answer.option_logprobs or ()) == (len(one.choices) if one.kind is Kind.CHOICE else 0)
    found = summarise(score_items(asked, answers, PLAN, directions=DIRECTIONS)).vector
    assert 0 < found.passages < 1
    assert 0 < found.language_loss < LARGEST_LOSS


def test_a_passage_is_weighed_without_the_end_that_it_does_not_have(tiny) -> None:
    from smllmun_bench.models.vlm import Query

    (passage, *_) = GeneralLanguage().passages()
    (answer,) = predict_items(tiny.vlm, [passage], TASK, run_id="r", batch_size=4)  # type: ignore[arg-type]
    (row,) = tiny.vlm.answer_logprobs([(Query(passage.question), passage.answer)])
    assert answer.answer_logprobs == pytest.approx(row[:-1])


def test_a_limit_keeps_passages() -> None:
    kept = limited(GeneralLanguage().items(Split.EVALUATE), 3)
    assert [one.kind is Kind.PASSAGE for one in kept] == [False] * 3 + [True] * 3
