"""How active neurons are, and which matter to one set more than to another. MANU's scores, arXiv 2502.15910."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from smllmun_bench.methods.shared.token_masks import real
from smllmun_bench.models.hooks import Side, current_batch, reading

if TYPE_CHECKING:
    from smllmun_bench.models.vlm import Vlm
    from smllmun_bench.training.examples import Example

CLAMP = 1000.0  # on activations, as in the authors' code
EPSILON = 1e-8


@dataclass(slots=True)
class Statistics:
    """Sums over tokens of one layer's activations z, each (neurons) and float64."""

    absolute: Tensor
    total: Tensor
    square: Tensor
    active: Tensor
    tokens: int = 0

    @classmethod
    def empty(cls, width: int) -> "Statistics":
        absolute, total, square, active = torch.zeros((4, width), dtype=torch.float64).unbind()
        return cls(absolute, total, square, active)

    def add(self, z: Tensor, threshold: float) -> None:
        """`z` is (tokens, neurons)."""
        z = z.detach().double().clamp(-CLAMP, CLAMP).cpu()
        self.absolute += z.abs().sum(0)
        self.total += z.sum(0)
        self.square += z.square().sum(0)
        self.active += (z.abs() > threshold).sum(0)
        self.tokens += len(z)

    def mean_absolute(self) -> Tensor:
        return self.absolute / self.tokens

    def mean_square(self) -> Tensor:
        return self.square / self.tokens

    def frequency(self) -> Tensor:
        return self.active / self.tokens

    def variance(self) -> Tensor:
        return (self.mean_square() - (self.total / self.tokens).square()).clamp(min=0)


def measure(
    vlm: "Vlm", sites: Mapping[str, bool], examples: Sequence["Example"], *, batch: int, threshold: float
) -> dict[str, Statistics]:
    """Activations at the linear layers `sites` (True: at their input) over all tokens but padding."""
    found: dict[str, Statistics] = {}

    def listen(name: str, z: Tensor) -> None:
        inside = name.startswith(vlm.family.language)
        picked = z[real(current_batch(vlm)).to(z.device)] if inside else z.reshape(-1, z.shape[-1])
        found.setdefault(name, Statistics.empty(z.shape[-1])).add(picked, threshold)

    keep = vlm.bank.keep_features
    with ExitStack() as stack, torch.no_grad():
        stack.callback(setattr, vlm.bank, "keep_features", keep)
        if not all(name.startswith(vlm.family.language) for name in sites):
            vlm.bank.keep_features = False  # a kept feature would pass the tower by
        for name, at_input in sites.items():
            side: Side = "input" if at_input else "output"
            stack.enter_context(reading(vlm, vlm.model.get_submodule(name), partial(listen, name), side=side))
        for at in range(0, len(examples), batch):
            vlm.score_pairs([example.pair for example in examples[at : at + batch]])
    return found


def paper_importance(picture: Mapping[str, Statistics], text: Mapping[str, Statistics]) -> dict[str, Tensor]:
    """I(D, n) = I_abs + I_freq + I_var + I_rms: how differently a neuron answers to pictures and to text."""
    scores: dict[str, Tensor] = {}
    for site, m in picture.items():
        t = text[site]
        scores[site] = (
            _contrast(m.mean_absolute(), t.mean_absolute())
            + _contrast(m.frequency(), t.frequency())
            + (m.variance() + t.variance()).sqrt()
            + _contrast(m.mean_square(), t.mean_square()).sqrt()
        )
    return scores


def relative(forget: Mapping[str, Statistics], retain: Mapping[str, Statistics]) -> dict[str, Tensor]:
    """S_n = Σ_k w_k·(I_k^f/(I_k^r + 1e-5) - 1) with weights 2 on mean |z|, std and root mean square, 0 on frequency."""
    scores: dict[str, Tensor] = {}
    for site, f in forget.items():
        r = retain[site]
        pairs = (
            (f.mean_absolute(), r.mean_absolute()),
            (f.variance().sqrt(), r.variance().sqrt()),
            (f.mean_square().sqrt(), r.mean_square().sqrt()),
        )
        scores[site] = torch.stack([2 * (ours / (theirs + 1e-5) - 1) for ours, theirs in pairs]).sum(0)
    return scores


def top(scores: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """Indices of the floor(share·N) highest of all N neurons together, by site; of equal scores the first."""
    together = torch.cat(list(scores.values()))
    count = int(share * len(together) + 1e-9)
    chosen = together.argsort(descending=True, stable=True)[:count]
    picked: dict[str, Tensor] = {}
    at = 0
    for site, score in scores.items():
        inside = chosen[(chosen >= at) & (chosen < at + len(score))] - at
        picked[site] = inside.sort().values
        at += len(score)
    return picked


def _contrast(first: Tensor, second: Tensor) -> Tensor:
    return (first - second).abs() / (first + second + EPSILON)
