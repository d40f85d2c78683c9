"""Gradients through packed rows, and a processor that does not fit its tower."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from smllmun_bench.errors import UserError
from smllmun_bench.models.loading import load
from smllmun_bench.models.vlm import Query

SEEN, TOLD = Query("What is the job?", ("p1",)), Query("What is the job of Ann Number1?")


def test_gradients_through_packed_rows_are_those_of_questions_one_by_one(tiny: Any) -> None:
    pairs = [(SEEN, "pilot"), (SEEN, "a nurse"), (TOLD, "pilot")]

    def gradient(groups: list[list[tuple[Query, str]]]) -> torch.Tensor:
        vlm = tiny.fresh()
        for group in groups:
            vlm.score_answers([vlm.encode(*pair) for pair in group]).sums().sum().backward()
        return vlm.model.model.language_model.layers[0].self_attn.q_proj.weight.grad

    alone = gradient([[pair] for pair in pairs])
    assert alone.abs().max() > 1e-4
    torch.testing.assert_close(gradient([pairs]), alone, rtol=1e-3, atol=1e-5)


def test_what_is_weighed_follows_what_is_asked(tiny: Any) -> None:
    """The answer is weighed after exactly the tokens that the model is given when it speaks."""
    for query in (SEEN, TOLD, Query("Which one?", ("p1", "p2"))):
        encoded = tiny.vlm.encode(query, "pilot")
        assert encoded.ids[: encoded.answer_start] == tiny.vlm.encode(query).ids


def test_a_processor_that_does_not_fit_the_tower_is_one_readable_error(tiny: Any, tmp_path: Path) -> None:
    """32 pixels in patches of 8 are 16 placeholders and one for the class token; the tower has patches of 16."""
    folder = Path(shutil.copytree(tiny.folder, tmp_path / "model"))
    file = folder / "processor_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"patch_size": 8}))
    with pytest.raises(UserError, match="17 image tokens, the tower gives 5 features"):
        load(folder, tiny.source).generate([SEEN], max_new_tokens=2)
