"""GGUF, the file format of llama.cpp, to a transformers folder. Llama architecture with a byte-level BPE.

transformers unpacks the weights and undoes llama.cpp's order of rows in q and k. Of how text is cut before BPE it knows
less than the file says, so that is done here, and what it would leave out in silence is refused.
"""

import io
from contextlib import redirect_stderr
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from tokenizers import pre_tokenizers

from smllmun_bench.errors import UserError, require
from smllmun_bench.models.folder import quiet_transformers
from smllmun_bench.references.causal import KIND, TRY, Written, write

MAGIC = b"GGUF"
_NEEDED = ("block_count", "embedding_length", "feed_forward_length", "attention.head_count", "attention.head_count_kv")
_WHOLE = ("token_embd.weight", "output_norm.weight")
_EACH = ("attn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_norm", "ffn_gate", "ffn_up", "ffn_down")
_UNTIED = "output.weight"


def convert(source: Path, folder: Path) -> Written:
    """Write the model in the GGUF file `source` to `folder`: float16 safetensors, tokenizer and chat template.

    Quantised weights are unpacked and stay as coarse as they are.

    Raises:
        UserError: no GGUF, cut short, another architecture, tokenizer or rule for cutting text, no chat template,
            weights that are missing or unknown; or the package gguf is not installed.
    """
    reader = _open(source)
    where = str(source)
    _check_model(reader, where)
    _check_tokenizer(reader, where)
    from transformers import AutoModelForCausalLM, AutoTokenizer

    quiet_transformers()
    with redirect_stderr(io.StringIO()):  # a bar that has no switch
        model = AutoModelForCausalLM.from_pretrained(source.parent, gguf_file=source.name, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
    tokenizer.backend_tokenizer.pre_tokenizer = _CUTS[_field(reader, "tokenizer.ggml.pre")]
    tokenizer.model_max_length = model.config.max_position_embeddings
    written = Written(write(_unmarked(model), tokenizer, folder, where=where))
    return replace(written, licence=_field(reader, "general.license") or written.licence)


def _unmarked(loaded: Any) -> Any:
    """The same weights in a model that does not pass for quantised: such a one is not saved, though they are floats."""
    from transformers import AutoModelForCausalLM

    del loaded.config.quantization_config
    with torch.device("meta"):  # only the shape of it: every weight is put in below
        model = AutoModelForCausalLM.from_config(loaded.config, dtype=torch.float32)
    model.load_state_dict(loaded.state_dict(), assign=True)
    model.tie_weights()
    return model


def is_gguf(path: Path) -> bool:
    """Whether the file begins as a GGUF does."""
    with path.open("rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC


# --- what the file must say --------------------------------------------------------------------------------------


def _open(source: Path) -> Any:
    gguf = require("gguf", extra="small")
    where = str(source)
    if not is_gguf(source):
        raise UserError("not a GGUF file: it does not begin with the letters GGUF", where=where, fix=TRY)
    try:
        return gguf.GGUFReader(source)  # looks up every tensor, so a file that is cut short anywhere fails
    except (ValueError, IndexError) as error:
        raise UserError(
            f"the GGUF file is cut short or damaged, at {source.stat().st_size:,} bytes",
            where=where,
            fix="fetch it again",
        ) from error


def _check_model(reader: Any, where: str) -> None:
    kind = _field(reader, "general.architecture")
    if kind != KIND:
        raise UserError(f"the GGUF file holds a model of the kind {kind!r}, not {KIND!r}", where=where, fix=TRY)
    for key in _NEEDED:
        if _field(reader, f"{KIND}.{key}") is None:
            raise UserError(f"the GGUF file does not say {KIND + '.' + key!r}", where=where, fix=TRY)
    scaling = _field(reader, f"{KIND}.rope.scaling.type")
    if scaling not in (None, "none"):
        raise UserError(f"positions are scaled ({scaling!r}), which would be lost", where=where, fix=TRY)
    layers = range(_field(reader, f"{KIND}.block_count"))
    wanted = {*_WHOLE, *(f"blk.{layer}.{part}.weight" for layer in layers for part in _EACH)}
    found = {tensor.name for tensor in reader.tensors}
    if missing := sorted(wanted - found):
        raise UserError(f"{len(missing)} weights are missing, {missing[0]!r} is one", where=where, fix=TRY)
    if lost := sorted(found - wanted - {_UNTIED}):
        raise UserError(f"{len(lost)} weights have no place in a Llama, {lost[0]!r} is one", where=where, fix=TRY)


def _check_tokenizer(reader: Any, where: str) -> None:
    kind = _field(reader, "tokenizer.ggml.model")
    if kind != "gpt2":
        raise UserError(f"the tokenizer is of the kind {kind!r}, not a byte-level BPE ('gpt2')", where=where, fix=TRY)
    rule = _field(reader, "tokenizer.ggml.pre")
    if rule not in _CUTS:
        known = ", ".join(map(repr, _CUTS))
        raise UserError(f"text is cut by the rule {rule!r}; known are {known}", where=where, fix=TRY)
    if not _field(reader, "tokenizer.chat_template"):
        raise UserError("the GGUF file has no chat template", where=where, fix=TRY)


def _field(reader: Any, key: str) -> Any:
    field = reader.get_field(key)
    return None if field is None else field.contents()


# --- how text is cut ---------------------------------------------------------------------------------------------

_WORDS = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)  # letters, digits, signs, spaces apart
_CUTS = {
    # Each digit stands alone, before anything else is cut: llama.cpp's \p{N}, then the pattern of GPT-2.
    "smollm": pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), _WORDS]),
    "gpt-2": _WORDS,
}
