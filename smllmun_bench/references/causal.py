"""A language model alone, as a folder that `save_pretrained` writes: float16 safetensors, tokenizer, chat template."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from smllmun_bench.errors import UserError
from smllmun_bench.models.folder import quiet_transformers
from smllmun_bench.models.pretrained import read, read_weights

KIND = "llama"  # the architecture that the converters know
TRY = "the GGUF file or a transformers folder of a Llama-like chat model, such as SmolLM2-135M-Instruct"


@dataclass(frozen=True, slots=True)
class Written:
    """`parameters` counts each weight once, tied ones too."""

    parameters: int
    licence: str = "unknown"


def write(model: Any, tokenizer: Any, folder: Path, *, where: str) -> int:
    """Save both in `folder`, the weights rounded to float16; returns how many parameters there are.

    Raises UserError for a weight that float16 cannot hold, and OSError if `folder` cannot be written.
    """
    model.half()
    for name, weight in model.named_parameters():
        if not torch.isfinite(weight).all():
            raise UserError(f"the weight {name!r} is not finite in float16", where=where, fix="another file or folder")
    try:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    except SafetensorError as error:  # of a full disk, for one
        raise OSError(str(error)) from error
    return int(model.num_parameters())


def convert(source: Path, folder: Path) -> Written:
    """Write the transformers folder `source` anew, as `gguf.convert` would: weights in float16, tokens untouched.

    Raises UserError if it is no language model of the kind, has no chat template, is quantised or lacks weights.
    """
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    where = str(source)
    quiet_transformers()
    if not (source / "config.json").is_file():
        raise UserError("no config.json: this is not the folder of a model", where=where, fix=TRY)
    config = read(AutoConfig, where)
    if config.model_type != KIND:
        raise UserError(f"the model is of the kind {config.model_type!r}, not {KIND!r}", where=where, fix=TRY)
    if getattr(config, "quantization_config", None) is not None:
        raise UserError("the model is stored quantised", where=where, fix="the original, or a GGUF of it")
    tokenizer = read(AutoTokenizer, where)
    if not tokenizer.chat_template:
        raise UserError("the tokenizer has no chat template", where=where, fix=TRY)
    model = read_weights(AutoModelForCausalLM, where, dtype=torch.float32)
    return Written(write(model, tokenizer, folder, where=where))
