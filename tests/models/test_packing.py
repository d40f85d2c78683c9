"""Many questions in one row give each answer exactly what it would get alone."""

import pytest
import torch

from smllmun_bench.models.encoding import Encoded
from smllmun_bench.models.packing import pack, plan_rows
from smllmun_bench.models.vlm import Query


def _alone(vlm, query, answer):
    """Log-probabilities from the model's own forward pass: one item, pixels, no packing, its own positions."""
    encoded = vlm.encode(query, answer)
    inputs = {
        "input_ids": torch.tensor([encoded.ids]),
        "attention_mask": torch.ones(1, len(encoded.ids), dtype=torch.long),
    }
    if query.images:
        inputs |= vlm.bank.pixels(query.images, vlm.device, vlm.dtype)
    with torch.no_grad():
        logits = vlm.model(**inputs).logits[0].float()
    logp = logits.log_softmax(-1)
    return [logp[at - 1, encoded.ids[at]].item() for at in range(encoded.answer_start, len(encoded.ids))]


def test_packed_answers_have_the_log_probabilities_they_have_alone(tiny, mixed):
    together = tiny.vlm.answer_logprobs(mixed)
    assert max(len(tiny.vlm.encode(q, a).ids) for q, a in mixed) > 256  # one item is longer than a usual row
    for (query, answer), row in zip(mixed, together, strict=True):
        assert list(row) == pytest.approx(_alone(tiny.vlm, query, answer), abs=1e-5)


def test_answers_that_share_a_question_have_the_log_probabilities_they_have_alone(tiny, mixed):
    pairs = [(query, answer) for query, own in mixed for answer in (own, "a", "no one knows")]
    encoded = [tiny.vlm.encode(*pair) for pair in pairs]
    widths = [sum(block.length for row in tiny.vlm._rows(encoded, share_questions=s) for block in row) for s in (0, 1)]
    assert widths[1] < widths[0]
    for pair, row in zip(pairs, tiny.vlm.answer_logprobs(pairs), strict=True):
        assert list(row) == pytest.approx(_alone(tiny.vlm, *pair), abs=1e-5)


def test_the_order_and_the_batch_size_do_not_matter(tiny, mixed):
    whole = tiny.vlm.answer_logprobs(mixed)
    backwards = tiny.vlm.answer_logprobs(mixed[::-1], batch_rows=1)[::-1]
    for one, other in zip(whole, backwards, strict=True):
        assert list(one) == pytest.approx(list(other), abs=1e-5)


def test_questions_on_one_image_share_its_tokens():
    image = 9
    items = [Encoded((1, image, image, 2, 3, number), 4, ("a",)) for number in (4, 5, 6)]
    (row,) = plan_rows(items, image, max_length=100)
    (block,) = row
    assert (block.prefix, block.members, block.length) == (3, (0, 1, 2), 3 + 3 * 3)
    packed = pack(items, [row], pad=0)
    assert packed.ids[0].tolist() == [1, image, image, 2, 3, 4, 2, 3, 5, 2, 3, 6]
    assert packed.positions[0].tolist() == [0, 1, 2, 3, 4, 5, 3, 4, 5, 3, 4, 5]
    assert packed.images == (("a",),)
    assert packed.owner.tolist() == [0, 0, 1, 1, 2, 2]
    assert packed.target.tolist() == [3, 4, 3, 5, 3, 6]
    assert packed.predict_at.tolist() == [3, 4, 6, 7, 9, 10]
    sees = packed.mask[0, 0, 8].nonzero().flatten().tolist()
    assert sees == [0, 1, 2, 6, 7, 8]  # the image and its own question, not the question before it


def test_answers_to_one_question_share_its_tokens():
    image = 9
    items = [Encoded((image, 2, 3, *answer), 3, ("a",)) for answer in ((4,), (5, 6))]
    items.insert(1, Encoded((image, 7, 8), 2, ("a",)))  # another question on the same image, between them
    (row,) = plan_rows(items, image, max_length=100, share_questions=True)
    (block,) = row
    assert (block.members, block.length) == ((0, 2, 1), 1 + 1 + 2 + 3 + 2)
    packed = pack(items, [row], pad=0)
    assert packed.ids[0].tolist() == [image, 2, 3, 4, 3, 5, 6, 7, 8]  # the last token of a question predicts: one each
    assert packed.positions[0].tolist() == [0, 1, 2, 3, 2, 3, 4, 1, 2]
    assert packed.owner.tolist() == [0, 2, 2, 1]
    assert packed.target.tolist() == [4, 5, 6, 8]
    assert packed.predict_at.tolist() == [2, 4, 5, 7]
    sees = [packed.mask[0, 0, at].nonzero().flatten().tolist() for at in (3, 6, 8)]
    assert sees == [[0, 1, 2, 3], [0, 1, 4, 5, 6], [0, 7, 8]]


