"""A language model and the eyes of another model in one LLaVA folder, the projector between them untrained.

The folder is a normal one: its processor writes the language model's own turns (ChatML) and the image before the text.
"""

from pathlib import Path

from smllmun_bench.errors import UserError
from smllmun_bench.models.folder import quiet_transformers, save

IMAGE = "<image>"
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>{% endif %}{% endfor %}"
    "{% for part in message['content'] %}{% if part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def join(language: Path, eyes: Path, folder: Path, *, seed: int = 0, dtype: str = "float16") -> None:
    """Write a LLaVA to `folder`: the decoder of `language`, the tower and image processor of `eyes` (a LLaVA too).

    The one new token, `<image>`, starts as the mean of the others. The projector is drawn with `seed`.

    Raises:
        UserError: a language model that does not write its turns as ChatML, or eyes of another family.
    """
    import torch
    from transformers import (
        AutoModelForCausalLM,
        AutoModelForImageTextToText,
        AutoTokenizer,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
    )

    from smllmun_bench.models.families import load_processor

    quiet_transformers()
    tokenizer = AutoTokenizer.from_pretrained(language, padding_side="left")
    if tokenizer.convert_tokens_to_ids("<|im_start|>") in (None, tokenizer.unk_token_id):
        raise UserError("the language model does not know ChatML's <|im_start|>", where=str(language))
    seeing = AutoModelForImageTextToText.from_pretrained(eyes, dtype=torch.float32)
    if seeing.config.model_type != "llava":
        raise UserError(f"eyes of a {seeing.config.model_type!r} model, not of a LLaVA", where=str(eyes))
    speaking = AutoModelForCausalLM.from_pretrained(language, dtype=torch.float32)
    tokenizer.add_special_tokens({"additional_special_tokens": [IMAGE]})
    image = tokenizer.convert_tokens_to_ids(IMAGE)
    speaking.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    words = speaking.get_input_embeddings().weight
    with torch.no_grad():
        words[image] = words[:image].mean(dim=0)
    speaking.config.pad_token_id = tokenizer.pad_token_id
    config = LlavaConfig(
        vision_config=seeing.config.vision_config,
        text_config=speaking.config,
        image_token_id=image,
        vision_feature_layer=seeing.config.vision_feature_layer,
        vision_feature_select_strategy=seeing.config.vision_feature_select_strategy,
        tie_word_embeddings=speaking.config.tie_word_embeddings,
    )
    torch.manual_seed(seed)
    model = LlavaForConditionalGeneration(config)
    model.model.language_model.load_state_dict(speaking.model.state_dict())
    model.model.vision_tower.load_state_dict(seeing.model.vision_tower.state_dict())
    if not speaking.config.tie_word_embeddings:
        model.lm_head.load_state_dict(speaking.lm_head.state_dict())
    model.tie_weights()
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    looking = load_processor(str(eyes), seeing.config)
    processor = LlavaProcessor(
        image_processor=looking.image_processor,
        tokenizer=tokenizer,
        patch_size=looking.patch_size,
        vision_feature_select_strategy=looking.vision_feature_select_strategy,
        num_additional_image_tokens=looking.num_additional_image_tokens,
        image_token=IMAGE,
        chat_template=CHAT_TEMPLATE,
    )
    save(model, processor, folder, dtype=dtype)
