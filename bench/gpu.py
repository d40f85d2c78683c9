"""A LoRA NPO step and evaluation with 7B architectures of random weights on a GPU. Needs no download.

    python bench/gpu.py [--family llava qwen2_5_vl] [--batch 2] [--steps 8] [--items 128] [--json]
    python bench/gpu.py --tiny --device cpu      # tiny models: does the script run? The figures mean nothing

The card's bf16 matrix rate is measured first. A training step is held against the time that the decoder's matrix
products would take at that rate: 4 operations for each weight and token, 2 forwards and 2 on the way back through
weights that are frozen. That ratio is the share of the rate that the step reaches. Random weights find all words about
equally likely, so answers in bfloat16 depend on the shapes of batches; `equal` of evaluation means that
log-probabilities of given answers do not (to 0.05 nats a token), that of a step that its first loss is the one of an
untouched model, 2/β · log 2, by which the reference pass is held against the training pass.
Without a GPU it says so and exits with 0. For the toy's scores on a card:
`smllmun-bench regress --golden results/goldens/toy.json --device cuda`.
"""

import math
import sys
import time

import torch
from _architectures import ARCHITECTURES, random_vlm
from _result import Result, parser, result, seconds, show
from _usual import one_by_one
from PIL import Image

from smllmun_bench.models.vlm import Query, Vlm
from smllmun_bench.training import losses
from smllmun_bench.training.config import LoraSettings, TrainingConfig
from smllmun_bench.training.examples import Example
from smllmun_bench.training.loop import train
from smllmun_bench.training.reference import Reference

IMAGE = 336
NEW_TOKENS = 16
BETA = 0.1
TOLERANCE = 0.05  # nats a token, between batches of other shapes in bfloat16
WARM_UP = 2  # steps that are not timed
LIMIT_GIB = 40.0


