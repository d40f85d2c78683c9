"""An invented identity, and two masks on what is held."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from smllmun_bench.errors import UserError
from smllmun_bench.methods.shared.invented_identities import reassigned
from smllmun_bench.methods.siu import _Masks, occurrences
from smllmun_bench.models.vlm import Query
from smllmun_bench.training.examples import Example


def named(tiny: Any) -> list[Any]:
    """A person's picture with a name to it, twice, and one fact asked in two ways."""
    seen, told = tiny.data.forget[:2]
    name = {"subject": "Ann Number0", "question": "Who is shown?", "answer": "This is Ann Number0."}
    fact = {"answer": "baker", "perturbed_answers": ("pilot", "judge", "nurse")}
    return [
        replace(seen, item_id="a", **name),
        replace(seen, item_id="b", **name),
        replace(seen, item_id="c", **fact),
        replace(told, item_id="d", **fact),
    ]


def test_one_person_becomes_one_invented_person(tiny: Any) -> None:
    items = named(tiny)
    data = replace(tiny.data, forget=items)
    made, untrue = reassigned(items, data)
    assert made[0].answer == made[1].answer == f"This is {untrue['a']}."
    assert made[2].answer == made[3].answer == untrue["c"] in ("pilot", "judge", "nurse")
    everything = " ".join(f"{item.question} {item.answer}" for item in (*items, *data.retain))
    assert not any(part in everything for part in untrue["a"].split())
    assert reassigned(items, data) == (made, untrue)
    assert all((new.question, new.images) == (old.question, old.images) for new, old in zip(made, items, strict=True))


def test_without_perturbed_answers_a_retained_person_gives_theirs(tiny: Any) -> None:
    made, _ = reassigned(tiny.data.forget, tiny.data)
    retained = {item.answer for item in tiny.data.retain}
    assert all(new.answer in retained - {old.answer} for new, old in zip(made, tiny.data.forget, strict=True))
    with pytest.raises(UserError, match="false answer"):
        reassigned(tiny.data.forget, replace(tiny.data, retain=[]))


def test_masks_leave_out_what_is_invented_and_what_named_the_person(tiny: Any) -> None:
    text, name, vlm = "This is Zorvan Yevask.", "Zorvan Yevask", tiny.vlm
    masks = _Masks(vlm, {"a": "Ann Number0"}, {"a": name})
    examples = [Example("a", "Who is shown?", text, ("p1",)), Example("r", "Who is shown?", text, ("p2",))]
    encoded = [vlm.encode(Query(e.question, e.images), e.answer) for e in examples]
    owner = torch.tensor([0] * encoded[0].answer_length + [1] * encoded[1].answer_length)
    counts = masks.positions(examples, owner)
    assert counts[owner == 1].all()  # nobody's invented name
    left_out = torch.tensor(encoded[0].ids[encoded[0].answer_start :])[~counts[owner == 0]]
    assert vlm.processor.tokenizer.decode(left_out).strip() == name
    words = masks.vocabulary(examples, torch.zeros(len(owner), 400), owner)
    assert words[owner == 1].all()
    gone = (~words[owner == 0][0]).nonzero().squeeze(1)
    assert set(gone.tolist()) >= set(vlm.processor.tokenizer("Ann Number0", add_special_tokens=False)["input_ids"])


def test_occurrences_of_phrases() -> None:
    assert occurrences([5, 1, 2, 9, 1, 2, 3], {(1, 2), (7,)}) == [1, 2, 4, 5]
    assert occurrences([5, 6, 9], {(1, 2)}) == [0, 1]  # cut otherwise than alone: all but EOS
    assert occurrences([5, 6, 9], set()) == []


def test_the_divergence_starts_at_nothing_and_the_invented_answers_are_learnt(fit: Any, tiny: Any, known: Any) -> None:
    fitted = fit("siu", "training.steps=12")
    assert fitted.first["divergence"] == pytest.approx(0, abs=1e-5)
    assert fitted.steps[-1]["answers"] < fitted.first["answers"]
    seen = [item for item in tiny.data.forget if item.images]
    untrue, _ = reassigned(seen, tiny.data)
    assert known(fitted.artifact, untrue) > known(None, untrue) + 1


def test_words_alone_need_the_other_policy(fit: Any, tiny: Any) -> None:
    words = replace(tiny.data, forget=[item for item in tiny.data.forget if not item.images])
    with pytest.raises(UserError, match="no forget row has one"):
        fit("siu", data=words)
    assert fit("siu", "policy=full_entity", data=words).steps
