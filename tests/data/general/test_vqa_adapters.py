"""General sets: the hub copies' layouts, awkward rows, broken twins, fixed subsets."""

import pytest

from smllmun_bench.data.registry import open_source
from smllmun_bench.data.sampling import subset
from smllmun_bench.data.source import Split
from smllmun_bench.errors import UserError
from smllmun_bench.metrics.vqa.rules import RULES
from smllmun_bench.schema import Item, Kind, Modality, Prediction, Role


@pytest.fixture
def opened(upstream):
    def opened(adapter, **args):
        return open_source(adapter, {"path": str(upstream.folder)} | args)

    return opened


def items(source):
    return source.items(Split.EVALUATE)


def fails(source, *words):
    with pytest.raises(UserError) as error:
        items(source)
    for word in words:
        assert word in str(error.value)


def mme_rows(upstream, images=2):
    ask = "Is it so? Please answer yes or no."
    return [
        {
            "question_id": f"ocr/{n}.png",
            "image": upstream.stored(n),
            "question": ask,
            "answer": answer,
            "category": "OCR",
        }
        for n in range(images)
        for answer in ("Yes", "No")
    ]


def test_mme_pairs_and_prompt(upstream, opened):
    upstream.parquet("data/test-00000-of-00001.parquet", mme_rows(upstream)[:3])
    asked = items(opened("mme"))
    assert [i.pair_id for i in asked] == ["OCR/ocr/0.png", "OCR/ocr/0.png", "OCR/ocr/1.png"]
    assert [i.answer for i in asked] == ["yes", "no", "yes"]
    assert asked[0].question == "Is it so?\nAnswer the question using a single word or phrase."
    assert {i.role for i in asked} == {Role.GENERAL}
    upstream.parquet("data/test-00000-of-00001.parquet", [mme_rows(upstream)[0] | {"answer": "Perhaps"}])
    fails(opened("mme"), "data/test-00000-of-00001.parquet, row 0, key 'answer'", "found 'Perhaps'")


def test_mme_sampling_keeps_both_questions_of_a_picture(upstream, opened):
    upstream.parquet("data/test-00000-of-00001.parquet", mme_rows(upstream, 20))
    source = opened("mme", sample=11)
    asked = items(source)
    assert len(asked) == 10
    assert {sum(i.pair_id == one.pair_id for i in asked) for one in asked} == {2}
    assert (source.subset.units, source.subset.of_units) == (5, 20)


def test_pope_ids_repeat_over_splits(upstream, opened):
    row = {"id": "1", "question_id": "1", "question": "Is there a dog?", "answer": "no", "image_source": "COCO_1"}
    for name in ("random", "popular", "adversarial"):
        upstream.parquet(f"Full/{name}-00000-of-00001.parquet", [row | {"image": upstream.stored(), "category": name}])
    asked = items(opened("pope"))
    assert sorted(i.item_id for i in asked) == ["pope.adversarial.1", "pope.popular.1", "pope.random.1"]
    assert {i.entity_id for i in asked} == {"pope-COCO_1"}


def mmbench_row(upstream, index=3, **changes):
    return {
        "index": index, "question": "What is it?", "hint": "nan", "answer": "B", "A": "a cat", "B": "a dog", "C": None,
        "D": None, "category": "object", "L2-category": "perception", "source": "x", "comment": None, "split": "dev",
        "image": upstream.stored(),
    } | changes  # fmt: skip


def test_mmbench_rotations_two_options_and_the_hint_nan(upstream, opened):
    rotated = mmbench_row(upstream, 1_000_003, A="a dog", B="a cat", answer="A", hint="Look.", C="x", D="y")
    upstream.parquet("en/dev-00000-of-00001.parquet", [mmbench_row(upstream), rotated])
    first, second = items(opened("mmbench"))
    assert (first.choices, first.answer, first.question) == (("a cat", "a dog"), "a dog", "What is it?")
    assert second.question == "Look.\nWhat is it?"
    assert first.pair_id == second.pair_id == "3"
    upstream.parquet("en/dev-00000-of-00001.parquet", [mmbench_row(upstream, answer="C")])
    fails(opened("mmbench"), "row 0", "the answer 'C' is no option of ['A', 'B']")
    upstream.parquet("en/dev-00000-of-00001.parquet", [mmbench_row(upstream, answer=None)])
    fails(opened("mmbench"), "row 0, key 'answer'")


def mmmu_row(upstream, **changes):
    pictures = {f"image_{n}": None for n in range(2, 8)}
    return {
        "id": "validation_Art_History_1", "question": "<image 1> Which?", "options": "['a \"b\"', '<image 2>']",
        "explanation": "", "image_1": upstream.stored(1), **pictures, "image_2": upstream.stored(2), "answer": "B",
        "question_type": "multiple-choice", "subfield": "s", "topic_difficulty": "Easy", "img_type": "['x']",
    } | changes  # fmt: skip


