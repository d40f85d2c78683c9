"""7B architectures with random weights on a GPU: a LoRA NPO step, evaluation, memory. Needs no download.

    python bench/gpu.py [--family llava|qwen2_5_vl] [--layers 32] [--json]

Prints the card's measured bf16 matrix rate first; the share of it that a training step reaches is the figure to watch.
Without a GPU it says so and exits with 0. Not yet run on a card: see docs/performance.md for what has been measured.
"""

import sys
import tempfile
import time
from pathlib import Path

import torch
from _result import parser, result, show
from PIL import Image

from smllmun_bench.models.vlm import Query, Vlm, load
from smllmun_bench.schema import Item, Kind, Modality, Role
from smllmun_bench.training import losses
from smllmun_bench.training.config import LoraSettings, TrainingConfig
from smllmun_bench.training.examples import from_items
from smllmun_bench.training.loop import train
from smllmun_bench.training.reference import Reference

WIDTH, INNER, HEADS = 4096, 11008, 32  # of a 7B Llama decoder
IMAGE = 336


class Pictures:
    """Plain images: what they show does not matter for speed."""

    def image(self, ref: str) -> Image.Image:
        number = int(ref)
        return Image.new("RGB", (IMAGE, IMAGE), (number % 256, 80, 160))


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--layers", type=int, default=32)
    options.add_argument("--steps", type=int, default=8)
    options.add_argument("--batch", type=int, default=8)
    options.add_argument("--items", type=int, default=128)
    arguments = options.parse_args()
    if not torch.cuda.is_available():
        print("no GPU that torch can use: nothing measured", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as folder:
        _build(Path(folder), arguments.layers)
        vlm = load(folder, Pictures(), device="cuda", dtype="bfloat16")
    rate = _matrix_rate()
    items = _items(max(arguments.items, 4 * arguments.batch))
    weights = sum(p.numel() for p in vlm.model.parameters())
    torch.cuda.reset_peak_memory_stats()
    step, tokens = _npo(vlm, items, arguments.steps, arguments.batch)
    peak = torch.cuda.max_memory_allocated() / 2**30
    share = 4 * weights * tokens / step / rate  # forward 2, backward through frozen weights 2, per weight and token
    found = [
        result("share of the matrix rate, LoRA NPO step", 1.0, share, "of bf16 peak measured", equal=True),
        result("LoRA NPO step, peak memory against 40 GB", peak, 40.0, "GiB", equal=True),
        _evaluation(vlm, items[: arguments.items]),
    ]
    print(
        f"{torch.cuda.get_device_name()}: {rate / 1e12:.0f} TFLOP/s bf16, {tokens / step:.0f} tokens/s", file=sys.stderr
    )
    show(found, as_json=arguments.json)


def _build(folder: Path, layers: int) -> None:
    """The toy's tokenizer and processor in front of a decoder of 7B width."""
    from smllmun_bench.models import toy

    texts = [item.question + " " + item.answer for item in _items(64)]
    size = toy.ToySize(
        image=IMAGE, patch=14, vision_width=1024, vision_layers=24, vision_inner=4096,
        width=WIDTH, layers=layers, inner=INNER, heads=HEADS, vocabulary=1200,
    )  # fmt: skip
    toy.build(folder, texts, size)


def _items(count: int) -> list[Item]:
    return [
        Item(
            f"i{n}", benchmark="bench", entity_id=f"e{n // 4}", role=Role.FORGET, modality=Modality.IMAGE_TEXT,
            kind=Kind.OPEN, question=f"What is the job of person number {n % 4} in the picture, and where is it?",
            answer=f"Baker number {n} in the old town by the river.", images=(str(n // 4),),
        )
        for n in range(count)
    ]  # fmt: skip


def _matrix_rate(size: int = 8192, rounds: int = 20) -> float:
    a = torch.randn(size, size, device="cuda", dtype=torch.bfloat16)
    (a @ a).sum().item()
    started = time.perf_counter()
    for _ in range(rounds):
        b = a @ a
    torch.cuda.synchronize()
    del b
    return 2 * size**3 * rounds / (time.perf_counter() - started)


def _npo(vlm: Vlm, items: list[Item], steps: int, batch: int) -> tuple[float, float]:
    """Seconds and tokens of a step, the first two steps left out."""
    examples = from_items(items)
    sums = Reference(vlm).sums(examples)
    marks: list[float] = []

    class Clock:
        def step(self, done: int, total: int, figures: object) -> None:
            torch.cuda.synchronize()
            marks.append(time.perf_counter())

    def loss(parts):  # type: ignore[no-untyped-def]
        part = parts["forget"]
        return {"forget": losses.npo(part.scores.sums(), sums(part.examples), beta=0.1)}

    config = TrainingConfig(
        steps=steps + 2, batch_size=batch, per_image=1, lora=LoraSettings(rank=32, alpha=32), lr=1e-4
    )
    train(vlm, {"forget": examples}, loss, config, seed=0, progress=Clock())
    length = len(vlm.encode(Query(items[0].question, items[0].images), items[0].answer).ids)
    return (marks[-1] - marks[1]) / steps, float(batch * length)


def _evaluation(vlm: Vlm, items: list[Item]):  # type: ignore[no-untyped-def]
    queries = [Query(item.question, item.images) for item in items]
    few = queries[:8]
    vlm.generate(few, max_new_tokens=16)
    started = time.perf_counter()
    batched = vlm.generate(queries, max_new_tokens=16)
    ours = (time.perf_counter() - started) / len(queries)
    started = time.perf_counter()
    single = [vlm.generate([query], max_new_tokens=16, batch_size=1)[0] for query in few]
    other = (time.perf_counter() - started) / len(few)
    same = [a.text for a in single] == [a.text for a in batched[: len(few)]]
    return result("evaluation against batch 1", ours, other, "s/item", equal=same)


if __name__ == "__main__":
    main()
