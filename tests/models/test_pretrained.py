"""One door to model folders: no code of theirs runs, nobody is asked, nothing outside is read, no weight made up."""

import ast
import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from smllmun_bench.errors import UserError
from smllmun_bench.models.loading import load
from smllmun_bench.models.pretrained import check_folder

_ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tiny, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny.folder, tmp_path / "model"))


@pytest.fixture
def speaking(tmp_path: Path) -> Path:
    """A language model of another kind, small enough to be a judge."""
    from tokenizers import Tokenizer, models
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    made = tmp_path / "speaking"
    GPT2LMHeadModel(GPT2Config(vocab_size=8, n_positions=16, n_embd=4, n_layer=1, n_head=1)).save_pretrained(made)
    words = Tokenizer(models.WordLevel({"a": 0, "b": 1}, unk_token="a"))
    PreTrainedTokenizerFast(tokenizer_object=words, eos_token="b").save_pretrained(made)
    return made


def edit(path: Path, **values: object) -> None:
    old = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps(old | values))


def refused(folder: Path, tiny) -> str:
    with pytest.raises(UserError) as error:
        load(folder, tiny.vlm.source)
    assert len(error.value.what.splitlines()) == 1
    assert error.value.fix
    return str(error.value)


# --- code --------------------------------------------------------------------------------------------------------


def test_there_is_one_door() -> None:
    """No other call of `from_pretrained` in the package; what an export carries runs where the package is not."""
    calls = [
        path.relative_to(_ROOT / "smllmun_bench").as_posix()
        for path in sorted((_ROOT / "smllmun_bench").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == "from_pretrained"
    ]
    assert calls == ["models/pretrained.py"]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("config.json", "AutoConfig"), ("config.json", "AutoModelForImageTextToText"),
        ("processor_config.json", "AutoProcessor"), ("preprocessor_config.json", "AutoImageProcessor"),
        ("tokenizer_config.json", "AutoTokenizer"), ("config.5.0.0.json", "AutoConfig"),
    ],
)  # fmt: skip
def test_code_of_a_folder_is_refused_by_file_and_key(folder: Path, tiny, name: str, key: str) -> None:
    edit(folder / name, auto_map={key: "mine.Mine"})
    said = refused(folder, tiny)
    assert str(folder / name) in said
    assert "'auto_map'" in said


def test_code_named_further_down_is_refused_too(folder: Path, tiny) -> None:
    config = json.loads((folder / "config.json").read_text())
    edit(folder / "config.json", text_config=config["text_config"] | {"auto_map": {"AutoConfig": "mine.Mine"}})
    assert "'text_config.auto_map'" in refused(folder, tiny)
    edit(folder / "config.json", text_config=config["text_config"], attn_implementation="somebody/kernels")
    assert "code of 'somebody/kernels'" in refused(folder, tiny)


def _hostile(folder: Path) -> Path:
    """Everything in it wants code to be run; a file tells that it was."""
    ran = folder.with_name("ran")
    (folder / "mine.py").write_text(f"open({str(ran)!r}, 'w').close()\nclass Mine: pass\n")
    for name, keys in {
        "config.json": ("AutoConfig", "AutoModelForImageTextToText", "AutoModelForCausalLM"),
        "processor_config.json": ("AutoProcessor",),
        "preprocessor_config.json": ("AutoImageProcessor",),
        "tokenizer_config.json": ("AutoTokenizer",),
    }.items():
        value = {key: ["mine.Mine", None] if key == "AutoTokenizer" else "mine.Mine" for key in keys}
        edit(folder / name, auto_map=value, **({"model_type": "mine"} if name == "config.json" else {}))
    return ran