def test_words_before_the_image_are_part_of_what_is_shared():
    image = 9
    long = Encoded((1, 2, 3, 4, 5, 6, image, 7, 50), 8, ("a",))
    short = [Encoded((1, 2, image, 7, *answer), 4, ("a",)) for answer in ((60, 61, 62), (70, 71, 72))]
    (row,) = plan_rows([long, *short], image, max_length=100, share_questions=True)
    assert {block.members: block.prefix for block in row} == {(0,): 7, (1, 2): 3}


def test_answers_that_follow_the_image_at_once_are_predicted_by_it():
    image = 9
    items = [Encoded((1, image, answer), 2, ("a",)) for answer in (5, 6)]
    (row,) = plan_rows(items, image, max_length=100, share_questions=True)
    packed = pack(items, [row], pad=0)
    assert packed.ids[packed.predict_row, packed.predict_at].tolist() == [image, image]


@pytest.mark.parametrize("room", [10, 12, 100])
def test_a_question_with_more_answers_than_a_row_holds_is_asked_again(room):
    items = [Encoded((1, 2, 3, 4, answer, answer), 4, ()) for answer in range(5, 12)]
    rows = plan_rows(items, 0, max_length=room, share_questions=True)
    assert max(sum(block.length for block in row) for row in rows) <= room
    assert sorted(index for row in rows for block in row for index in block.members) == list(range(7))
    assert len(rows) == {10: 4, 12: 3, 100: 1}[room]


def test_an_item_longer_than_a_row_has_one_to_itself():
    items = [Encoded(tuple(range(1, n)), 2, ()) for n in (40, 5, 5)]
    rows = plan_rows(items, 0, max_length=10)
    assert [[block.members for block in row] for row in rows] == [[(0,)], [(1,), (2,)]]


def test_generation_in_batches_is_generation_one_by_one(tiny, mixed):
    queries = [query for query, _ in mixed]
    together = tiny.vlm.generate(queries, max_new_tokens=8)
    assert together == [tiny.vlm.generate([query], max_new_tokens=8)[0] for query in queries]
    assert together == tiny.vlm.generate(queries, max_new_tokens=8, batch_size=3)
    assert {answer.finish_reason for answer in together} <= {"stop", "length"}


def test_sums_means_and_lengths_belong_to_their_items(tiny, mixed):
    encoded = [tiny.vlm.encode(query, answer) for query, answer in mixed]
    with torch.no_grad():
        scores = tiny.vlm.score_answers(encoded)
    rows = tiny.vlm.answer_logprobs(mixed)
    assert scores.lengths().tolist() == [len(row) for row in rows] == [item.answer_length for item in encoded]
    assert scores.sums().tolist() == pytest.approx([sum(row) for row in rows], abs=1e-3)
    assert scores.means().tolist() == pytest.approx([sum(row) / len(row) for row in rows], abs=1e-4)


def test_an_empty_list_of_questions_has_an_empty_list_of_answers(tiny):
    assert tiny.vlm.generate([], max_new_tokens=4) == []
    assert tiny.vlm.answer_logprobs([]) == []


def test_two_images_in_one_question(tiny):
    pairs = [
        (Query("Who is shown?", ("p1", "p2")), "a"),
        (Query("Who?", ("p1", "p2")), "b"),
        (Query("Who?", ("p2", "p1")), "b"),
    ]
    for (query, answer), row in zip(pairs, tiny.vlm.answer_logprobs(pairs), strict=True):
        assert list(row) == pytest.approx(_alone(tiny.vlm, query, answer), abs=1e-5)


def test_the_options_of_a_choice_share_an_image_of_any_size(tiny, monkeypatch):
    """One forward pass, one row, the image's tokens once: also where one option alone is longer than a usual row."""
    query = Query("What is the job of the person in the picture? A. pilot B. baker C. nurse D. judge", ("p1",) * 40)
    pairs = [(query, letter) for letter in "ABCD"]
    encoded = [tiny.vlm.encode(*pair) for pair in pairs]
    monkeypatch.setattr("smllmun_bench.models.vlm.PACKED_TOKENS", len(encoded[0].ids) - 1)
    (row,) = tiny.vlm._rows(encoded)
    assert [len(block.members) for block in row] == [4]
    for pair, logp in zip(pairs, tiny.vlm.answer_logprobs(pairs), strict=True):
        assert list(logp) == pytest.approx(_alone(tiny.vlm, *pair), abs=1e-5)
