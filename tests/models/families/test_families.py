"""Every family through every door: what batching, caching and packing give is what the model gives by itself."""

import json
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch

from smllmun_bench import methods
from smllmun_bench.methods.base import UnlearningData
from smllmun_bench.models.change import Artifact
from smllmun_bench.models.folder import save
from smllmun_bench.models.loading import load
from smllmun_bench.models.vlm import Query
from smllmun_bench.schema import Item, Kind, Modality, Role
from smllmun_bench.training.loop import Silent

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # PaliGemma's processor

QUERIES = [
    Query("Who is shown here?", ("p1",)),
    Query("Who?", ("p2",)),
    Query("What is the job of Ann Number1?"),
    Query("What is the job of the one in this picture, and where?", ("p1",)),
    Query("Which of the two?", ("p1", "p2")),
]
ANSWERS = ["a nurse", "pilot", "I do not know.", "12,345 € for Zoë", "x"]
PAIRS = list(zip(QUERIES, ANSWERS, strict=True))


def raw_inputs(vlm: Any, query: Query, answer: str | None) -> dict[str, torch.Tensor]:
    """What the folder's own processor makes of one conversation with its real pictures; none of our code."""
    pictures = [vlm.source.image(ref) for ref in query.images]
    if vlm.family.prompt == "suffix":
        if not pictures:
            pytest.skip("the processor takes no question without an image")
        text = ["<image>" * len(pictures) + query.question]
        suffix = {} if answer is None else {"suffix": [answer]}
        inputs = dict(vlm.processor(images=[pictures], text=text, return_tensors="pt", **suffix))
        return {name: value for name, value in inputs.items() if name != "labels"}
    content = [{"type": "image", "image": picture} for picture in pictures] + [{"type": "text", "text": query.question}]
    talk = [{"role": "user", "content": content}]
    if answer is not None:
        talk.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
    return dict(
        vlm.processor.apply_chat_template(
            talk, add_generation_prompt=answer is None, tokenize=True, return_dict=True, return_tensors="pt"
        )
    )


def test_answers_are_those_of_transformers_alone_and_in_any_batch(vlm: Any) -> None:
    together = vlm.generate(QUERIES, max_new_tokens=6)
    assert together == vlm.generate(QUERIES, max_new_tokens=6, batch_size=2)
    assert together == [vlm.generate([query], max_new_tokens=6)[0] for query in QUERIES]
    for query, answer in zip(QUERIES, together, strict=True):
        if vlm.family.prompt == "suffix" and not query.images:
            continue
        inputs = raw_inputs(vlm, query, None)
        out = vlm.model.generate(
            **inputs, do_sample=False, max_new_tokens=6, repetition_penalty=1.0, eos_token_id=sorted(vlm.stop_ids)
        )
        new = out[0, inputs["input_ids"].shape[1] :]
        assert answer.text == vlm.processor.tokenizer.decode(new, skip_special_tokens=True).strip()


