"""Training gives a change and leaves the model as it was, however it ends."""

import math
from collections.abc import Mapping
from typing import Any

import pytest
import torch

from smllmun_bench.errors import RunFailed, UserError
from smllmun_bench.training import losses
from smllmun_bench.training.config import L1, LoraSettings, Stop, TrainingConfig, rate_at
from smllmun_bench.training.examples import from_items
from smllmun_bench.training.loop import Batch, LoopHooks, Terms, drawn, train
from smllmun_bench.training.weights import target_modules

LORA = TrainingConfig(steps=4, batch_size=4, lr=0.01, lora=LoraSettings(rank=4, alpha=8))
FULL = LORA.model_copy(update={"lora": None})
WHOLE = FULL.model_copy(update={"train": "all"})
ways = pytest.mark.parametrize("config", [LORA, FULL, WHOLE], ids=["lora", "full", "everything"])


def descend(batch: Batch) -> Terms:
    return {"retain": losses.cross_entropy(batch["retain"].scores.logp)}


def streams(tiny: Any) -> dict[str, Any]:
    return {"retain": from_items(tiny.data.retain)}


def trains(vlm: Any) -> dict[str, bool]:
    return {name: parameter.requires_grad for name, parameter in vlm.model.named_parameters()}


class Raises:
    """A progress that raises at a step."""

    def __init__(self, error: type[BaseException], at: int = 2) -> None:
        self.error, self.at = error, at

    def step(self, done: int, total: int, figures: Mapping[str, float]) -> None:
        if done == self.at:
            raise self.error


@ways
def test_the_model_is_as_it_was(tiny: Any, config: TrainingConfig) -> None:
    before, frozen, names = tiny.vlm.fingerprint(), trains(tiny.vlm), list(tiny.vlm.model.state_dict())
    update = train(tiny.vlm, streams(tiny), descend, config, seed=1)
    assert (tiny.vlm.fingerprint(), trains(tiny.vlm), list(tiny.vlm.model.state_dict())) == (before, frozen, names)
    assert all(parameter.grad is None for parameter in tiny.vlm.model.parameters())
    assert not tiny.vlm.model.training
    assert all(delta.dtype is torch.float32 for delta in update.deltas().values())
    assert any(delta.abs().max() > 0 for delta in update.deltas().values())


@ways
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_the_model_is_as_it_was_when_training_is_cut_short(tiny: Any, config: TrainingConfig, error: type) -> None:
    before, frozen = tiny.vlm.fingerprint(), trains(tiny.vlm)
    with pytest.raises(error):
        train(tiny.vlm, streams(tiny), descend, config, seed=1, progress=Raises(error))
    assert (tiny.vlm.fingerprint(), trains(tiny.vlm)) == (before, frozen)
    assert not tiny.vlm.model.training


@ways
def test_a_loss_that_is_no_number_stops_and_says_where(tiny: Any, config: TrainingConfig) -> None:
    count = iter(range(1, 99))

    def breaks(batch: Batch) -> Terms:
        factor = math.nan if next(count) == 3 else 1.0
        return {"retain": factor * losses.cross_entropy(batch["retain"].scores.logp)}

    before = tiny.vlm.fingerprint()
    with pytest.raises(RunFailed, match=r"loss nan, .* at step 3 of 4"):
        train(tiny.vlm, streams(tiny), breaks, config, seed=1)
    assert tiny.vlm.fingerprint() == before


