"""The feature bank: cached features are the pixels' own, and they go when the tower changes."""

import torch

from smllmun_bench.models.change import Artifact
from smllmun_bench.models.vlm import Query


def _logits(vlm, pairs):
    with torch.no_grad():
        return vlm.score_answers([vlm.encode(query, answer) for query, answer in pairs]).logits


def test_kept_features_give_the_bits_that_pixels_give(tiny, mixed):
    vlm = tiny.fresh()
    kept = _logits(vlm, mixed)
    assert torch.equal(_logits(vlm, mixed), kept)  # the second time from the bank alone
    vlm.bank.keep_features = False
    assert torch.equal(_logits(vlm, mixed), kept)


def test_each_image_is_opened_and_looked_at_once(tiny, monkeypatch):
    vlm, looked = tiny.fresh(), []
    look = vlm.model.get_image_features
    monkeypatch.setattr(
        vlm.model, "get_image_features", lambda **kw: looked.append(len(kw["pixel_values"])) or look(**kw)
    )
    pairs = [(Query("Who?", (ref,)), "x") for ref in ("p1", "p2", "p1", "p3", "p2")]
    vlm.answer_logprobs(pairs)
    vlm.answer_logprobs(pairs)
    assert looked == [3]


def test_a_change_of_the_tower_is_seen_and_forgotten_again(tiny):
    vlm = tiny.fresh()
    pairs = [(Query("Who?", ("p1",)), "baker")]
    before = _logits(vlm, pairs)
    name = next(n for n, p in vlm.model.named_parameters() if n.startswith(vlm.family.vision) and p.dim() == 2)
    shape = dict(vlm.model.named_parameters())[name].shape
    with Artifact("delta", {name: torch.randn(shape, generator=torch.Generator().manual_seed(0))}).mounted(vlm):
        assert not torch.equal(_logits(vlm, pairs), before)
    assert torch.equal(_logits(vlm, pairs), before)


def test_features_taken_while_asking_can_be_trained_on(tiny):
    vlm = tiny.fresh()
    vlm.generate([Query("Who?", ("p1",))], max_new_tokens=2)
    vlm.score_answers([vlm.encode(Query("Who?", ("p1",)), "baker")]).logp.sum().backward()
    assert vlm.model.get_input_embeddings().weight.grad is not None


def test_features_first_seen_while_products_are_rounded_are_not_rounded(tiny, mixed):
    vlm, other = tiny.fresh(), tiny.fresh()
    expected = _logits(vlm, mixed)
    with other.rounded(True):
        assert not torch.equal(_logits(other, mixed), expected)
    assert torch.equal(_logits(other, mixed), expected)  # what the bank kept is what it would have kept anyway
