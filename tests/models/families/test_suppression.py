"""Methods that act while a model answers, on families whose decoders and towers are built otherwise than LLaVA's."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from smllmun_bench import methods
from smllmun_bench.config import apply_overrides
from smllmun_bench.errors import UserError
from smllmun_bench.models.vlm import Query, load
from smllmun_bench.training.loop import Silent

SETTINGS = {
    "mllmeraser": ("strength=5", "null_share=0.5", "pgd={steps: 2}", "pairs=2"),
    "eco": ("strength=5", "training.steps=3", "alpha=0.9"),
    "sauce": ("training.steps=3", "training.batch_size=16", "expansion=2", "features=16", "factor=-9"),
}


FAMILIES = ("qwen2_5_vl", "gemma3", "paligemma", "llava_next", "idefics3")
UNCLEAR = pytest.mark.xfail(
    reason="the erasure direction comes out as zero on the tiny gemma3; not understood", strict=True
)
CASES = [
    pytest.param(name, family, marks=UNCLEAR if (name, family) == ("mllmeraser", "gemma3") else ())
    for name in SETTINGS
    for family in FAMILIES
]


@pytest.mark.parametrize(("name", "family"), CASES)
def test_it_changes_answers_and_leaves_no_trace(
    name: str, family: str, folder_of: Callable[[str], Path], tiny: Any
) -> None:
    vlm, method = load(folder_of(family), tiny.source), methods.get(name)
    pairs = [(Query(item.question, item.images), item.answer) for item in tiny.data.forget]
    before, plain = vlm.fingerprint(), vlm.answer_logprobs(pairs)
    config = apply_overrides(method.config(), SETTINGS[name])
    artifact = method.fit(vlm, tiny.named, config, Silent())
    with artifact.mounted(vlm):
        assert vlm.answer_logprobs(pairs) != plain
        assert len(vlm.generate([query for query, _ in pairs], max_new_tokens=2)) == len(pairs)
    assert vlm.fingerprint() == before
    assert vlm.answer_logprobs(pairs) == plain


def test_a_decoder_that_reads_pictures_elsewhere_is_refused(folder_of: Callable[[str], Path], tiny: Any) -> None:
    vlm, method = load(folder_of("mllama"), tiny.source), methods.get("eco")
    config = apply_overrides(method.config(), SETTINGS["eco"])
    with pytest.raises(UserError, match="the same at every image token"):
        method.fit(vlm, tiny.named, config, Silent())