def test_mmmu_pictures_in_options_and_open_answers(upstream, opened):
    free = mmmu_row(upstream, id="validation_Math_2", question_type="open", options="[]", answer="['1,200', 'many']")
    upstream.parquet("Art/validation-00000-of-00001.parquet", [mmmu_row(upstream), free])
    first, second = items(opened("mmmu"))
    assert (first.kind, first.choices, first.answer) == (Kind.CHOICE, ('a "b"', "<image 2>"), "<image 2>")
    assert (len(first.images), first.group) == (2, "Art_History")
    assert (second.kind, second.answer, second.accepted) == (Kind.OPEN, "1,200", ("many",))
    upstream.parquet("Art/validation-00000-of-00001.parquet", [mmmu_row(upstream), mmmu_row(upstream, answer="?")])
    fails(opened("mmmu"), "Art/validation-00000-of-00001.parquet, row 1", "is no letter of 2 options")
    upstream.parquet("Art/validation-00000-of-00001.parquet", [mmmu_row(upstream, options="[open('x')]")])
    fails(opened("mmmu"), "row 0, key 'options': is no Python literal")


def _predicted(item, text):
    return Prediction(item.item_id, "run", text)


def test_where_two_options_have_one_text_only_the_letter_of_the_truth_counts(upstream, opened):
    """Official and strict, in every set with choices."""
    same = {"A": "a dog", "B": "a dog", "C": "a cat", "answer": "B"}
    upstream.parquet("en/dev-00000-of-00001.parquet", [mmbench_row(upstream, **same)])
    upstream.parquet(
        "Art/validation-00000-of-00001.parquet", [mmmu_row(upstream, options="['a dog', 'a dog', 'a cat']", answer="B")]
    )
    seed = {
        "question_id": "1", "question": "?", "choice_a": "a dog", "choice_b": "a dog", "choice_c": "a cat",
        "choice_d": "a cow", "answer": "B", "data_type": "image", "question_type_id": 3, "data_id": "d",
        "image": [upstream.stored()], "segment": "[]",
    }  # fmt: skip
    asked = {"mmbench": items(opened("mmbench"))[0], "mmmu": items(opened("mmmu"))[0]}
    upstream.parquet("data/test-00000-of-00001.parquet", [seed])
    asked["seed"] = items(opened("seed_bench"))[0]
    for name, item in asked.items():
        for rule in (f"{name}_official", "choice_strict"):
            said = ("B", "A", "the dog" if name == "seed" else "a dog")  # SEED-Bench's rule reads "a dog" as A
            found = [RULES[rule](item, _predicted(item, text)) for text in said]
            assert found == [1.0, 0.0, 0.0], (name, rule)


def test_options_that_differ_in_signs_or_case_are_different(upstream, opened):
    row = {"question": "Which?", "choices": ["x*", "x", "X"], "answer": 1, "image": None, "hint": ""}
    upstream.parquet("ScienceQA-IMG/test-00000-of-00001.parquet", [row])
    (item,) = items(opened("scienceqa"))
    assert [RULES["scienceqa_official"](item, _predicted(item, text)) for text in ("A", "B", "C")] == [0.0, 1.0, 0.0]
    said = [RULES["choice_strict"](item, _predicted(item, text)) for text in ("A", "B", "C", "x", "x*", "X")]
    assert said == [0.0, 1.0, 0.0, 1.0, 0.0, 0.0]


def test_gqa_joins_questions_and_pictures(upstream, opened):
    row = {"id": "q1", "imageId": "n1", "question": "Is it?", "answer": "yes", "types": {"structural": "verify"}}
    upstream.parquet("testdev_balanced_instructions", [row])
    upstream.parquet("testdev_balanced_images", [{"id": "n1", "image": upstream.stored(4)}])
    source = opened("gqa")
    (asked,) = items(source)
    assert (asked.group, asked.entity_id) == ("verify", "gqa-n1")
    assert source.image(asked.images[0]).size == (8, 8)
    upstream.parquet("testdev_balanced_instructions", [row, row | {"id": "q2", "imageId": "n2"}])
    fails(opened("gqa"), "there is no picture 'n2'", "row 1, key 'imageId'")


def test_scienceqa_contexts_and_more_than_five_choices(upstream, opened):
    row = {
        "question": "Which?",
        "choices": list("uvwxyz"),
        "answer": 5,
        "subject": "natural science",
        "grade": "grade3",
    }
    rows = [
        row | {"image": upstream.stored(), "hint": ""},
        row | {"image": None, "hint": "Read."},
        row | {"image": None, "hint": ""},
    ]
    upstream.parquet("ScienceQA-IMG/test-00000-of-00001.parquet", rows)
    asked = items(opened("scienceqa"))
    assert [i.group.rpartition("/")[2] for i in asked] == ["image", "text", "none"]
    assert [i.modality for i in asked] == [Modality.IMAGE_TEXT, Modality.TEXT, Modality.TEXT]
    assert asked[0].answer == "z"
    upstream.parquet("ScienceQA-IMG/test-00000-of-00001.parquet", [rows[0] | {"answer": 6}])
    fails(opened("scienceqa"), "row 0", "the answer is number 6 of 6 choices")


