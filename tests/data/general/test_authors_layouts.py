"""General sets as their authors publish them give the items that the hub's tables give."""

import base64
import csv
import json

import pytest

from smllmun_bench.data.checking import check
from smllmun_bench.data.registry import open_source
from smllmun_bench.data.source import Split
from smllmun_bench.errors import UserError
from smllmun_bench.schema import Kind

SHORT = "Answer the question using a single word or phrase."


@pytest.fixture
def opened(upstream):
    def opened(adapter, **args):
        return open_source(adapter, {"path": str(upstream.folder)} | args)

    return opened


def whole(source, *, images=True):
    """The items, once every picture was opened and nothing is wrong."""
    report = check(source, forgets=False)
    assert report.ok(), report.findings
    asked = source.items(Split.EVALUATE)
    assert all(source.image(ref).size == (8, 8) for item in asked for ref in item.images)
    assert not images or all(item.images for item in asked)
    return asked


def fails(source, *words):
    with pytest.raises(UserError) as error:
        source.items(Split.EVALUATE)
    for word in words:
        assert word in str(error.value)


# -- POPE --------------------------------------------------------------------------------------------------------------


def pope_lines(upstream, split, below="output/coco/"):
    image = "COCO_val2014_000000310196.jpg"
    upstream.picture(f"val2014/{image}", 1)
    rows = [
        {"question_id": n, "image": image, "text": f"Is there a {what} in the image?", "label": label}
        for n, (what, label) in enumerate((("snowboard", "yes"), ("car", "no")), 1)
    ]
    upstream.jsonl(f"{below}coco_pope_{split}.json", rows)
    return rows


def test_pope_of_the_repository(upstream, opened):
    for split in ("random", "popular", "adversarial"):
        pope_lines(upstream, split)
    upstream.jsonl("llava_pope_test.jsonl", [{"question_id": 0, "image": "x.jpg", "text": "?", "category": "popular"}])
    upstream.jsonl("output/aokvqa/aokvqa_pope_random.json", pope_lines(upstream, "random"))
    asked = whole(opened("pope"))
    assert [i.item_id for i in asked] == [
        f"pope.{split}.{n}" for split in ("adversarial", "popular", "random") for n in (1, 2)
    ]
    assert (asked[0].question, asked[0].answer) == (f"Is there a snowboard in the image?\n{SHORT}", "yes")
    assert {i.entity_id for i in asked} == {"pope-COCO_val2014_000000310196"}
    assert [i.group for i in asked[::2]] == ["adversarial", "popular", "random"]
    upstream.jsonl("output/coco/coco_pope_random.json", [{"question_id": 1, "image": "x.jpg", "text": "?"}])
    fails(opened("pope"), "coco_pope_random.json, line 1, key 'answer': is missing")


# -- MME ---------------------------------------------------------------------------------------------------------------


def test_mme_release_of_folders(upstream, opened):
    def text(name, *lines):
        upstream.picture(f"{name}.txt").write_text("".join(f"{line}\n" for line in lines))

    ask = "Is there {}? Please answer yes or no."
    upstream.picture("MME/existence/000000006040.jpg", 1)
    text("MME/existence/000000006040", ask.format("a car") + "\tYes", ask.format("a bus") + "\tNo")
    upstream.picture("MME/posters/images/tt0048028.jpg", 2)
    text("MME/posters/questions_answers_YN/tt0048028", ask.format("a poster") + "\tYes ", ask.format("x") + "\tNo", "")
    upstream.picture("MME/code_reasoning/0001.png", 3)
    text("MME/code_reasoning/0001", ask.format("code") + "\tYes", ask.format("art") + "\tNo")
    text("eval_tool/LaVIN/existence", "000000006040.jpg\tIs it?\tYes\tyes")
    text("readme", "MME")
    asked = whole(opened("mme"))
    assert [(i.group, i.entity_id, i.answer) for i in asked] == [
        ("code_reasoning", "mme-code_reasoning/0001.png", "yes"),
        ("code_reasoning", "mme-code_reasoning/0001.png", "no"),
        ("existence", "mme-existence/000000006040.jpg", "yes"),
        ("existence", "mme-existence/000000006040.jpg", "no"),
        ("posters", "mme-posters/tt0048028.jpg", "yes"),
        ("posters", "mme-posters/tt0048028.jpg", "no"),
    ]
    assert asked[2].question == f"Is there a car?\n{SHORT}"
    assert asked[2].kind is Kind.YESNO
    assert asked[2].pair_id == asked[3].pair_id != asked[4].pair_id
    text("MME/existence/000000006040", "Is there a car?")
    fails(opened("mme"), "existence/000000006040.txt, line 1, key 'answer': is missing")


