"""One builder per family: a random model of a few thousand parameters, written as its folder lies on the hub.

`config.json`, `model.safetensors`, `generation_config.json`, the tokenizer's files, `preprocessor_config.json`,
`processor_config.json` and `chat_template.jinja`. The templates have the shape of those upstream, not their words.
"""

import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from smllmun_bench.references.toy import byte_level_bpe


@dataclass(frozen=True)
class Recipe:
    """Configuration, image processor, chat template, tokens, and the rest of the processor's settings."""

    config: Any
    images: Any
    template: str
    tokens: dict[str, str] = field(default_factory=dict)  # attribute of the tokenizer -> token
    others: tuple[str, ...] = ()
    words: tuple[str, ...] = ()  # tokens of their own that are ordinary text
    settings: dict[str, Any] = field(default_factory=dict)
    video: dict[str, Any] | None = None
    bos: str | None = None
    eos: str = "<|im_end|>"


IMAGE = "<image>"
WIDTH = 16


def chatml(image: str, *, system: str = "") -> str:
    return (
        (f"{{{{ '<|im_start|>system\n{system}<|im_end|>\n' }}}}" if system else "")
        + "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
        + "{% for part in message['content'] %}{% if part['type'] == 'image' %}{{ '"
        + image
        + "' }}{% else %}{{ part['text'] }}{% endif %}{% endfor %}{{ '<|im_end|>\n' }}{% endfor %}"
        + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    )


def spoken(user: str, assistant: str, *, end: str, after: str, image: str = IMAGE, start: str = "") -> str:
    """Speakers by name. The space before an answer belongs to the answer, so a prompt ends in a whole token."""
    return (
        start
        + "{% for message in messages %}"
        + f"{{% if message['role'] == 'user' %}}{{{{ '{user}' }}}}{{% else %}}{{{{ '{assistant}' }}}}{{% endif %}}"
        + "{% for part in message['content'] %}{% if part['type'] == 'image' %}{{ '"
        + image
        + "' }}{% else %}{{ part['text'] }}{% endif %}{% endfor %}"
        + f"{{% if message['role'] == 'user' %}}{{{{ '{after}' }}}}{{% else %}}{{{{ '{end}' }}}}{{% endif %}}"
        + "{% endfor %}"
        + f"{{% if add_generation_prompt %}}{{{{ '{assistant.rstrip(' ')}' }}}}{{% endif %}}"
    )


def decoder(rows: int, **more: Any) -> dict[str, Any]:
    return {
        "vocab_size": rows,
        "hidden_size": WIDTH,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "max_position_embeddings": 2048,
    } | more


def clip(size: int = 16, patch: int = 8) -> dict[str, Any]:
    return {
        "model_type": "clip_vision_model",
        "hidden_size": WIDTH,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": size,
        "patch_size": patch,
        "projection_dim": WIDTH,
    }


def siglip(size: int = 16, patch: int = 8) -> dict[str, Any]:
    return clip(size, patch) | {"model_type": "siglip_vision_model"}


def llava(ids: Callable[[str], int], rows: int) -> Recipe:
    import transformers as t

    square = {"height": 16, "width": 16}
    return Recipe(
        t.LlavaConfig(vision_config=clip(), text_config=decoder(rows, model_type="llama"), image_token_id=ids(IMAGE)),
        t.CLIPImageProcessorPil(size={"shortest_edge": 16}, crop_size=square),
        spoken("USER: ", "ASSISTANT: ", end=" ", after=" "),  # the turn's end is left to the trainer, as upstream
        others=(IMAGE,),
        settings={"patch_size": 8, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1},
        bos="<s>",
        eos="</s>",
    )


def llava_next(ids: Callable[[str], int], rows: int) -> Recipe:
    import transformers as t

    pinpoints = [[16, 32], [32, 16], [32, 32]]
    return Recipe(
        t.LlavaNextConfig(
            vision_config=clip(),
            text_config=decoder(rows, model_type="mistral", sliding_window=None),
            image_token_index=ids(IMAGE),
            image_grid_pinpoints=pinpoints,
        ),
        t.LlavaNextImageProcessorPil(
            size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}, image_grid_pinpoints=pinpoints
        ),
        spoken("[INST] ", " ", image=IMAGE + "\n", end="</s>", after=" [/INST]"),
        others=(IMAGE,),
        settings={"patch_size": 8, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1},
        bos="<s>",
        eos="</s>",
    )


