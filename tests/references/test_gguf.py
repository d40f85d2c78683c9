"""A GGUF file becomes a folder that plain transformers loads: the same weights, the same tokens, or one clear error."""

import contextlib
import warnings
from pathlib import Path

import gguf
import numpy as np
import pytest
import tiny_gguf
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_gguf import TinyGguf

from smllmun_bench.errors import UserError
from smllmun_bench.references import causal
from smllmun_bench.references.gguf import convert

TEXT = "What is the job of the person?\n\n  12 or 1974"


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[TinyGguf, Path]:
    folder = tmp_path_factory.mktemp("plain")
    tiny = tiny_gguf.write(folder / "tiny.gguf")
    convert(tiny.path, folder / "converted")
    return tiny, folder / "converted"


def loaded(folder: Path):
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def reference(tiny: TinyGguf):
    """The model that was written, built from its weights without any file."""
    from transformers import LlamaConfig, LlamaForCausalLM

    size = tiny.size
    config = LlamaConfig(
        vocab_size=tiny.tokenizer.get_vocab_size(),
        hidden_size=size.width,
        intermediate_size=size.inner,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        num_key_value_heads=size.key_heads,
        max_position_embeddings=size.context,
        rms_norm_eps=1e-5,
        tie_word_embeddings=True,
    )
    model = LlamaForCausalLM(config)
    weights = {
        name: torch.from_numpy(weight.astype(np.float16).astype(np.float32)) for name, weight in tiny.weights.items()
    }
    model.load_state_dict(weights | {"lm_head.weight": weights["model.embed_tokens.weight"]})
    return model.eval()


@torch.no_grad()
def logits(model, tiny: TinyGguf) -> torch.Tensor:
    return model(torch.tensor([tiny.tokenizer.encode(TEXT).ids])).logits


def test_the_converted_model_is_the_one_that_was_written(plain: tuple[TinyGguf, Path]) -> None:
    tiny, folder = plain
    torch.testing.assert_close(logits(loaded(folder), tiny), logits(reference(tiny), tiny), rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", [gguf.GGMLQuantizationType.Q4_1, gguf.GGMLQuantizationType.Q8_0], ids=lambda k: k.name)
def test_quantised_weights_are_unpacked(tmp_path: Path, kind: gguf.GGMLQuantizationType) -> None:
    exact = tiny_gguf.write(tmp_path / "exact.gguf")
    tiny = tiny_gguf.write(tmp_path / "tiny.gguf", quantised=kind)
    convert(tiny.path, tmp_path / "converted")
    found = logits(loaded(tmp_path / "converted"), tiny)
    torch.testing.assert_close(found, logits(reference(tiny), tiny), rtol=0, atol=1e-5)
    assert (found - logits(reference(exact), exact)).abs().max() > 0.01  # it is coarser than what was quantised


def test_it_is_a_plain_folder_in_float16(plain: tuple[TinyGguf, Path]) -> None:
    from safetensors import safe_open
    from transformers import AutoConfig

    tiny, folder = plain
    config = AutoConfig.from_pretrained(folder)
    assert not hasattr(config, "quantization_config")
    assert (config.model_type, config.dtype, config.head_dim) == ("llama", torch.float16, 16)
    assert (config.eos_token_id, config.pad_token_id) == (2, 2)
    with safe_open(folder / "model.safetensors", "pt") as stored:
        assert set(stored.keys()) == set(tiny.weights)  # the tied output is not stored twice
        assert {stored.get_tensor(name).dtype for name in stored.keys()} == {torch.float16}  # noqa: SIM118


def test_what_is_told_of_it(tmp_path: Path) -> None:
    tiny = tiny_gguf.write(tmp_path / "tiny.gguf")
    written = convert(tiny.path, tmp_path / "converted")
    assert written == causal.Written(sum(weight.size for weight in tiny.weights.values()), "apache-2.0")


@given(text=st.text(max_size=60) | st.text(st.sampled_from("ab 1٢²\n\t'.é"), max_size=60))
def test_text_becomes_the_same_tokens(plain: tuple[TinyGguf, Path], text: str) -> None:
    tokenizer = _tokenizer(plain[1])
    assert tokenizer(text).input_ids == plain[0].tokenizer.encode(text).ids


_loaded_tokenizers: dict[Path, object] = {}


def _tokenizer(folder: Path):
    from transformers import AutoTokenizer

    if folder not in _loaded_tokenizers:
        _loaded_tokenizers[folder] = AutoTokenizer.from_pretrained(folder)
    return _loaded_tokenizers[folder]


def test_the_chat_template_and_the_special_tokens_come_along(plain: tuple[TinyGguf, Path]) -> None:
    tokenizer = _tokenizer(plain[1])
    chat = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Who?"}], add_generation_prompt=True, tokenize=False
    )
    assert chat == "<|im_start|>user\nWho?<|im_end|>\n<|im_start|>assistant\n"
    ids = tokenizer(chat).input_ids
    assert ids.count(1) == 2
    assert ids.count(2) == 1
    assert (tokenizer.eos_token, tokenizer.pad_token, tokenizer.model_max_length) == ("<|im_end|>", "<|im_end|>", 128)
    assert tokenizer.decode(ids, skip_special_tokens=True) == "user\nWho?\nassistant\n"


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        ({"architecture": "gpt2"}, "a model of the kind 'gpt2', not 'llama'"),
        ({"chat_template": None}, "has no chat template"),
        ({"rule": "llama-bpe"}, "text is cut by the rule 'llama-bpe'"),
        ({"without": "attention.head_count_kv"}, "does not say 'llama.attention.head_count_kv'"),
        ({"without": "blk.1.attn_q.weight"}, "1 weights are missing, 'blk.1.attn_q.weight'"),
    ],
)
def test_what_cannot_be_converted_is_refused(tmp_path: Path, wrong: dict, what: str) -> None:
    tiny = tiny_gguf.write(tmp_path / "tiny.gguf", **wrong)
    with pytest.raises(UserError, match=what) as error:
        convert(tiny.path, tmp_path / "converted")
    assert (error.value.where, bool(error.value.fix)) == (str(tiny.path), True)
    assert not (tmp_path / "converted").exists()


