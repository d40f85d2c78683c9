"""GGUF, the file format of llama.cpp, to a transformers folder. Llama architecture with a byte-level BPE.

transformers unpacks the weights and undoes llama.cpp's order of rows in q and k. Of how text is cut before BPE it knows
less than the file says, so that is done here, and what it would leave out in silence is refused.
"""

import io
import math
from collections import Counter
from contextlib import redirect_stderr
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from tokenizers import pre_tokenizers

from smllmun_bench.errors import UserError, require
from smllmun_bench.models.folder import quiet_transformers
from smllmun_bench.models.pretrained import read
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
    where = str(source)
    said = _Said(_open(source), where)
    _check_model(said)
    rule = _check_tokenizer(said)
    licence = said.text("general.license")
    quiet_transformers()
    model, tokenizer = _read(source)
    tokenizer.backend_tokenizer.pre_tokenizer = _CUTS[rule]
    tokenizer.model_max_length = model.config.max_position_embeddings
    written = Written(write(_unmarked(model), tokenizer, folder, where=where))
    return replace(written, licence=licence or written.licence)


def _read(source: Path) -> tuple[Any, Any]:
    """Model and tokenizer, from a folder with nothing else in it: what lies beside the file is not the model's."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with TemporaryDirectory() as alone:
        (Path(alone) / "model.gguf").symlink_to(source.absolute())
        try:
            with redirect_stderr(io.StringIO()):  # a bar that has no switch
                model = read(AutoModelForCausalLM, alone, gguf_file="model.gguf", dtype=torch.float32)
            return model, read(AutoTokenizer, alone, gguf_file="model.gguf")
        except UserError as error:
            raise UserError(error.what, where=str(source), fix=TRY) from error


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
    except Exception as error:  # it follows whatever numbers the file holds
        raise UserError(
            f"the GGUF file is cut short or damaged, at {source.stat().st_size:,} bytes",
            where=where,
            fix="fetch it again",
        ) from error


@dataclass(frozen=True, slots=True)
class _Said:
    """What stands in a file, by key; of another kind than wanted, it is refused."""

    reader: Any
    where: str

    def refuse(self, what: str) -> UserError:
        return UserError(what, where=self.where, fix=TRY)

    def text(self, key: str) -> str | None:
        found = self._field(key)
        if found is not None and not isinstance(found, str):
            raise self.refuse(f"{key!r} is no text in the GGUF file")
        return found

    def number(self, key: str, least: float = 1) -> int | None:
        found = self._field(key)
        if found is not None and (not isinstance(found, int) or isinstance(found, bool) or found < least):
            raise self.refuse(f"{key!r} is no number from {least} on in the GGUF file")
        return found

    def positive(self, key: str) -> float | None:
        found = self._field(key)
        if found is not None and not (isinstance(found, float | int) and 0 < found < math.inf):
            raise self.refuse(f"{key!r} is no number above 0 in the GGUF file")
        return found

    def needed(self, key: str) -> int:
        found = self.number(key)
        if found is None:
            raise self.refuse(f"the GGUF file does not say {key!r}")
        return found

    def words(self, key: str) -> list[str]:
        found = self._field(key)
        if not isinstance(found, list) or not found or not all(isinstance(word, str) for word in found):
            raise self.refuse(f"{key!r} is no list of texts in the GGUF file")
        return found

    def _field(self, key: str) -> Any:
        try:
            field = self.reader.get_field(key)
            return None if field is None else field.contents()
        except (ValueError, LookupError) as error:
            raise self.refuse(f"{key!r} cannot be read in the GGUF file: {error}") from error


def _check_model(said: _Said) -> None:
    kind = said.text("general.architecture")
    if kind != KIND:
        raise said.refuse(f"the GGUF file holds a model of the kind {kind!r}, not {KIND!r}")
    numbers = {key: said.needed(f"{KIND}.{key}") for key in _NEEDED}
    said.number(f"{KIND}.context_length")
    for key in ("rope.freq_base", "attention.layer_norm_rms_epsilon"):
        said.positive(f"{KIND}.{key}")
    scaling = said.text(f"{KIND}.rope.scaling.type")
    if scaling not in (None, "none"):
        raise said.refuse(f"positions are scaled ({scaling!r}), which would be lost")
    found = {tensor.name: tensor for tensor in said.reader.tensors}
    layers = range(min(numbers["block_count"], len(found)))  # with fewer weights than layers one is missing anyway
    wanted = {*_WHOLE, *(f"blk.{layer}.{part}.weight" for layer in layers for part in _EACH)}
    if missing := sorted(wanted - found.keys()):
        raise said.refuse(f"{len(missing)} weights are missing, {missing[0]!r} is one")
    if lost := sorted(found.keys() - wanted - {_UNTIED}):
        raise said.refuse(f"{len(lost)} weights have no place in a Llama, {lost[0]!r} is one")
    _check_shapes(said, numbers, found)


def _check_shapes(said: _Said, numbers: "dict[str, int]", found: "dict[str, Any]") -> None:
    """The numbers and the weights tell of one model, in numbers that can be unpacked."""
    width, inner, heads, key_heads = (numbers[key] for key in _NEEDED[1:])
    head = width // heads
    if heads * head != width or heads % key_heads or head % 2:
        raise said.refuse(f"a width of {width} is not shared by {heads} heads, {key_heads} of them with keys")
    if (said.number(f"{KIND}.rope.dimension_count") or head) != head:
        raise said.refuse(f"positions turn a part of a head, {head} are there")
    rows = len(said.words("tokenizer.ggml.tokens"))
    shapes = {
        **{part: [width] for part in ("attn_norm", "ffn_norm", "output_norm")},
        **{part: [width, width] for part in ("attn_q", "attn_output")},
        **{part: [width, key_heads * head] for part in ("attn_k", "attn_v")},
        **{part: [width, inner] for part in ("ffn_gate", "ffn_up")},
        **{part: [width, rows] for part in ("token_embd", "output")},
        "ffn_down": [inner, width],
    }
    for name, tensor in found.items():
        shape, right = [int(size) for size in tensor.shape], shapes[name.split(".")[-2]]
        if shape != right:
            raise said.refuse(f"the weight {name!r} has the shape {shape}, not {right}")
        if tensor.tensor_type.name.startswith(("I8", "I16", "I32", "I64", "F64")):
            raise said.refuse(f"the weight {name!r} is stored as {tensor.tensor_type.name}")


def _check_tokenizer(said: _Said) -> str:
    """By which rule text is cut before BPE."""
    kind = said.text("tokenizer.ggml.model")
    if kind != "gpt2":
        raise said.refuse(f"the tokenizer is of the kind {kind!r}, not a byte-level BPE ('gpt2')")
    rule = said.text("tokenizer.ggml.pre")
    if rule is None or rule not in _CUTS:
        raise said.refuse(f"text is cut by the rule {rule!r}; known are {', '.join(map(repr, _CUTS))}")
    tokens = said.words("tokenizer.ggml.tokens")
    known = set(tokens)
    if len(known) < len(tokens):
        twice = next(token for token, count in Counter(tokens).items() if count > 1)
        raise said.refuse(f"the token {twice!r} stands twice in the GGUF file")
    for merge in said.words("tokenizer.ggml.merges"):
        left, _, right = merge.partition(" ")
        if not {left, right, left + right} <= known:
            raise said.refuse(f"the merge {merge!r} is not of two tokens to a third")
    for key in ("bos", "eos", "unknown", "padding"):
        if (said.number(f"tokenizer.ggml.{key}_token_id", least=0) or 0) >= len(tokens):
            raise said.refuse(f"the {key} token is none of the {len(tokens):,} tokens")
    _check_template(said)
    return rule


def _check_template(said: _Said) -> None:
    from jinja2 import TemplateSyntaxError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    template = said.text("tokenizer.chat_template")
    if not template:
        raise said.refuse("the GGUF file has no chat template")
    try:
        ImmutableSandboxedEnvironment(extensions=["jinja2.ext.loopcontrols"]).parse(template)
    except TemplateSyntaxError as error:
        if "unknown tag 'generation'" not in str(error):  # transformers' own
            raise said.refuse(f"the chat template is broken: {error}") from None


# --- how text is cut ---------------------------------------------------------------------------------------------

_WORDS = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)  # letters, digits, signs, spaces apart
_CUTS = {
    # Each digit stands alone, before anything else is cut: llama.cpp's \p{N}, then the pattern of GPT-2.
    "smollm": pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), _WORDS]),
    "gpt-2": _WORDS,
}