def llava_onevision(ids: Callable[[str], int], rows: int) -> Recipe:
    import transformers as t

    pinpoints = [[16, 16], [16, 32], [32, 16], [32, 32]]
    return Recipe(
        t.LlavaOnevisionConfig(
            vision_config=siglip(),
            text_config=decoder(rows, model_type="qwen2"),
            image_token_index=ids(IMAGE),
            video_token_index=ids("<video>"),
            image_grid_pinpoints=pinpoints,
        ),
        t.LlavaOnevisionImageProcessorPil(size={"height": 16, "width": 16}, image_grid_pinpoints=pinpoints),
        chatml(IMAGE + "\n"),
        others=(IMAGE, "<video>", "<|im_start|>"),
        settings={
            "num_image_tokens": 4,
            "vision_feature_select_strategy": "full",
            "vision_aspect_ratio": "anyres_max_9",
        },
        video={"video_processor_type": "LlavaOnevisionVideoProcessor", "size": {"height": 16, "width": 16}},
    )


def _qwen_tokens() -> tuple[str, ...]:
    return ("<|im_start|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")


def _qwen(config: Any, patch: int, system: str) -> Recipe:
    import transformers as t

    return Recipe(
        config,
        t.Qwen2VLImageProcessorPil(
            patch_size=patch, size={"shortest_edge": (2 * patch) ** 2, "longest_edge": (6 * patch) ** 2}
        ),
        chatml("<|vision_start|><|image_pad|><|vision_end|>", system=system),
        others=_qwen_tokens(),
        video={"video_processor_type": "Qwen2VLVideoProcessor", "patch_size": patch},
    )


def _qwen_ids(ids: Callable[[str], int]) -> dict[str, int]:
    return {
        "image_token_id": ids("<|image_pad|>"),
        "video_token_id": ids("<|video_pad|>"),
        "vision_start_token_id": ids("<|vision_start|>"),
        "vision_end_token_id": ids("<|vision_end|>"),
    }


def qwen2_vl(ids: Callable[[str], int], rows: int) -> Recipe:
    import transformers as t

    rope = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0}
    config = t.Qwen2VLConfig(
        vision_config={"depth": 2, "embed_dim": WIDTH, "hidden_size": WIDTH, "num_heads": 2, "patch_size": 8},
        text_config=decoder(rows, rope_parameters=rope),
        **_qwen_ids(ids),
    )
    return _qwen(config, 8, "You help.")


def qwen2_5_vl(ids: Callable[[str], int], rows: int) -> Recipe:
    import transformers as t

    rope = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0}
    config = t.Qwen2_5_VLConfig(
        vision_config={
            "depth": 2, "hidden_size": WIDTH, "intermediate_size": 32, "num_heads": 2, "patch_size": 8,
            "out_hidden_size": WIDTH, "window_size": 32, "fullatt_block_indexes": [1],
        },
        text_config=decoder(rows, rope_parameters=rope),
        **_qwen_ids(ids),
    )  # fmt: skip
    return _qwen(config, 8, "You help.")


def qwen3_vl(ids: Callable[[str], int], rows: int) -> Recipe:
    import transformers as t

    rope = {"rope_type": "default", "mrope_section": [2, 1, 1], "mrope_interleaved": True, "rope_theta": 10000.0}
    config = t.Qwen3VLConfig(
        vision_config={
            "depth": 2, "hidden_size": WIDTH, "intermediate_size": 32, "num_heads": 2, "patch_size": 8,
            "out_hidden_size": WIDTH, "num_position_embeddings": 16, "deepstack_visual_indexes": [0],
        },
        text_config=decoder(rows, rope_parameters=rope, head_dim=8),
        **_qwen_ids(ids),
    )  # fmt: skip
    return _qwen(config, 8, "")


