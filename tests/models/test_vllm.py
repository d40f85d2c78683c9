"""vLLM's calls, answered by a stand-in on the tiny model: texts and log-probabilities are those of the plain path.

The stand-in has vLLM's signatures and expands one placeholder per picture as vLLM does for LLaVA; it is no engine.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from smllmun_bench import tasks
from smllmun_bench.cli.main import app
from smllmun_bench.cli.run import backend_lines
from smllmun_bench.data.combined import TaskData
from smllmun_bench.errors import UserError
from smllmun_bench.experiments.run import run
from smllmun_bench.models import vllm
from smllmun_bench.models.vlm import Query
from smllmun_bench.results import manifest
from smllmun_bench.results.predictions import PREDICTIONS, read_predictions
from smllmun_bench.stages import RunContext, method_recipes, model_cards
from smllmun_bench.stages.loader import Loader
from smllmun_bench.store.store import Store


@dataclass
class SamplingParams:
    temperature: float = 1.0
    max_tokens: int | None = 16
    stop_token_ids: list[int] | None = None
    prompt_logprobs: int | None = None
    detokenize: bool = True


@dataclass
class Logprob:
    logprob: float
    rank: int | None = None
    decoded_token: str | None = None


@dataclass
class CompletionOutput:
    index: int
    text: str
    token_ids: list[int]
    cumulative_logprob: float | None = None
    finish_reason: str | None = None


@dataclass
class RequestOutput:
    request_id: str
    prompt_token_ids: list[int]
    prompt_logprobs: list[dict[int, Logprob] | None] | None
    outputs: list[CompletionOutput] = field(default_factory=list)


class LLM:
    """One prompt after the other, by transformers."""

    started: list[str] = []  # noqa: RUF012 - what the tests look at
    extra_tokens = 0  # a processor that disagrees with ours

    def __init__(
        self,
        model: str,
        *,
        dtype: str = "auto",
        trust_remote_code: bool = True,
        generation_config: str = "auto",
        limit_mm_per_prompt: dict[str, int] | None = None,
        seed: int | None = None,
    ) -> None:
        from transformers import AutoModelForImageTextToText, AutoProcessor

        assert (generation_config, seed) == ("vllm", 0)
        assert not trust_remote_code
        self.model = AutoModelForImageTextToText.from_pretrained(model, dtype=getattr(torch, dtype)).eval()
        self.processor = AutoProcessor.from_pretrained(model, backend="pil")
        self.limit = (limit_mm_per_prompt or {"image": 999})["image"]
        LLM.started.append(model)

    def generate(
        self, prompts: list[dict[str, Any]], /, sampling_params: SamplingParams, *, use_tqdm: bool = True
    ) -> list[RequestOutput]:
        return [self._one(str(number), prompt, sampling_params) for number, prompt in enumerate(prompts)]

    @torch.inference_mode()
    def _one(self, number: str, prompt: dict[str, Any], params: SamplingParams) -> RequestOutput:
        token = self.model.config.image_token_id
        pictures = prompt.get("multi_modal_data", {}).get("image", [])
        assert len(pictures) <= self.limit
        assert prompt["prompt_token_ids"].count(token) == len(pictures), "one placeholder for each picture"
        ids: list[int] = []
        pixels: dict[str, Any] = {}
        if pictures:
            text = [self.processor.image_token * len(pictures)]
            seen = self.processor(images=[pictures], text=text, return_tensors="pt")
            pixels = {"pixel_values": seen["pixel_values"]}
            each = int((seen["input_ids"] == token).sum()) // len(pictures) + LLM.extra_tokens
        for part in prompt["prompt_token_ids"]:
            ids += [token] * each if part == token else [part]
        if params.detokenize:
            raise AssertionError("text is ours to decode")
        assert params.temperature == 0
        logprobs: list[dict[int, Logprob] | None] | None = None
        if params.prompt_logprobs is not None:
            table = torch.log_softmax(self.model(input_ids=torch.tensor([ids]), **pixels).logits[0].float(), dim=-1)
            logprobs = [None]
            for at, part in enumerate(ids[1:]):
                top = int(table[at].argmax())
                logprobs.append({top: Logprob(float(table[at, top]), 1), part: Logprob(float(table[at, part]))})
        new: list[int] = []
        while len(new) < (params.max_tokens or 16) and not LLM.extra_tokens:
            new.append(int(self.model(input_ids=torch.tensor([ids + new]), **pixels).logits[0, -1].argmax()))
            if new[-1] in (params.stop_token_ids or []):
                break
        stopped = bool(new) and new[-1] in (params.stop_token_ids or [])
        done = CompletionOutput(0, "", new, finish_reason="stop" if stopped else "length")
        return RequestOutput(number, ids, logprobs, [done])


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[LLM]]:
    module, distributed = ModuleType("vllm"), ModuleType("vllm.distributed")
    module.LLM, module.SamplingParams = LLM, SamplingParams  # type: ignore[attr-defined]
    distributed.cleanup_dist_env_and_memory = lambda shutdown_ray=False: None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vllm", module)
    monkeypatch.setitem(sys.modules, "vllm.distributed", distributed)
    LLM.started.clear()
    yield LLM
    LLM.extra_tokens = 0


def test_texts_are_those_of_the_plain_path(engine: type[LLM], tiny: Any, mixed: list[tuple[Query, str]]) -> None:
    queries = [query for query, _ in mixed] + [Query("Which of the two?", ("p1", "p2"))]
    done: list[int] = []
    with vllm.served(tiny.folder, tiny.source, dtype="float32", images=2) as served:
        answers = served.generate(queries, max_new_tokens=6, on_done=done.append)
    assert answers == tiny.vlm.generate(queries, max_new_tokens=6)
    assert sum(done) == len(queries)
    assert engine.started == [str(tiny.folder)]


def test_answers_are_weighed_alike(engine: type[LLM], tiny: Any, mixed: list[tuple[Query, str]]) -> None:
    with vllm.served(tiny.folder, tiny.source, dtype="float32") as served:
        ours, plain = served.answer_logprobs(mixed), tiny.vlm.answer_logprobs(mixed)
    assert [len(row) for row in ours] == [len(row) for row in plain]
    for row, other in zip(ours, plain, strict=True):
        assert row == pytest.approx(other, abs=1e-4)


def test_a_stop_token_ends_the_answer_and_is_not_part_of_it(engine: type[LLM], tiny: Any) -> None:
    vlm, query = tiny.vlm, Query("Who is shown?", ("p1",))
    with vllm.served(tiny.folder, tiny.source, dtype="float32") as served:
        free = served.generate([query], max_new_tokens=4)[0]
        first = int(vlm._generate_batch([vlm.encode(query)], 1)[0][0])
        object.__setattr__(served._reader, "stop_ids", frozenset([first]))
        stopped = served.generate([query], max_new_tokens=4)[0]
    assert free.finish_reason == "length"
    assert (stopped.text, stopped.finish_reason) == ("", "stop")


def test_other_tokens_than_the_processors_are_refused(engine: type[LLM], tiny: Any) -> None:
    engine.extra_tokens = 1
    with (
        vllm.served(tiny.folder, tiny.source, dtype="float32") as served,
        pytest.raises(UserError, match="other tokens of a prompt with pictures"),
    ):
        served.generate([Query("Who is shown?", ("p1",))], max_new_tokens=2)


def test_a_run_is_asked_by_vllm_except_where_something_acts(
    engine: type[LLM], tiny_folder: Path, tmp_path: Path
) -> None:
    task = tasks.load("smllmun-nano")
    task = task.model_copy(update={"generation": task.generation.model_copy(update={"max_new_tokens": 4})})
    data, folder = TaskData(task, 15), str(tiny_folder)
    card = model_cards.ModelCard(name="tiny", description="untrained", path=folder, target=folder)
    steps = ("training.steps=2", "training.batch_size=4", "training.lr=0.2", "training.lora=null")
    chosen = [method_recipes.choose("ga", "tiny", steps), method_recipes.choose("name-filter", "tiny")]
    rows: dict[str, dict[str, Any]] = {}
    for backend in ("transformers", "vllm"):
        loader = Loader(data, device="cpu", dtype="float32")
        context = RunContext(Store(tmp_path / "store"), task, data, card, loader, limit=1, backend=backend)  # type: ignore[arg-type]
        finished = list(run(context, chosen, [0], 15, tmp_path / backend))
        rows[backend] = {part.manifest.label: part for part in finished}
        if backend == "vllm":
            assert backend_lines(finished) == ["asked by transformers: name-filter", "asked by vllm: base, target, ga"]
        else:
            assert backend_lines(finished) == []
    for label, part in rows["vllm"].items():
        plain = rows["transformers"][label]
        texts = [[p.text for p in read_predictions(each.folder / PREDICTIONS)] for each in (part, plain)]
        assert texts[0] == texts[1]
        written = manifest.read(part.folder)
        assert written.backend == ("transformers" if label == "name-filter" else "vllm")
        same = part.manifest.keys["predict"] == plain.manifest.keys["predict"]
        assert same == (label == "name-filter")
        assert '"backend"' not in (plain.folder / manifest.FILE).read_text()
    assert len(engine.started) == 2  # base is the target here
    assert not Path(engine.started[-1]).exists()  # merged for ga, and gone


def _refused(*more: str) -> str:
    result = CliRunner().invoke(app, ["run", "--method", "ga", "--model", "nano", "--task", "smllmun-nano", *more])
    assert result.exit_code == 2
    return str(result.stderr)


def test_without_a_card_or_the_package_one_message_says_so() -> None:
    said = _refused("--backend", "vllm")
    assert "first visible card, not on 'cpu'" in said
    assert "--device cuda" in said
    assert "--jobs 1" in _refused("--backend", "vllm", "--jobs", "2")
    with pytest.raises(UserError, match="'vllm', which is not installed") as missing:
        vllm.check("cuda", 1)
    assert "smllmun-bench[vllm]" in missing.value.fix
    with pytest.raises(UserError, match="2 processes"):
        vllm.check("cuda", 2)
    with pytest.raises(UserError, match="first visible card"):
        vllm.check("cuda:1", 1)