class Pictures:
    """Plain images: what they show does not matter for speed."""

    def image(self, ref: str) -> Image.Image:
        number = int(ref)
        return Image.new("RGB", (IMAGE, IMAGE), (number % 256, 80, 160))


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--family", nargs="+", choices=list(ARCHITECTURES), default=list(ARCHITECTURES))
    options.add_argument("--batch", type=int, default=2, help="of each of the two streams")
    options.add_argument("--steps", type=int, default=8)
    options.add_argument("--items", type=int, default=128)
    options.add_argument("--batch-size", type=int, default=64, help="of evaluation")
    options.add_argument("--checkpointing", action="store_true", help="less memory, a third more work")
    options.add_argument("--tiny", action="store_true")
    options.add_argument("--device", default="cuda")
    arguments = options.parse_args()
    if arguments.device.startswith("cuda") and not torch.cuda.is_available():
        print("no GPU that torch can use: nothing measured", file=sys.stderr)
        return
    rate = _matrix_rate(arguments.device, 256 if arguments.tiny else 8192)
    card = torch.cuda.get_device_name() if arguments.device.startswith("cuda") else arguments.device
    print(f"{card}, torch {torch.__version__}: {rate / 1e12:.3g} TFLOP/s bfloat16", file=sys.stderr)
    for family in arguments.family:
        vlm = random_vlm(family, Pictures(), device=arguments.device, dtype="bfloat16", tiny=arguments.tiny)
        name = f"{family}{' (tiny)' if arguments.tiny else ''}"
        show([*_npo(vlm, name, rate, arguments), _evaluation(vlm, name, arguments)], as_json=arguments.json)
        del vlm
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _examples(count: int, per_image: int, first: int = 0) -> list[Example]:
    return [
        Example(
            f"i{n}",
            f"What is the job of person number {n % 4} in the picture, and where is it?",
            f"Baker number {n % 10} in the old town by the river.",
            (str(first + n // per_image),),
        )
        for n in range(count)
    ]


def _matrix_rate(device: str, size: int, rounds: int = 20) -> float:
    """Operations a second in products of two square bfloat16 matrices."""
    a = torch.randn(size, size, device=device, dtype=torch.bfloat16)
    (a @ a).sum().item()
    started = time.perf_counter()
    for _ in range(rounds):
        b = a @ a
    b.sum().item()
    return 2 * size**3 * rounds / (time.perf_counter() - started)


class _Clock:
    """When each step was done."""

    def __init__(self, device: str) -> None:
        self._cuda = device.startswith("cuda")
        self.marks: list[float] = []

    def step(self, done: int, total: int, figures: object) -> None:
        if self._cuda:
            torch.cuda.synchronize()
        self.marks.append(time.perf_counter())


def _npo(vlm: Vlm, name: str, rate: float, arguments) -> list[Result]:  # type: ignore[no-untyped-def]
    """NPO with cross-entropy on the rows to keep, as `methods/npo.py` has it; every image is in one question."""
    steps, batch = arguments.steps, arguments.batch
    count = batch * (steps + WARM_UP)
    rows = {"forget": _examples(count, 1), "retain": _examples(count, 1, first=count)}
    config = TrainingConfig(
        steps=steps + WARM_UP,
        batch_size=batch,
        per_image=1,
        lora=LoraSettings(rank=32, alpha=32),
        lr=1e-4,
        gradient_checkpointing=arguments.checkpointing,
    )
    if arguments.device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()
    sums = Reference(vlm).sums(rows["forget"])

    def loss(parts):  # type: ignore[no-untyped-def]
        part = parts["forget"]
        return {
            "forget": losses.npo(part.scores.sums(), sums(part.examples), beta=BETA),
            "retain": losses.cross_entropy(parts["retain"].scores.logp),
        }

    encoded = [vlm.encode(Query(e.question, e.images), e.answer) for e in rows["forget"]]
    whole = sum(len(one.ids) for one in encoded) / count
    length = sum(len(one.ids) - one.answer_start for one in encoded) / count
    clock = _Clock(arguments.device)
    update = train(vlm, rows, loss, config, seed=0, progress=clock)
    untouched = abs(update.history[0]["forget"] - 2 / BETA * math.log(2)) < TOLERANCE * length
    spent = (clock.marks[-1] - clock.marks[WARM_UP - 1]) / steps
    tokens = 2 * batch * whole
    weights = sum(
        weight.numel()
        for key, weight in vlm.model.named_parameters()
        if key.startswith(vlm.family.language) and key.endswith("proj.weight")
    )
    print(f"{name}: {tokens / spent:.0f} tokens/s in training", file=sys.stderr)
    products = 4 * weights * tokens / rate
    found = [result(f"{name}: LoRA NPO step against its matrix products alone", spent, products, "s", equal=untouched)]
    if arguments.device.startswith("cuda"):
        peak = torch.cuda.max_memory_allocated() / 2**30
        found.append(result(f"{name}: LoRA NPO step, peak memory", peak, LIMIT_GIB, "GiB", equal=untouched))
    return found


def _evaluation(vlm: Vlm, name: str, arguments) -> Result:  # type: ignore[no-untyped-def]
    """Four questions on each image in batches, images prepared meanwhile and seen once, against the usual loop."""
    examples = _examples(arguments.items, 4, first=1_000_000)
    queries = [Query(example.question, example.images) for example in examples]
    few = max(4, len(queries) // 16)
    other_images = [Query(query.question, ("0",)) for query in queries[:2]]
    vlm.generate(other_images, max_new_tokens=NEW_TOKENS)  # both sides once before they are timed
    one_by_one(vlm, other_images[0], NEW_TOKENS)
    ours = seconds(lambda: vlm.generate(queries, max_new_tokens=NEW_TOKENS, batch_size=arguments.batch_size))
    other = seconds(lambda: [one_by_one(vlm, query, NEW_TOKENS) for query in queries[:few]])
    pairs = [(query, example.answer) for query, example in zip(queries, examples, strict=True)][:few]
    together, alone = vlm.answer_logprobs(pairs), [vlm.answer_logprobs([pair])[0] for pair in pairs]
    furthest = max(abs(sum(a) - sum(b)) / len(a) for a, b in zip(together, alone, strict=True))
    return result(
        f"{name}: evaluation against batch 1", ours / len(queries), other / few, "s/item", equal=furthest < TOLERANCE
    )


if __name__ == "__main__":
    main()
