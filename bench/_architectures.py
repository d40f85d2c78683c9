"""LLaVA-1.5-7B and Qwen2.5-VL-7B as their published configurations describe them, with random weights: no download.

`tiny` has the same parts, a few layers of a few units each, to see on any machine whether a script runs.
The tokenizers are small ones with the families' special tokens; the embeddings have their published number of rows.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from smllmun_bench.models.families import load_processor
from smllmun_bench.models.loading import check_tokens
from smllmun_bench.models.vlm import ImageSource, Vlm
from smllmun_bench.references.toy import byte_level_bpe

TEXTS = ["What is the job of person number 0 in the picture, and where is it? A baker in the old town by the river."]


@dataclass(frozen=True)
class Architecture:
    """`config(ids, tiny)` gets the tokenizer's token -> id; `images` and `settings` are of the processor."""

    processor: str
    tokens: tuple[str, ...]  # the end of an answer first
    template: str
    config: Callable[[Callable[[str], int], bool], Any]
    images: Callable[[], Any]
    settings: dict[str, Any]


def _llava_config(ids: Callable[[str], int], tiny: bool) -> Any:
    from transformers import LlavaConfig

    text = {"model_type": "llama", "vocab_size": 32064, "max_position_embeddings": 4096, "rms_norm_eps": 1e-5}
    vision = {"model_type": "clip_vision_model", "image_size": 336, "patch_size": 14, "projection_dim": 768}
    if tiny:
        text |= {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
        vision |= {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    else:
        text |= {"hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32}
        vision |= {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16}
    text["num_key_value_heads"] = text["num_attention_heads"]
    return LlavaConfig(vision_config=vision, text_config=text, image_token_id=ids("<image>"))


def _llava_images() -> Any:
    from transformers import CLIPImageProcessorPil

    return CLIPImageProcessorPil(size={"shortest_edge": 336}, crop_size={"height": 336, "width": 336})


def _qwen_config(ids: Callable[[str], int], tiny: bool) -> Any:
    from transformers import Qwen2_5_VLConfig

    text: dict[str, Any] = {"vocab_size": 152064, "max_position_embeddings": 128000, "rms_norm_eps": 1e-6}
    vision: dict[str, Any] = {"patch_size": 14, "window_size": 112}
    if tiny:
        text |= {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
        text |= {"num_key_value_heads": 1, "vocab_size": 2000}
        vision |= {"depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "out_hidden_size": 32}
        sections, vision["fullatt_block_indexes"] = [2, 3, 3], [1]
    else:
        text |= {"hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28}
        text |= {"num_key_value_heads": 4}
        vision |= {"depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16}
        vision |= {"out_hidden_size": 3584, "fullatt_block_indexes": [7, 15, 23, 31]}
        sections = [16, 24, 24]
    text["rope_parameters"] = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": sections}
    return Qwen2_5_VLConfig(
        vision_config=vision,
        text_config=text,
        image_token_id=ids("<|image_pad|>"),
        video_token_id=ids("<|video_pad|>"),
        vision_start_token_id=ids("<|vision_start|>"),
        vision_end_token_id=ids("<|vision_end|>"),
        tie_word_embeddings=False,
    )


def _qwen_images() -> Any:
    from transformers import Qwen2VLImageProcessorPil

    return Qwen2VLImageProcessorPil(patch_size=14, size={"shortest_edge": 56 * 56, "longest_edge": 1280 * 28 * 28})


def _turns(user: str, assistant: str, image: str, end: str) -> str:
    return (
        f"{{% for message in messages %}}{{% if message['role'] == 'user' %}}{user}{{% else %}}{assistant}{{% endif %}}"
        f"{{% for part in message['content'] %}}{{% if part['type'] == 'image' %}}{image}{{% else %}}"
        f"{{{{ part['text'] }}}}{{% endif %}}{{% endfor %}}{end}{{% endfor %}}"
        f"{{% if add_generation_prompt %}}{assistant}{{% endif %}}"
    )


ARCHITECTURES = {
    "llava": Architecture(
        "LlavaProcessor",
        ("</s>", "<image>", "<user>", "<assistant>"),
        _turns("<user>", "<assistant>", "<image>", "</s>"),
        _llava_config,
        _llava_images,
        {"patch_size": 14, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1},
    ),
    "qwen2_5_vl": Architecture(
        "Qwen2_5_VLProcessor",
        ("<|im_end|>", "<|im_start|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"),
        _turns(
            "<|im_start|>user ",
            "<|im_start|>assistant ",
            "<|vision_start|><|image_pad|><|vision_end|>",
            "<|im_end|>",
        ),
        _qwen_config,
        _qwen_images,
        {},
    ),
}


def random_vlm(family: str, source: ImageSource, *, device: str, dtype: str, tiny: bool) -> Vlm:
    """The architecture with random weights, made on the device itself."""
    from transformers import AutoModelForImageTextToText

    made = ARCHITECTURES[family]
    tokenizer = _tokenizer(made.tokens)
    config = made.config(tokenizer.convert_tokens_to_ids, tiny)
    with TemporaryDirectory() as name:
        folder = Path(name)
        config.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        made.images().save_pretrained(folder)
        (folder / "chat_template.jinja").write_text(made.template)
        (folder / "processor_config.json").write_text(json.dumps({"processor_class": made.processor} | made.settings))
        processor = load_processor(str(folder), config)
    torch.manual_seed(0)
    with torch.device(device):
        model = AutoModelForImageTextToText.from_config(config, dtype=getattr(torch, dtype))
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    vlm = Vlm(model.eval(), processor, source, name=family)
    check_tokens(vlm)
    return vlm


def _tokenizer(special: tuple[str, ...]) -> Any:
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=byte_level_bpe(TEXTS, 400, ["<pad>", *special]),
        pad_token="<pad>",
        eos_token=special[0],
        extra_special_tokens=list(special[1:]),
    )