def test_answers_that_end_one_after_another_are_those_of_each_alone(vlm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some end at a word that others do not say: the rest of several batches then goes on in one."""
    queries = [*QUERIES, *(Query(f"{query.question} {n}?", query.images) for query in QUERIES for n in (1, 2))]
    vocabulary = vlm.processor.tokenizer.get_vocab().values()
    free = vlm.generate(queries, max_new_tokens=10)
    said = [vlm.processor.tokenizer(answer.text, add_special_tokens=False).input_ids for answer in free]
    counts = {token: sum(token in ids for ids in said) for token in vocabulary}
    ends = max(counts, key=lambda token: min(counts[token], len(said) - counts[token]))
    monkeypatch.setattr(vlm, "stop_ids", frozenset({*vlm.stop_ids, ends}))
    alone = [vlm.generate([query], max_new_tokens=10)[0] for query in queries]
    for batch_size in (4, 6, 15):
        assert vlm.generate(queries, max_new_tokens=10, batch_size=batch_size) == alone


def test_log_probabilities_are_those_of_transformers_alone_and_in_any_batch(vlm: Any) -> None:
    together = vlm.answer_logprobs(PAIRS)
    for (query, answer), row in zip(PAIRS, together, strict=True):
        assert list(row) == pytest.approx(vlm.answer_logprobs([(query, answer)])[0], abs=1e-4)
        if vlm.family.prompt == "suffix" and not query.images:
            continue
        encoded, inputs = vlm.encode(query, answer), raw_inputs(vlm, query, answer)
        if len(encoded.ids) > inputs["input_ids"].shape[1]:  # a template that leaves the end of turn to the trainer
            inputs = {k: v for k, v in inputs.items() if k not in ("input_ids", "attention_mask")}
            inputs |= {
                "input_ids": torch.tensor([encoded.ids]),
                "attention_mask": torch.ones(1, len(encoded.ids)).long(),
            }
        with torch.no_grad():
            logp = vlm.model(**inputs).logits[0].float().log_softmax(-1)
        assert inputs["input_ids"][0, : len(encoded.ids)].tolist()[:-1] == list(encoded.ids)[:-1]
        alone = [logp[at - 1, encoded.ids[at]].item() for at in range(encoded.answer_start, len(encoded.ids))]
        assert list(row) == pytest.approx(alone, abs=1e-4)


def test_the_options_of_a_choice_are_weighed_together_as_alone(vlm: Any) -> None:
    pairs = [(Query("Which job? A. baker B. pilot", ("p1",)), letter) for letter in "ABCD"]
    together = [sum(row) for row in vlm.answer_logprobs(pairs)]
    assert together == pytest.approx([sum(vlm.answer_logprobs([pair])[0]) for pair in pairs], abs=1e-4)
    assert len({round(value, 5) for value in together}) == 4


def test_what_is_taught_is_the_answer_and_its_end_and_no_image(vlm: Any) -> None:
    for query, answer in product(QUERIES, ANSWERS):
        prompt, whole = vlm.encode(query), vlm.encode(query, answer)
        span = whole.ids[whole.answer_start :]
        assert whole.ids[: whole.answer_start] == prompt.ids
        assert vlm.processor.tokenizer.decode(span, skip_special_tokens=True).strip(" ") == answer
        assert [token in vlm.stop_ids for token in span] == [False] * (len(span) - 1) + [True]
        assert vlm.image_token not in span
        assert (vlm.image_token in prompt.ids) == bool(query.images)


def test_an_image_placeholder_that_somebody_writes_is_text(vlm: Any) -> None:
    written = {vlm.processor.image_token, vlm.processor.tokenizer.convert_ids_to_tokens(vlm.image_token)}
    for token in written:
        asked = vlm.encode(Query(f"What does {token} mean?", ("p2",)), f"{token}!")
        usual = vlm.encode(Query("What does it mean?", ("p2",)), "!")
        assert asked.ids.count(vlm.image_token) == usual.ids.count(vlm.image_token)
        vlm.answer_logprobs([(Query(f"What does {token} mean?", ("p2",)), f"{token}!")])


def _items(numbers: range, role: Role) -> list[Item]:
    common: dict[str, Any] = {"benchmark": "tiny", "role": role, "kind": Kind.OPEN}
    items: list[Item] = []
    for number in numbers:
        job = ("baker", "pilot", "nurse")[number % 3]
        common |= {"entity_id": f"p{number}", "answer": job}
        items += [
            Item(
                f"p{number}/seen",
                modality=Modality.IMAGE_TEXT,
                question="Who is shown here?",
                images=(f"p{number}",),
                **common,
            ),
            Item(f"p{number}/told", modality=Modality.TEXT, question=f"Who is Ann Number{number}?", **common),
        ]
    return items


DATA = UnlearningData(_items(range(2), Role.FORGET), _items(range(2, 4), Role.RETAIN), ("I do not know.",), 0)


@pytest.mark.parametrize("weights", ["lora", "full"])
@pytest.mark.parametrize("name", ["ga", "npo", "smfa"])
def test_one_step_changes_the_answers_and_can_be_taken_back(vlm: Any, name: str, weights: str, tmp_path: Path) -> None:
    method = methods.get(name)
    training: dict[str, Any] = {"steps": 1, "batch_size": 4, "lr": 1e-2, "per_image": 2, "text_share": 0.5}
    training |= {"lora": {"rank": 2, "alpha": 2}} if weights == "lora" else {"lora": None, "train": "decoder"}
    config = method.config.model_validate({"training": training})
    artifact = method.fit(vlm, DATA, config, Silent())
    assert artifact.kind == ("lora" if weights == "lora" and name != "smfa" else "delta")
    # Adapters sit on linear layers of the decoder only; the tower stays as it is in both ways.
    assert all(name.startswith(f"{vlm.family.language}.") for name, _ in artifact.deltas())
    before = vlm.answer_logprobs(PAIRS)
    (tmp_path / "artifact").mkdir()
    artifact.save(tmp_path / "artifact")
    with artifact.mounted(vlm):
        changed = vlm.answer_logprobs(PAIRS)
    assert changed != before
    with Artifact.load(tmp_path / "artifact").mounted(vlm):
        assert vlm.answer_logprobs(PAIRS) == changed
    assert vlm.answer_logprobs(PAIRS) == before


def test_hooks_at_test_time_change_answers_one_by_one_and_can_be_taken_off(vlm: Any, tmp_path: Path) -> None:
    """MLLMEraser: each question is steered by itself, whatever stands beside it in a batch."""
    method = methods.get("mllmeraser")
    skipped = [1] if vlm.family.alike else []  # cross-attention layers do not run for questions without images
    config = method.config.model_validate({"strength": 20.0, "first_layer": 0, "skipped": skipped})
    artifact = method.fit(vlm, DATA, config, Silent())
    before = vlm.answer_logprobs(PAIRS)
    artifact.save(tmp_path)
    with Artifact.load(tmp_path).mounted(vlm):
        steered = vlm.answer_logprobs(PAIRS)
        for pair, row in zip(PAIRS, steered, strict=True):
            assert list(row) == pytest.approx(vlm.answer_logprobs([pair])[0], abs=1e-4)
        texts = vlm.generate(QUERIES, max_new_tokens=4)
        assert texts == [vlm.generate([query], max_new_tokens=4)[0] for query in QUERIES]
    assert steered != before
    assert vlm.answer_logprobs(PAIRS) == before


def test_a_saved_model_answers_as_before(
    vlm: Any, family: str, folder_of: Callable[[str], Path], tmp_path: Path
) -> None:
    name = next(n for n, p in vlm.model.named_parameters() if n.startswith(vlm.family.language) and p.dim() == 2)
    shape = dict(vlm.model.named_parameters())[name].shape
    change = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    with Artifact("delta", {name: change}).mounted(vlm):
        save(vlm.model, vlm.processor, tmp_path / "saved")
        texts, numbers = vlm.generate(QUERIES, max_new_tokens=4), vlm.answer_logprobs(PAIRS)
    again = load(tmp_path / "saved", vlm.source)
    assert again.generate(QUERIES, max_new_tokens=4) == texts
    assert again.answer_logprobs(PAIRS) == numbers
    assert type(again.processor).__name__ == type(vlm.processor).__name__
    video = folder_of(family) / "video_preprocessor_config.json"
    if video.is_file():  # carried along, for whoever has torchvision
        assert json.loads((tmp_path / "saved" / video.name).read_text()) == json.loads(video.read_text())


def test_parts_are_where_the_family_says(vlm: Any) -> None:
    names = [name for name, _ in vlm.model.named_parameters()]
    for prefix in (vlm.family.language, *vlm.family.vision):
        assert any(name == prefix or name.startswith(f"{prefix}.") for name in names), prefix
    elsewhere = [name for name in names if not name.startswith((vlm.family.language, *vlm.family.vision))]
    assert all(name.startswith("lm_head") for name in elsewhere), elsewhere
