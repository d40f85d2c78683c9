"""Noise goes where it is said to, and the target is what the formula says."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from smllmun_bench.config import apply_overrides
from smllmun_bench.errors import UserError
from smllmun_bench.methods.permu import METHOD, PermuConfig, most_sensitive
from smllmun_bench.methods.shared import embedding_noise, token_masks
from smllmun_bench.models.vlm import Query
from smllmun_bench.training import losses
from smllmun_bench.training.examples import from_items
from smllmun_bench.training.loop import Silent

QUICK = ("training.steps=3", "training.batch_size=4", "training.lr=0.01")


class Heard:
    def __init__(self) -> None:
        self.steps: list[dict[str, float]] = []

    def step(self, done: int, total: int, figures: Any) -> None:
        self.steps.append(dict(figures))


def fit(tiny: Any, *settings: str, data: Any = None, progress: Any = None, vlm: Any = None) -> Any:
    config = apply_overrides(PermuConfig(), QUICK + settings)
    return METHOD.fit(vlm or tiny.vlm, data or tiny.data, config, progress or Silent())


def named(tiny: Any) -> Any:
    """Every forgotten person has a name, and the questions in words use it."""
    return replace(
        tiny.data,
        forget=[replace(item, subject=f"Ann Number{item.entity_id.removeprefix('p')}") for item in tiny.data.forget],
    )


def packed(tiny: Any, examples: Any) -> Any:
    kept = []
    with embedding_noise.at_block(tiny.vlm, 1, "test", lambda batch, hidden: kept.append(batch) or hidden):
        embedding_noise.score(tiny.vlm, examples)
    return kept[0]


def test_the_target_by_hand() -> None:
    clean, noisy = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[5.0, 5.0], [6.0, 8.0]])
    found = losses.permu_target(clean, noisy, subtraction=0.5, keep=torch.tensor([False, True]))
    assert found.tolist() == [[4.5, 4.0], [3.0, 4.0]]


def test_without_noise_the_target_is_the_answer_flattened_and_without_c_the_answer_itself() -> None:
    clean = torch.randn(5, 7, generator=torch.Generator().manual_seed(0))
    flat = losses.permu_target(clean, clean, subtraction=0.1).log_softmax(-1)
    torch.testing.assert_close(flat, (0.9 * clean).log_softmax(-1))
    logits = clean.clone().requires_grad_()
    same = losses.permu_target(clean, clean, subtraction=0.0).log_softmax(-1)
    losses.kl_to_reference(logits.log_softmax(-1), same).backward()
    assert logits.grad is not None
    assert logits.grad.abs().max() < 1e-7


def test_the_first_step_is_zero_without_noise_and_c_and_positive_with_either(tiny: Any) -> None:
    values = []
    for settings in (("noise=0", "subtraction=0"), ("noise=0", "subtraction=0.5"), ("noise=5", "subtraction=0")):
        heard = Heard()
        fit(tiny, *settings, progress=heard)
        values.append(heard.steps[0]["forget"])
    assert values[0] == pytest.approx(0, abs=1e-6)
    assert min(values[1:]) > 1e-5


def test_it_learns_the_target(tiny: Any) -> None:
    heard = Heard()
    fit(tiny, "training.steps=25", "noise=10", progress=heard)
    assert heard.steps[-1]["forget"] < 0.7 * max(step["forget"] for step in heard.steps[:5])


def test_names_are_found_at_the_start_and_within(tiny: Any) -> None:
    item = replace(tiny.data.forget[1], question="Ann Number0 works. Who is Ann Number0?")
    batch = packed(tiny, from_items([item]))
    found = token_masks.spans(batch, token_masks.phrase_ids(tiny.vlm, "Ann Number0"))
    text = tiny.vlm.processor.tokenizer.decode(batch.ids[found])
    assert text == "Ann Number0 Ann Number0"


def test_padding_answers_and_pictures_are_told_apart(tiny: Any) -> None:
    examples = from_items(tiny.data.forget)
    batch = packed(tiny, examples)
    image, words = token_masks.pictures(batch, tiny.vlm.image_token), token_masks.words(batch, tiny.vlm.image_token)
    assert not (image & words).any()
    assert torch.equal(image | words, token_masks.real(batch))
    assert int((~token_masks.real(batch)).sum()) == int((batch.ids == tiny.vlm.pad_id).sum())
    answers = token_masks.answers(batch)
    assert int(answers.sum()) == len(batch.target)
    assert sorted(batch.ids[answers].tolist()) == sorted(batch.target.tolist())


@pytest.mark.parametrize(("span", "moved"), [("text", [False, True]), ("image", [True, False]), ("both", [True, True])])
def test_noise_reaches_the_questions_of_its_span_alone(tiny: Any, span: str, moved: list[bool]) -> None:
    """Row 0 shows the person, row 1 names them. Without C, what is not noised keeps its own answer as target."""
    from smllmun_bench.methods.permu import _target

    data = named(tiny)
    config = PermuConfig(span=span, noise=5.0, subtraction=0.0)  # type: ignore[arg-type]
    noise = embedding_noise.Noise(tiny.vlm, 5.0, relative=True, seed=0)
    for example, changed in zip(from_items(data.forget[:2]), moved, strict=True):
        subjects = {item.item_id: item.subject for item in data.forget}
        wanted, passes, backwards = _target(tiny.vlm, [example], subjects, noise, config)
        with torch.no_grad():
            clean = embedding_noise.score(tiny.vlm, [example]).logits
        assert bool((wanted - clean).abs().max() > 1e-3) is changed
        assert (passes, backwards) == (2, 0)


def test_the_size_is_relative_to_the_hidden_states_and_the_pattern_fixed(tiny: Any) -> None:
    examples = from_items(tiny.data.forget)
    added: list[Any] = []
    noise = embedding_noise.Noise(tiny.vlm, 2.0, relative=True, seed=0)

    def change(batch: Any, hidden: Any) -> Any:
        where = token_masks.pictures(batch, tiny.vlm.image_token)
        noised = noise.add(batch, hidden, where)
        assert torch.equal(noised[~where], hidden[~where])
        added.append(((noised - hidden)[where], hidden[where].std()))
        return noised

    with torch.no_grad(), embedding_noise.at_block(tiny.vlm, 1, "test", change):
        embedding_noise.score(tiny.vlm, examples)
        embedding_noise.score(tiny.vlm, examples)
        noise.redraw()
        embedding_noise.score(tiny.vlm, examples)
    (first, scale), (second, _), (third, _) = added
    assert (first.std() / scale).item() == pytest.approx(2.0, rel=0.1)
    assert torch.equal(first, second)
    assert not torch.equal(first, third)


def test_the_name_inside_the_answer_is_protected_where_asked(tiny: Any) -> None:
    from smllmun_bench.methods.permu import _target

    item = replace(tiny.data.forget[0], answer="Ann Number0", subject="Ann Number0")
    (example,) = from_items([item])
    subjects = {item.item_id: item.subject}
    noise = embedding_noise.Noise(tiny.vlm, 5.0, relative=True, seed=0)
    with torch.no_grad():
        clean = embedding_noise.score(tiny.vlm, [example]).logits
    kept, _, _ = _target(tiny.vlm, [example], subjects, noise, PermuConfig(protect_subject=True))
    free, _, _ = _target(tiny.vlm, [example], subjects, noise, PermuConfig())
    torch.testing.assert_close(kept[:-1], clean[:-1])  # the name
    assert (kept[-1] - clean[-1]).abs().max() > 1e-3  # the end of the answer
    assert (free[:-1] - clean[:-1]).abs().max() > 1e-3


def test_the_most_sensitive_of_the_allowed_are_chosen() -> None:
    felt = torch.tensor([[9.0, 1.0, 5.0, 3.0, 2.0], [1.0, 2.0, 3.0, 4.0, 5.0]])
    allowed = torch.tensor([[False, True, True, True, True], [False, False, False, False, False]])
    assert most_sensitive(felt, allowed, 0.5).tolist() == [[False, False, True, True, False], [False] * 5]
    assert most_sensitive(felt, allowed, 0.01).sum() == 1


def test_sensitivity_is_the_gradient_at_the_block(tiny: Any) -> None:
    """Against a difference quotient along the gradient's own direction at one token."""
    examples = from_items(tiny.data.forget)[2:3]
    (felt,) = embedding_noise.sensitivity(tiny.vlm, 1, "test", examples)
    row, at = divmod(int(felt.argmax()), felt.shape[1])
    state: dict[str, Any] = {}

    def remember(batch: Any, hidden: Any) -> Any:
        state["hidden"] = hidden.detach().requires_grad_()
        return state["hidden"]

    with embedding_noise.at_block(tiny.vlm, 1, "test", remember):
        total = embedding_noise.score(tiny.vlm, examples).logp.sum()
    (gradient,) = torch.autograd.grad(total, state["hidden"])
    step = 1e-2 * gradient[row, at] / gradient[row, at].norm()

    def push(batch: Any, hidden: Any) -> Any:
        moved = hidden.clone()
        moved[row, at] += step
        return moved

    with torch.no_grad(), embedding_noise.at_block(tiny.vlm, 1, "test", push):
        pushed = embedding_noise.score(tiny.vlm, examples).logp.sum()
    assert (pushed - total).item() / 1e-2 == pytest.approx(felt[row, at].item(), rel=0.1)


