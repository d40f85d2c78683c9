"""A prompt that is longer than the model has positions is told before anything is generated, with item and counts."""

import warnings
from dataclasses import replace

import pytest

from smllmun_bench import tasks
from smllmun_bench.errors import Notice
from smllmun_bench.models.vlm import Query
from smllmun_bench.schema import Item, Kind, Modality, Role
from smllmun_bench.stages.predicting import warn_of_length

SHORT = Item("short", "b", "p1", Role.FORGET, Modality.TEXT, Kind.OPEN, "Who?", "pilot")


def test_too_long_a_prompt_is_told_once_with_item_and_counts(tiny):
    task, vlm = tasks.load("smllmun-toy"), tiny.vlm
    room = vlm.positions
    assert room == vlm.model.config.text_config.max_position_embeddings
    longer = replace(SHORT, item_id="longer", question="Who is it? " * room)
    longest = replace(longer, item_id="longest", question="Who is it? " * (room + 1))
    tokens = vlm.length(Query(longest.question))
    with pytest.warns(Notice) as told:
        warn_of_length(vlm, [SHORT, longer, longest], task)
    (line,) = (str(warning.message) for warning in told)
    assert line.startswith(f"2 of 3 prompts are longer than the model's {room} positions; the longest, item 'longest'")
    assert f"has {tokens} tokens" in line


def test_an_answer_that_is_scored_counts_and_what_fits_is_no_news(tiny):
    task, vlm = tasks.load("smllmun-toy"), tiny.vlm
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_length(vlm, [SHORT], task)
    passage = replace(SHORT, kind=Kind.PASSAGE, answer="It rains. " * vlm.positions)
    with pytest.warns(Notice, match="1 of 1 prompts"):
        warn_of_length(vlm, [passage], task)
