"""Causal tracing of facts to feed-forward layers, after ROME (Meng et al. 2022, arXiv 2202.05262)."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from smllmun_bench.errors import UserError
from smllmun_bench.methods.shared import token_masks
from smllmun_bench.methods.shared.embedding_noise import Noise, at_block, frozen, score
from smllmun_bench.models.hooks import current_batch, editing, reading_layers

if TYPE_CHECKING:
    from smllmun_bench.models.packing import Packed
    from smllmun_bench.models.vlm import Vlm
    from smllmun_bench.training.examples import Example


def effects(
    vlm: "Vlm",
    layers: Sequence[str],
    examples: Sequence["Example"],
    subjects: Mapping[str, str],
    *,
    method: str,
    size: float = 3.0,
    seed: int = 0,
) -> list[float]:
    """AIE_l = mean(p*_l(y) - p*(y)) for each of the layers.

    p* is the probability of the answer, per token, with noise of `size` standard deviations on the embeddings of image
    and name; p*_l the same with the clean output of layer l put back at the last token of the image or name, and
    at the last token of the prompt. `subjects` gives the name by the key of an example.

    Raises UserError if there is neither image nor name to corrupt.
    """
    noise = Noise(vlm, size, relative=True, seed=seed)
    names = {subjects[example.key] for example in examples if example.key in subjects}
    phrases = sorted(ids for name in names for ids in token_masks.phrase_ids(vlm, name))
    clean: dict[str, list[Tensor]] = {name: [] for name in layers}

    def marked(packed: "Packed") -> Tensor:
        return token_masks.pictures(packed, vlm.image_token) | (
            token_masks.spans(packed, phrases) & ~token_masks.answers(packed)
        )

    def corrupt(packed: "Packed", hidden: Tensor) -> Tensor:
        return noise.add(packed, hidden, marked(packed))

    with frozen(vlm):
        with reading_layers(vlm, layers, lambda name, output: clean[name].append(output), side="output"):
            score(vlm, examples)
        with at_block(vlm, 0, method, corrupt):
            base = score(vlm, examples).means().exp()
            if not noise.marked:
                raise UserError(
                    f"{method} traces facts by corrupting pictures and names, and the forget rows have neither",
                    fix="layers chosen by hand: --set first_layer=0",
                )
            found = []
            for name in layers:
                with _restored(vlm, name, clean[name], marked):
                    found.append(float((score(vlm, examples).means().exp() - base).mean()))
    return found


def _restored(
    vlm: "Vlm", name: str, clean: Sequence[Tensor], marked: "Callable[[Packed], Tensor]"
) -> AbstractContextManager[None]:
    """The clean outputs of a layer, one per pass, put back at the places that matter."""
    outputs = iter(clean)

    def restore(output: Tensor) -> Tensor:
        packed = current_batch(vlm)
        where = (last_of_runs(marked(packed)) | last_of_prompts(packed)).to(output.device)
        return torch.where(where[..., None], next(outputs), output)

    return editing(vlm, vlm.model.get_submodule(name), restore, side="output")


def last_of_runs(where: Tensor) -> Tensor:
    """True at the last place of every run of True along a row."""
    following = torch.zeros_like(where)
    following[:, :-1] = where[:, 1:]
    return where & ~following


def last_of_prompts(packed: "Packed") -> Tensor:
    """Where the first token of each answer is predicted."""
    predicts = torch.zeros_like(packed.ids, dtype=torch.bool)
    predicts[packed.predict_row, packed.predict_at] = True
    return predicts & ~token_masks.answers(packed)


def best_window(found: Sequence[float], width: int) -> int:
    """Where the `width` neighbouring layers with the largest sum of effects begin; of equal sums the first."""
    starts = range(len(found) - width + 1)
    return max(starts, key=lambda start: (sum(found[start : start + width]), -start))