def internvl(ids: Callable[[str], int], rows: int) -> Recipe:
    import transformers as t

    tokens = {
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    }
    return Recipe(
        t.InternVLConfig(
            vision_config={
                "hidden_size": WIDTH, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
                "image_size": (16, 16), "patch_size": (4, 4),
            },
            text_config=decoder(rows, model_type="qwen2"),
            image_token_id=ids("<IMG_CONTEXT>"),
            image_seq_length=4,
            tie_word_embeddings=False,
        ),
        t.GotOcr2ImageProcessorPil(size={"height": 16, "width": 16}, crop_to_patches=True, max_patches=4),
        chatml("<IMG_CONTEXT>\n"),
        tokens=tokens,
        others=("<|im_start|>",),
        settings={"image_seq_length": 4},
        video={"video_processor_type": "InternVLVideoProcessor", "size": {"height": 16, "width": 16}},
    )  # fmt: skip


def _idefics_template(*, image: str = IMAGE) -> str:
    return spoken("User:", "Assistant: ", image=image, end="<end_of_utterance>\n", after="<end_of_utterance>\n")


_IDEFICS_TOKENS = ("<fake_token_around_image>", IMAGE, "<end_of_utterance>", "<global-img>")


def idefics2(ids: Callable[[str], int], rows: int) -> Recipe:
    import transformers as t

    perceiver = {
        "hidden_size": WIDTH, "resampler_n_latents": 4, "resampler_depth": 1, "resampler_n_heads": 2,
        "resampler_head_dim": 8, "num_key_value_heads": 2,
    }  # fmt: skip
    return Recipe(
        t.Idefics2Config(
            vision_config=clip(32) | {"model_type": "idefics2_vision"},
            perceiver_config=perceiver,
            text_config=decoder(rows, model_type="mistral", sliding_window=None, pad_token_id=ids("<pad>")),
            image_token_id=ids(IMAGE),
        ),
        t.Idefics2ImageProcessorPil(size={"shortest_edge": 16, "longest_edge": 32}),
        _idefics_template(),
        others=_IDEFICS_TOKENS,
        settings={"image_seq_len": 4},
        bos="<s>",
        eos="<end_of_utterance>",
    )


def idefics3(ids: Callable[[str], int], rows: int) -> Recipe:
    import transformers as t

    return Recipe(
        t.Idefics3Config(
            vision_config=clip(16, 4) | {"model_type": "idefics3_vision"},
            text_config=decoder(rows, model_type="llama", pad_token_id=ids("<pad>")),
            image_token_id=ids(IMAGE),
            scale_factor=2,
            pad_token_id=ids("<pad>"),
        ),
        t.Idefics3ImageProcessorPil(size={"longest_edge": 32}, max_image_size={"longest_edge": 16}),
        _idefics_template(),
        others=(*_IDEFICS_TOKENS, *(f"<row_{i}_col_{j}>" for i in range(1, 7) for j in range(1, 7))),
        settings={"image_seq_len": 4},
        bos="<s>",
        eos="<end_of_utterance>",
    )


def smolvlm(ids: Callable[[str], int], rows: int) -> Recipe:
    import transformers as t

    return Recipe(
        t.SmolVLMConfig(
            vision_config=clip(16, 4) | {"model_type": "smolvlm_vision"},
            text_config=decoder(rows, model_type="llama", pad_token_id=ids("<pad>")),
            image_token_id=ids(IMAGE),
            scale_factor=2,
            pad_token_id=ids("<pad>"),
        ),
        t.SmolVLMImageProcessorPil(size={"longest_edge": 32}, max_image_size={"longest_edge": 16}),
        _idefics_template(),
        tokens={
            "fake_image_token": "<fake_token_around_image>",
            "image_token": IMAGE,
            "end_of_utterance_token": "<end_of_utterance>",
            "global_image_token": "<global-img>",
        },
        others=tuple(f"<row_{i}_col_{j}>" for i in range(1, 7) for j in range(1, 7)),
        settings={"image_seq_len": 4},
        video={"video_processor_type": "SmolVLMVideoProcessor", "size": {"longest_edge": 16}},
        bos="<s>",
        eos="<end_of_utterance>",
    )