def test_a_weight_that_has_no_place_is_refused(tmp_path: Path) -> None:
    deeper = tiny_gguf.write(tmp_path / "tiny.gguf", size=tiny_gguf.Size(layers=3)).path
    data = bytearray(deeper.read_bytes())
    at = data.index(b"llama.block_count") + len(b"llama.block_count") + 4
    data[at : at + 4] = (2).to_bytes(4, "little")
    deeper.write_bytes(data)
    with pytest.raises(UserError, match=r"9 weights have no place in a Llama, 'blk\.2\.attn_k\.weight'"):
        convert(deeper, tmp_path / "converted")


@given(kept=st.floats(0, 1, exclude_max=True))
def test_a_file_that_is_cut_short_anywhere_is_told(plain: tuple[TinyGguf, Path], kept: float) -> None:
    whole = plain[0].path.read_bytes()
    cut = plain[0].path.with_name("cut.gguf")
    cut.write_bytes(whole[: int(kept * len(whole))])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # sums of offsets that run over, inside gguf
        with pytest.raises(UserError, match=r"cut short|not a GGUF") as error:
            convert(cut, plain[0].path.with_name("never"))
    assert error.value.where == str(cut)


def test_a_file_that_is_something_else(tmp_path: Path) -> None:
    (tmp_path / "page.gguf").write_text("<html>404</html>")
    with pytest.raises(UserError, match="not a GGUF file"):
        convert(tmp_path / "page.gguf", tmp_path / "converted")


def test_without_the_package_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "gguf", None)
    (tmp_path / "tiny.gguf").write_bytes(b"GGUF")
    with pytest.raises(UserError, match="'gguf', which is not installed") as error:
        convert(tmp_path / "tiny.gguf", tmp_path / "converted")
    assert error.value.fix == "pip install 'smllmun-bench[small]'"


# --- malformed files: every one ends in a sentence ---------------------------------------------------------------

TEXT_KIND, LIST, FLOAT, UINT = (
    gguf.GGUFValueType.STRING, gguf.GGUFValueType.ARRAY, gguf.GGUFValueType.FLOAT32, gguf.GGUFValueType.UINT32,
)  # fmt: skip


def _put(key: str, value: object, kind: gguf.GGUFValueType, sub: gguf.GGUFValueType | None = None):
    """A change of what the file says."""

    def spoil(out: gguf.GGUFWriter) -> None:
        assert key in out.kv_data[0]
        out.kv_data[0][key] = gguf.gguf_writer.GGUFValue(value, kind, sub)

    return spoil


def _weight(name: str, change):
    """A change of a weight."""

    def spoil(out: gguf.GGUFWriter) -> None:
        old = out.tensors[0].pop(name)
        out.add_tensor(name, np.ascontiguousarray(change(old.tensor)))

    return spoil


