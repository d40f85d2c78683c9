"""Which places of a packed batch hold what. All masks are (rows, length), True where it is so."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from smllmun_bench.models.packing import Packed
    from smllmun_bench.models.vlm import Vlm


def passing(vlm: "Vlm") -> "Packed":
    """The batch in the forward pass, for the hooks in its way."""
    if vlm.passing is None:
        raise RuntimeError("a hook that needs the batch ran outside `score_answers`")
    return vlm.passing


def real(packed: "Packed") -> "Tensor":
    """Not padding. A padded place sees itself alone and is seen by nobody else; the first token of a row is seen."""
    seen: Tensor = packed.mask[:, 0].sum(dim=2) + packed.mask[:, 0].sum(dim=1)
    return seen > 2


def pictures(packed: "Packed", image_token: int) -> "Tensor":
    """Where a feature of an image stands."""
    return packed.ids == image_token


def words(packed: "Packed", image_token: int) -> "Tensor":
    """Questions and answers with the tokens of the chat template around them."""
    return real(packed) & (packed.ids != image_token)