@ways
def test_the_same_seed_gives_the_same_bytes(tiny: Any, config: TrainingConfig) -> None:
    first, second, other = (train(tiny.vlm, streams(tiny), descend, config, seed=s).deltas() for s in (1, 1, 2))
    assert first.keys() == second.keys() == other.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_what_is_trained(tiny: Any) -> None:
    linear = {f"{name}.weight" for name in target_modules(tiny.vlm, "language")}
    assert len(linear) == 2 * 7  # layers × (q, k, v, o, gate, up, down)
    assert all(name.startswith("model.language_model.layers.") for name in linear)
    attention = {f"{name}.weight" for name in target_modules(tiny.vlm, "attention")}
    assert {name.split(".")[-2] for name in attention} == {"q_proj", "k_proj", "v_proj", "o_proj"}
    for config in (LORA, FULL):
        assert set(train(tiny.vlm, streams(tiny), descend, config, seed=1).deltas()) == linear
    assert set(train(tiny.vlm, streams(tiny), descend, WHOLE, seed=1).deltas()) > linear


def test_a_low_rank_update_is_of_low_rank(tiny: Any) -> None:
    update = train(tiny.vlm, streams(tiny), descend, LORA, seed=1)
    shapes = {name: tuple(p.shape) for name, p in tiny.vlm.model.named_parameters()}
    for name, factors in update.lora.items():
        assert factors.scale == 2  # alpha / rank
        assert tuple(factors.dense().shape) == shapes[name]
        assert torch.linalg.matrix_rank(factors.dense()) <= 4


def test_training_learns(tiny: Any) -> None:
    config = FULL.model_copy(update={"steps": 30, "batch_size": 8})
    history = train(tiny.vlm, streams(tiny), descend, config, seed=1).history
    assert history[-1]["retain"] < history[0]["retain"] - 0.5


def test_cost_counts_answers_and_parameters(tiny: Any) -> None:
    both = {"retain": from_items(tiny.data.retain), "forget": from_items(tiny.data.forget)}

    def loss(batch: Batch) -> Terms:
        assert {name: len(part.examples) for name, part in batch.items()} == {"retain": 4, "forget": 3}
        return {name: losses.cross_entropy(part.scores.logp) for name, part in batch.items()}

    cost = train(tiny.vlm, both, loss, LORA, seed=1, sizes={"forget": 3}).cost
    assert (cost.forwards, cost.backwards) == (4 * 7, 4 * 7)
    shapes = [tiny.vlm.model.get_submodule(name).weight.shape for name in target_modules(tiny.vlm, "language")]
    assert cost.trainable_params == sum(4 * (rows + columns) for rows, columns in shapes)


def test_each_stream_is_scored_as_if_it_were_alone(tiny: Any) -> None:
    seen: dict[str, list[float]] = {}

    def loss(batch: Batch) -> Terms:
        for name, part in batch.items():
            encoded = [tiny.vlm.encode(_query(e), e.answer) for e in part.examples]
            seen[name] = (part.scores.sums() - tiny.vlm.score_answers(encoded).sums()).tolist()
        return {name: losses.cross_entropy(part.scores.logp) for name, part in batch.items()}

    both = {"retain": from_items(tiny.data.retain), "forget": from_items(tiny.data.forget)}
    train(tiny.vlm, both, loss, LORA.model_copy(update={"steps": 1}), seed=1)
    assert {name: len(values) for name, values in seen.items()} == {"retain": 4, "forget": 4}
    assert [value for values in seen.values() for value in values] == pytest.approx([0] * 8, abs=1e-4)


def _query(example: Any) -> Any:
    from smllmun_bench.models.vlm import Query

    return Query(example.question, example.images)


@pytest.mark.parametrize(
    ("schedule", "warmup", "rates"),
    [
        ("constant", 0, [1, 1, 1, 1]),
        ("constant", 2, [0.5, 1, 1, 1]),
        ("linear", 0, [1, 0.75, 0.5, 0.25]),
        ("cosine", 0, [1, 0.853553, 0.5, 0.146447]),  # (1 + cos(π·n/4)) / 2
        ("cosine", 2, [0.5, 1, 1, 0.5]),
        ("linear", 9, [1 / 9, 2 / 9, 3 / 9, 4 / 9]),
    ],
)
def test_schedule(schedule: Any, warmup: int, rates: list[float]) -> None:
    config = TrainingConfig(steps=4, schedule=schedule, warmup=warmup)
    assert [rate_at(step, config) for step in range(4)] == pytest.approx(rates, abs=1e-6)


