"""Loading: what is wrong is one readable error, never a traceback of another library."""

import json
import shutil

import pytest

from smllmun_bench.errors import UserError
from smllmun_bench.models.loading import load


def _says(error: pytest.ExceptionInfo[UserError], *words: str) -> None:
    text = str(error.value)
    assert len(error.value.what.splitlines()) == 1
    assert "Traceback" not in text
    for word in words:
        assert word in text


def test_a_folder_that_is_not_there(tiny, tmp_path):
    with pytest.raises(UserError) as error:
        load(tmp_path / "nowhere", tiny.vlm.source)
    _says(error, "nowhere")


def test_an_empty_folder(tiny, tmp_path):
    with pytest.raises(UserError) as error:
        load(tmp_path, tiny.vlm.source)
    _says(error, str(tmp_path))


def test_a_language_model_without_eyes(tiny, tmp_path):
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(vocab_size=32, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1)
    LlamaForCausalLM(config).save_pretrained(tmp_path)
    with pytest.raises(UserError) as error:
        load(tmp_path, tiny.vlm.source)
    _says(error, "'llama' are not supported", "llava", str(tmp_path))


@pytest.mark.parametrize("dtype", ["float31", "nn", "", "complex"])
def test_an_unknown_dtype(tiny, dtype):
    with pytest.raises(UserError) as error:
        load(tiny.folder, tiny.vlm.source, dtype=dtype)
    _says(error, "unknown dtype", "bfloat16")


@pytest.mark.parametrize("device", ["abacus", "cuda:99"])
def test_a_device_that_is_not_there(tiny, device):
    with pytest.raises(UserError) as error:
        load(tiny.folder, tiny.vlm.source, device=device)
    _says(error, device, "--device cpu")


def test_weights_that_are_damaged_or_missing(tiny, tmp_path):
    cut = shutil.copytree(tiny.folder, tmp_path / "cut")
    weights = cut / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(UserError) as error:
        load(cut, tiny.vlm.source)
    _says(error, "cannot load the model", str(cut))
    weights.unlink()
    with pytest.raises(UserError) as error:
        load(cut, tiny.vlm.source)
    _says(error, "cannot load the model", str(cut))


def test_pickled_weights_are_not_read(tiny, tmp_path):
    import torch

    folder = shutil.copytree(tiny.folder, tmp_path / "pickle")
    (folder / "model.safetensors").unlink()
    torch.save(tiny.vlm.model.state_dict(), folder / "pytorch_model.bin")
    with pytest.raises(UserError):
        load(folder, tiny.vlm.source)


def test_code_that_comes_with_a_model_is_not_run(tiny, tmp_path):
    folder = shutil.copytree(tiny.folder, tmp_path / "code")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "mine", "auto_map": {"AutoConfig": "mine.Mine"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    with pytest.raises(UserError):
        load(folder, tiny.vlm.source)
    assert not (tmp_path / "ran").exists()


def test_a_loaded_model_is_in_the_dtype_that_was_asked_for(tiny):
    import torch

    vlm = load(tiny.folder, tiny.vlm.source, dtype="bfloat16")
    assert {parameter.dtype for parameter in vlm.model.parameters()} == {torch.bfloat16}
    assert not vlm.model.training


def test_a_tokenizer_of_another_model_is_refused(tiny, tmp_path):
    """More tokens than embeddings, or an image token that means something else there."""
    from transformers import AutoTokenizer

    larger = shutil.copytree(tiny.folder, tmp_path / "larger")
    tokenizer = AutoTokenizer.from_pretrained(larger)
    tokenizer.add_tokens([f"word{n}" for n in range(50)])
    tokenizer.save_pretrained(larger)
    with pytest.raises(UserError) as error:
        load(larger, tiny.vlm.source)
    _says(error, "the tokenizer knows", "the model", "from one folder", str(larger))

    other = shutil.copytree(tiny.folder, tmp_path / "other")
    config = json.loads((other / "config.json").read_text())
    config["image_token_id"] = config["image_token_index"] = 77
    (other / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError) as error:
        load(other, tiny.vlm.source)
    _says(error, "no image token of the model (77", str(other))


def test_a_template_that_leaves_the_image_out_is_refused(tiny, tmp_path):
    folder = shutil.copytree(tiny.folder, tmp_path / "blind")
    template = folder / "chat_template.jinja"
    template.write_text(template.read_text().replace("<image>", ""))
    with pytest.raises(UserError) as error:
        load(folder, tiny.vlm.source)
    _says(error, "image", str(folder))


def test_a_package_that_a_processor_needs_is_named(tiny, tmp_path, monkeypatch):
    import importlib.util
    import sys

    monkeypatch.delitem(sys.modules, "num2words", raising=False)  # a stand-in of other tests
    if importlib.util.find_spec("num2words") is not None:
        pytest.skip("num2words is installed")
    config = json.loads((tiny.folder / "config.json").read_text())
    (tmp_path / "config.json").write_text(
        json.dumps({"model_type": "smolvlm", "vision_config": config["vision_config"]})
    )
    with pytest.raises(UserError, match=r"num2words[\s\S]*smllmun-bench\[smolvlm\]"):
        load(tmp_path, tiny.vlm.source)
