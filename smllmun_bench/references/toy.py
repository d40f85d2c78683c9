"""An untrained toy: a LLaVA of a few million parameters, with its own tokenizer, image processor and chat template.

What comes out is a normal `transformers` folder; nothing else in the project knows that it is small.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smllmun_bench.models.folder import save

if TYPE_CHECKING:
    from tokenizers import Tokenizer

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}<|user|>"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>{% endif %}{% endfor %}"
    "{% for part in message['content'] %}{% if part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}"
    "{% else %}<|assistant|>"
    "{% for part in message['content'] %}{% if part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}"
    "<|end|>"
    "{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


@dataclass(frozen=True, slots=True)
class ToySize:
    """Widths and depths. `image`, `patch` in pixels: (image / patch)² + 1 image tokens, one of them the class token."""

    image: int = 48
    patch: int = 8
    vision_width: int = 128
    vision_layers: int = 4
    vision_inner: int = 384
    width: int = 192
    layers: int = 4
    inner: int = 384
    heads: int = 4
    vocabulary: int = 1200


STANDARD = ToySize()
NANO = ToySize(
    image=32, vision_width=48, vision_layers=3, vision_inner=192, width=96, layers=2, inner=192, vocabulary=600
)


def byte_level_bpe(texts: Iterable[str], vocabulary: int, specials: Sequence[str]) -> "Tokenizer":
    """A byte-level BPE trained on `texts`: at most `vocabulary` tokens, `specials` first; any text can be written."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(specials),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    return bpe


def build(folder: Path, texts: Iterable[str], size: ToySize = STANDARD, *, seed: int = 0) -> None:
    """Write an untrained toy, its tokenizer trained on `texts`, to `folder`."""
    import torch
    from transformers import LlavaForConditionalGeneration

    processor = _processor(texts, size)
    config = _config(size, processor.tokenizer)
    torch.manual_seed(seed)
    model = LlavaForConditionalGeneration(config)
    model.generation_config.eos_token_id = processor.tokenizer.eos_token_id
    model.generation_config.pad_token_id = processor.tokenizer.pad_token_id
    save(model, processor, folder)


def _processor(texts: Iterable[str], size: ToySize) -> Any:
    from transformers import CLIPImageProcessorPil, LlavaProcessor, PreTrainedTokenizerFast

    specials = ["<pad>", "<|end|>", "<|user|>", "<|assistant|>", "<image>"]
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=byte_level_bpe(texts, size.vocabulary, specials),
        pad_token="<pad>",
        eos_token="<|end|>",
        additional_special_tokens=["<|user|>", "<|assistant|>", "<image>"],
        padding_side="left",
    )
    square = {"height": size.image, "width": size.image}
    return LlavaProcessor(
        image_processor=CLIPImageProcessorPil(size=square, crop_size=square, do_center_crop=False),
        tokenizer=tokenizer,
        patch_size=size.patch,
        vision_feature_select_strategy="full",
        num_additional_image_tokens=1,
        image_token="<image>",
        chat_template=CHAT_TEMPLATE,
    )


def _config(size: ToySize, tokenizer: Any) -> Any:
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig

    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=size.width,
        intermediate_size=size.inner,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        num_key_value_heads=size.heads,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    vision = CLIPVisionConfig(
        hidden_size=size.vision_width,
        intermediate_size=size.vision_inner,
        num_hidden_layers=size.vision_layers,
        num_attention_heads=4,
        image_size=size.image,
        patch_size=size.patch,
        projection_dim=size.vision_width,
    )
    return LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        tie_word_embeddings=True,
    )
