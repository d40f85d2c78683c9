"""The one training loop. A method brings streams of examples and a loss over their scores; the loop does the rest."""

import math
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from smllmun_bench.errors import RunFailed, UserError
from smllmun_bench.models.cost import Cost
from smllmun_bench.models.hooks import recomputation
from smllmun_bench.models.memory import check_resident
from smllmun_bench.models.vlm import AnswerScores, Vlm
from smllmun_bench.training import losses, parallel
from smllmun_bench.training.compiled import compiled, eager
from smllmun_bench.training.config import TrainingConfig, rate_at
from smllmun_bench.training.examples import Example, Stream
from smllmun_bench.training.sharded import clip_gradients, divided_like, full, is_shard, kinds
from smllmun_bench.training.weights import LoraFactors, Trainable, trainable

Terms = Mapping[str, Tensor]
"""Named parts of a loss; their sum is minimised, and each is reported."""


class Progress(Protocol):
    """Hears about every step."""

    def step(self, done: int, total: int, figures: Mapping[str, float]) -> None: ...


class Silent:
    """A Progress that says nothing."""

    def step(self, done: int, total: int, figures: Mapping[str, float]) -> None:
        return None


@runtime_checkable
class Checking(Protocol):
    """A Progress that also knows when it is enough; asked under `stop: {rule: matched}`, with the model as trained."""

    def on_check(self, step: int) -> bool: ...


@dataclass(frozen=True, slots=True)
class Scored:
    """A batch of one stream with what the model makes of its answers.

    `places` are the indices of its tokens among all tokens of the forward pass, for methods that listen to states.
    """

    examples: Sequence[Example]
    scores: AnswerScores
    places: Tensor


Batch = Mapping[str, Scored]
Loss = Callable[[Batch], Terms]


def cross_entropy(batch: Batch) -> Terms:
    """The plain loss: the answers of every stream become likelier."""
    return {name: losses.cross_entropy(part.scores.logp) for name, part in batch.items()}


@dataclass(frozen=True, slots=True)
class Update:
    """What training changed, by parameter name: LoRA factors or dense differences (float32, on the CPU)."""

    lora: Mapping[str, LoraFactors]
    dense: Mapping[str, Tensor]
    cost: Cost
    history: Sequence[Mapping[str, float]]

    def deltas(self) -> dict[str, Tensor]:
        """ΔW of every touched parameter in float32, in the shape of W."""
        return {name: factors.dense() for name, factors in self.lora.items()} | dict(self.dense)


@dataclass(frozen=True, slots=True)
class LoopHooks:
    """Where a method reaches into the loop, besides its loss.

    `only` names the parameters that are trained (whole weights) in place of those that `config.train` stands for.
    `alternate`: every stream takes a step of its own, one after the other, with its own forward pass, clipping and Adam
    state; the loss then sees one stream at a time. `filter_update(stream, parameter, change)` gives what is left of the
    change that the optimiser has just made (of all streams: "") to that parameter: editing gradients instead would not
    do, since Adam rescales them. `start` may move the trained weights, by name, before the first step.
    `active` names the streams that take part in a step (from 0); without it all do. `extra_streams` makes further
    streams out of a batch, say another answer to the very questions that it asks.
    """

    only: Collection[str] | None = None
    alternate: bool = False
    filter_update: Callable[[str, str, Tensor], Tensor] | None = None
    start: Callable[[Mapping[str, torch.nn.Parameter]], None] | None = None
    extra_streams: Callable[[Mapping[str, Sequence[Example]]], Mapping[str, Sequence[Example]]] | None = None
    active: Callable[[int], Collection[str]] | None = None


