"""Drawn answers: the distribution that temperature and nucleus leave, and chance that belongs to the answer alone."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from smllmun_bench.models.answering import Draw, Query
from smllmun_bench.models.sampling import chooser, drawn
from smllmun_bench.models.vlm import Vlm

LOGITS = torch.tensor([[0.5, 0.25, 0.125, 0.125]]).log()


def tokens(chances: list[float], *, temperature: float = 1.0, top_p: float = 1.0) -> list[int]:
    many = torch.tensor(chances, dtype=torch.float64)
    same = torch.ones_like(many)
    return drawn(LOGITS.expand(len(chances), -1), temperature * same, top_p * same, many).tolist()


def test_chance_falls_where_the_distribution_is() -> None:
    assert tokens([0.0, 0.49, 0.51, 0.74, 0.76, 0.88, 0.9999999]) == [0, 0, 1, 1, 2, 3, 3]


def test_the_nucleus_is_the_smallest_set_that_reaches_its_mass() -> None:
    """.5 + .25 reach .7, so two tokens are left with shares 2/3 and 1/3; .5 alone reaches .5."""
    assert tokens([0.66, 0.67, 0.9999999], top_p=0.7) == [0, 1, 1]
    assert tokens([0.0, 0.9999999], top_p=0.5) == [0, 0]
    assert tokens([0.9999999], top_p=0.0) == [0]  # the likeliest always stays


def test_temperature_sharpens() -> None:
    """At ½ the probabilities are squared: 16/22, 4/22, 1/22, 1/22."""
    assert tokens([0.72, 0.73, 0.9, 0.92, 0.96], temperature=0.5) == [0, 1, 1, 2, 3]


def test_who_is_not_drawn_is_greedy_and_settings_that_draw_nothing_are_refused() -> None:
    choose = chooser([None, Draw(1.0, seed=3)], most=4)
    assert choose(LOGITS, [0], [0]).tolist() == [0]
    for wrong in ({"temperature": 0.0}, {"temperature": 1.0, "top_p": 1.5}):
        with pytest.raises(ValueError, match="draw nothing"):
            Draw(**wrong)


def _queries(samples: int) -> list[Query]:
    asked = [Query("Who is shown?", ("p1",)), Query("Who?"), Query("Where is it, and who?", ("p2",))]
    return [
        replace(query, draw=Draw(1.0, 0.9, seed=100 * n + s)) for n, query in enumerate(asked) for s in range(samples)
    ]


def test_neither_the_batch_nor_the_number_of_samples_changes_a_draw(tiny: Any) -> None:
    queries = _queries(4)
    whole = tiny.vlm.generate(queries, max_new_tokens=6)
    assert len({answer.text for answer in whole[:4]}) > 1  # it does draw
    assert tiny.vlm.generate(queries, max_new_tokens=6, batch_size=5) == whole
    assert tiny.vlm.generate(queries[::4], max_new_tokens=6) == whole[::4]


def test_a_model_with_hooks_draws_the_same(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = tiny.vlm.generate(_queries(3), max_new_tokens=6)
    monkeypatch.setattr(Vlm, "_may_share", lambda self, *rest: False)
    assert tiny.vlm.generate(_queries(3), max_new_tokens=6) == whole


def test_samples_share_their_prompt(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[int] = []
    forward = tiny.vlm.model.model.forward

    def counted(*args: Any, **kwargs: Any) -> Any:
        rows.append(len(kwargs["inputs_embeds"]))
        return forward(*args, **kwargs)

    monkeypatch.setattr(tiny.vlm.model.model, "forward", counted)
    tiny.vlm.generate(_queries(5), max_new_tokens=2)
    assert rows[:2] == [2, 3]  # two pictures, three prompts
    assert max(rows[2:]) > 3  # then each answer by itself
