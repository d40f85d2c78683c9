"""leak@k, statements, candidates, exposure and exact memorisation against values by hand."""

import math
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from smllmun_bench import attacks
from smllmun_bench.attacks.base import AttackData, NotApplicable
from smllmun_bench.attacks.cloze import statements
from smllmun_bench.attacks.exact_memorisation import likeliest
from smllmun_bench.attacks.leak_at_k import LeakAtKConfig
from smllmun_bench.attacks.shared.candidates import Rank, candidates, exposure, rank, ranks
from smllmun_bench.models.prompt_filter import PromptFilter, filtering
from smllmun_bench.models.vlm import Query
from smllmun_bench.schema import Role
from smllmun_bench.stages.attacking import by_item


def test_leak_at_k_counts_at_each_point_of_the_grid(data: AttackData) -> None:
    attack = attacks.get("leak-at-k")
    config = LeakAtKConfig(samples=4, k=(1, 2), grid=((1.0, 1.0), (0.2, 0.8), (0.0, 0.0)))
    one = replace(data, items=data.items[:1])
    tries = attack.tries(one, config)
    assert [(t.temperature, t.top_p) for t in tries] == [(1.0, 1.0)] * 4 + [(0.2, 0.8)] * 4 + [(0.0, 0.0)]
    found = attack.combined(tries, [0, 1, 0, 0.4, 1, 1, 1, 0, 1], config)
    assert found == pytest.approx(
        {
            "T 1, top-p 1, k 1": 1 / 4,
            "T 1, top-p 1, k 2": 1 / 2,
            "T 0.2, top-p 0.8, k 1": 3 / 4,
            "T 0.2, top-p 0.8, k 2": 1.0,
            "T 0, top-p 0, k 1": 1.0,
            "T 0, top-p 0, k 2": 1.0,
        }
    )


def test_more_cannot_be_taken_than_were_drawn() -> None:
    with pytest.raises(ValidationError, match="k 9 of 8"):
        LeakAtKConfig(k=(9,))


def test_an_attack_without_a_way_of_its_own_counts_the_strongest_try(data: AttackData) -> None:
    attack = attacks.get("prefilled")
    tries = attack.tries(replace(data, items=data.items[:2]), attack.config())
    values = by_item(tries, [0.0, 0.5, 1.0, 0.0], [""] * 4, attack, attack.config())
    assert values == {"": {data.items[0].item_id: 0.5, data.items[1].item_id: 1.0}}


def test_cloze_asks_for_the_likeliest_statement(data: AttackData) -> None:
    attack = attacks.get("cloze")
    one = attack.tries(data, attack.config())[0].item
    assert (one.kind, one.answer) == ("choice", "It is pilot.")
    assert one.choices == ("It is pilot.", "It is chef.", "It is clerk.")
    assert statements(replace(data.items[0], paraphrased_answer="They fly.")) == ()
    with pytest.raises(NotApplicable, match="statement"):
        attack.tries(replace(data, items=[replace(i, paraphrased_answer="") for i in data.items]), attack.config())


def test_candidates_are_true_of_others_under_the_same_question(data: AttackData) -> None:
    found = candidates(data, 31)
    assert found["a.job.text"] == ("pilot", "baker", "chef", "clerk", "judge", "miner", "nurse")
    assert found["a.city.image"] == ("Port Ann", "Bern", "Oslo", "Rome", "Ulm", "chef", "clerk")
    few = candidates(data, 2)["a.job.text"]
    assert (few[0], len(few)) == ("pilot", 3)
    assert candidates(data, 2) == candidates(data, 2)
    accepted = [replace(item, accepted=("Nurse",)) for item in data.items]
    assert "nurse" not in candidates(replace(data, items=accepted), 31)["a.job.text"]


def test_rank_and_exposure_by_hand() -> None:
    assert rank([-1.0, -3.0, -0.5, -2.0]) == Rank(2, 4)
    assert rank([-1.0, -1.0, -2.0]) == Rank(2, 3)  # a tie is no knowledge
    assert rank([math.nan, -9.0]) == Rank(2, 2)
    assert exposure(Rank(2, 4)) == 0.5
    assert exposure(Rank(1, 7)) == 1.0
    assert exposure(Rank(7, 7)) == 0.0
    attack = attacks.get("top-candidates")
    figures = attack.figures({"i": Rank(3, 9), "j": Rank(4, 9)}, None, None, attack.config())
    assert figures == {"": {"i": 1.0, "j": 0.0}}


def tiny_attack_data(tiny: Any) -> AttackData:
    forget = [replace(item, role=Role.FORGET) for item in tiny.data.forget]
    return AttackData(forget, tiny.data.retain, (), (), (), tiny.source)


def test_ranks_are_those_of_the_answers_log_probabilities(tiny: Any) -> None:
    data = tiny_attack_data(tiny)
    found = ranks(tiny.vlm, data, 31)
    item = data.items[0]
    answers = candidates(data, 31)[item.item_id]
    scores = [sum(row) for row in tiny.vlm.answer_logprobs([(Query(item.question, item.images), a) for a in answers])]
    assert found[item.item_id] == Rank(sorted(scores, reverse=True).index(scores[0]) + 1, len(answers))
    assert len(answers) == 8


def test_exact_memorisation_is_what_greedy_decoding_would_choose(tiny: Any) -> None:
    """A token is right where it is the likeliest after those before it; of a refused answer none is."""
    first, second = (Query("Who is shown?", ("p1",)), "a tailor from far away"), (Query("Who?"), "nurse")
    rows = likeliest(tiny.vlm, [first, second])
    for pair, row in zip((first, second), rows, strict=True):
        encoded = tiny.vlm.encode(*pair)
        best = tiny.vlm.score_pairs([pair]).logits.argmax(dim=-1).tolist()
        assert row == [a == b for a, b in zip(best, encoded.ids[encoded.answer_start :], strict=True)]
    with filtering(tiny.vlm, PromptFilter(refuse=lambda query, answer: "No.")):
        assert not any(map(any, likeliest(tiny.vlm, [first, second])))
