"""A GGUF file becomes a folder that plain transformers loads: the same weights, the same tokens, or one clear error."""

import warnings
from pathlib import Path

import gguf
import numpy as np
import pytest
import tiny_gguf
import torch
from hypothesis import given
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
        (lambda folder: (folder / "model.safetensors").unlink(), "cannot be loaded"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"\0" * 40), "cannot be loaded"),
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