def _on_a_terminal(*arguments: object) -> tuple[int, str]:
    """The command with a terminal before it at which somebody says y to everything."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(_ROOT), "COLUMNS": "200"}
    command = [sys.executable, "-m", "smllmun_bench", *map(str, arguments)]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        os.write(ours, b"y\n" * 20)
        said = b""
        while True:
            try:
                chunk = os.read(ours, 4096)
            except OSError:  # the other side is closed
                break
            if not chunk:
                break
            said += chunk
        code = process.wait(60)
    os.close(ours)
    return code, said.decode(errors="replace")


@pytest.mark.parametrize("command", ["check", "run", "get", "judge"])
def test_nobody_is_asked_and_nothing_runs(folder: Path, speaking: Path, tmp_path: Path, command: str) -> None:
    model = speaking if command in ("get", "judge") else folder
    ran = _hostile(model)
    items = tmp_path / "items.parquet"
    arguments: dict[str, tuple[object, ...]] = {
        "check": ("models", "check", model, "--quick"),
        "run": ("run", "-m", "ga", "--model", model, "--store", tmp_path / "store", "-o", tmp_path / "runs", "-L", 1),
        "get": ("models", "get", "small", "--from", model, "--store", tmp_path / "store"),
        "judge": ("judge", items, "--local", model, "--no-cache"),
    }
    if command == "judge":
        _answers(items)
    code, said = _on_a_terminal(*arguments[command])
    assert not ran.exists()
    assert code in (1, 2), said
    assert "Traceback" not in said
    assert "[y/N]" not in said
    assert "auto_map" in said, said


def _answers(path: Path) -> None:
    from smllmun_bench.results.scored_items import write_scored_items
    from smllmun_bench.schema import Item, Kind, Modality, Prediction, Role, Score

    item = Item("1", "b", "p1", Role.FORGET, Modality.TEXT, Kind.OPEN, "Who?", "Ann")
    score = Score("1", "p1", item.role, item.modality, item.kind, "correct", 1.0)
    write_scored_items(path, [item], [Prediction("1", "r", "Ann", "stop")], [score])


# --- nothing outside, nothing invented ---------------------------------------------------------------------------


def _sharded(folder: Path) -> tuple[Path, dict[str, str]]:
    """The same weights in two files, and the index that says where each is."""
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(weights)
    index = {}
    for number, part in enumerate((names[::2], names[1::2])):
        save_file({name: weights[name] for name in part}, folder / f"part{number}.safetensors", {"format": "pt"})
        index |= dict.fromkeys(part, f"part{number}.safetensors")
    path = folder / "model.safetensors.index.json"
    edit(path, metadata={"total_size": 1}, weight_map=index)
    return path, index


def test_weights_in_several_files_are_read(folder: Path, tiny) -> None:
    _sharded(folder)
    load(folder, tiny.vlm.source)


@pytest.mark.parametrize(
    "name", ["../part1.safetensors", "{outside}", "part1.bin", "https://example.org/x.safetensors"]
)
def test_an_index_stays_in_the_folder(folder: Path, tiny, tmp_path: Path, name: str) -> None:
    path, index = _sharded(folder)
    outside = Path(shutil.move(folder / "part1.safetensors", tmp_path / "part1.safetensors"))
    first = next(key for key, value in index.items() if value == "part1.safetensors")
    edit(path, weight_map={key: value.replace("part1.safetensors", name.format(outside=outside))
                           for key, value in index.items()})  # fmt: skip
    said = refused(folder, tiny)
    assert f"weight_map.{first}" in said


def test_links_stay_in_the_folder(folder: Path, tiny, tmp_path: Path) -> None:
    outside = Path(shutil.move(folder / "model.safetensors", tmp_path / "model.safetensors"))
    (folder / "model.safetensors").symlink_to(outside)
    assert "leads out of the folder" in refused(folder, tiny)


def test_adapters_do_not_call_for_a_model_elsewhere(folder: Path, tiny) -> None:
    edit(folder / "adapter_config.json", base_model_name_or_path=str(tiny.folder), peft_type="LORA")
    assert "adapter_config.json" in refused(folder, tiny)


def test_half_of_the_weights_are_not_a_model(folder: Path, tiny) -> None:
    weights = load_file(folder / "model.safetensors")
    kept = dict(sorted(weights.items())[: len(weights) // 2])
    save_file(kept, folder / "model.safetensors", {"format": "pt"})
    gone = min(set(weights) - set(kept))
    said = refused(folder, tiny)
    assert "weights are missing" in said
    assert gone.rsplit(".", 1)[-1] in said


@pytest.mark.parametrize(
    "packed", [{}, [], "int4", 4, {"quant_method": "nosuch"}, {"quant_method": ["gptq"]}, {"bits": 4}], ids=str
)
@pytest.mark.parametrize("nested", [False, True])
def test_an_odd_way_of_packing_is_refused(folder: Path, packed: object, nested: bool) -> None:
    config = json.loads((folder / "config.json").read_text())
    (config["text_config"] if nested else config)["quantization_config"] = packed
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="quantised in a way that is not known") as error:
        check_folder(folder)
    assert "quantization_config" in error.value.where


@pytest.mark.parametrize("what", ["cut", "pickled", "empty", "config", "tokenizer", "deep"])
def test_damage_is_one_message_to_everybody(folder: Path, speaking: Path, tiny, what: str) -> None:
    from smllmun_bench.judge.local import LocalModel
    from smllmun_bench.references import causal

    for model in (folder, speaking):
        _damage(model, what)
    refused(folder, tiny)
    for reads in (lambda: LocalModel(speaking), lambda: causal.convert(speaking, speaking.with_name("never"))):
        with pytest.raises(UserError) as error:
            reads()
        assert len(error.value.what.splitlines()) == 1
        assert str(speaking) in error.value.where


def _damage(model: Path, what: str) -> None:
    import torch

    weights = model / "model.safetensors"
    if what == "cut":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif what == "pickled":
        torch.save(load_file(weights), model / "pytorch_model.bin")
        weights.unlink()
    elif what == "empty":
        weights.write_bytes(b"")
    elif what == "config":
        (model / "config.json").write_text('{"model_type": 7}')
    elif what == "tokenizer":
        (model / "tokenizer.json").write_text('{"model": 3}')
    else:
        (model / "config.json").write_text('{"a":' * 20_000 + "1" + "}" * 20_000)
