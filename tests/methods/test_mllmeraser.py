"""The algebra against the published full solution, and the steering: prompts alone, each by its own gate."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from smllmun_bench.config import apply_overrides
from smllmun_bench.errors import UserError
from smllmun_bench.methods.mllmeraser import METHOD, MllmEraserConfig
from smllmun_bench.methods.shared import pgd
from smllmun_bench.methods.shared.prompt_states import entering
from smllmun_bench.methods.shared.steering import gate_vector, null_basis, steered
from smllmun_bench.models.hooks import BatchLayout, at_prefill, one_row_per_question
from smllmun_bench.models.vlm import Query
from smllmun_bench.training.loop import Silent

WIDTH = 24


def fit(tiny: Any, *settings: str, data: Any = None, vlm: Any = None) -> Any:
    config = apply_overrides(MllmEraserConfig(), settings)
    return METHOD.fit(vlm or tiny.vlm, data or tiny.named, config, Silent())


def states(rows: int, seed: int, width: int = WIDTH) -> torch.Tensor:
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("share", [0.3, 0.5, 1.0])
def test_the_projection_is_idempotent_and_of_the_asked_rank(share: float) -> None:
    basis = null_basis(states(40, 0), share)
    projection = basis @ basis.T
    assert basis.shape == (WIDTH, int(share * WIDTH))
    torch.testing.assert_close(projection @ projection, projection, atol=1e-10, rtol=0)
    torch.testing.assert_close(projection, projection.T, atol=1e-12, rtol=0)
    assert torch.linalg.matrix_rank(projection) == int(share * WIDTH)


@pytest.mark.parametrize(("rows", "share"), [(5, 0.3), (10, 0.3), (10, 0.5), (17, 0.3), (23, 0.3), (40, 0.3)])
def test_the_gate_does_not_depend_on_the_basis_that_an_eigensolver_picks(rows: int, share: float) -> None:
    """Order of the rows, rotations of all axes, another scale of equal energies: the gate turns along or stays."""
    retain, forget = states(rows, 0), states(6, 1)
    gate = gate_vector(forget, null_basis(retain, share), 0.1)
    draw = torch.Generator().manual_seed(3)
    order = torch.randperm(rows, generator=draw)
    torch.testing.assert_close(gate_vector(forget, null_basis(retain[order], share), 0.1), gate, atol=1e-9, rtol=0)
    turn = torch.linalg.qr(states(WIDTH, 4)).Q
    turned = gate_vector(forget @ turn, null_basis(retain @ turn, share), 0.1)
    torch.testing.assert_close(turned @ turn.T, gate, atol=1e-9, rtol=0)
    basis = null_basis(retain, share)
    assert basis.shape[1] == max(int(share * WIDTH), WIDTH - rows)
    rotation = torch.linalg.qr(states(basis.shape[1], 5, basis.shape[1])).Q
    torch.testing.assert_close(gate_vector(forget, basis @ rotation, 0.1), gate, atol=1e-9, rtol=0)


def test_directions_of_equal_energy_are_taken_together() -> None:
    """Energies 1, 1, 1, 9 in four directions: half of them would be two of three that are alike."""
    turn = torch.linalg.qr(states(4, 2, 4)).Q
    retain = torch.diag(torch.tensor([1.0, 1.0, 1.0, 3.0], dtype=torch.float64)) @ turn
    basis = null_basis(retain, 0.5)
    assert basis.shape == (4, 3)
    assert (turn[3] @ basis).abs().max() < 1e-10


def test_states_that_differ_by_rounding_alone_span_nothing() -> None:
    """The same prompt twice, in float32: what is left of the difference is no direction."""
    row = states(3, 0)
    noisy = row * (1 + 1e-8 * states(3, 1))
    basis = null_basis(torch.cat([row, noisy]), 0.3)
    assert basis.shape == (WIDTH, WIDTH - 3)


@pytest.mark.parametrize("order", ["as given", "reversed"])
def test_a_fit_does_not_depend_on_the_order_of_the_rows(order: str, tiny: Any) -> None:
    data = tiny.named
    rows = data.retain[::-1] if order == "reversed" else data.retain[4:] + data.retain[:4]
    one, other = (fit(tiny, "pairs=100", data=replace(data, retain=retain)) for retain in (data.retain, rows))
    for name in ("gate", "direction"):
        torch.testing.assert_close(one.tensors[name], other.tensors[name], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("ridge", [0.1, 1.0])
def test_gate_times_direction_is_the_full_solution(ridge: float) -> None:
    forget, toward = states(9, 1), states(1, 2)[0]
    basis = null_basis(states(40, 0), 0.5)
    projection = basis @ basis.T
    gram = projection @ forget.T @ forget @ projection + ridge * projection @ projection
    ones = torch.ones(9, 1, dtype=torch.float64)
    delta = torch.linalg.pinv(gram, rtol=1e-10) @ projection @ forget.T @ ones @ toward[None]
    whole = projection @ delta
    torch.testing.assert_close(torch.outer(gate_vector(forget, basis, ridge), toward), whole, atol=1e-8, rtol=0)


def test_the_gate_is_open_for_forgotten_and_shut_for_retained_prompts() -> None:
    retain, forget = states(10, 0), states(6, 1)
    gate = gate_vector(forget, null_basis(retain, 0.5), 1e-6)  # 14 directions are free of the 10 rows, 12 are taken
    torch.testing.assert_close(forget @ gate, torch.ones(6, dtype=torch.float64), atol=1e-4, rtol=0)
    torch.testing.assert_close(retain @ gate, torch.zeros(10, dtype=torch.float64), atol=1e-10, rtol=0)


def test_every_token_of_a_prompt_moves_by_the_gate_of_its_last_one() -> None:
    layout = BatchLayout((), torch.zeros(2, 4, dtype=torch.long), torch.tensor([1, 0]), torch.tensor([4, 3]))
    hidden = torch.arange(16.0).view(2, 4, 2)
    gate, direction = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 10.0])
    moved = steered(layout, hidden, gate, direction, 0.5) - hidden
    by_hand = torch.zeros(2, 4, 2)
    by_hand[0, 1:, 1], by_hand[1, :3, 1] = 0.5 * 6 * 10, 0.5 * 12 * 10  # padding on the left, an answer on the right
    assert torch.equal(moved, by_hand)


def test_without_strength_it_is_the_model_itself(tiny: Any) -> None:
    pairs = [(Query(item.question, item.images), item.answer) for item in tiny.data.forget]
    plain, before = tiny.vlm.answer_logprobs(pairs), tiny.vlm.fingerprint()
    with fit(tiny, "strength=0").mounted(tiny.vlm):
        assert tiny.vlm.fingerprint() == before
        assert tiny.vlm.answer_logprobs(pairs) == plain
    hidden = torch.randn(3, 5, 2)
    layout = BatchLayout((), torch.zeros(3, 5, dtype=torch.long), torch.zeros(3, dtype=torch.long), torch.full((3,), 5))
    assert torch.equal(steered(layout, hidden, torch.ones(2), torch.ones(2), 0.0), hidden)


def test_decode_steps_are_not_steered(tiny: Any) -> None:
    """The tokens said after a steered prompt are the likeliest ones by teacher forcing, which leaves answers alone."""
    artifact = fit(tiny, "strength=3")
    prompts = [tiny.vlm.encode(Query(item.question, item.images)) for item in tiny.data.forget]
    lengths: list[int] = []
    layer = tiny.vlm.model.model.language_model.layers[1]

    def listen(layout: BatchLayout, hidden: torch.Tensor) -> torch.Tensor:
        lengths.append(hidden.shape[1])
        return hidden

    with artifact.mounted(tiny.vlm), torch.inference_mode():
        with at_prefill(tiny.vlm, layer, listen):
            said = tiny.vlm._generate_batch(prompts, 4)
        forced = [replace(item, ids=(*item.ids, *ids)) for item, ids in zip(prompts, said, strict=True)]
        scores = tiny.vlm.score_answers(forced)
    assert len(lengths) == 1
    assert lengths[0] > 1
    assert any(ids[0] not in tiny.vlm.stop_ids for ids in said)
    for index, ids in enumerate(said):
        spoken = next((at + 1 for at, token in enumerate(ids) if token in tiny.vlm.stop_ids), len(ids))
        logp = scores.logp[scores.owner == index][:spoken]
        best = scores.logits.log_softmax(-1).max(-1).values[scores.owner == index][:spoken]
        torch.testing.assert_close(logp, best, atol=1e-4, rtol=0)


def test_a_batch_of_any_size_gives_the_same(tiny: Any) -> None:
    pairs = [(Query(item.question, item.images), item.answer) for item in (*tiny.data.forget, *tiny.data.retain)]
    with fit(tiny, "strength=2").mounted(tiny.vlm):
        together = tiny.vlm.answer_logprobs(pairs)
        alone = [tiny.vlm.answer_logprobs([pair])[0] for pair in pairs]
        texts = tiny.vlm.generate([query for query, _ in pairs], max_new_tokens=3)
        assert texts == tiny.vlm.generate([query for query, _ in pairs], max_new_tokens=3, batch_size=3)
    for one, other in zip(together, alone, strict=True):
        assert one == pytest.approx(other, abs=1e-4)


def test_states_are_read_at_the_last_token_of_the_prompt(tiny: Any) -> None:
    query = Query("Who is shown?", ("p1",))
    with torch.no_grad():
        encoded = tiny.vlm.encode(query)
        heard: list[torch.Tensor] = []
        layer = tiny.vlm.model.model.language_model.layers[1]
        with (
            one_row_per_question(tiny.vlm),
            at_prefill(tiny.vlm, layer, lambda layout, hidden: heard.append(hidden) or hidden),
        ):
            tiny.vlm.score_answers([encoded])
    (found,) = entering(tiny.vlm, [query], [1], "test")[1]
    assert heard[0].shape[1] == len(encoded.ids)
    torch.testing.assert_close(found, heard[0][0, -1].double())


def test_reading_stops_at_the_deepest_block_asked_about(tiny: Any) -> None:
    blocks = tiny.vlm.model.model.language_model.layers
    ran: list[int] = []
    watches = [block.register_forward_hook(lambda *_, at=at: ran.append(at)) for at, block in enumerate(blocks)]
    queries = [Query("Who is shown?", ("p1",)), Query("Who is shown?", ())]
    try:
        found = entering(tiny.vlm, queries, [0, 1], "test")
    finally:
        for watch in watches:
            watch.remove()
    assert ran == [0]  # what leaves block 0 enters block 1, which has not begun
    assert [len(states) for states in found.values()] == [2, 2]


@pytest.mark.parametrize("settings", [("pgd={}",), ("refused=strangers",), ("at=output",), ("skipped=[0]", "pairs=2")])
def test_the_variants_change_answers_and_say_how_far_the_gate_opens(tiny: Any, settings: tuple[str, ...]) -> None:
    pairs = [(Query(item.question, item.images), item.answer) for item in tiny.data.forget]
    plain = tiny.vlm.answer_logprobs(pairs)
    artifact = fit(tiny, "strength=5", *settings)
    with artifact.mounted(tiny.vlm):
        assert tiny.vlm.answer_logprobs(pairs) != plain
    assert tiny.vlm.answer_logprobs(pairs) == plain
    assert artifact.figures["gate_forget"] > abs(artifact.figures["gate_retain"])
    assert artifact.cost.extra_params == 2 * 32


def test_adversarial_pictures_make_the_answer_likelier_within_their_bounds(tiny: Any) -> None:
    pairs = [(Query("Who is shown?", (f"p{number}",)), "a tailor") for number in (4, 5)]
    before = tiny.vlm.fingerprint()
    settings = pgd.Pgd(radius=8 / 255, step=2 / 255, steps=12)
    found = pgd.perturbed(tiny.vlm, pairs, settings, "test")
    plain = sum(map(sum, tiny.vlm.answer_logprobs(pairs)))
    with tiny.vlm.bank.showing(found):
        shown = sum(map(sum, tiny.vlm.answer_logprobs(pairs)))
    assert shown > plain
    assert sum(map(sum, tiny.vlm.answer_logprobs(pairs))) == plain
    assert tiny.vlm.fingerprint() == before
    mean, std = (
        torch.tensor(v)[:, None, None]
        for v in (tiny.vlm.processor.image_processor.image_mean, tiny.vlm.processor.image_processor.image_std)
    )
    for group, part in found.items():
        clean = tiny.vlm.bank.pixels([group], tiny.vlm.device, tiny.vlm.dtype)["pixel_values"] * std + mean
        shown_pixels = part["pixel_values"] * std + mean
        assert (shown_pixels - clean).abs().max() <= 8 / 255 + 1e-5
        assert (shown_pixels - clean).abs().max() > 1 / 255
        assert shown_pixels.min() >= -1e-5
        assert shown_pixels.max() <= 1 + 1e-5


def test_what_it_cannot_work_on_is_said(tiny: Any) -> None:
    told = replace(tiny.data, retain=[item for item in tiny.data.retain if not item.images])
    with pytest.raises(UserError, match="looked for retain rows with a picture and found none among 4"):
        fit(tiny, "pgd={}", data=told)
    with pytest.raises(UserError, match="a name"):
        fit(tiny, "refused=strangers", data=tiny.data)
    with pytest.raises(UserError, match="one of them is none"):
        fit(tiny, "first_layer=7")
    odd = tiny.fresh()
    language = odd.model.model.language_model
    language.blocks = language.layers
    del language.layers
    with pytest.raises(UserError, match=r"mllmeraser looked for decoder layers at model\.language_model\.layers"):
        fit(tiny, vlm=odd)