# -- MMBench -----------------------------------------------------------------------------------------------------------

COLUMNS = [
    "index",
    "question",
    "hint",
    "A",
    "B",
    "C",
    "D",
    "answer",
    "category",
    "image",
    "source",
    "l2-category",
    "comment",
    "split",
]


def mmbench(upstream, rows, name="mmbench_dev_en_20231003.tsv"):
    path = upstream.picture(name)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, delimiter="\t", restval="")
        writer.writeheader()
        writer.writerows(rows)


def mmbench_row(upstream, **changes):
    return {
        "index": 241, "question": "Which?\nLook \"well\".", "A": "nan", "B": "a dog", "C": "a cat", "answer": "B",
        "category": "object", "image": base64.b64encode(upstream.png(1)).decode(), "l2-category": "coarse",
        "split": "dev",
    } | changes  # fmt: skip


def test_mmbench_tsv_with_pictures_in_base64(upstream, opened):
    rotated = mmbench_row(upstream, index=1_000_241, A="a dog", B="a cat", C="", answer="A", image="241", hint="H")
    mmbench(upstream, [mmbench_row(upstream, A="a cow"), rotated])
    first, second = whole(opened("mmbench"))
    assert (first.item_id, first.question) == ("mmbench.241", 'Which?\nLook "well".')
    assert (first.choices, first.answer, first.group) == (("a cow", "a dog", "a cat"), "a dog", "coarse/object")
    assert (second.choices, second.answer) == (("a dog", "a cat"), "a dog")
    assert second.question == 'H\nWhich?\nLook "well".'
    assert first.images == second.images  # the rotation names the row whose picture it shows
    assert first.pair_id == second.pair_id == "241"
    source = opened("mmbench")
    assert source.digest == opened("mmbench").digest
    mmbench(upstream, [mmbench_row(upstream, answer="")])
    fails(opened("mmbench"), "mmbench_dev_en_20231003.tsv, row 0, key 'answer'")
    mmbench(upstream, [mmbench_row(upstream, image="x" * 99 + "!")])
    with pytest.raises(UserError, match="the image is no base64"):
        opened("mmbench").image("row:mmbench_dev_en_20231003.tsv:0:image")
    mmbench(upstream, [mmbench_row(upstream, image="7")])
    fails(opened("mmbench"), "row 0, key 'image'")


def test_mmbench_languages_are_told_by_the_name_of_the_file(upstream, opened):
    mmbench(upstream, [mmbench_row(upstream, A="Kuh")], "mmbench_dev_cn_20231003.tsv")
    assert len(whole(opened("mmbench", config="cn"))) == 1
    fails(opened("mmbench"), "none of the authors' own", "mmbench_dev_cn_20231003.tsv is what lies there")
    mmbench(upstream, [mmbench_row(upstream, A="cow")], "MMBench_DEV_EN_V11.tsv")
    assert whole(opened("mmbench"))[0].choices[0] == "cow"


def test_a_table_with_semicolons_is_told_once(upstream, opened):
    path = upstream.picture("mmbench_dev_en_1.tsv")
    path.write_text(";".join(COLUMNS) + "\n" + ";".join("x" for _ in COLUMNS) + "\n")
    fails(opened("mmbench"), "the columns are separated by semicolons, expected tabs")


# -- objects of records: MM-Vet, ScienceQA, GQA ------------------------------------------------------------------------


def test_mm_vet_is_an_object_of_records_with_lists_of_capabilities(upstream, opened):
    upstream.picture("mm-vet/images/v1_0.png", 1)
    record = {
        "imagename": "v1_0.png", "question": "What is x?", "answer": "-1<AND>-5", "imagesource": "u",
        "capability": ["ocr", "math"],
    }  # fmt: skip
    upstream.json("mm-vet/mm-vet.json", {"v1_0": record, "v1_1": record | {"capability": ["rec"]}})
    first, second = whole(opened("mm_vet"))
    assert (first.item_id, first.question, first.answer) == ("mm_vet.v1_0", "What is x?", "-1<AND>-5")
    assert (first.group, second.group) == ("ocr,math", "rec")
    upstream.json("mm-vet/mm-vet.json", {"v1_0": record | {"answer": None}})
    fails(opened("mm_vet"), "mm-vet/mm-vet.json, record v1_0, key 'answer'")
    upstream.json("mm-vet/mm-vet.json", [record])
    fails(opened("mm_vet"), "a list, expected an object of records")


def problems():
    base = {"choices": ["a", "b"], "answer": 1, "hint": "", "subject": "natural science", "grade": "grade3"}
    return {
        "2": base | {"question": "Train?", "image": None, "split": "train"},
        "4": base | {"question": "Seen?", "image": "image.png", "split": "test"},
        "11": base | {"question": "Read?", "image": None, "hint": "Read.", "split": "test"},
    }