def train(
    vlm: Vlm,
    streams: Mapping[str, Sequence[Example]],
    loss: Loss,
    config: TrainingConfig,
    *,
    seed: int,
    init_seed: int | None = None,
    progress: Progress | None = None,
    sizes: Mapping[str, int] | None = None,
    hooks: LoopHooks = LoopHooks(),
) -> Update:
    """Train and return the change; the model itself is as it was when this returns, even if it fails.

    `sizes` overrides `config.batch_size` for single streams; `init_seed` draws the adapters' A and defaults to `seed`.

    Raises:
        RunFailed: the loss or a gradient is not a number; says at which step.
        UserError: it shall stop at matched forgetting, and `progress` cannot tell where that is; or it shall divide
            weights that it cannot divide.
    """
    progress = progress or Silent()
    if config.sharded and hooks.start is not None:  # such a method also holds whole weights of its own
        raise UserError(
            "this method moves whole weights itself, and divided ones are not at hand",
            where="training.sharded",
            fix="leave it out",
        )
    check_resident(vlm.model, None, "training")
    check = _check(progress, config)
    supply = _supply(streams, config, seed, sizes)
    started = time.perf_counter()
    if vlm.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(vlm.device)
    with (
        trainable(vlm, config, seed if init_seed is None else init_seed, hooks.only) as taken,
        _checkpointing(vlm, config.gradient_checkpointing),
        compiled(vlm, config.compile),
        vlm.bank.prefetching(vlm.device) as expect,
    ):
        torch.manual_seed(seed)
        stepper = _Stepper(vlm, loss, config, hooks, taken, _optimisers(taken, config, vlm.device, supply, hooks))
        if hooks.start is not None:
            with torch.no_grad():
                hooks.start(dict(zip(taken.names, taken.parameters, strict=True)))
        seen, history = 0, list[dict[str, float]]()
        vlm.model.train()
        try:
            for step, batch in enumerate(_batches(supply, config.steps, expect, hooks)):
                seen += sum(len(examples) for examples in batch.values())
                history.append(stepper.step(step, batch))
                progress.step(step + 1, config.steps, history[-1])
                if check is not None and _enough(vlm, check, step + 1, config):
                    break
        finally:
            vlm.model.eval()
        trained = sum(parameter.numel() for parameter in taken.parameters)
        cost = Cost(seen, seen, time.perf_counter() - started, trained, _peak_device_mb(vlm.device))
        return Update(*taken.read(), cost, history)


@dataclass(frozen=True, slots=True)
class _Stepper:
    """One step after the other; `optimisers` holds one for every turn: each stream's, or one for all ("")."""

    vlm: Vlm
    loss: Loss
    config: TrainingConfig
    hooks: LoopHooks
    taken: Trainable
    optimisers: Mapping[str, torch.optim.Optimizer]

    def step(self, step: int, whole: Mapping[str, Sequence[Example]]) -> dict[str, float]:
        """All turns of step `step` (from 0) on a batch, of which this process does its share; the parts of the loss."""
        batch = {name: parallel.share(examples) for name, examples in whole.items()}
        figures: dict[str, float] = {}
        for turn, optimiser in self.optimisers.items():
            for group in optimiser.param_groups:
                group["lr"] = self.config.lr * rate_at(step, self.config)
            terms = self._terms({turn: batch[turn]} if self.hooks.alternate else batch)
            self._backward(step, torch.stack(list(terms.values())).sum(), optimiser)
            _step(optimiser, self.taken, turn, self.hooks)
            figures |= {name: value.item() for name, value in terms.items()}
        return figures

    def _terms(self, batch: Mapping[str, Sequence[Example]]) -> dict[str, Tensor]:
        with self.vlm.rounded(self.config.autocast), self.vlm.labelled(self.config.labels):
            terms = dict(self.loss(_score(self.vlm, batch)))
        if self.config.l1 is not None:
            terms["l1"] = self.config.l1.weight * self.taken.size(self.config.l1)
        return terms

    def _backward(self, step: int, total: Tensor, optimiser: torch.optim.Optimizer) -> None:
        """Gradients, averaged over the processes and clipped. Raises RunFailed if anything is not a number."""
        parameters = self.taken.parameters
        optimiser.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        parallel.average_gradients(p for p in parameters if not is_shard(p))  # shards are already
        norm = clip_gradients(parameters, self.config.max_grad_norm)
        if not (math.isfinite(total.item()) and math.isfinite(norm.item())):
            raise RunFailed(
                f"loss {total.item()}, gradient norm {norm.item()} at step {step + 1} of {self.config.steps}",
                fix="a smaller training.lr, or --dtype float32",
            )


def _optimisers(
    taken: Trainable, config: TrainingConfig, device: torch.device, streams: Collection[str], hooks: LoopHooks
) -> dict[str, torch.optim.Optimizer]:
    return {
        turn: torch.optim.AdamW(
            [{"params": kind} for kind in kinds(taken.parameters)],
            lr=config.lr,
            weight_decay=config.weight_decay,
            fused=device.type == "cuda",
        )
        for turn in (streams if hooks.alternate else ("",))
    }


