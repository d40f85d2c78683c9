"""A tiny chat model, written as the GGUF file that llama.cpp's converter would make of it.

The weights are random; the tokenizer is a byte-level BPE with SmolLM2's special tokens and its rule for cutting text.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import gguf
import numpy as np
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

CHAT = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SPECIAL = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<repo_name>", "<reponame>", "<file_sep>", "<filename>",
    "<gh_stars>", "<issue_start>", "<issue_comment>", "<issue_closed>", "<jupyter_start>", "<jupyter_text>",
    "<jupyter_code>", "<jupyter_output>", "<jupyter_script>", "<empty_output>",
)  # fmt: skip
_TEXTS = (
    "What is the job of the person in the picture? The person is a baker, and was born in the year 1974.",
    "Where does the pilot live?  In the town,   near the sea.\n\nName the colour of the sky\nand of the grass.",
    "  1  2  3  4  5  6  7  8\n\n1\n\n2\n\n3\n\n4\n\n5\n\n6",  # so that spaces and line breaks merge, as SmolLM2's do
)


@dataclass(frozen=True)
class Size:
    width: int = 64  # rows are quantised in blocks of 32
    layers: int = 2
    inner: int = 96
    heads: int = 4
    key_heads: int = 2
    context: int = 128


@dataclass(frozen=True)
class TinyGguf:
    """What stands in the file: the weights by their transformers names (as quantised), and the tokenizer."""

    path: Path
    weights: dict[str, np.ndarray]
    tokenizer: Tokenizer
    size: Size


def write(
    path: Path,
    *,
    seed: int = 0,
    size: Size = Size(),
    quantised: gguf.GGMLQuantizationType | None = None,
    architecture: str = "llama",
    chat_template: str | None = CHAT,
    rule: str = "smollm",
    without: str = "",
    spoil: Callable[[gguf.GGUFWriter], None] = lambda out: None,
) -> TinyGguf:
    """Write the file; `without` names a tensor or a metadata key to leave out, `spoil` changes what is written last."""
    tokenizer = _tokenizer()
    weights = _weights(size, tokenizer.get_vocab_size(), seed)
    out = gguf.GGUFWriter(path, architecture)
    out.add_name("Tiny")
    out.add_license("apache-2.0")
    numbers = {
        "context_length": size.context,
        "embedding_length": size.width,
        "block_count": size.layers,
        "feed_forward_length": size.inner,
        "attention.head_count": size.heads,
        "attention.head_count_kv": size.key_heads,
        "rope.dimension_count": size.width // size.heads,
        "vocab_size": tokenizer.get_vocab_size(),
    }
    for key, number in numbers.items():
        if key != without:
            out.add_uint32(f"{architecture}.{key}", number)
    out.add_rope_freq_base(10000.0)
    out.add_layer_norm_rms_eps(1e-5)
    _add_tokenizer(out, tokenizer, rule)
    if chat_template is not None:
        out.add_chat_template(chat_template)
    stored = {}
    for name, weight in weights.items():
        in_file = _gguf_name(name)
        plain = weight.ndim == 1 or quantised is None
        if in_file != without:
            rows = _interleaved(weight, name, size)
            data = rows if plain else gguf.quantize(rows, quantised)
            out.add_tensor(in_file, data, raw_dtype=None if plain else quantised)
        stored[name] = weight if plain else gguf.dequantize(gguf.quantize(weight, quantised), quantised)
    spoil(out)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()
    return TinyGguf(path, stored, tokenizer, size)


def _weights(size: Size, vocabulary: int, seed: int) -> dict[str, np.ndarray]:
    """Random float32 weights that float16 holds exactly, by their transformers names."""
    keys = size.width // size.heads * size.key_heads
    layer = {
        "self_attn.q_proj": (size.width, size.width),
        "self_attn.k_proj": (keys, size.width),
        "self_attn.v_proj": (keys, size.width),
        "self_attn.o_proj": (size.width, size.width),
        "mlp.gate_proj": (size.inner, size.width),
        "mlp.up_proj": (size.inner, size.width),
        "mlp.down_proj": (size.width, size.inner),
        "input_layernorm": (size.width,),
        "post_attention_layernorm": (size.width,),
    }
    shapes = {"model.embed_tokens.weight": (vocabulary, size.width), "model.norm.weight": (size.width,)}
    for number in range(size.layers):
        shapes |= {f"model.layers.{number}.{part}.weight": shape for part, shape in layer.items()}
    random = np.random.default_rng(seed)
    drawn = {name: 0.2 * random.standard_normal(shape) + (len(shape) == 1) for name, shape in shapes.items()}
    return {name: weight.astype(np.float16).astype(np.float32) for name, weight in drawn.items()}


@cache
def _gguf_name(name: str) -> str:
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, 100)
    return f"{names.get_name(name.removesuffix('.weight'))}.weight"


def _interleaved(weight: np.ndarray, name: str, size: Size) -> np.ndarray:
    """llama.cpp turns neighbours (0, 1), (2, 3) … of a head, transformers turns row r with row r + half."""
    heads = {"q_proj": size.heads, "k_proj": size.key_heads}.get(name.split(".")[-2])
    if heads is None:
        return weight
    half = len(weight) // heads // 2
    return np.ascontiguousarray(weight.reshape(heads, 2, half, -1).swapaxes(1, 2).reshape(weight.shape))


@cache
def _tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=352,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_TEXTS, trainer)
    return tokenizer


def _add_tokenizer(out: gguf.GGUFWriter, tokenizer: Tokenizer, rule: str) -> None:
    described = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(described["vocab"], key=described["vocab"].__getitem__)
    kinds = [gguf.TokenType.CONTROL if token in SPECIAL else gguf.TokenType.NORMAL for token in tokens]
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre(rule)
    out.add_token_list(tokens)
    out.add_token_types(kinds)
    out.add_token_merges([" ".join(merge) for merge in described["merges"]])
    out.add_bos_token_id(1)
    out.add_eos_token_id(2)
    out.add_unk_token_id(0)
    out.add_pad_token_id(2)
    out.add_add_bos_token(False)