@pytest.mark.parametrize("below", ["images/test/", "test/", "data/scienceqa/images/test/"])
def test_scienceqa_problems(upstream, opened, below):
    upstream.json("data/scienceqa/problems.json", problems())
    upstream.json("data/scienceqa/pid_splits.json", {"train": ["2"], "test": ["4", "11"]})
    upstream.picture(f"{below}4/image.png", 1)
    upstream.picture("images/train/2/image.png", 2)
    (seen,) = whole(opened("scienceqa"))
    assert (seen.item_id, seen.answer, seen.group) == ("scienceqa.4", "b", "natural science/grade3/image")
    both = whole(opened("scienceqa", config="ScienceQA-FULL"), images=False)
    assert [i.item_id for i in both] == ["scienceqa.4", "scienceqa.11"]
    assert both[1].question == "Read.\nRead?"
    (upstream.folder / "data/scienceqa/pid_splits.json").unlink()  # the records say their split too
    assert [i.item_id for i in whole(opened("scienceqa"))] == ["scienceqa.4"]


def test_gqa_questions(upstream, opened):
    upstream.picture("images/n161313.jpg", 1)
    record = {
        "imageId": "n161313", "question": "Is it overcast?", "answer": "no", "isBalanced": True, "groups": {},
        "entailed": [], "types": {"detailed": "weatherVerify", "semantic": "global", "structural": "verify"},
    }  # fmt: skip
    upstream.json("questions1.2/testdev_balanced_questions.json", {"20968379": record})
    upstream.json("questions1.2/val_all_questions.json", {"1": record})
    (asked,) = whole(opened("gqa"))
    assert (asked.item_id, asked.group, asked.entity_id) == ("gqa.20968379", "verify", "gqa-n161313")
    assert asked.question == f"Is it overcast?\n{SHORT}"


# -- lists below a key: SEED-Bench, VQAv2, TextVQA ---------------------------------------------------------------------


def test_seed_bench_questions(upstream, opened):
    record = {
        "answer": "C", "choice_a": "w", "choice_b": "x", "choice_c": "y", "choice_d": "z", "data_id": "1454426_2591",
        "data_type": "image", "question": "How many?", "question_id": "101669", "question_type_id": 5,
    }  # fmt: skip
    video = record | {"data_id": "x.webm", "data_type": "video", "question_id": "7", "segment": [0, 1]}
    upstream.json("SEED-Bench.json", {"questions": [record, video], "question_type": {"Instances Counting": 5}})
    upstream.picture("SEED-Bench-image/1454426_2591", 1)  # upstream's pictures have no suffix
    (asked,) = whole(opened("seed_bench"))
    assert (asked.item_id, asked.answer, asked.group) == ("seed_bench.101669", "y", "image/5")
    fails(opened("seed_bench", videos=True), "videos are not cut into frames here")
    upstream.json("SEED-Bench.json", {"question_type": {}})
    fails(opened("seed_bench"), "there is no list of records below 'questions'")


def test_vqav2_questions_and_annotations(upstream, opened):
    question = {"image_id": 262148, "question": "Where is he looking?", "question_id": 262148000}
    answers = [{"answer": "down", "answer_confidence": "yes", "answer_id": n} for n in range(1, 10)]
    answers.append({"answer": "at table", "answer_confidence": "yes", "answer_id": 10})
    annotation = {
        "question_type": "none of the above", "multiple_choice_answer": "down", "answers": answers,
        "image_id": 262148, "answer_type": "other", "question_id": 262148000,
    }  # fmt: skip
    upstream.json("v2_OpenEnded_mscoco_val2014_questions.json", {"info": {}, "questions": [question]})
    fails(opened("vqav2"), "v2_mscoco_val2014_annotations.json is missing")
    upstream.json("v2_mscoco_val2014_annotations.json", {"info": {}, "annotations": [annotation]})
    upstream.picture("val2014/COCO_val2014_000000262148.jpg", 1)
    (asked,) = whole(opened("vqav2"))
    assert (asked.item_id, asked.answer, asked.group) == ("vqav2.262148000", "down", "other")
    assert asked.accepted == ("down",) * 9 + ("at table",)
    other = question | {"question_id": 5}
    upstream.json("v2_OpenEnded_mscoco_val2014_questions.json", {"questions": [other]})
    fails(opened("vqav2"), "questions, row 0, key 'answers': is missing")


