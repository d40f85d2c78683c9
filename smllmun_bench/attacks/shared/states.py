"""What leaves the decoder's layers where an answer is predicted, read and put in place of another model's."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from smllmun_bench.attacks.base import NotApplicable
from smllmun_bench.errors import UserError
from smllmun_bench.models.answering import Query
from smllmun_bench.models.hooks import current_batch, editing, reading_layers
from smllmun_bench.models.parts import decoder_layers
from smllmun_bench.schema import Item

if TYPE_CHECKING:
    from smllmun_bench.models.encoding import Encoded
    from smllmun_bench.models.vlm import Vlm

BATCH = 32
Pair = tuple[Query, str]


def pairs_of(items: Sequence[Item]) -> list[Pair]:
    """What is asked and the true answer."""
    return [(Query(item.question, item.images), item.answer) for item in items]


def layer_names(vlm: "Vlm", attack: str) -> list[str]:
    """The decoder's layers, first to last. Raises NotApplicable where there are none, or where a filter answers in
    place of the model: what lies inside is then the target's."""
    if vlm.prompt_filters:
        raise NotApplicable("a filter stands before the model, whose inside is the target's: see the attack `removal`")
    try:
        count = len(decoder_layers(vlm, attack))
    except UserError as error:
        raise NotApplicable(str(error)) from error
    return [f"{vlm.family.language}.layers.{number}" for number in range(count)]


def at_depths(names: Sequence[str], depths: Sequence[float]) -> dict[str, int]:
    """Point of a curve -> index of the layer at a share of the depth: 1 is the last one."""
    numbers = sorted({min(len(names), max(1, round(depth * len(names)))) for depth in depths})
    return {f"layer {number} of {len(names)}": number - 1 for number in numbers}


def answer_states(vlm: "Vlm", pairs: Sequence[Pair], names: Sequence[str], *, first: bool = False) -> list[Tensor]:
    """Of every pair (layers, tokens, width) in float32 on the CPU: what leaves each layer where the answer's tokens are
    predicted, its EOS left out. `first`: where the first of them is, that is, at the end of the question."""
    found: dict[int, Tensor] = {}
    for numbers, batch in _passes(vlm, pairs):
        heard: dict[str, Tensor] = {}
        owner = torch.zeros(0)

        def listen(name: str, hidden: Tensor, heard: dict[str, Tensor] = heard) -> None:
            nonlocal owner
            packed = current_batch(vlm)
            at = packed.predict_row.to(hidden.device), packed.predict_at.to(hidden.device)
            heard[name], owner = hidden[at].float().cpu(), packed.owner.cpu()

        with torch.no_grad(), reading_layers(vlm, names, listen, side="output"):
            vlm.score_answers(batch)
        states = torch.stack([heard[name] for name in names])
        for index, number in enumerate(numbers):
            found[number] = states[:, owner == index][:, : 1 if first else -1].clone()
    return [found[number] for number in range(len(pairs))]


def answer_means(vlm: "Vlm", pairs: Sequence[Pair], *, name: str = "", states: Sequence[Tensor] = ()) -> list[float]:
    """Mean log-probability of each answer's tokens without EOS, in nats.

    With `name` what leaves that layer where they are predicted is taken from `states`, of each pair (tokens, width).
    """
    means: dict[int, float] = {}
    for numbers, batch in _passes(vlm, pairs):
        with torch.no_grad(), ExitStack() as stack:
            if name:
                theirs = [states[number] for number in numbers]

                def patched(hidden: Tensor, theirs: Sequence[Tensor] = theirs) -> Tensor:
                    packed, hidden = current_batch(vlm), hidden.clone()
                    for index, state in enumerate(theirs):
                        mine = (packed.owner == index).nonzero().squeeze(1)[:-1]
                        at = packed.predict_row[mine].to(hidden.device), packed.predict_at[mine].to(hidden.device)
                        hidden[at] = state.to(hidden)
                    return hidden

                stack.enter_context(editing(vlm, vlm.model.get_submodule(name), patched, side="output"))
            scores = vlm.score_answers(batch)
        logp, owner = scores.logp.double().cpu(), scores.owner.cpu()
        for index, number in enumerate(numbers):
            means[number] = logp[owner == index][:-1].mean().item()
    return [means[number] for number in range(len(pairs))]


def answer_ids(vlm: "Vlm", pair: Pair) -> Tensor:
    """The tokens of the answer without EOS."""
    encoded = vlm.encode(*pair)
    return torch.tensor(encoded.ids[encoded.answer_start : -1])


def _passes(vlm: "Vlm", pairs: Sequence[Pair]) -> "Iterator[tuple[list[int], list[Encoded]]]":
    """Numbers of the pairs of each forward pass, and the pairs as tokens: the same passes for every model."""
    for at in range(0, len(pairs), BATCH):
        part = [vlm.encode(*pair) for pair in pairs[at : at + BATCH]]
        for group in vlm.alike(part):
            yield [at + index for index in group], [part[index] for index in group]
