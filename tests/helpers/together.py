"""Trainings of the tiny model, done alone or by processes that were launched together.

    python together.py MODEL DATA OUT CASE …

writes what each case left to OUT, a torch file, as process 0 sees it. DATA holds rows and pictures.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image

from smllmun_bench.models.loading import load
from smllmun_bench.models.vlm import Vlm
from smllmun_bench.training.config import L1, LoraSettings, TrainingConfig
from smllmun_bench.training.examples import from_items
from smllmun_bench.training.loop import Batch, LoopHooks, Terms, train

LORA = TrainingConfig(steps=3, batch_size=4, lr=0.003, lora=LoraSettings(rank=3, alpha=6))
WHOLE = LORA.model_copy(update={"lora": None})
CONFIGS = {
    "lora": LORA,
    "layers": WHOLE,
    "everything": WHOLE.model_copy(update={"train": "all"}),
    "projector": LORA.model_copy(update={"projector": True, "max_grad_norm": 0.01}),
    "checkpointing": LORA.model_copy(update={"gradient_checkpointing": True}),
    "autocast": LORA.model_copy(update={"autocast": True}),
    "l1-factors": LORA.model_copy(update={"l1": L1(weight=20.0)}),
    "l1-product": LORA.model_copy(update={"l1": L1(weight=20.0, of="product")}),
    "l1-whole": WHOLE.model_copy(update={"l1": L1(weight=20.0), "train": "decoder"}),
    "in-turn": WHOLE,
    "few-pictures": WHOLE.model_copy(update={"text_share": 0.75, "steps": 4}),
}
TOP = "model.language_model.layers.1.mlp.up_proj.weight"
LOOP_HOOKS = {
    # Tower and last layer: a share of the batch without pictures has no gradient for one, nor a way to the first layer.
    "few-pictures": LoopHooks(only=["model.multi_modal_projector.linear_1.weight", TOP], alternate=True),
    "in-turn": LoopHooks(
        only=["model.language_model.layers.0.mlp.down_proj.weight", TOP],
        alternate=True,
        filter_update=lambda turn, name, change: (
            change * (torch.arange(change.shape[-1]) % 2) if turn == "forget" else change
        ),
    ),
}


@dataclass(frozen=True)
class Pictures:
    by_name: Mapping[str, Image.Image]

    def image(self, ref: str) -> Image.Image:
        return self.by_name[ref]


def loss(batch: Batch) -> Terms:
    """Means over answers, so that equal shares of a batch have the mean of the batch between them."""
    sign = {"forget": -0.5, "retain": 1.0}
    return {name: -sign[name] * part.scores.means().mean() for name, part in batch.items()}


class Watch:
    """Notes after each step which parameters are shards, and how much of them lies here."""

    def __init__(self, vlm: Vlm) -> None:
        self.vlm, self.shards = vlm, {}

    def step(self, done: int, total: int, figures: Mapping[str, float]) -> None:
        for name, parameter in self.vlm.model.named_parameters():
            if hasattr(parameter, "to_local"):
                self.shards[name] = parameter.to_local().numel() / parameter.numel()


def state(vlm: Vlm) -> dict[str, Any]:
    """All that training must leave as it was: the decoder's modules and what hangs on them, parameters, weights.

    Not the tower's modules: transformers leaves hooks of its own on them when they first run.
    """
    modules = {
        f"module {name}": (id(module), type(module), sorted(vars(module)), len(module._forward_hooks))
        for name, module in vlm.model.named_modules()
        if name.startswith(vlm.family.language)
    }
    weights = {f"weight {n}": (id(p), p.requires_grad, p.grad is None) for n, p in vlm.model.named_parameters()}
    return modules | weights | {"values": vlm.fingerprint(), "training": vlm.model.training}


def _difference(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))


def case(vlm: Vlm, data: Any, name: str, *, sharded: bool) -> dict[str, Any]:
    """What training gives and how it went."""
    config = CONFIGS[name].model_copy(update={"sharded": sharded})
    streams = {"forget": from_items(data.forget), "retain": from_items(data.retain)}
    heard: list[int] = []
    handle = vlm.model.get_submodule(vlm.family.language).layers[1].register_forward_hook(lambda *_: heard.append(1))
    before, watch = state(vlm), Watch(vlm)
    update = train(vlm, streams, loss, config, seed=3, progress=watch, hooks=LOOP_HOOKS.get(name, LoopHooks()))
    left = _difference(before, state(vlm))
    handle.remove()
    return {
        "deltas": update.deltas(),
        "history": update.history,
        "trained": update.cost.trainable_params,
        "shards": watch.shards,
        "left": left,
        "heard": len(heard),
        "low_rank": sorted(update.lora),
    }


def main(folder: str, data: str, out: str, *names: str) -> None:
    rows, pictures = torch.load(data, weights_only=False)
    torch.set_num_threads(1)
    vlm = load(folder, Pictures(pictures))
    found = {name: case(vlm, rows, name, sharded=True) for name in names}
    torch.save(found, out)


if __name__ == "__main__":
    main(*sys.argv[1:])
