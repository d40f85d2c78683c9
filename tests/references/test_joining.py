"""A language model and a tower in one folder: words as before, pictures through the projector."""

from pathlib import Path

import pytest
import tiny_gguf
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from smllmun_bench.errors import UserError
from smllmun_bench.models.loading import load
from smllmun_bench.models.vlm import Query
from smllmun_bench.references import gguf
from smllmun_bench.references.joining import join


@pytest.fixture(scope="module")
def language(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("language")
    tiny_gguf.write(root / "tiny.gguf")
    gguf.convert(root / "tiny.gguf", root / "folder")
    return root / "folder"


@pytest.fixture(scope="module")
def joined(language: Path, tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("joined")
    join(language, tiny_folder, folder, dtype="float32")
    return folder


def test_words_mean_what_they_meant(language: Path, joined: Path, tiny) -> None:
    speaking = AutoModelForCausalLM.from_pretrained(language, dtype=torch.float32)
    vlm = load(joined, tiny.source)
    ids = AutoTokenizer.from_pretrained(language)("The person is a baker.", return_tensors="pt").input_ids
    with torch.no_grad():
        alone, together = speaking(ids).logits, vlm.model(input_ids=ids).logits
    torch.testing.assert_close(together[..., : alone.shape[-1]], alone)


def test_prompts_are_written_as_the_language_model_writes_them(language: Path, joined: Path, tiny) -> None:
    vlm = load(joined, tiny.source)
    prompt = [{"role": "user", "content": "What is the job of the baker?"}]
    wanted = AutoTokenizer.from_pretrained(language).apply_chat_template(prompt, add_generation_prompt=True)
    assert list(vlm.encode(Query(prompt[0]["content"])).ids) == list(wanted["input_ids"])


def test_pictures_reach_the_decoder(joined: Path, tiny) -> None:
    vlm = load(joined, tiny.source)
    pairs = [(Query("Who is this?", (ref,)), "A baker.") for ref in ("p1", "p2")]
    first, second = vlm.answer_logprobs(pairs)
    assert first != second


def test_a_language_model_with_other_turns_is_refused(language: Path, tiny_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="im_start"):
        join(tiny_folder, tiny_folder, tmp_path)
