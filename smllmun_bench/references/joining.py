"""A language model and the vision tower of another model in one LLaVA folder, the projector between them untrained.

The folder is a normal one: its processor writes the language model's own turns (ChatML) and the image before the text.
"""

from pathlib import Path
from typing import Any

from smllmun_bench.errors import UserError
from smllmun_bench.models.folder import quiet_transformers, save
from smllmun_bench.models.pretrained import read, read_weights

IMAGE = "<image>"
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>{% endif %}{% endfor %}"
    "{% for part in message['content'] %}{% if part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def join(language: Path, vision: Path, folder: Path, *, seed: int = 0, dtype: str = "float16") -> None:
    """Write a LLaVA to `folder`: the decoder of `language`, the tower and image processor of `vision` (a LLaVA too).

    The one new token, `<image>`, starts as the mean of the others. The projector is drawn with `seed`.

    Raises:
        UserError: a language model that does not write its turns as ChatML, or a tower of another family.
    """
    import torch
    from transformers import AutoModelForImageTextToText

    from smllmun_bench.models.families import load_processor

    quiet_transformers()
    tokenizer = _tokenizer(language)
    looking = read_weights(AutoModelForImageTextToText, vision, dtype=torch.float32)
    if looking.config.model_type != "llava":
        raise UserError(f"the tower of a {looking.config.model_type!r} model, not of a LLaVA", where=str(vision))
    decoder = _decoder(language, tokenizer)
    torch.manual_seed(seed)
    model = _model(decoder, looking, tokenizer)
    processor = _processor(load_processor(str(vision), looking.config), tokenizer)
    save(model, processor, folder, dtype=dtype)


def _tokenizer(language: Path) -> Any:
    """The language model's, with the token of images."""
    from transformers import AutoTokenizer

    tokenizer = read(AutoTokenizer, language, padding_side="left")
    if tokenizer.convert_tokens_to_ids("<|im_start|>") in (None, tokenizer.unk_token_id):
        raise UserError("the language model does not know ChatML's <|im_start|>", where=str(language))
    tokenizer.add_special_tokens({"additional_special_tokens": [IMAGE]})
    return tokenizer


def _decoder(language: Path, tokenizer: Any) -> Any:
    """The language model with an embedding for the token of images: the mean of the others."""
    import torch
    from transformers import AutoModelForCausalLM

    decoder = read_weights(AutoModelForCausalLM, language, dtype=torch.float32)
    image = tokenizer.convert_tokens_to_ids(IMAGE)
    decoder.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    words = decoder.get_input_embeddings().weight
    with torch.no_grad():
        words[image] = words[:image].mean(dim=0)
    decoder.config.pad_token_id = tokenizer.pad_token_id
    return decoder


def _model(decoder: Any, looking: Any, tokenizer: Any) -> Any:
    """A LLaVA of the two; its projector is drawn."""
    from transformers import LlavaConfig, LlavaForConditionalGeneration

    config = LlavaConfig(
        vision_config=looking.config.vision_config,
        text_config=decoder.config,
        image_token_id=tokenizer.convert_tokens_to_ids(IMAGE),
        vision_feature_layer=looking.config.vision_feature_layer,
        vision_feature_select_strategy=looking.config.vision_feature_select_strategy,
        tie_word_embeddings=decoder.config.tie_word_embeddings,
    )
    model = LlavaForConditionalGeneration(config)
    model.model.language_model.load_state_dict(decoder.model.state_dict())
    model.model.vision_tower.load_state_dict(looking.model.vision_tower.state_dict())
    if not decoder.config.tie_word_embeddings:
        model.lm_head.load_state_dict(decoder.lm_head.state_dict())
    model.tie_weights()
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model


def _processor(looking: Any, tokenizer: Any) -> Any:
    from transformers import LlavaProcessor

    return LlavaProcessor(
        image_processor=looking.image_processor,
        tokenizer=tokenizer,
        patch_size=looking.patch_size,
        vision_feature_select_strategy=looking.vision_feature_select_strategy,
        num_additional_image_tokens=looking.num_additional_image_tokens,
        image_token=IMAGE,
        chat_template=CHAT_TEMPLATE,
    )
