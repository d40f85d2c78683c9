"""The goal is the target's own distribution, with one logit lowered."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from smllmun_bench.methods.shared import streams
from smllmun_bench.methods.undial import soft_goal
from smllmun_bench.models.vlm import Query
from smllmun_bench.training import losses


def test_the_goal_by_hand() -> None:
    """Logits (ln 3, 0) less ln 3 on the first: equal halves."""
    goal = soft_goal(torch.tensor([[math.log(3), 0.0], [0.0, 0.0]]), torch.tensor([0, 1]), beta=math.log(3))
    torch.testing.assert_close(goal, torch.tensor([[0.5, 0.5], [0.75, 0.25]]))


def test_without_beta_the_target_is_where_it_should_be() -> None:
    logits = torch.randn(5, 7, generator=torch.Generator().manual_seed(0)).requires_grad_()
    goal = soft_goal(logits.detach(), torch.zeros(5, dtype=torch.long), beta=0)
    value = losses.soft_cross_entropy(logits.log_softmax(-1), goal)
    value.backward()
    assert logits.grad is not None
    assert logits.grad.abs().max() < 1e-7
    assert value.item() == pytest.approx(-(goal * goal.log()).sum(-1).mean().item(), abs=1e-6)  # its entropy


def test_with_beta_the_true_token_is_what_goes_down() -> None:
    logits = torch.randn(5, 7, generator=torch.Generator().manual_seed(0)).requires_grad_()
    tokens = torch.tensor([0, 1, 2, 3, 4])
    losses.soft_cross_entropy(logits.log_softmax(-1), soft_goal(logits.detach(), tokens, beta=3)).backward()
    assert logits.grad is not None
    assert all(logits.grad[row, token] > 0 for row, token in enumerate(tokens))
    assert (logits.grad > 0).sum() == 5


def test_answer_ids_are_the_tokens_that_are_weighed(tiny: Any, mixed: Any) -> None:
    from smllmun_bench.training.examples import Example

    examples = [Example(str(n), query.question, answer, query.images) for n, (query, answer) in enumerate(mixed)]
    with torch.no_grad():
        scores = tiny.vlm.score_answers([tiny.vlm.encode(query, answer) for query, answer in mixed])
    ids = streams.answer_ids(tiny.vlm, examples, scores.owner)
    torch.testing.assert_close(scores.logits.log_softmax(-1).gather(1, ids[:, None]).squeeze(1), scores.logp)


def test_it_starts_at_the_cross_entropy_of_the_goal_and_forgets(fit: Any, tiny: Any, known: Any) -> None:
    item = next(item for item in tiny.data.forget if not item.images)
    one = replace(tiny.data, forget=[item])
    fitted = fit("undial", "training.steps=12", data=one)
    encoded = tiny.vlm.encode(Query(item.question), item.answer)
    with torch.no_grad():
        scores = tiny.vlm.score_answers([encoded])
    goal = soft_goal(scores.logits, torch.tensor(encoded.ids[encoded.answer_start :]), beta=10)
    expected = losses.soft_cross_entropy(scores.logits.log_softmax(-1), goal).item()
    assert fitted.first == {"forget": pytest.approx(expected, rel=1e-4)}
    assert known(fitted.artifact, [item]) < known(None, [item]) - 0.1  # hardly known before


def test_retain_rows_come_in_only_with_a_weight(fit: Any) -> None:
    assert set(fit("undial", "retain_weight=1").first) == {"forget", "retain"}