# -- sparse adapters ---------------------------------------------------------------------------------------------------


class Heard:
    """A progress that keeps what it hears, and finds step `enough` to be enough."""

    def __init__(self, enough: int = 99) -> None:
        self.figures: list[dict[str, float]] = []
        self.checks: list[int] = []
        self.enough = enough

    def step(self, done: int, total: int, figures: Mapping[str, float]) -> None:
        self.figures.append(dict(figures))

    def on_check(self, step: int) -> bool:
        self.checks.append(step)
        return step >= self.enough


def l1_of(tiny: Any, config: TrainingConfig, of: Any, weight: float = 2.0) -> tuple[list[float], float]:
    heard = Heard()
    l1 = L1(weight=weight, of=of)
    update = train(tiny.vlm, streams(tiny), descend, config.model_copy(update={"l1": l1}), seed=1, progress=heard)
    return [figures["l1"] for figures in heard.figures], sum(d.abs().mean().item() for d in update.deltas().values())


def test_l1_is_the_mean_absolute_factor_and_starts_at_a(tiny: Any) -> None:
    values, _ = l1_of(tiny, LORA, "factors")
    update = train(tiny.vlm, streams(tiny), descend, LORA.model_copy(update={"lr": 1e-12}), seed=1)
    factors = [tensor for f in update.lora.values() for tensor in (f.a, f.b)]
    mean = sum(tensor.abs().sum() for tensor in factors) / sum(tensor.numel() for tensor in factors)
    assert values[0] == pytest.approx(2 * mean.item(), rel=1e-4)


@pytest.mark.parametrize(("config", "of"), [(LORA, "b"), (LORA, "product"), (FULL, "factors")])
def test_l1_of_what_starts_at_zero_starts_at_zero_and_keeps_it_small(tiny: Any, config: Any, of: Any) -> None:
    config = config.model_copy(update={"steps": 12})
    loose, free = l1_of(tiny, config, of, weight=1e-6)
    tight, held = l1_of(tiny, config, of, weight=1e6)
    assert loose[0] == tight[0] == 0
    assert loose[-1] > 0
    assert held < free


def test_l1_of_b_needs_a_b() -> None:
    with pytest.raises(ValueError, match="has none"):
        TrainingConfig(lora=None, l1=L1(weight=1, of="b"))


# -- stopping ----------------------------------------------------------------------------------------------------------

MATCHED = LORA.model_copy(update={"steps": 12, "stop": Stop(rule="matched", every=3)})


@pytest.mark.parametrize("config", [MATCHED, MATCHED.model_copy(update={"lora": None})], ids=["lora", "full"])
def test_training_stops_where_it_is_enough(tiny: Any, config: TrainingConfig) -> None:
    heard = Heard(enough=5)
    before = tiny.vlm.fingerprint()
    update = train(tiny.vlm, streams(tiny), descend, config, seed=1, progress=heard)
    assert (heard.checks, len(update.history)) == ([3, 6], 6)
    assert update.cost.backwards == 6 * 4
    assert tiny.vlm.fingerprint() == before
    plain = train(tiny.vlm, streams(tiny), descend, config.model_copy(update={"steps": 6, "stop": Stop()}), seed=1)
    deltas = plain.deltas()
    assert all(torch.equal(delta, deltas[name]) for name, delta in update.deltas().items())


def test_who_checks_meets_the_model_as_trained(tiny: Any) -> None:
    from smllmun_bench.models.vlm import Query

    item = tiny.data.retain[0]
    pairs = [(Query(item.question, item.images), item.answer)]
    found: list[tuple[float, bool]] = []

    class Asks(Heard):
        def on_check(self, step: int) -> bool:
            found.append((sum(tiny.vlm.answer_logprobs(pairs)[0]), tiny.vlm.model.training))
            return super().on_check(step)

    train(tiny.vlm, streams(tiny), descend, MATCHED, seed=1, progress=Asks())
    values = [value for value, _ in found]
    assert len(set(values)) == 4
    assert values[-1] > sum(tiny.vlm.answer_logprobs(pairs)[0])
    assert not any(training for _, training in found)