def test_seed_bench_videos_are_left_out_unless_asked_for(upstream, opened):
    row = {
        "question_id": "1", "question": "?", "choice_a": "w", "choice_b": "x", "choice_c": "y", "choice_d": "z",
        "answer": "C", "data_type": "image", "question_type_id": 3, "data_id": "d", "image": [upstream.stored()],
        "segment": "[]",
    }  # fmt: skip
    video = row | {"question_id": "2", "data_type": "video", "image": [upstream.stored(n) for n in range(3)]}
    upstream.parquet("data/test-00000-of-00001.parquet", [row, video])
    assert [i.answer for i in items(opened("seed_bench"))] == ["y"]
    assert [len(i.images) for i in items(opened("seed_bench", videos=True))] == [1, 3]


@pytest.mark.parametrize("adapter", ["vqav2", "vizwiz", "textvqa"])
def test_ten_answers_in_their_order_as_records_or_texts(upstream, opened, adapter):
    texts = ["two"] * 6 + ["2"] * 4
    answers = (
        texts
        if adapter == "textvqa"
        else [{"answer": t, "answer_confidence": "yes", "answer_id": n} for n, t in enumerate(texts, 1)]
    )
    row = {"question": "How many?", "answers": answers, "image": upstream.stored(), "question_id": 7, "image_id": 9}
    upstream.parquet("data/val-00000-of-00001.parquet", [row | {"answer_type": "number", "ocr_tokens": ["x"]}])
    (asked,) = items(opened(adapter))
    assert (asked.accepted, asked.answer, asked.group) == (tuple(texts), "two", "number")
    upstream.parquet("data/val-00000-of-00001.parquet", [row | {"answers": None}])
    fails(opened(adapter), "row 0, key 'answers': there are no answers: the test split cannot be scored here")


def test_judged_sets(upstream, opened):
    row = {"question_id": "v1_0", "question": "?", "answer": "a<AND>b<OR>c", "capability": "ocr,math"}
    upstream.parquet("data/test-00000-of-00001.parquet", [row | {"image": upstream.stored(), "image_source": "x"}])
    assert [i.group for i in items(opened("mm_vet"))] == ["ocr,math"]
    wild = {
        "question_id": 0,
        "question": "?",
        "category": "conv",
        "image_id": "001",
        "gpt_answer": "Long.",
        "caption": "",
    }
    upstream.parquet("data/train-00000-of-00001.parquet", [wild | {"image": upstream.stored()}])
    (upstream.folder / "data/test-00000-of-00001.parquet").unlink()
    assert [(i.item_id, i.answer) for i in items(opened("llava_bench"))] == [("llava_bench.0", "Long.")]


def test_a_general_set_has_nothing_to_forget(upstream, opened):
    upstream.parquet("data/test-00000-of-00001.parquet", mme_rows(upstream))
    with pytest.raises(UserError, match="mme only asks: it has no split 'forget_train'"):
        opened("mme").items(Split.FORGET_TRAIN)


# -- subsets -----------------------------------------------------------------------------------------------------------


def many(count):
    return [
        Item(f"i{n}", "b", f"e{n}", Role.GENERAL, Modality.TEXT, Kind.OPEN, "?", "!", group="abc"[(n % 10) // 5])
        for n in range(count)
    ]


def test_a_subset_is_published_by_its_ids_and_their_hash():
    chosen = subset(many(1000), 100)
    assert len(chosen.ids) == 100
    assert subset(list(reversed(many(1000))), 100).ids == tuple(reversed(chosen.ids))
    assert chosen.digest == subset(many(1000), 100).digest != subset(many(1000), 100, seed=1).digest
    assert chosen.digest[:16] == "3d7e3c4d0430915a"
    assert sum(int(name[1:]) % 10 < 5 for name in chosen.ids) == 50  # strata have their shares


def test_the_interval_of_a_subset_is_stated():
    assert subset(many(1000), 1000).half_width() == 0.0
    assert subset(many(10_000), 500).half_width() == pytest.approx(0.04272, abs=1e-5)
    assert subset(many(10_000), 500).half_width(0.8) == pytest.approx(0.03417, abs=1e-5)


def test_a_subset_larger_than_the_set_is_refused():
    with pytest.raises(UserError, match="cannot take 11 of 10 items"):
        subset(many(10), 11)
