"""NPO on the toy: our step against the usual one, which keeps a frozen second model and sends pixels and padding along.

    python bench/npo_step.py [--steps 12] [--batch 64] [--json]

Each side runs in a process of its own, so that its peak memory (above what it held before the first step) is its own.
The usual step forwards policy and reference on a right-padded batch with one question a row; the loss is the same.
"""

import argparse
import json
import subprocess
import sys
import time

import torch
from _result import parser, result, show
from _toy import target_path, toy_context

from smllmun_bench.data.source import Split
from smllmun_bench.methods.base import UnlearningData
from smllmun_bench.methods.shared import streams
from smllmun_bench.models.loading import load
from smllmun_bench.models.vlm import Query, Vlm
from smllmun_bench.store.environment import peak_memory_mb, reset_peak_memory
from smllmun_bench.training import losses
from smllmun_bench.training.config import TrainingConfig
from smllmun_bench.training.examples import Example, Stream
from smllmun_bench.training.loop import drawn, train
from smllmun_bench.training.reference import Reference

BETA = 0.1


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--steps", type=int, default=12)
    options.add_argument("--batch", type=int, default=64)
    options.add_argument("--side", choices=("ours", "other"), help=argparse.SUPPRESS)
    arguments = options.parse_args()
    if arguments.side:
        print(json.dumps(_side(arguments.side, arguments.steps, arguments.batch)))
        return
    sides = {}
    for side in ("ours", "other"):
        command = [sys.executable, __file__, "--side", side]
        command += ["--steps", str(arguments.steps), "--batch", str(arguments.batch)]
        sides[side] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    equal = abs(sides["ours"]["first_loss"] - sides["other"]["first_loss"]) < 1e-3
    found = [
        result(f"npo step, {what}", sides["ours"][key], sides["other"][key], unit, equal=equal)
        for what, key, unit in (("time", "seconds", "s/step"), ("peak memory", "memory", "MB"))
    ]
    show(found, as_json=arguments.json)


def _side(side: str, steps: int, batch: int) -> dict[str, float]:
    context = toy_context()
    vlm = load(target_path(context), context.data)
    data = UnlearningData(context.data.training(Split.FORGET_TRAIN), context.data.training(Split.RETAIN_TRAIN), ())
    config = TrainingConfig(steps=steps, batch_size=batch, lora=None, lr=1e-5)
    reset_peak_memory()
    before = peak_memory_mb()
    started = time.perf_counter()
    first = (_ours if side == "ours" else _other)(vlm, data, config, context)
    return {
        "seconds": (time.perf_counter() - started) / steps,
        "memory": max(peak_memory_mb() - before, 1e-3),
        "first_loss": first,
    }


def _ours(vlm: Vlm, data: UnlearningData, config: TrainingConfig, context: object) -> float:
    """The loss is that of `methods/npo.py`; the time includes what the reference log-probabilities cost."""
    rows = {"forget": streams.forget(data, config), "retain": streams.retain(data, config)}
    sums = Reference(vlm).sums(drawn(rows, config, seed=0)["forget"])

    def loss(batch):  # type: ignore[no-untyped-def]
        part = batch["forget"]
        return {
            "forget": losses.npo(part.scores.sums(), sums(part.examples), beta=BETA),
            "retain": losses.cross_entropy(batch["retain"].scores.logp),
        }

    update = train(vlm, rows, loss, config, seed=0)
    return sum(update.history[0].values())


def _other(vlm: Vlm, data: UnlearningData, config: TrainingConfig, context) -> float:  # type: ignore[no-untyped-def]
    reference = load(target_path(context), context.data).model.requires_grad_(False)
    for name, weight in vlm.model.named_parameters():
        weight.requires_grad_(name.startswith(vlm.family.language) and name.endswith("proj.weight"))
    optimiser = torch.optim.AdamW([p for p in vlm.model.parameters() if p.requires_grad], lr=config.lr, weight_decay=0)
    supply = [
        Stream(rows, config.batch_size, seed=7 * n, per_image=config.per_image, text_share=config.text_share)
        for n, rows in enumerate((streams.forget(data, config), streams.retain(data, config)))
    ]
    first = float("nan")
    for step in range(config.steps):
        forget, retain = (stream.take() for stream in supply)
        policy, owner = _logp(vlm, vlm.model, forget)
        with torch.no_grad():
            before, _ = _logp(vlm, reference, forget)
        count = len(forget)
        total = losses.npo(_sums(policy, owner, count), _sums(before, owner, count), beta=BETA)
        total = total + losses.cross_entropy(_logp(vlm, vlm.model, retain)[0])
        optimiser.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_([p for p in vlm.model.parameters() if p.requires_grad], 1.0)
        optimiser.step()
        first = total.item() if step == 0 else first
    return first


def _sums(logp: torch.Tensor, owner: torch.Tensor, count: int) -> torch.Tensor:
    return torch.zeros(count).index_add(0, owner, logp)


def _logp(vlm: Vlm, model, batch: list[Example]):  # type: ignore[no-untyped-def]
    """log p of the answer tokens, one question a row, and the row of each."""
    rows = [vlm.encode(Query(e.question, e.images), e.answer) for e in batch]
    width = max(len(row.ids) for row in rows)
    ids = torch.full((len(rows), width), vlm.pad_id)
    mask, labels = torch.zeros_like(ids), torch.full_like(ids, -100)
    for number, row in enumerate(rows):
        ids[number, : len(row.ids)] = torch.tensor(row.ids)
        mask[number, : len(row.ids)] = 1
        labels[number, row.answer_start : len(row.ids)] = torch.tensor(row.ids[row.answer_start :])
    pictures = [ref for e in batch for ref in e.images]
    pixels = vlm.bank.pixels(pictures, vlm.device, vlm.dtype) if pictures else {}
    logits = model(input_ids=ids, attention_mask=mask, **pixels).logits[:, :-1]
    wanted = labels[:, 1:]
    at = wanted != -100
    logp = logits[at].float().log_softmax(-1).gather(1, wanted[at][:, None]).squeeze(1)
    return logp, at.nonzero()[:, 0]


if __name__ == "__main__":
    main()
