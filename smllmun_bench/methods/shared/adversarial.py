"""Noise on the features of a picture, learnt on a frozen model: towards one answer, or away from another."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from smllmun_bench.methods.shared.embedding_noise import at_block, score
from smllmun_bench.methods.shared.token_masks import pictures
from smllmun_bench.models.parts import sensitive

if TYPE_CHECKING:
    from smllmun_bench.models.packing import Packed
    from smllmun_bench.models.vlm import AnswerScores, Vlm
    from smllmun_bench.training.examples import Example

Key = tuple[str, int]
"""Whose pictures share a noise, and how many tokens they take."""

Images = tuple[str, ...]


def keys(vlm: "Vlm", examples: Sequence["Example"], owners: Mapping[str, str]) -> dict[Images, Key]:
    """Images -> key; `owners` names the person by the key of an example."""
    found: dict[Images, Key] = {}
    for example in examples:
        if example.images and example.images not in found:
            ids = vlm.encode(*example.pair).ids
            found[example.images] = (owners[example.key], ids.count(vlm.image_token))
    return found


def noised(
    vlm: "Vlm",
    examples: Sequence["Example"],
    keyed: Mapping[Images, Key],
    tables: Sequence[Mapping[Key, Tensor]],
    *,
    method: str,
) -> "AnswerScores":
    """The answers with the sum of the tables' noises on the pictures; a table is key -> (tokens, width)."""

    def change(packed: "Packed", hidden: Tensor) -> Tensor:
        if not packed.images:
            return hidden
        added = [torch.stack([table[keyed[images]] for table in tables]).sum(0) for images in packed.images]
        where = pictures(packed, vlm.image_token).to(hidden.device)
        noise = torch.zeros_like(hidden)
        noise[where] = torch.cat(added).to(hidden.device, hidden.dtype)  # blocks lie in the order of their images
        return hidden + noise

    with at_block(vlm, 0, method, change) if tables else nullcontext():
        return score(vlm, examples)


def scales(vlm: "Vlm", examples: Sequence["Example"], keyed: Mapping[Images, Key], *, method: str) -> dict[Key, Tensor]:
    """Key -> root mean square of the picture's features, and their width, as a (tokens, width) of that value."""
    found: dict[Key, Tensor] = {}

    def listen(packed: "Packed", hidden: Tensor) -> Tensor:
        features = hidden[pictures(packed, vlm.image_token).to(hidden.device)].detach().float()
        at = 0
        for images in packed.images:
            count = keyed[images][1]
            part = features[at : at + count]
            found[keyed[images]] = part.square().mean().sqrt().expand_as(part).clone()
            at += count
        return hidden

    with torch.no_grad(), at_block(vlm, 0, method, listen):
        score(vlm, examples)
    return found


def learn(
    vlm: "Vlm",
    examples: Sequence["Example"],
    keyed: Mapping[Images, Key],
    *,
    away: bool,
    method: str,
    steps: int,
    lr: float,
    bound: float,
    penalty: float,
    cap: float,
) -> tuple[dict[Key, Tensor], float, float]:
    """Noise by key, and the mean NLL of the answers without and with it.

    Towards: argmin NLL + penalty·(‖N‖/‖E‖)². Away: argmin -min(NLL, cap) + penalty·(‖N‖/‖E‖)². NLL is a token mean per
    answer. Adam; `lr` and `bound` are in shares of ‖E‖, and after every step ‖N‖ ≤ bound·‖E‖. A loop of its own: no
    minibatches, and a rate of its own for each noise.
    """
    with sensitive(vlm, []):
        sizes = scales(vlm, examples, keyed, method=method)
        noise = {key: torch.zeros_like(size, requires_grad=True) for key, size in sizes.items()}
        inside = {key: float(size[0, 0]) for key, size in sizes.items()}
        optimiser = torch.optim.Adam([{"params": [noise[key]], "lr": lr * inside[key]} for key in noise])
        with torch.no_grad():
            before = float(-noised(vlm, examples, keyed, [noise], method=method).means().mean())
        for _ in range(steps):
            nll = -noised(vlm, examples, keyed, [noise], method=method).means()
            pull = -nll.clamp(max=cap).sum() if away else nll.sum()
            spread = torch.stack([n.square().mean() / inside[key] ** 2 for key, n in noise.items()]).sum()
            optimiser.zero_grad()
            (pull + penalty * spread).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            with torch.no_grad():
                for key, n in noise.items():
                    norm = n.square().mean().sqrt() / inside[key]
                    n.mul_((bound / norm).clamp(max=1)) if norm > 0 else None
        with torch.no_grad():
            after = float(-noised(vlm, examples, keyed, [noise], method=method).means().mean())
    return {key: n.detach() for key, n in noise.items()}, before, after