def _batches(
    supply: Mapping[str, Stream],
    steps: int,
    expect: Callable[[Iterable[tuple[str, ...]]], None],
    hooks: LoopHooks,
) -> Iterator[dict[str, Sequence[Example]]]:
    """The batches, all streams together; pictures of the next one are prepared while a step is taken."""
    upcoming = _take(supply)
    for step in range(steps):
        batch, upcoming = upcoming, _take(supply) if step + 1 < steps else {}
        if hooks.active is not None:
            batch = {name: batch[name] for name in hooks.active(step)}
        expect(example.images for examples in upcoming.values() for example in parallel.share(examples))
        yield batch | dict(hooks.extra_streams(batch)) if hooks.extra_streams is not None else batch


def _enough(vlm: Vlm, check: Checking, done: int, config: TrainingConfig) -> bool:
    """Whether to stop after `done` steps, asked of the model as it answers."""
    if done % config.stop.every:
        return False
    vlm.model.eval()
    with eager(config.compile):
        enough = check.on_check(done)
    vlm.model.train()
    return enough


def drawn(
    streams: Mapping[str, Sequence[Example]],
    config: TrainingConfig,
    *,
    seed: int,
    sizes: Mapping[str, int] | None = None,
) -> dict[str, list[Example]]:
    """Those examples of each stream that `train` with the same arguments will take, in the order of the stream.

    What a method wants to know of the target before training it needs to know of these alone.
    """
    supply = _supply(streams, config, seed, sizes)
    taken = {name: {example for _ in range(config.steps) for example in supply[name].take()} for name in streams}
    return {name: [example for example in examples if example in taken[name]] for name, examples in streams.items()}


def _supply(
    streams: Mapping[str, Sequence[Example]], config: TrainingConfig, seed: int, sizes: Mapping[str, int] | None
) -> dict[str, Stream]:
    return {
        name: Stream(
            examples,
            (sizes or {}).get(name, config.batch_size),
            seed=seed + 7 * index,
            per_image=config.per_image,
            text_share=config.text_share,
            text_first=config.text_first,
        )
        for index, (name, examples) in enumerate(streams.items())
    }


def _take(supply: Mapping[str, Stream]) -> dict[str, Sequence[Example]]:
    return {name: stream.take() for name, stream in supply.items()}


def _check(progress: Progress, config: TrainingConfig) -> Checking | None:
    if config.stop.rule == "steps":
        return None
    if not isinstance(progress, Checking):
        raise UserError(
            "nobody can tell here whether forgetting has reached gold", where="training.stop.rule", fix="rule: steps"
        )
    return progress


def _peak_device_mb(device: torch.device) -> float:
    """MiB on the accelerator since training began; 0 where there is none to ask."""
    return torch.cuda.max_memory_allocated(device) / 2**20 if device.type == "cuda" else 0.0


@contextmanager
def _checkpointing(vlm: Vlm, wanted: bool) -> Iterator[None]:
    if not wanted:
        yield
        return
    vlm.model.activation_checkpointing_enable({"use_reentrant": False, "context_fn": partial(recomputation, vlm)})
    try:
        yield
    finally:
        vlm.model.activation_checkpointing_disable()
        vlm.model.disable_input_require_grads()


def _step(optimiser: torch.optim.Optimizer, taken: Trainable, turn: str, hooks: LoopHooks) -> None:
    if hooks.filter_update is None:
        optimiser.step()
        return
    with torch.no_grad():
        before = [parameter.detach().clone() for parameter in taken.parameters]
        optimiser.step()
        for name, parameter, old in zip(taken.names, taken.parameters, before, strict=True):
            left = hooks.filter_update(turn, name, full(parameter - old))
            parameter.copy_(old + divided_like(left, parameter))


def _score(vlm: Vlm, batch: Mapping[str, Sequence[Example]]) -> Batch:
    """All streams in one forward pass, then taken apart again."""
    everything = [example for examples in batch.values() for example in examples]
    scores = vlm.score_pairs([example.pair for example in everything])
    parts: dict[str, Scored] = {}
    at = 0
    for name, examples in batch.items():
        chosen = (scores.owner >= at) & (scores.owner < at + len(examples))
        part = AnswerScores(scores.logp[chosen], scores.owner[chosen] - at, scores.logits[chosen], len(examples))
        parts[name] = Scored(examples, part, chosen.nonzero().squeeze(1))
        at += len(examples)
    return parts