def gemma3(ids: Callable[[str], int], rows: int) -> Recipe:
    import transformers as t

    return Recipe(
        t.Gemma3Config(
            vision_config=siglip(16, 4),
            text_config=decoder(
                rows, head_dim=8, sliding_window=32, layer_types=["sliding_attention", "full_attention"]
            ),
            mm_tokens_per_image=4,
            image_token_index=ids("<image_soft_token>"),
            boi_token_index=ids("<start_of_image>"),
            eoi_token_index=ids("<end_of_image>"),
        ),
        t.Gemma3ImageProcessorPil(size={"height": 16, "width": 16}),
        spoken(
            "<start_of_turn>user\n",
            "<start_of_turn>model\n",
            image="<start_of_image>",
            end="<end_of_turn>\n",
            after="<end_of_turn>\n",
            start="{{ bos_token }}",
        ),
        tokens={"boi_token": "<start_of_image>", "eoi_token": "<end_of_image>", "image_token": "<image_soft_token>"},
        others=("<start_of_turn>",),
        settings={"image_seq_length": 4},
        bos="<bos>",
        eos="<end_of_turn>",
    )


def paligemma(ids: Callable[[str], int], rows: int) -> Recipe:
    import transformers as t

    return Recipe(
        t.PaliGemmaConfig(
            vision_config=siglip() | {"projection_dim": WIDTH},
            text_config=decoder(rows, model_type="gemma", head_dim=8),
            image_token_index=ids(IMAGE),
            projection_dim=WIDTH,
            hidden_size=WIDTH,
        ),
        t.SiglipImageProcessorPil(size={"height": 16, "width": 16}, image_seq_length=4),
        "",  # none upstream
        others=(IMAGE,),
        words=(*(f"<loc{i:04d}>" for i in range(1024)), *(f"<seg{i:03d}>" for i in range(128))),
        bos="<bos>",
        eos="<eos>",
    )


def mllama(ids: Callable[[str], int], rows: int) -> Recipe:
    import transformers as t

    return Recipe(
        t.MllamaConfig(
            vision_config={
                "hidden_size": WIDTH, "intermediate_size": 32, "num_hidden_layers": 2, "num_global_layers": 1,
                "attention_heads": 2, "image_size": 16, "patch_size": 8, "max_num_tiles": 4,
                "intermediate_layers_indices": [0], "vision_output_dim": 2 * WIDTH,
                "supported_aspect_ratios": [[1, 1], [1, 2], [1, 3], [1, 4], [2, 1], [2, 2], [3, 1], [4, 1]],
            },
            text_config=decoder(
                rows,
                num_hidden_layers=3, cross_attention_layers=[1],
                pad_token_id=ids("<pad>"), bos_token_id=ids("<|begin_of_text|>"),
                eos_token_id=ids("<|eot_id|>"),
                rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
            ),
            image_token_index=ids("<|image|>"),
        ),
        t.MllamaImageProcessorPil(size={"height": 16, "width": 16}, max_image_tiles=4),
        spoken(
            "<|start_header_id|>user<|end_header_id|>\n\n",
            "<|start_header_id|>assistant<|end_header_id|>\n\n",
            image="<|image|>",
            end="<|eot_id|>",
            after="<|eot_id|>",
            start="{{ bos_token }}",
        ),
        others=("<|image|>", "<|start_header_id|>", "<|end_header_id|>", "<|python_tag|>"),
        bos="<|begin_of_text|>",
        eos="<|eot_id|>",
    )  # fmt: skip


BUILDERS: dict[str, Callable[[Callable[[str], int], int], Recipe]] = {
    builder.__name__: builder
    for builder in (
        llava, llava_next, llava_onevision, qwen2_vl, qwen2_5_vl, qwen3_vl, internvl, idefics2, idefics3, smolvlm,
        gemma3, paligemma, mllama,
    )
}  # fmt: skip

TEXTS = ["What is the job of Ann Number1 in the picture? pilot baker nurse", "I do not know. Who is shown here?"] * 4
OF_PROCESSOR = {
    "llava": "LlavaProcessor", "llava_next": "LlavaNextProcessor", "llava_onevision": "LlavaOnevisionProcessor",
    "qwen2_vl": "Qwen2VLProcessor", "qwen2_5_vl": "Qwen2_5_VLProcessor", "qwen3_vl": "Qwen3VLProcessor",
    "internvl": "InternVLProcessor", "idefics2": "Idefics2Processor", "idefics3": "Idefics3Processor",
    "smolvlm": "SmolVLMProcessor", "gemma3": "Gemma3Processor", "paligemma": "PaliGemmaProcessor",
    "mllama": "MllamaProcessor",
}  # fmt: skip


