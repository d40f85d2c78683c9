"""Methods that act while a model answers, on families whose decoders and towers are built otherwise than LLaVA's."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from smllmun_bench import methods
from smllmun_bench.config import apply_overrides
from smllmun_bench.errors import UserError
from smllmun_bench.models.loading import load
from smllmun_bench.models.vlm import Query
from smllmun_bench.training.loop import Silent

SETTINGS = {
    "mllmeraser": ("strength=5", "null_share=0.5", "pgd={steps: 2}", "pairs=2"),
    "eco": ("strength=5", "training.steps=3", "alpha=0.9"),
    "sauce": ("training.steps=3", "training.batch_size=16", "expansion=2", "features=16", "factor=-9"),
}

FAMILIES = ("qwen2_5_vl", "gemma3", "paligemma", "llava_next", "idefics3")


@pytest.fixture
def seeing(folder_of: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Path]:
    """The folder of a family; no picture in it lies outside of the sliding window of the first block.

    The tiny gemma3 has a window of 32 tokens. Behind the instruction of MLLMEraser its picture is further back than
    that, and with two blocks the only steered one sees what the first has let through.
    """

    def folder(family: str) -> Path:
        if family != "gemma3":
            return folder_of(family)
        copied = Path(shutil.copytree(folder_of(family), tmp_path / family))
        config = json.loads((copied / "config.json").read_text())
        config["text_config"]["sliding_window"] = 512  # no upstream checkpoint has less
        (copied / "config.json").write_text(json.dumps(config))
        return copied

    return folder


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("family", FAMILIES)
def test_it_changes_answers_and_leaves_no_trace(
    name: str, family: str, seeing: Callable[[str], Path], tiny: Any
) -> None:
    vlm, method = load(seeing(family), tiny.source), methods.get(name)
    pairs = [(Query(item.question, item.images), item.answer) for item in tiny.data.forget]
    before, plain = vlm.fingerprint(), vlm.answer_logprobs(pairs)
    config = apply_overrides(method.config(), SETTINGS[name])
    artifact = method.fit(vlm, tiny.named, config, Silent())
    with artifact.mounted(vlm):
        assert vlm.answer_logprobs(pairs) != plain
        assert len(vlm.generate([query for query, _ in pairs], max_new_tokens=2)) == len(pairs)
    assert vlm.fingerprint() == before
    assert vlm.answer_logprobs(pairs) == plain


def test_pictures_outside_the_window_leave_no_direction(folder_of: Callable[[str], Path], tiny: Any) -> None:
    vlm, method = load(folder_of("gemma3"), tiny.source), methods.get("mllmeraser")
    config = apply_overrides(method.config(), SETTINGS["mllmeraser"])
    with pytest.raises(UserError, match="further back than their last token sees"):
        method.fit(vlm, tiny.named, config, Silent())


def test_a_decoder_that_reads_pictures_elsewhere_is_refused(folder_of: Callable[[str], Path], tiny: Any) -> None:
    vlm, method = load(folder_of("mllama"), tiny.source), methods.get("eco")
    config = apply_overrides(method.config(), SETTINGS["eco"])
    with pytest.raises(UserError, match="the same at every image token"):
        method.fit(vlm, tiny.named, config, Silent())