def test_matched_stopping_needs_somebody_who_can_tell(tiny: Any) -> None:
    with pytest.raises(UserError, match="nobody can tell"):
        train(tiny.vlm, streams(tiny), descend, MATCHED, seed=1)


def test_what_is_not_used_leaves_no_trace_in_a_dump() -> None:
    """Finished stages are found by the dump of their settings."""
    assert not {"l1", "stop"} & TrainingConfig().model_dump(mode="json").keys()
    assert {"l1", "stop"} < TrainingConfig(l1=L1(weight=1), stop=Stop(rule="matched")).model_dump(mode="json").keys()


# -- streams beside streams --------------------------------------------------------------------------------------------


def test_a_stream_beside_another_follows_it(tiny: Any) -> None:
    from dataclasses import replace

    def beside(batch: Any) -> Any:
        return {"other": [replace(example, answer="pilot") for example in batch["retain"]]}

    def loss(batch: Batch) -> Terms:
        one, two = batch["retain"], batch["other"]
        assert [example.question for example in one.examples] == [example.question for example in two.examples]
        assert {example.answer for example in two.examples} == {"pilot"}
        both = torch.cat([one.places, two.places]).sort().values
        assert torch.equal(both, torch.arange(len(both)))
        return {name: losses.cross_entropy(part.scores.logp) for name, part in batch.items()}

    update = train(tiny.vlm, streams(tiny), loss, LORA, seed=1, hooks=LoopHooks(extra_streams=beside))
    assert update.cost.forwards == 4 * 8


@ways
def test_checkpointing_gives_the_same_update_and_is_switched_off_again(tiny: Any, config: TrainingConfig) -> None:
    passes: list[int] = []
    layer = tiny.vlm.model.get_submodule(f"{tiny.vlm.family.language}.layers.0.mlp.up_proj")
    handle = layer.register_forward_hook(lambda *call: passes.append(1))
    try:
        plain = train(tiny.vlm, streams(tiny), descend, config, seed=3)
        once = len(passes)
        saving = config.model_copy(update={"gradient_checkpointing": True})
        again = train(tiny.vlm, streams(tiny), descend, saving, seed=3)
    finally:
        handle.remove()
    assert len(passes) - once == 2 * once, "with checkpointing every layer is computed twice"
    assert plain.deltas().keys() == again.deltas().keys()
    for name, delta in plain.deltas().items():
        torch.testing.assert_close(again.deltas()[name], delta, atol=1e-6, rtol=1e-4)
    assert not tiny.vlm.model.is_activation_checkpointing


@pytest.mark.parametrize("steps", [1, 3, 40])
@pytest.mark.parametrize("sizes", [None, {"retain": 2}])
def test_what_will_be_drawn_is_known_before(tiny: Any, steps: int, sizes: dict[str, int] | None) -> None:
    rows = {"forget": from_items(tiny.data.forget, paraphrases=1), "retain": from_items(tiny.data.retain)}
    config = LORA.model_copy(update={"steps": steps, "batch_size": 3, "text_first": 1})
    seen: dict[str, set[Any]] = {name: set() for name in rows}

    def watching(batch: Batch) -> Terms:
        for name, part in batch.items():
            seen[name] |= set(part.examples)
        return descend(batch)

    known = drawn(rows, config, seed=5, sizes=sizes)
    train(tiny.vlm, rows, watching, config, seed=5, sizes=sizes)
    assert {name: set(part) for name, part in known.items()} == seen
    assert all(part == [example for example in rows[name] if example in seen[name]] for name, part in known.items())
    assert (known == rows) == (steps == 40)