@pytest.mark.parametrize("settings", [("tokens=msm",), ("tokens=msm", "span=text"), ("resample=true",)])
def test_the_variants_run_and_count_their_passes(tiny: Any, settings: tuple[str, ...]) -> None:
    artifact = fit(tiny, *settings)
    msm = "tokens=msm" in settings
    assert artifact.figures["marked_tokens"] > 0
    assert artifact.cost.forwards == 3 * (8 + 2 * 4 + 4 * msm)
    assert artifact.cost.backwards == 3 * (8 + 4 * msm)


def test_what_it_cannot_work_on_is_said(tiny: Any) -> None:
    with pytest.raises(UserError, match="no forget row says what its subject is"):
        fit(tiny, "span=text")
    told = replace(tiny.data, forget=[item for item in tiny.data.forget if not item.images])
    with pytest.raises(UserError, match="no forget row has one"):
        fit(tiny, "span=image", data=told)
    odd = tiny.fresh()
    language = odd.model.model.language_model
    language.blocks = language.layers
    del language.layers
    with pytest.raises(UserError, match=r"looked for decoder layers at model\.language_model\.layers"):
        embedding_noise.decoder_layers(odd, "permu")


def test_hooks_are_gone_when_a_pass_fails(tiny: Any) -> None:
    before = tiny.vlm.fingerprint()

    def fail(batch: Any, hidden: Any) -> Any:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), embedding_noise.at_block(tiny.vlm, 1, "test", fail):
        embedding_noise.score(tiny.vlm, from_items(tiny.data.forget))
    assert tiny.vlm.fingerprint() == before
    assert tiny.vlm.current_batch is None
    assert tiny.vlm.answer_logprobs([(Query("Who?"), "baker")])