def test_vizwiz_list(upstream, opened):
    answers = [{"answer_confidence": "yes", "answer": "basil leaves"}] * 10
    row = {"image": "VizWiz_val_00000000.jpg", "question": "What is it?", "answers": answers, "answer_type": "other"}
    upstream.json("Annotations/val.json", [row | {"answerable": 1}])
    upstream.json("Annotations/train.json", [row])
    upstream.picture("val/VizWiz_val_00000000.jpg", 1)
    (asked,) = whole(opened("vizwiz"))
    assert (asked.item_id, asked.answer) == ("vizwiz.VizWiz_val_00000000.jpg", "basil leaves")


def test_textvqa_data(upstream, opened):
    row = {
        "question": "what is the brand?", "image_id": "003a8ae2ef43b901", "answers": ["nokia"] * 9 + ["toshiba"],
        "question_id": 34602, "set_name": "val", "image_width": 1024, "question_tokens": ["what"],
    }  # fmt: skip
    upstream.json("TextVQA_0.5.1_val.json", {"dataset_type": "val", "dataset_name": "textvqa", "data": [row]})
    upstream.picture("train_images/003a8ae2ef43b901.jpg", 1)
    (asked,) = whole(opened("textvqa"))
    assert (asked.item_id, asked.answer, asked.entity_id) == ("textvqa.34602", "nokia", "textvqa-003a8ae2ef43b901")


# -- LLaVA-Bench -------------------------------------------------------------------------------------------------------


def test_llava_bench_joins_questions_and_reference_answers(upstream, opened):
    asked_rows = [{"question_id": n, "image": "001.jpg", "text": f"Q{n}?", "category": "conv"} for n in (0, 1)]
    upstream.jsonl("questions.jsonl", asked_rows)
    fails(opened("llava_bench"), "answers_gpt4.jsonl", "is missing, which questions.jsonl needs")
    answers = [
        {"question_id": n, "prompt": "Q", "answer_id": "x", "model_id": "gpt-4", "text": f"A{n}."} for n in (1, 0)
    ]
    upstream.jsonl("answers_gpt4.jsonl", answers)
    upstream.jsonl("context.jsonl", [{"id": "001", "image": "001.jpg", "caption": "c"}])
    upstream.picture("images/001.jpg", 1)
    first, second = whole(opened("llava_bench"))
    assert (first.item_id, first.question, first.answer) == ("llava_bench.0", "Q0?", "A0.")
    assert (second.answer, second.group, second.entity_id) == ("A1.", "conv", "llava_bench-001")
    upstream.jsonl("answers_gpt4.jsonl", answers[:1])
    fails(opened("llava_bench"), "questions.jsonl, line 1, key 'gpt_answer'")


# -- pictures ----------------------------------------------------------------------------------------------------------


def test_a_picture_is_found_anywhere_by_its_name_and_a_missing_one_is_named(upstream, opened):
    pope_lines(upstream, "random")
    (upstream.folder / "val2014").rename(upstream.folder / "coco-pictures")
    assert whole(opened("pope"))
    for found in (upstream.folder / "coco-pictures").iterdir():
        found.unlink()
    report = check(opened("pope"), forgets=False)
    assert [f.what for f in report.findings] == ["picture is missing or broken"]
    assert "val2014/COCO_val2014_000000310196.jpg" in report.findings[0].examples[0]


@pytest.mark.parametrize(
    ("adapter", "file", "value"),
    [
        ("pope", "coco_pope_random.json", {"question_id": [1], "image": 3, "text": None, "label": {}}),
        ("mm_vet", "mm-vet.json", {"v": {"imagename": ["x"], "question": 1, "capability": 3}}),
        ("scienceqa", "problems.json", {"1": {"split": "test", "image": 7, "choices": "x", "answer": "b"}}),
        ("gqa", "testdev_balanced_questions.json", {"1": {"imageId": {}, "question": 2}}),
        ("seed_bench", "SEED-Bench.json", {"questions": [{"data_type": 5, "data_id": ["a"]}]}),
        ("textvqa", "TextVQA_0.5.1_val.json", {"data": [{"image_id": [], "answers": 3}]}),
        ("llava_bench", "questions.jsonl", {"question_id": {}, "image": [], "text": 4}),
        ("vizwiz", "val.json", [{"image": [1], "answers": []}]),
        ("vqav2", "v2_OpenEnded_mscoco_val2014_questions.json", {"questions": [{"question_id": [], "image_id": "x"}]}),
    ],
)
def test_odd_records_are_one_message(upstream, opened, adapter, file, value):
    upstream.jsonl("answers_gpt4.jsonl", [{"question_id": [], "text": 1}])
    upstream.json("v2_mscoco_val2014_annotations.json", {"annotations": [{"question_id": {}}]})
    upstream.picture(file).write_text(json.dumps(value))
    fails(opened(adapter), file)
