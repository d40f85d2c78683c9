"""A refusal is preferred to the true answer of the very same question."""

from typing import Any

import pytest

from smllmun_bench.training import loop


@pytest.mark.parametrize(
    ("retain", "terms"), [("ce", {"forget", "retain"}), ("kl", {"forget", "retain"}), ("none", {"forget"})]
)
def test_it_starts_at_two_ln2_over_beta(fit: Any, retain: str, terms: set[str]) -> None:
    fitted = fit("dpo", f"retain={retain}")
    assert set(fitted.first) == terms
    assert fitted.first["forget"] == pytest.approx(13.862944, abs=1e-4)
    assert fitted.steps[-1]["forget"] < fitted.first["forget"]
    if retain == "kl":
        assert fitted.first["retain"] == pytest.approx(0, abs=1e-5)
    spent = fitted.artifact.cost
    assert spent.forwards - spent.backwards == 24 + (12 if retain == "kl" else 0)


def test_answer_and_refusal_are_of_one_question(fit: Any, tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def train(vlm: Any, rows: Any, loss: Any, *args: Any, **kwargs: Any) -> Any:
        def watched(batch: Any) -> Any:
            seen.append(batch)
            return loss(batch)

        return original(vlm, rows, watched, *args, **kwargs)

    original = loop.train
    monkeypatch.setattr(loop, "train", train)
    fit("dpo")
    for batch in seen:
        pairs = zip(batch["forget"].examples, batch["refusal"].examples, strict=True)
        for true, refusal in pairs:
            assert (true.key, true.question, true.images) == (refusal.key, refusal.question, refusal.images)
            assert refusal.answer in tiny.data.refusals
            assert true.answer not in tiny.data.refusals


def test_the_refusal_gains_on_the_answer(fit: Any, tiny: Any, known: Any) -> None:
    from dataclasses import replace

    artifact = fit("dpo", "retain=none").artifact
    refusing = [replace(item, answer=tiny.data.refusals[0]) for item in tiny.data.forget]
    gains = [known(artifact, items) - known(None, items) for items in (refusing, tiny.data.forget)]
    assert gains[0] > gains[1] + 1