def _listed(key: str, change):
    def spoil(out: gguf.GGUFWriter) -> None:
        out.kv_data[0][key].value = change(list(out.kv_data[0][key].value))

    return spoil


_NUMBERS = [f"llama.{key}" for key in (
    "block_count", "embedding_length", "feed_forward_length", "attention.head_count", "attention.head_count_kv",
)]  # fmt: skip
_MALFORMED = {
    **{f"{key}={value}": _put(key, value, kind)
       for key in _NUMBERS
       for value, kind in [(0, UINT), (4_000_000_000, UINT), (7, UINT), ("two", TEXT_KIND), (2.5, FLOAT)]},
    **{f"{key} as a list": _put(key, [2, 2], LIST, UINT) for key in _NUMBERS},
    "context as text": _put("llama.context_length", "long", TEXT_KIND),
    "no context": _put("llama.context_length", 0, UINT),
    "half of a head is turned": _put("llama.rope.dimension_count", 8, UINT),
    "frequency of NaN": _put("llama.rope.freq_base", float("nan"), FLOAT),
    "frequency of 0": _put("llama.rope.freq_base", 0.0, FLOAT),
    "negative epsilon": _put("llama.attention.layer_norm_rms_epsilon", -1.0, FLOAT),
    "infinite epsilon": _put("llama.attention.layer_norm_rms_epsilon", float("inf"), FLOAT),
    "architecture as a number": _put("general.architecture", 3, UINT),
    "licence as a number": _put("general.license", 3, UINT),
    "rule as a number": _put("tokenizer.ggml.pre", 3, UINT),
    "tokenizer as a number": _put("tokenizer.ggml.model", 3, UINT),
    "template as a number": _put("tokenizer.chat_template", 3, UINT),
    "broken template": _put("tokenizer.chat_template", "{% for %}", TEXT_KIND),
    "tokens as text": _put("tokenizer.ggml.tokens", "a b c", TEXT_KIND),
    "tokens as numbers": _put("tokenizer.ggml.tokens", [1, 2, 3], LIST, UINT),
    "merges as text": _put("tokenizer.ggml.merges", "a b", TEXT_KIND),
    "merges as numbers": _put("tokenizer.ggml.merges", [1, 2, 3], LIST, UINT),
    "merge of one part": _listed("tokenizer.ggml.merges", lambda merges: [*merges, "abc"]),
    "merge of three parts": _listed("tokenizer.ggml.merges", lambda merges: [*merges, "a b c"]),
    "empty merge": _listed("tokenizer.ggml.merges", lambda merges: ["", *merges]),
    "merge of unknown tokens": _listed("tokenizer.ggml.merges", lambda merges: [*merges, "qq zz"]),
    "merge to an unknown token": _listed("tokenizer.ggml.merges", lambda merges: [*merges, "q z"]),
    "a token twice": _listed("tokenizer.ggml.tokens", lambda tokens: [*tokens[:-1], tokens[40]]),
    "a token too many": _listed("tokenizer.ggml.tokens", lambda tokens: [*tokens, "more"]),
    "a token too few": _listed("tokenizer.ggml.tokens", lambda tokens: tokens[:-1]),
    **{f"{key} token out of range": _put(f"tokenizer.ggml.{key}_token_id", 9_999, UINT)
       for key in ("bos", "eos", "unknown", "padding")},
    "eos token as text": _put("tokenizer.ggml.eos_token_id", "end", TEXT_KIND),
    **{f"{name} {what}": _weight(f"{name}.weight", change)
       for name in ("token_embd", "blk.0.attn_q", "blk.1.attn_k", "blk.0.attn_v", "blk.1.attn_output", "blk.0.ffn_down")
       for what, change in [
           ("cut", lambda weight: weight[:-2]), ("narrow", lambda weight: weight[:, :-32]),
           ("flat", lambda weight: weight.reshape(-1)), ("deep", lambda weight: weight[:, :, None]),
           ("NaN", lambda weight: weight * np.nan), ("whole", lambda weight: weight.astype(np.int32)),
           ("large", lambda weight: weight + 1e6),
       ]},
    "turned": _weight("blk.0.ffn_up.weight", lambda weight: weight.T),
    "short norm": _weight("output_norm.weight", lambda weight: weight[:-1]),
}  # fmt: skip


