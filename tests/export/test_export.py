"""What a run exports is loaded by transformers and peft alone and answers as the run did."""

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from smllmun_bench import stages, tasks
from smllmun_bench.cli.main import app
from smllmun_bench.data.combined import TaskData
from smllmun_bench.experiments.run import run
from smllmun_bench.models.loading import load
from smllmun_bench.models.vlm import Query
from smllmun_bench.results.predictions import PREDICTIONS, read_predictions
from smllmun_bench.stages import RunContext, method_recipes, model_cards
from smllmun_bench.stages.loader import Loader
from smllmun_bench.stages.predicting import question_of
from smllmun_bench.store.store import Store

STEPS = ("training.steps=2", "training.batch_size=4", "training.lr=0.2")
LORA = (*STEPS, 'training.lora={"rank": 2, "alpha": 8}', "training.train=language")


@pytest.fixture(scope="module")
def made(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Runs on an untrained model in a folder of the user: ga with adapters, smfa masked, a filter of names."""
    root = tmp_path_factory.mktemp("runs")
    task = tasks.load("smllmun-nano")
    task = task.model_copy(update={"generation": task.generation.model_copy(update={"max_new_tokens": 4})})
    data = TaskData(task, 15)
    folder = str(tiny_folder)
    card = model_cards.ModelCard(name="tiny", description="untrained", path=folder, target=folder)
    context = RunContext(Store(root / "store"), task, data, card, Loader(data, device="cpu", dtype="float32"), limit=2)
    chosen = [
        method_recipes.choose("ga", "tiny", LORA),
        method_recipes.choose("smfa", "tiny", (*LORA, "mask=conflict")),
    ]
    chosen.append(method_recipes.choose("name-filter", "tiny"))
    chosen.append(
        method_recipes.choose("mllmeraser", "tiny", ("strength=3000", "null_share=0.5", "pgd=null", "pairs=4"))
    )
    runs = {done.manifest.label: done for done in run(context, chosen, [0], 15, root / "out")}
    return {
        "root": root,
        "context": context,
        "base": folder,
        "ga": runs["ga"],
        "smfa": runs["smfa"],
        "target": runs["target"],
        "name-filter": runs["name-filter"],
        "mllmeraser": runs["mllmeraser"],
    }


def invoke(made: dict[str, Any], label: str, out: Path, *more: str, base: bool = True) -> Any:
    arguments = ["export", str(made[label].folder), "--out", str(out), "--store", str(made["root"] / "store"), *more]
    return CliRunner().invoke(app, [*arguments, *(["--target", made["base"]] if base else [])])


def answers(vlm: Any, made: dict[str, Any]) -> list[str]:
    context = made["context"]
    items = [item for item in stages.questions(context).items if item.kind.value == "open"]
    queries = [Query(question_of(item, context.task), item.images) for item in items]
    return [answer.text for answer in vlm.generate(queries, max_new_tokens=4)]


def said(made: dict[str, Any], label: str) -> list[str]:
    rows = {row.item_id: row.text for row in read_predictions(made[label].folder / PREDICTIONS)}
    return [rows[item.item_id] for item in stages.questions(made["context"]).items if item.kind.value == "open"]


@pytest.mark.parametrize("label", ["ga", "smfa", "target"])
def test_a_merged_folder_answers_as_the_run_did(made: dict[str, Any], label: str, tmp_path: Path) -> None:
    result = invoke(made, label, tmp_path / "m")
    assert result.exit_code == 0, result.stderr
    assert answers(load(tmp_path / "m", made["context"].data), made) == said(made, label)
    assert (said(made, label) == said(made, "target")) == (label == "target")  # the runs do say something else
    names = {path.name for path in (tmp_path / "m").iterdir()}
    assert {"config.json", "model.safetensors", "chat_template.jinja", "README.md", "unlearning.json"} <= names


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # peft 0.21
def test_an_adapter_is_loaded_by_peft_alone(made: dict[str, Any], tmp_path: Path) -> None:
    from peft import PeftModel

    assert invoke(made, "ga", tmp_path / "a", "--as", "adapter").exit_code == 0
    vlm = load(made["base"], made["context"].data)
    wrapped = PeftModel.from_pretrained(vlm.model, tmp_path / "a")
    vlm.model = wrapped.merge_and_unload()
    assert answers(vlm, made) == said(made, "ga")
    config = json.loads((tmp_path / "a" / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"]) == (2, 2)
    assert Path(config["base_model_name_or_path"]) == Path(made["base"]).resolve()


def _imported(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("label", ["ga", "smfa"])
def test_a_delta_is_put_on_by_the_module_beside_it(made: dict[str, Any], label: str, tmp_path: Path) -> None:
    assert invoke(made, label, tmp_path / "d", "--as", "delta").exit_code == 0
    module = _imported(tmp_path / "d" / "apply_delta.py")
    vlm = load(made["base"], made["context"].data)
    module.apply_delta(vlm.model)
    assert answers(vlm, made) == said(made, label)


@pytest.mark.parametrize("label", ["name-filter", "mllmeraser", "ga"])
def test_what_acts_while_the_model_answers_is_a_module(made: dict[str, Any], label: str, tmp_path: Path) -> None:
    assert invoke(made, label, tmp_path / "m", "--as", "module").exit_code == 0
    module = _imported(tmp_path / "m" / "unlearned.py")
    with module.unlearned(made["base"], made["context"].data) as vlm:
        assert answers(vlm, made) == said(made, label)
    assert label == "mllmeraser" or said(made, label) != said(made, "target")  # an untrained model may not be moved


def first_words(made: dict[str, Any], model: Any, processor: Any, batch: int) -> Any:
    """log p of every first token of an answer, by transformers alone: the target's own template, padded on the left."""
    import torch

    rows = []
    items = [item for item in stages.questions(made["context"]).items if item.kind.value == "open"]
    for kind in (True, False):  # with and without pictures
        alike = [item for item in items if bool(item.images) == kind]
        for at in range(0, len(alike), batch):
            talks = [
                [{"role": "user", "content": [
                    *({"type": "image", "image": made["context"].data.image(ref)} for ref in item.images),
                    {"type": "text", "text": question_of(item, made["context"].task)},
                ]}]
                for item in alike[at : at + batch]
            ]  # fmt: skip
            inputs = processor.apply_chat_template(
                talks, add_generation_prompt=True, tokenize=True, return_dict=True,
                processor_kwargs={"padding": True, "padding_side": "left", "return_tensors": "pt"},
            )  # fmt: skip
            out = model.generate(
                **inputs, do_sample=False, max_new_tokens=1, output_logits=True, return_dict_in_generate=True
            )
            rows.append(torch.log_softmax(out.logits[0].float(), dim=-1))
    return torch.cat(rows)


@pytest.mark.parametrize("batch", [1, 3])
def test_steering_is_put_on_plain_transformers(made: dict[str, Any], batch: int, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor

    from smllmun_bench.models.change import Artifact

    assert invoke(made, "mllmeraser", tmp_path / "m", "--as", "module").exit_code == 0
    assert "smllmun" not in (tmp_path / "m" / "steered.py").read_text()
    module = _imported(tmp_path / "m" / "steered.py")
    model = AutoModelForImageTextToText.from_pretrained(made["base"]).eval()
    processor = AutoProcessor.from_pretrained(made["base"], backend="pil")
    plain = first_words(made, model, processor, batch)
    with module.steered(model):
        steered = first_words(made, model, processor, batch)
    torch.testing.assert_close(first_words(made, model, processor, batch), plain, atol=0, rtol=0)  # off again
    assert (steered - plain).abs().max() > 0.01

    items = [item for item in stages.questions(made["context"]).items if item.kind.value == "open"]
    items = [item for kind in (True, False) for item in items if bool(item.images) == kind]
    pairs = [(Query(question_of(item, made["context"].task), item.images), item.answer) for item in items]
    vlm = load(made["base"], made["context"].data)
    with Artifact.load(tmp_path / "m").mounted(vlm):
        ours = [row[0] for row in vlm.answer_logprobs(pairs)]
    encoded = [vlm.encode(query, answer) for query, answer in pairs]
    theirs = [float(row[item.ids[item.answer_start]]) for row, item in zip(steered, encoded, strict=True)]
    assert ours == pytest.approx(theirs, abs=1e-4)
    assert "from steered import steered" in (tmp_path / "m" / "README.md").read_text()


def test_padding_on_the_right_is_refused_by_the_module(made: dict[str, Any], tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForImageTextToText

    assert invoke(made, "mllmeraser", tmp_path / "m", "--as", "module").exit_code == 0
    model = AutoModelForImageTextToText.from_pretrained(made["base"]).eval()
    ids = torch.tensor([[5, 6, 7], [5, 6, 0]])
    with (
        _imported(tmp_path / "m" / "steered.py").steered(model),
        pytest.raises(RuntimeError, match="padded on the left"),
    ):
        model(input_ids=ids, attention_mask=torch.tensor([[1, 1, 1], [1, 1, 0]]))


def test_a_module_that_needs_the_benchmark_says_so_where_it_is_missing(made: dict[str, Any], tmp_path: Path) -> None:
    assert invoke(made, "name-filter", tmp_path / "m", "--as", "module").exit_code == 0
    code = "import sys; sys.modules['smllmun_bench'] = None; import unlearned"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path / "m", capture_output=True, text=True, check=False)
    assert "pip install smllmun-bench" in done.stderr.splitlines()[-1]
    assert "needs smllmun-bench" in (tmp_path / "m" / "README.md").read_text()


def test_entries_that_did_not_change_are_not_written(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    from smllmun_bench.export.forms import FORMS
    from smllmun_bench.export.parts import Parts
    from smllmun_bench.models.change import Artifact

    sparse = torch.zeros(40, 10)
    sparse[3, 4], sparse[39, 9] = 1.5, -2.0
    FORMS["delta"](Parts("", None, "float32"), Artifact("delta", {"w": sparse, "v": torch.ones(4, 4)}), tmp_path)
    tensors = load_file(tmp_path / "delta.safetensors")
    assert sorted(tensors) == ["v::dense", "w::places", "w::values"]
    assert tensors["w::places"].tolist() == [34, 399]


@pytest.mark.parametrize("name", ["apply_delta", "steered", "unlearned"])
def test_a_wheel_carries_the_modules_that_exports_carry(name: str) -> None:
    from hatchling.builders.wheel import WheelBuilder

    from smllmun_bench.export import templates

    root = Path(templates.__file__).parents[3]
    shipped = {file.distribution_path: Path(file.path) for file in WheelBuilder(str(root)).recurse_included_files()}
    file = shipped[f"smllmun_bench/export/templates/{name}.py"]
    assert file.read_text(encoding="utf-8") == templates.source(name)
    compile(templates.source(name), f"{name}.py", "exec")


def test_the_card_tells_scores_origin_and_licence(made: dict[str, Any], tmp_path: Path) -> None:
    assert invoke(made, "ga", tmp_path / "m").exit_code == 0
    card, manifest = (tmp_path / "m" / "README.md").read_text(), made["ga"].manifest
    assert manifest.digests["model"] in card
    assert f"{manifest.vector.forget_image:.3f}" in card
    assert "under **unknown**" in card
    facts = json.loads((tmp_path / "m" / "unlearning.json").read_text())
    assert facts["scores"]["forget_text"] == manifest.vector.forget_text
    assert "/" not in "".join(facts["digests"].values())


def _refused(result: Any, *words: str) -> None:
    assert result.exit_code == 2
    for word in words:
        assert word in result.stderr


def test_what_cannot_be_exported_says_why(made: dict[str, Any], tiny_folder: Path, tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine.txt").write_text("")
    _refused(invoke(made, "ga", full), "something already", str(full))
    _refused(invoke(made, "ga", tmp_path / "x", base=False), "neither in the store nor registered", "--target")
    _refused(invoke(made, "smfa", tmp_path / "x", "--as", "adapter"), "not low-rank", "--as merged")
    _refused(invoke(made, "name-filter", tmp_path / "x"), "acts while the model answers", "--as module")
    other = Path(shutil.copytree(tiny_folder, tmp_path / "other"))
    (other / "config.json").write_text((other / "config.json").read_text() + "\n")
    _refused(CliRunner().invoke(app, [
        "export", str(made["ga"].folder), "--out", str(tmp_path / "x"), "--target", str(other),
        "--store", str(made["root"] / "store"),
    ]), "not the model that the run started from")  # fmt: skip
    _refused(
        CliRunner().invoke(
            app, ["export", str(made["ga"].folder), "--out", str(tmp_path / "x"), "--store", str(tmp_path)]
        ),
        "no longer in the store",
    )
    assert not (tmp_path / "x").exists()


def test_the_old_name_of_the_target_says_the_new_one(made: dict[str, Any], tmp_path: Path) -> None:
    arguments = ["--base", made["base"], "--as", "delta"]
    result = invoke(made, "ga", tmp_path / "x", *arguments, base=False)
    assert result.exit_code == 0, result.stderr
    assert "now called --target" in result.stderr
    assert "--base" not in CliRunner().invoke(app, ["export", "--help"]).stdout
    _refused(invoke(made, "ga", tmp_path / "y", *arguments), "given twice", "--target alone")
