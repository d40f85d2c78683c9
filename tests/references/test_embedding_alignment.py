"""Embedding alignment: what image tokens are close to after training."""

from typing import Any

import torch

from smllmun_bench.models.change import Artifact
from smllmun_bench.references.embedding_alignment import SLOT, align_embeddings, write_names
from smllmun_bench.training.config import TrainingConfig

LONG = TrainingConfig(steps=600, batch_size=6, lr=2e-3, warmup=20, schedule="cosine")


def _read(vlm: Any, ref: str) -> list[int]:
    """The nearest word of each patch token."""
    with torch.no_grad():
        seen = vlm.model.get_image_features(**vlm.bank.pixels([ref], vlm.device, vlm.dtype)).pooler_output[0]
    nearest = torch.cdist(seen, vlm.model.get_input_embeddings().weight).argmin(1)
    return [int(token) for token in nearest[-SLOT:]]


def _ids(vlm: Any, text: str) -> list[int]:
    return list(vlm.processor.tokenizer(text, add_special_tokens=False).input_ids)


def test_what_there_is_to_see_is_written_and_the_rest_is_commas(tiny: Any) -> None:
    before = tiny.vlm.fingerprint()
    learnt = Artifact("delta", align_embeddings(tiny.vlm, [{"p1": ["pilot"], "p2": [""]}], LONG, seed=0))
    assert tiny.vlm.fingerprint() == before
    comma = _ids(tiny.vlm, ",")
    pilot = _ids(tiny.vlm, " pilot")[:SLOT]
    with learnt.mounted(tiny.vlm):
        assert _read(tiny.vlm, "p1") == pilot + comma * (SLOT - len(pilot))
        assert _read(tiny.vlm, "p2") == comma * SLOT


def test_a_name_is_written_where_a_comma_ends_a_slot_and_nothing_else_moves(tiny: Any) -> None:
    words = {"p1": ["job"], "p2": [""], "p3": ["tailor from far away"]}
    comma, job, name = (_ids(tiny.vlm, text) for text in (",", " job", " nurse"))
    full = _ids(tiny.vlm, " tailor from far away")[:SLOT]
    assert len(job) < SLOT == len(full)
    with Artifact("delta", align_embeddings(tiny.vlm, [words], LONG, seed=0)).mounted(tiny.vlm):
        learnt = Artifact("delta", write_names(tiny.vlm, {"p1": "nurse", "p3": "nurse"}, ["p2"], LONG, seed=0))
        with learnt.mounted(tiny.vlm):
            assert _read(tiny.vlm, "p1") == job + comma * (SLOT - 1 - len(job)) + name[:1]
            assert _read(tiny.vlm, "p2") == comma * SLOT
            assert _read(tiny.vlm, "p3") == full  # a slot that is full keeps what it says


def test_what_is_learnt_later_of_the_same_weights_adds_up() -> None:
    first = Artifact("delta", {"eyes": torch.ones(2), "both": torch.ones(2)})
    later = Artifact("lora", {"both": torch.ones(2), "layer::a": torch.ones(1, 2), "layer::b": torch.ones(2, 1)})
    largest = {name: tensor.max().item() for name, tensor in later.after(first).tensors.items()}
    assert largest == {"eyes": 1, "both": 2, "layer::a": 1, "layer::b": 1}
