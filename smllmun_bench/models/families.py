"""What differs between VLM families, in one place: where their parts sit, what may be cached, what they must be told.

Everything else goes through `AutoModelForImageTextToText`, `AutoProcessor` and the chat template of the model's folder.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal

from smllmun_bench.errors import UserError, require
from smllmun_bench.models.pretrained import find, read

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Prompt:
    """A batch as a family sees it: `ids`, `answers` (True where the model is taught) and `valid` (False: padding) are
    (rows, tokens); `pixels` are the processor's outputs for the images of the rows, none for text."""

    ids: "Tensor"
    answers: "Tensor"
    valid: "Tensor"
    image_token: int
    pixels: "dict[str, Tensor]"


Extras = Callable[[Prompt], "dict[str, Tensor]"]


def _nothing(prompt: Prompt) -> "dict[str, Tensor]":
    return {}


def _modalities(prompt: Prompt) -> "dict[str, Tensor]":
    """Qwen's positions run over the rows and columns of an image, so the model is told where images are."""
    return {"mm_token_type_ids": (prompt.ids == prompt.image_token).int()}


def _image_tokens(prompt: Prompt) -> "dict[str, Tensor]":
    """The tokens of one image see each other in both directions (Gemma-3)."""
    return {"token_type_ids": (prompt.ids == prompt.image_token).long()}


def _prefix(prompt: Prompt) -> "dict[str, Tensor]":
    """Image and question see each other in both directions (PaliGemma); 0 is the prefix, 1 what is taught."""
    return {"token_type_ids": (prompt.answers | ~prompt.valid).long()}


def _cross_attention(prompt: Prompt) -> "dict[str, Tensor]":
    """Which tokens look at which tiles (Llama-3.2-Vision); the processor derives it from the ids, and so do we."""
    import torch
    from transformers.models.mllama import processing_mllama as mllama

    if not prompt.pixels:
        return {}
    tiles = prompt.pixels["aspect_ratio_mask"]
    spans = [mllama.get_cross_attention_token_mask(row, prompt.image_token) for row in prompt.ids.tolist()]
    dense = mllama.convert_sparse_cross_attention_mask_to_dense(
        spans,
        num_tiles=tiles.sum(-1).tolist(),
        max_num_tiles=tiles.shape[-1],
        length=prompt.ids.shape[1],
    )
    return {"cross_attention_mask": torch.as_tensor(dense, device=prompt.ids.device)}


@dataclass(frozen=True, slots=True)
class Family:
    """Module paths are prefixes of parameter names in `AutoModelForImageTextToText`; `vision` begins with the tower.

    `features_suffice`: image features written over the placeholder embeddings give the same logits as pixels, so
    features of a frozen tower may be computed once and questions on one image may share its tokens. Untrue for
    families with two-dimensional positions, with attention in both directions, or whose decoder reads the image in
    several layers; there every question has a row of its own.

    `extras` are further inputs of the model. `prompt`: where no chat template exists upstream, `suffix` lets the
    processor join question and answer. `alike`: rows with and without images never share a batch. `video`: the
    processor has a part for videos, which needs torchvision. `package` is what the processor cannot do without.
    """

    name: str
    language: str
    vision: tuple[str, ...]
    features_suffice: bool
    extras: Extras = _nothing
    prompt: Literal["chat", "suffix"] = "chat"
    alike: bool = False
    video: bool = False
    package: str = ""


_LLAVA = ("model.vision_tower", "model.multi_modal_projector")
_ANYRES = (*_LLAVA, "model.image_newline")
_IDEFICS = ("model.vision_model", "model.connector")
_QWEN = ("model.visual",)
_DECODER = "model.language_model"

FAMILIES: dict[str, Family] = {
    "llava": Family("LLaVA-1.5", _DECODER, _LLAVA, True),
    "llava_next": Family("LLaVA-NeXT", _DECODER, _ANYRES, True),
    "llava_onevision": Family("LLaVA-OneVision", _DECODER, _ANYRES, True, video=True),
    "internvl": Family("InternVL", _DECODER, _LLAVA, True, video=True),
    "idefics2": Family("Idefics2", "model.text_model", _IDEFICS, True),
    "idefics3": Family("Idefics3", "model.text_model", _IDEFICS, True),
    "smolvlm": Family("SmolVLM", "model.text_model", _IDEFICS, True, video=True, package="num2words"),
    "qwen2_vl": Family("Qwen2-VL", _DECODER, _QWEN, False, _modalities, video=True),
    "qwen2_5_vl": Family("Qwen2.5-VL", _DECODER, _QWEN, False, _modalities, video=True),
    "qwen3_vl": Family("Qwen3-VL", _DECODER, _QWEN, False, _modalities, video=True),
    "gemma3": Family("Gemma-3", _DECODER, _LLAVA, False, _image_tokens),
    "paligemma": Family("PaliGemma", _DECODER, _LLAVA, False, _prefix, prompt="suffix"),
    "mllama": Family(
        "Llama-3.2-Vision",
        _DECODER,
        ("model.vision_model", "model.multi_modal_projector"),
        False,
        _cross_attention,
        alike=True,
    ),
}


def family_of(model_type: str) -> Family:
    """The family of a `config.json`'s `model_type`."""
    if model_type not in FAMILIES:
        raise UserError(
            f"models of type {model_type!r} are not supported",
            fix="one of " + ", ".join(sorted(FAMILIES)) + "; docs/add_a_model.md tells how to add a family",
        )
    return FAMILIES[model_type]


# -- processors --------------------------------------------------------------------------------------------------------


def load_processor(where: str, config: Any) -> Any:
    """The processor of a model folder, images prepared by PIL: the same pixels with and without torchvision."""
    from transformers import AutoProcessor
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING
    from transformers.utils import is_torchvision_available

    family = family_of(config.model_type)
    if family.package:
        require(family.package, extra=config.model_type)
    if family.video and not is_torchvision_available():
        return read(_for_stills(PROCESSOR_MAPPING[type(config)], where), where, backend="pil")
    return read(AutoProcessor, where, backend="pil")


def _for_stills(whole: Any, where: str) -> Any:
    """The same processor class less its part for videos, whose settings it carries along when it is saved."""
    from transformers import ProcessorMixin

    settings = _video_settings(where)

    def arguments(cls: Any, *args: Any, **kwargs: Any) -> list[Any]:
        return [*whole._get_arguments_from_pretrained.__func__(cls, *args, **kwargs), None]

    def save(self: Any, folder: str | Path, **kwargs: Any) -> Any:
        written = ProcessorMixin.save_pretrained(self, folder, **kwargs)
        if settings is not None:
            (Path(folder) / "video_preprocessor_config.json").write_text(json.dumps(settings, indent=2) + "\n")
        return written

    return type(
        whole.__name__,
        (whole,),
        {
            "__module__": whole.__module__,
            "get_attributes": classmethod(lambda cls: ["image_processor", "tokenizer"]),
            "_get_arguments_from_pretrained": classmethod(arguments),
            "save_pretrained": save,
            "video_processor": SimpleNamespace(num_frames=None, fps=None),  # SmolVLM's chat template asks for them
        },
    )


def _video_settings(where: str) -> dict[str, Any] | None:
    for name, key in (("processor_config.json", "video_processor"), ("video_preprocessor_config.json", "")):
        path = find(where, name)
        found = json.loads(path.read_text(encoding="utf-8")) if path else None
        if found and key:
            found = found.get(key)
        if found:
            return dict(found)
    return None