def tokenizer_for(recipe: Recipe) -> Any:
    from tokenizers import processors
    from transformers import PreTrainedTokenizerFast

    special = ["<pad>", *([recipe.bos] if recipe.bos else []), recipe.eos, *recipe.tokens.values(), *recipe.others]
    special = list(dict.fromkeys(special))
    bpe = byte_level_bpe(TEXTS, len(special) + 300, special)
    if recipe.bos:  # tokenizers of Llama and Gemma begin every text with it
        bpe.post_processor = processors.TemplateProcessing(
            single=f"{recipe.bos} $A",
            pair=f"{recipe.bos} $A $B",
            special_tokens=[(recipe.bos, bpe.token_to_id(recipe.bos))],
        )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        pad_token="<pad>",
        bos_token=recipe.bos,
        eos_token=recipe.eos,
        extra_special_tokens=dict(recipe.tokens) or list(recipe.others),
    )
    tokenizer.add_tokens(list(recipe.words))
    return tokenizer


def build(name: str, folder: Path) -> Path:
    from transformers import AutoModelForImageTextToText

    draft = BUILDERS[name](lambda token: 1, 8)  # tokens first, ids second
    tokenizer = tokenizer_for(draft)
    recipe = BUILDERS[name](tokenizer.convert_tokens_to_ids, len(tokenizer) + 3)  # rows are padded upstream, too
    folder.mkdir(parents=True)
    tokenizer.save_pretrained(folder)
    recipe.images.save_pretrained(folder)
    if recipe.template:
        (folder / "chat_template.jinja").write_text(recipe.template)
    settings = {"processor_class": OF_PROCESSOR[name]} | recipe.settings
    (folder / "processor_config.json").write_text(json.dumps(settings))
    if recipe.video is not None:
        (folder / "video_preprocessor_config.json").write_text(json.dumps(recipe.video))
    torch.manual_seed(0)
    model = AutoModelForImageTextToText.from_config(recipe.config)
    with torch.no_grad():
        for parameter in model.parameters():  # nothing is left at zero, so that everything has a say
            parameter.copy_(
                torch.randn_like(parameter) * (0.3 if parameter.dim() > 1 else 0.1) + (parameter.dim() == 1)
            )
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.generation_config.repetition_penalty = 5.0  # what greedy answers must not be touched by
    model.save_pretrained(folder)
    return folder


class Shapes:
    """References `p0` to `p9`: pictures of two shapes, no two alike, some of several tiles."""

    def image(self, ref: str) -> Any:
        import numpy as np
        from PIL import Image

        number = int(ref.removeprefix("p"))
        height, width = ((20, 33), (31, 18))[number % 2]
        return Image.fromarray(np.random.default_rng(number).integers(0, 255, (height, width, 3), dtype=np.uint8))


@pytest.fixture(scope="session")
def _counting_words() -> Iterator[None]:
    """SmolVLM's processor spells numbers for videos and does not start without `num2words`; images need none."""
    if importlib.util.find_spec("num2words") is not None:
        yield
        return
    from transformers.models.smolvlm import processing_smolvlm

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "num2words", ModuleType("num2words"))
        patch.setattr(processing_smolvlm, "num2words", str)
        yield


@pytest.fixture(scope="session")
def folder_of(_counting_words: None, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a family's random model, built when first asked for."""
    made: dict[str, Path] = {}

    def get(name: str) -> Path:
        if name not in made:
            made[name] = build(name, tmp_path_factory.mktemp(name) / name)
        return made[name]

    return get


@pytest.fixture(scope="session")
def shapes() -> Shapes:
    return Shapes()


@pytest.fixture(scope="session", params=sorted(BUILDERS))
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def _vlm(family: str, folder_of: Callable[[str], Path], shapes: Shapes) -> Any:
    from smllmun_bench.models.loading import load

    return load(folder_of(family), shapes)


@pytest.fixture
def vlm(_vlm: Any) -> Iterator[Any]:
    """The family's model; a test that leaves it changed fails."""
    before = _vlm.fingerprint()
    yield _vlm
    assert _vlm.fingerprint() == before, "the test left the shared model changed"
