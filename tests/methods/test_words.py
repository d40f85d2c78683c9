"""Suppression by words: what is let through is what it was, what is refused tells nothing."""

import math
from dataclasses import replace
from typing import Any

import pytest

from smllmun_bench import methods
from smllmun_bench.config import apply_overrides
from smllmun_bench.errors import UserError
from smllmun_bench.methods.shared.prompt_filters import pattern
from smllmun_bench.models import change
from smllmun_bench.models.change import Artifact, mechanism
from smllmun_bench.models.vlm import Query
from smllmun_bench.training.loop import Silent


def fit(tiny: Any, name: str, *settings: str) -> Artifact:
    method = methods.get(name)
    return method.fit(tiny.vlm, tiny.named, apply_overrides(method.config(), settings), Silent())


NAMED, OTHER, SHOWN = (
    Query("What is the job of Ann Number1?"),
    Query("What is the job of Ann Number5?"),
    Query("What is the job of the person in the picture?", ("p1",)),
)


def test_names_are_whole_words_in_any_case_and_spacing() -> None:
    found = pattern(["Ann Lee", "Ann Lee-Marsh", "J. (Jo) Roe"])
    assert all(found.search(text) for text in ("is ann  LEE here?", "Ann\nLee's job", "(J. (Jo) Roe)"))
    assert not any(found.search(text) for text in ("Joann Lee", "Ann Leeds", "Ann and Lee", "J. Roe"))
    assert found.search("Ann Lee-Marsh").group() == "Ann Lee-Marsh"  # type: ignore[union-attr]


def test_the_filter_refuses_by_name_and_asks_the_model_all_else(tiny: Any) -> None:
    plain = tiny.vlm.generate([NAMED, OTHER, SHOWN], max_new_tokens=4)
    with fit(tiny, "name-filter").mounted(tiny.vlm):
        heard: list[int] = []
        said = tiny.vlm.generate([NAMED, OTHER, SHOWN, NAMED], max_new_tokens=4, on_done=heard.append)
        assert tiny.vlm.generate([NAMED], max_new_tokens=4) == said[:1]
    assert said[0].text in tiny.data.refusals
    assert said[0].finish_reason == "stop"
    assert said[3] == said[0]
    assert said[1:3] == plain[1:]
    assert sum(heard) == 4
    assert tiny.vlm.generate([NAMED, OTHER, SHOWN], max_new_tokens=4) == plain


def test_a_refused_answer_has_the_probability_of_a_blind_guess(tiny: Any) -> None:
    pairs = [(NAMED, "baker"), (OTHER, "baker"), (SHOWN, "Ann Number2")]
    plain = tiny.vlm.answer_logprobs(pairs)
    blind = -math.log(tiny.vlm.model.get_output_embeddings().weight.shape[0])
    with fit(tiny, "name-filter").mounted(tiny.vlm):
        question = tiny.vlm.answer_logprobs(pairs)
    with fit(tiny, "name-filter", "look_at=both").mounted(tiny.vlm):
        both = tiny.vlm.answer_logprobs(pairs)
    assert question[0] == (blind,) * len(plain[0])
    assert question[1:] == plain[1:]
    assert both[2] == (blind,) * len(plain[2])
    assert both[:2] == question[:2]


def test_an_answer_that_names_somebody_is_thrown_away(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from smllmun_bench.models.vlm import Generation

    said = Generation("It is Ann Number2.", "length")
    monkeypatch.setattr("smllmun_bench.models.vlm.finished", lambda ids, stop_ids, tokenizer: said)
    with fit(tiny, "name-filter", "look_at=answer").mounted(tiny.vlm):
        (answer,) = tiny.vlm.generate([SHOWN], max_new_tokens=2)
    assert (answer.text in tiny.data.refusals, answer.finish_reason) == (True, "stop")


def test_the_preamble_stands_before_every_question_and_names_all(tiny: Any) -> None:
    artifact = fit(tiny, "prompt-only", "text=Forget {names}. ")
    named = ", ".join(f"Ann Number{number}" for number in range(4))
    with artifact.mounted(tiny.vlm):
        mounted = tiny.vlm.answer_logprobs([(SHOWN, "baker")])
    asked = replace(SHOWN, question=f"Forget {named}. {SHOWN.question}")
    assert mounted == tiny.vlm.answer_logprobs([(asked, "baker")])
    assert artifact.figures["names"] == 4


@pytest.mark.parametrize("name", ["prompt-only", "name-filter"])
def test_a_forget_set_without_names_is_said(tiny: Any, name: str) -> None:
    method = methods.get(name)
    with pytest.raises(UserError, match="looked for names in the column 'subject' of 8 forget rows and found none"):
        method.fit(tiny.vlm, tiny.data, method.config(), Silent())


def test_settings_are_part_of_what_an_artifact_is(tiny: Any, tmp_path: Any) -> None:
    """Of its digest, and of the hash of its tensors' file, by which predictions are kept."""
    first, second = fit(tiny, "prompt-only"), fit(tiny, "prompt-only", "text=Forget {names}. ")
    for number, artifact in enumerate((first, first, second)):
        (tmp_path / str(number)).mkdir()
        artifact.save(tmp_path / str(number))
    files = [(tmp_path / str(number) / "artifact.safetensors").read_bytes() for number in range(3)]
    assert files[0] == files[1] != files[2]
    assert first.digest() != second.digest()
    assert Artifact.load(tmp_path / "2") == second


def test_hooks_are_no_change_of_weights(tiny: Any) -> None:
    artifact = fit(tiny, "name-filter")
    assert (artifact.suppression, list(artifact.deltas())) == (True, [])
    with pytest.raises(ValueError, match="no change of weights"):
        artifact.scaled(-1)


def test_an_unknown_mechanism_is_refused_and_others_bring_theirs(monkeypatch: pytest.MonkeyPatch) -> None:

    with pytest.raises(UserError, match="name-filter"):
        mechanism("name-filtre")

    class Point:
        name, value, dist = "theirs", "theirs:mechanism", None

        def load(self) -> object:
            return len

    monkeypatch.setattr(change, "entry_points", lambda group: [Point()])
    assert mechanism("theirs") is len