@pytest.mark.parametrize("kind", _MALFORMED)
def test_a_malformed_file_is_one_message(tmp_path: Path, kind: str) -> None:
    file = tiny_gguf.write(tmp_path / "tiny.gguf", spoil=_MALFORMED[kind]).path
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        with pytest.raises(UserError) as error:
            convert(file, tmp_path / "converted")
    assert (error.value.where, len(error.value.what.splitlines()), bool(error.value.fix)) == (str(file), 1, True)
    assert not (tmp_path / "converted").exists()


@settings(max_examples=20, deadline=None)
@given(at=st.integers(0, 9_000), bit=st.integers(0, 7))
def test_a_flipped_bit_is_a_message_or_another_model(plain: tuple[TinyGguf, Path], at: int, bit: int) -> None:
    """In the part of the file that says what is in it; what a weight should be nobody knows."""
    data = bytearray(plain[0].path.read_bytes())
    data[at] ^= 1 << bit
    flipped = plain[0].path.with_name("flipped.gguf")
    flipped.write_bytes(data)
    with warnings.catch_warnings(), contextlib.suppress(UserError):
        warnings.simplefilter("ignore", RuntimeWarning)
        convert(flipped, plain[0].path.with_name("perhaps"))


def test_what_lies_beside_the_file_is_not_the_models(tmp_path: Path) -> None:
    tiny = tiny_gguf.write(tmp_path / "tiny.gguf")
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "/elsewhere", "peft_type": "LORA"}')
    (tmp_path / "tokenizer_config.json").write_text('{"auto_map": {"AutoTokenizer": ["mine.Mine", null]}}')
    assert convert(tiny.path, tmp_path / "converted").licence == "apache-2.0"


# --- folders that transformers wrote -----------------------------------------------------------------------------


def test_a_folder_is_written_anew_with_the_same_answers(plain: tuple[TinyGguf, Path], tmp_path: Path) -> None:
    tiny, folder = plain
    written = causal.convert(folder, tmp_path / "again")
    assert written.parameters == sum(weight.size for weight in tiny.weights.values())
    assert torch.equal(logits(loaded(tmp_path / "again"), tiny), logits(loaded(folder), tiny))
    assert (tmp_path / "again" / "tokenizer.json").read_bytes() == (folder / "tokenizer.json").read_bytes()


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (lambda folder: (folder / "config.json").unlink(), "no config.json"),
        (lambda folder: (folder / "chat_template.jinja").unlink(), "no chat template"),
        (lambda folder: (folder / "model.safetensors").unlink(), "cannot load the model"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"\0" * 40), "cannot load the model"),
        (lambda folder: _edit(folder, '"model_type": "llama"', '"model_type": "gpt2"'), "of the kind 'gpt2'"),
        (lambda folder: _edit(folder, '"num_hidden_layers": 2', '"num_hidden_layers": 3'), "9 weights are missing"),
    ],
)
def test_a_folder_that_will_not_do(plain: tuple[TinyGguf, Path], tmp_path: Path, damage, what: str) -> None:
    import shutil

    broken = tmp_path / "broken"
    shutil.copytree(plain[1], broken)
    damage(broken)
    with pytest.raises(UserError, match=what) as error:
        causal.convert(broken, tmp_path / "never")
    assert (error.value.where, bool(error.value.fix)) == (str(broken), True)


def _edit(folder: Path, old: str, new: str) -> None:
    path = folder / "config.json"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


# --- the real one ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_real_model_knows_a_capital_and_cuts_text_as_published(real_language_model: Path) -> None:
    tokenizer = _tokenizer(real_language_model)
    published = {  # ids of SmolLM2's own tokenizer
        "The capital of France is": [504, 3575, 282, 4649, 314],
        "Hello world! 123": [19556, 905, 17, 216, 33, 34, 35],
        "  multiple   spaces": [216, 2701, 256, 5600],
    }
    assert {text: tokenizer(text).input_ids for text in published} == published
    model = loaded(real_language_model)
    assert _said(model, tokenizer, "The capital of France is", 3).startswith(" Paris")
    asked = tokenizer.apply_chat_template(
        [{"role": "user", "content": "What is the capital of France?"}], add_generation_prompt=True, tokenize=False
    )
    assert _said(model, tokenizer, asked, 16) == "The capital of France is Paris."


def _said(model, tokenizer, prompt: str, limit: int) -> str:
    ids = tokenizer(prompt, return_tensors="pt")
    said = model.generate(**ids, max_new_tokens=limit, do_sample=False)
    text: str = tokenizer.decode(said[0, ids["input_ids"].shape[1] :], skip_special_tokens=True)
    return text
