"""What is learnt is subtracted, and can be had back."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from smllmun_bench.config import Frozen, apply_overrides
from smllmun_bench.errors import UserError
from smllmun_bench.methods.shared.mismatched_answers import mismatched, question_type
from smllmun_bench.methods.sku import METHOD, SkuConfig
from smllmun_bench.models.change import Artifact
from smllmun_bench.models.vlm import Query
from smllmun_bench.training import losses
from smllmun_bench.training.loop import Silent

QUICK = ("training.steps=8", "training.batch_size=4", "training.lr=0.01", "mismatches=2")


class Shelf:
    """Keeps what was acquired."""

    def __init__(self) -> None:
        self.kept: list[Artifact] = []

    def __call__(self, name: str, inputs: Frozen, make: Callable[[], Artifact]) -> Artifact:
        if not self.kept:
            self.kept.append(make())
        return self.kept[0]


class Heard:
    def __init__(self) -> None:
        self.steps: list[dict[str, float]] = []

    def step(self, done: int, total: int, figures: Any) -> None:
        self.steps.append(dict(figures))


def fit(tiny: Any, *settings: str, data: Any = None, progress: Any = None) -> Artifact:
    config = apply_overrides(SkuConfig(), QUICK + settings)
    return METHOD.fit(tiny.vlm, data or tiny.data, config, progress or Silent())


def known(tiny: Any) -> float:
    pairs = [(Query(item.question, item.images), item.answer) for item in tiny.data.forget]
    return sum(map(sum, tiny.vlm.answer_logprobs(pairs)))


def test_strength_minus_one_is_the_first_stage_and_zero_the_target(tiny: Any) -> None:
    shelf = Shelf()
    data = replace(tiny.data, reuse=shelf)
    learnt, same, away = (fit(tiny, f"strength={s}", data=data) for s in (-1, 0, 1))
    for name, delta in shelf.kept[0].deltas():
        assert torch.equal(dict(learnt.deltas())[name], delta)
        assert torch.equal(dict(away.deltas())[name], -delta)
    before, plain = tiny.vlm.fingerprint(), known(tiny)
    with same.mounted(tiny.vlm):
        assert tiny.vlm.fingerprint() == before
    with learnt.mounted(tiny.vlm):
        assert known(tiny) > plain + 1
    with away.mounted(tiny.vlm):
        assert known(tiny) < plain - 1


def test_it_starts_with_no_divergence_and_never_gains_more_than_the_cap(tiny: Any) -> None:
    heard = Heard()
    fit(tiny, "training.steps=12", "training.lr=0.03", "cap=0.01", "divergence=3", progress=heard)
    assert heard.steps[0]["divergence"] == pytest.approx(0, abs=1e-4)
    assert min(step["divergence"] for step in heard.steps) == pytest.approx(-0.03, abs=1e-6)
    assert heard.steps[-1]["distortion"] < heard.steps[0]["distortion"]


@pytest.mark.parametrize(
    ("settings", "terms"),
    [
        (("divergence=0",), {"distortion", "disassociation"}),
        (("divergence=0", "disassociation=0"), {"distortion"}),
    ],
)
def test_a_term_without_weight_costs_nothing(tiny: Any, settings: tuple[str, ...], terms: set[str]) -> None:
    heard = Heard()
    artifact = fit(tiny, *settings, progress=heard)
    assert set(heard.steps[0]) == terms
    assert artifact.cost.forwards == 8 * 4 * (1 + 2 * ("disassociation" in terms))


def test_the_divergence_is_a_capped_kl_and_its_gradient_ends_at_the_cap() -> None:
    """p0 = (1/2, 1/2), p = (1/4, 3/4): KL = ½·ln 2 + ½·ln(2/3) = ½·ln(4/3)."""
    reference = torch.tensor([[0.5, 0.5]]).log()
    logits = torch.tensor([[0.25, 0.75]]).log().requires_grad_()
    value = losses.divergence(logits.log_softmax(-1), reference, cap=1.0)
    assert value.item() == pytest.approx(-0.14384104, abs=1e-6)
    value.backward()
    assert logits.grad is not None
    torch.testing.assert_close(logits.grad, torch.tensor([[0.25, -0.25]]))  # -(p - p0): further away
    logits.grad = None
    losses.divergence(logits.log_softmax(-1), reference, cap=0.1).backward()
    assert logits.grad.abs().sum() == 0


def test_mismatched_answers_are_other_people_s_answers_to_the_same_question(tiny: Any) -> None:
    examples = mismatched(tiny.data.forget, times=3, paraphrases=1, seed=0, method="sku")
    items = {item.item_id: item for item in tiny.data.forget}
    assert len(examples) == 3 * sum(1 + len(item.paraphrases[:1]) for item in items.values())
    answers = {item.answer for item in items.values()}
    for example in examples:
        assert example.answer in answers - {items[example.key].answer}
        assert example.images == items[example.key].images
    told = [item for item in items.values() if not item.images]
    named = replace(told[0], question="Where does Ann live?", subject="Ann")
    assert question_type(named) == question_type(replace(named, question="Where does Bob live?", subject="Bob"))


def test_a_forget_set_with_one_answer_is_one_readable_error(tiny: Any) -> None:
    alike = [replace(item, answer="baker") for item in tiny.data.forget]
    with pytest.raises(UserError, match="only 'baker'"):
        fit(tiny, data=replace(tiny.data, forget=alike))
