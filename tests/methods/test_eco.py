"""The gate's threshold by hand and its promise; corruption where it is said, and nowhere else."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from smllmun_bench.config import apply_overrides
from smllmun_bench.errors import UserError
from smllmun_bench.methods.eco import METHOD, EcoConfig
from smllmun_bench.methods.shared.corruption import conformal_threshold, corrupted, marked, pooled
from smllmun_bench.models.change import Artifact
from smllmun_bench.models.hooks import BatchLayout, at_prefill, one_row_per_question
from smllmun_bench.models.parts import decoder_layers
from smllmun_bench.models.vlm import Query
from smllmun_bench.training.loop import Silent

IMAGE = 9
QUICK = ("training.steps=30", "strengths=[1, 10]")


def fit(tiny: Any, *settings: str, data: Any = None) -> Artifact:
    return METHOD.fit(tiny.vlm, data or tiny.named, apply_overrides(EcoConfig(), QUICK + settings), Silent())


def pairs(items: Any) -> list[tuple[Query, str]]:
    return [(Query(item.question, item.images), item.answer) for item in items]


def always(artifact: Artifact, **settings: Any) -> Artifact:
    return replace(artifact, settings={**artifact.settings, "threshold": -1e9, **settings})


def test_the_threshold_by_hand() -> None:
    margins = [float(n) for n in range(1, 100)]
    assert conformal_threshold(margins, 0.01) == 99
    assert conformal_threshold(margins, 0.05) == 95
    assert conformal_threshold(margins[:98], 0.01) == math.inf
    assert conformal_threshold([3.0, 1.0, 2.0], 0.25) == 3
    assert conformal_threshold([], 0.5) == math.inf


@given(st.lists(st.floats(-50, 50), min_size=2, max_size=60, unique=True), st.floats(0.02, 0.9))
def test_of_exchangeable_questions_at_most_alpha_fire(values: list[float], alpha: float) -> None:
    """Each of n+1 values in turn is the new one: the share that exceeds the threshold of the others is α at most."""
    fires = [value > conformal_threshold([*values[:at], *values[at + 1 :]], alpha) for at, value in enumerate(values)]
    assert sum(fires) / len(values) <= alpha + 1e-9


def test_kinds_of_corruption_by_hand() -> None:
    hidden = torch.tensor([[[1.0, -4.0, 3.0], [1.0, -4.0, 3.0]]])
    where, noise = torch.tensor([[True, False]]), torch.full((1, 2, 3), 10.0)
    for how, wanted in {
        "noise-first": [11.0, -4.0, 3.0],
        "noise-top": [1.0, 6.0, 3.0],
        "zero-top": [1.0, 0.0, 3.0],
        "flip-top": [1.0, 4.0, 3.0],
    }.items():
        found = corrupted(hidden, where, noise, how=how, coordinates=1)
        assert found[0, 0].tolist() == wanted
        assert torch.equal(found[0, 1], hidden[0, 1])
    assert corrupted(hidden, where, noise, how="flip-top", coordinates=None)[0, 0].tolist() == [-1.0, 4.0, -3.0]


def test_names_pictures_or_all_but_the_last_are_marked() -> None:
    """Row 0 has a picture and a name, row 1 neither; both left-padded, the name again in the answer."""
    ids = torch.tensor([[0, IMAGE, 5, 6, 2, 5, 6], [0, 0, 1, 2, 3, 5, 6]])
    layout = BatchLayout((), ids, torch.tensor([1, 2]), torch.tensor([5, 5]))
    rows = {where: marked(layout, IMAGE, [(5, 6)], where).int().tolist() for where in ("text", "image", "both")}
    assert rows["text"] == [[0, 0, 1, 1, 0, 0, 0], [0, 0, 1, 1, 0, 0, 0]]
    assert rows["image"] == [[0, 1, 0, 0, 0, 0, 0], [0] * 7]
    assert rows["both"] == [[0, 1, 1, 1, 0, 0, 0], [0, 0, 1, 1, 0, 0, 0]]


def test_the_gate_reads_words_and_pictures_of_the_prompt_alone() -> None:
    ids = torch.tensor([[0, IMAGE, 5, 7]])
    hidden = torch.tensor([[[9.0, 9.0], [1.0, 2.0], [3.0, 4.0], [8.0, 8.0]]])
    layout = BatchLayout((), ids, torch.tensor([1]), torch.tensor([3]))
    assert pooled(layout, hidden, IMAGE).tolist() == [[3.0, 4.0, 1.0, 2.0, 1.0]]


def test_a_shut_gate_changes_no_logit_and_no_noise_neither(tiny: Any) -> None:
    artifact, questions = fit(tiny), pairs(tiny.data.forget)
    with one_row_per_question(tiny.vlm):
        plain = tiny.vlm.answer_logprobs(questions)
    shut = replace(artifact, settings={**artifact.settings, "threshold": None})
    for quiet in (shut, always(artifact, strength=0.0)):
        with quiet.mounted(tiny.vlm):
            assert tiny.vlm.answer_logprobs(questions) == plain
    with always(artifact, strength=3.0).mounted(tiny.vlm):
        assert all(a != b for a, b in zip(tiny.vlm.answer_logprobs(questions), plain, strict=True))


def test_flagged_and_unflagged_share_a_batch_and_decode_steps_pass(tiny: Any) -> None:
    """Each question is answered as it is alone; a decode step is no prompt."""
    artifact = fit(tiny)
    queries = [query for query, _ in pairs((*tiny.data.forget, *tiny.data.retain))]
    with artifact.mounted(tiny.vlm):
        together = tiny.vlm.generate(queries, max_new_tokens=3)
        assert together == [tiny.vlm.generate([query], max_new_tokens=3)[0] for query in queries]
        heard: list[int] = []
        block = decoder_layers(tiny.vlm, "test")[0]
        with at_prefill(tiny.vlm, block, lambda layout, hidden: heard.append(hidden.shape[1]) or hidden):
            tiny.vlm._generate_batch([tiny.vlm.encode(queries[0])], 3)
    assert len(heard) == 1


def test_the_gate_learns_and_keeps_its_promise_on_those_it_was_set_by(tiny: Any) -> None:
    figures = fit(tiny, "training.steps=200", "training.lr=0.01").figures
    assert figures["missed_forget"] < 0.5
    assert figures["fires_retain"] <= figures["alpha"]
    assert figures["alpha"] == pytest.approx(1 / 7)  # six calibration questions allow no less


def test_a_strength_is_chosen_that_hides_the_answer(tiny: Any) -> None:
    artifact = fit(tiny, "strengths=[0.5, 5]")
    assert artifact.settings["strength"] in (0.5, 5)
    assert artifact.figures["strength"] == artifact.settings["strength"]
    assert fit(tiny, "strength=2").settings["strength"] == 2


@pytest.mark.parametrize("how", ["noise-top", "zero-top", "flip-top"])
def test_every_kind_changes_answers(tiny: Any, how: str) -> None:
    artifact, questions = fit(tiny, f"how={how}", "strength=2"), pairs(tiny.data.forget)
    plain = tiny.vlm.answer_logprobs(questions)
    with always(artifact).mounted(tiny.vlm):
        assert tiny.vlm.answer_logprobs(questions) != plain
    assert tiny.vlm.answer_logprobs(questions) == plain


def test_what_it_cannot_work_on_is_said(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="looked for two retained people"):
        fit(tiny, data=replace(tiny.named, retain=tiny.named.retain[:2]))
    with pytest.raises(UserError, match="with 3 other answers, to choose a strength by, and found none"):
        fit(tiny, data=replace(tiny.named, forget=tiny.named.forget[:2]))
    monkeypatch.setattr(tiny.vlm.bank, "features", lambda model, images: torch.ones(5 * len(images), 32))
    with pytest.raises(UserError, match="the same at every image token"):
        fit(tiny)


@pytest.mark.parametrize("strengths", ["[]", "[0]", "[1, -1]"])
def test_a_search_over_no_strength_is_refused_with_the_settings(strengths: str) -> None:
    with pytest.raises(UserError, match="strengths"):
        apply_overrides(EcoConfig(), [f"strengths={strengths}"])
