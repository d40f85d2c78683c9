"""What differs between VLM families, in one place: where the language model and the tower sit, what may be cached."""

from dataclasses import dataclass

from smllmun_bench.errors import UserError


@dataclass(frozen=True, slots=True)
class Family:
    """Module paths are prefixes of parameter names in `AutoModelForImageTextToText`.

    `features_suffice`: image features written over the placeholder embeddings give the same logits as pixels, so
    features of a frozen tower may be computed once and positions may be packed. Untrue for families with
    two-dimensional rotary positions, or whose decoder reads the image in several layers.
    """

    name: str
    language: str
    vision: tuple[str, ...]
    features_suffice: bool


_COMMON_VISION = ("model.vision_tower", "model.multi_modal_projector")

FAMILIES: dict[str, Family] = {
    "llava": Family("LLaVA-1.5", "model.language_model", _COMMON_VISION, features_suffice=True),
    "llava_next": Family("LLaVA-NeXT", "model.language_model", (*_COMMON_VISION, "model.image_newline"), False),
    "llava_onevision": Family(
        "LLaVA-OneVision", "model.language_model", (*_COMMON_VISION, "model.image_newline"), False
    ),
    "qwen2_vl": Family("Qwen2-VL", "model.language_model", ("model.visual",), False),
    "qwen2_5_vl": Family("Qwen2.5-VL", "model.language_model", ("model.visual",), False),
    "qwen3_vl": Family("Qwen3-VL", "model.language_model", ("model.visual",), False),
}


def family_of(model_type: str) -> Family:
    """The family of a `config.json`'s `model_type`."""
    if model_type not in FAMILIES:
        raise UserError(
            f"models of type {model_type!r} are not supported",
            fix="one of " + ", ".join(sorted(FAMILIES)) + "; docs/add_a_model.md tells how to add a family",
        )
    return FAMILIES[model_type]
