"""The other unlearning benchmarks: upstream's layouts, awkward rows, and broken twins that say where they break."""

import pyarrow as pa
import pytest

from smllmun_bench.data.benchmarks.clear import clear
from smllmun_bench.data.benchmarks.fiubench import fiubench
from smllmun_bench.data.benchmarks.mlubench import mlubench
from smllmun_bench.data.benchmarks.offside import offside
from smllmun_bench.data.benchmarks.safe_eraser import safe_eraser
from smllmun_bench.data.benchmarks.tofu import tofu
from smllmun_bench.data.benchmarks.umu import umu_bench
from smllmun_bench.data.benchmarks.unlok import unlok_vqa
from smllmun_bench.data.checking import check
from smllmun_bench.data.convert import convert
from smllmun_bench.data.folder import canonical_folder
from smllmun_bench.data.registry import open_source
from smllmun_bench.data.source import Split, split_digest
from smllmun_bench.errors import UserError
from smllmun_bench.metrics.item_metrics import ITEM_METRICS
from smllmun_bench.schema import Fold, Kind, Modality, Prediction, Role

STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def asked(source, role=None):
    return [item for item in source.items(Split.EVALUATE) if role in (None, item.role)]


def fails(source, *words):
    with pytest.raises(UserError) as error:
        source.items(Split.EVALUATE)
    for word in words:
        assert word in str(error.value)


# -- CLEAR -------------------------------------------------------------------------------------------------------------


def clear_folder(upstream):
    def captioned(number, name):
        return {"image": upstream.stored(number), "caption": f"A scene with {name}.", "name": name}

    upstream.parquet("forget10", [captioned(0, "Ada Example"), {**captioned(1, "Bo Sample"), "caption": "A scene."}])
    upstream.parquet("retain90", [captioned(n, f"Cy Person{n}") for n in range(2, 6)])
    text = [
        {"image": None, "caption": None, "question": f"Where does Ada Example live ({n})?", "answer": "Oslo."}
        for n in range(20)
    ]
    text += [
        {"image": None, "caption": None, "question": f"Who wrote it ({n})?", "answer": "Nobody."} for n in range(3)
    ]
    mixed = [
        {"image": upstream.stored(0), "caption": "A scene with Ada Example.", "question": None, "answer": None},
        *text,
    ]
    upstream.parquet("forget10+tofu", mixed, image=STRUCT)
    other = {
        "paraphrased_caption": "Ada Example stands there.",
        "perturbed_captions": ["A scene with Eve."],
        "perturbed_names": ["Eve"],
    }
    rows = [captioned(0, "Ada Example") | other]
    rows += [captioned(1, "Bo Sample") | {"caption": "A scene.", "perturbed_captions": [], "perturbed_names": []}]
    upstream.parquet("forget10_perturbed", rows)
    upstream.parquet(
        "real_faces",
        [
            {"image": upstream.stored(7), "question": "Who?", "answer": "x", "options": ["x", "y", "z"]},
            {"image": upstream.stored(8), "question": "Who?", "answer": "q", "options": ["x", "y", "z"]},
        ],
    )
    return upstream.folder


def test_clear_tells_captions_names_and_texts_apart(upstream):
    source = clear(clear_folder(upstream))
    forgotten = asked(source, Role.FORGET)
    assert [(i.kind, i.modality) for i in forgotten[:2]] == [
        (Kind.CAPTION, Modality.IMAGE_TEXT),
        (Kind.OPEN, Modality.IMAGE_TEXT),
    ]
    assert forgotten[1].answer == "Ada Example"
    texts = [i for i in forgotten if i.modality is Modality.TEXT]
    assert len(texts) == 23
    assert {i.entity_id for i in texts[:20]} == {"Ada Example"}
    assert {i.entity_id for i in texts[20:]} == {"forget10.author1"}  # a block that names nobody
    assert source.image(forgotten[0].images[0]).size == (8, 8)


def test_clear_joins_the_perturbed_config_and_an_empty_list_is_none(upstream):
    captions = [i for i in asked(clear(clear_folder(upstream)), Role.FORGET) if i.kind is Kind.CAPTION]
    assert captions[0].perturbed_answers == ("A scene with Eve.",)
    assert captions[0].paraphrased_answer == "Ada Example stands there."
    assert captions[1].perturbed_answers == ()
    assert captions[1].subject not in captions[1].answer


def test_clear_adds_a_missing_answer_to_the_options_and_says_so(upstream):
    real = asked(clear(clear_folder(upstream)), Role.REAL)
    assert [(i.choices, i.group) for i in real] == [
        (("x", "y", "z"), "real_faces"),
        (("x", "y", "z", "q"), "real_faces: answer added to the options"),
    ]


def test_clear_without_a_name_says_where(upstream):
    clear_folder(upstream)
    upstream.parquet("forget10", [{"image": upstream.stored(0), "caption": "A scene.", "nam": "Ada"}])
    fails(clear(upstream.folder), "forget10/train-00000-of-00001.parquet, row 0, key 'name': is missing", "'nam'?")


# -- UMU-Bench ---------------------------------------------------------------------------------------------------------


def umu_person(upstream, number, multi="muitimodal", letter="B. pilot"):
    options = {"A": "baker", "B": "pilot", "C": "nurse", "D": "it's none"}
    one = {"question": "Which job?", "options": options, "answer": letter}
    cloze = {"question": "She's a __.", "answer": "pilot"}
    return {
        "ID": str(number),
        "image": upstream.stored(number),
        "Biography": "…",
        "MM_QA": repr({"question": {"q1": "Who's this?"}, "answer": {"q1": "It's Ann."}}),
        "UM_QA": repr({"question": {"q1": "What's Ann's job?"}, "answer": {"q1": "Pilot."}}),
        "Classify": repr({"unimodal": {"q1": one, "q2": one}, multi: {"q1": one}}),
        "Cloze": repr({"unimodal": {"q1": cloze}, multi: {"q1": cloze}}),
        "Generation": repr({"unimodal": {"q1": cloze}, multi: {"q1": cloze}}),
    }


def umu_folder(upstream, **changes):
    upstream.parquet("forget_5", [umu_person(upstream, 12) | changes])
    upstream.parquet("retain_95", [umu_person(upstream, n, letter="pilot") for n in (1, 2, 3)])
    upstream.parquet("real_person", [umu_person(upstream, 9, multi="multimodal", letter="B")])
    return umu_bench(upstream.folder)


def test_umu_reads_python_literals_pairs_and_both_spellings(upstream):
    source = umu_folder(upstream)
    forgotten = asked(source, Role.FORGET)
    assert len(forgotten) == 7
    pairs = {}
    for item in forgotten:
        pairs.setdefault(item.pair_id, set()).add(item.modality)
    assert pairs["umu.12.choice.q1"] == {Modality.TEXT, Modality.IMAGE_TEXT}
    assert pairs["umu.12.choice.q2"] == {Modality.TEXT}  # a key in one modality only
    assert {i.answer for i in source.items(Split.EVALUATE) if i.kind is Kind.CHOICE} == {"pilot"}
    assert len(asked(source, Role.REAL)) == 7
    assert [i.answer for i in source.items(Split.FORGET_TRAIN)] == ["It's Ann.", "Pilot."]


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("Cloze", "{'unimodal': {", "key 'Cloze': is no Python literal"),
        ("Cloze", "__import__('os').getcwd()", "key 'Cloze': is no Python literal"),
        ("MM_QA", "{'question': {'q1': 'a'}, 'answer': {'q2': 'b'}}", "do not have the same keys: q1, q2"),
        (
            "Classify",
            "{'unimodal': {'q1': {'question': '?', 'options': {'A': 'x', 'B': 'y'}, 'answer': 'C. z'}}}",
            "unimodal.q1: the answer 'C. z' is none of the options",
        ),
    ],
)
def test_umu_broken_literals_say_where_and_run_nothing(upstream, key, value, words):
    fails(umu_folder(upstream, **{key: value}), "forget_5/train-00000-of-00001.parquet, row 0", words)


# -- TOFU --------------------------------------------------------------------------------------------------------------


def tofu_rows(name, count):
    return [{"question": f"{name} {n}?", "answer": f"answer {n}"} for n in range(count)]


def test_tofu_joins_perturbed_rows_by_the_question_and_keeps_authors_together(upstream):
    upstream.jsonl("forget10.json", tofu_rows("forget", 41))
    upstream.jsonl("retain90.json", tofu_rows("retain", 40))
    more = {"paraphrased_answer": "p", "perturbed_answer": ["w1", "w2"]}
    upstream.jsonl("forget10_perturbed.json", [row | more for row in reversed(tofu_rows("forget", 40))])
    upstream.json("world_facts.json", tofu_rows("world", 2))
    source = tofu(upstream.folder)
    forgotten = asked(source, Role.FORGET)
    assert [i.entity_id for i in forgotten[19:21]] == ["forget10.author0", "forget10.author1"]
    assert (forgotten[3].answer, forgotten[3].perturbed_answers) == ("answer 3", ("w1", "w2"))
    assert forgotten[40].perturbed_answers == ()
    assert {i.modality for i in source.items(Split.EVALUATE)} == {Modality.TEXT}
    assert len(source.items(Split.FORGET_TRAIN)) == 41
    assert len(asked(source, Role.REAL)) == 2


def test_tofu_has_three_ratios_and_a_broken_line_is_named(upstream):
    with pytest.raises(UserError, match="no split that forgets 7 %"):
        tofu(upstream.folder.parent, forget_percent=7)
    upstream.jsonl("retain90.json", tofu_rows("retain", 2))
    upstream.jsonl("forget10.json", [*tofu_rows("forget", 2), {"question": "and?", "anser": "x"}])
    fails(tofu(upstream.folder), "forget10.json, line 3, key 'answer': is missing", "try 'anser'?")
    (upstream.folder / "forget10.json").write_text('{"question": "a", "answer": "b"}\n{"question": \n')
    fails(tofu(upstream.folder), "not JSON", "forget10.json, line 2")


# -- FIUBench ----------------------------------------------------------------------------------------------------------


def fiu_people(upstream, count=6):
    people = []
    for number in range(1, count + 1):
        name = f"faces/{number:08}.png"
        upstream.picture(f"dataset/{name}", number)
        fact = {
            "question": "Where does she live?",
            "answer": "In Oslo, Norway.",
            "keywords": ["Oslo", "Norway"],
            "paraphrased_question": ["a?", "b?", "c?"],
            "paraphrased_answer": "Oslo.",
            "perturbed_answer": ["In Rome.", "In Bern."],
        }
        plain = {"question": "What is her name?", "answer": "Ann."}
        people.append(
            {"unique_id": f"{number:08}", "image_path": f"dataset/{name}", "caption": "", "qa_list": [fact, plain]}
        )
    return people


@pytest.mark.parametrize("form", ["list", "lines"])
def test_fiubench_as_a_list_and_as_lines_with_whole_numbers_for_ids(upstream, form):
    people = fiu_people(upstream)
    write = upstream.json if form == "list" else upstream.jsonl
    write("dataset/full.json", people)
    upstream.json("dataset/split.json", {"forget5": [1, "00000003"], "retain5": ["00000004"]})
    source = fiubench(upstream.folder)
    assert source.requested(Fold.TEST) == {"00000001", "00000003"}
    first, second = asked(source, Role.FORGET)[:2]
    assert (first.keywords, first.paraphrases, len(first.perturbed_answers)) == (
        ("Oslo", "Norway"),
        ("a?", "b?", "c?"),
        2,
    )
    assert second.keywords == ()
    assert source.image(first.images[0]).size == (8, 8)


def test_fiubench_ids_that_nobody_has_and_lists_that_are_not_there(upstream):
    upstream.json("full.json", fiu_people(upstream))
    upstream.json("split.json", {"forget5": ["00000099"]})
    fails(fiubench(upstream.folder), "full.json does not have: 00000099", "split.json, key 'forget5'")
    fails(fiubench(upstream.folder, forget_percent=10), "there is no list 'forget10'", "try  forget5")
    upstream.json("split.json", {"forget5": "00000001"})
    fails(fiubench(upstream.folder), "not a list of ids", "key 'forget5'")
    broken = fiu_people(upstream)
    del broken[4]["qa_list"][1]["answer"]
    upstream.json("full.json", broken)
    upstream.json("split.json", {"forget5": ["00000001"]})
    fails(fiubench(upstream.folder), "full.json, row 4, key 'qa_list.1.answer': is missing")


def test_fiubench_retains_nobody_of_the_other_requests_and_only_the_target_memorises_them(upstream):
    """Upstream has 4 + 20 + 40 people in its three requests and retains the 336 others of 400, whatever the ratio."""
    upstream.json("full.json", fiu_people(upstream, 9))
    lists = {"forget1": ["00000001"], "forget5": ["00000002", "00000003"], "forget10": [4, 5, 6], "retain5": [7]}
    upstream.json("split.json", lists)

    def people(items):
        return sorted({int(item.entity_id) for item in items})

    for percent, forgotten in ((1, [1]), (5, [2, 3]), (10, [4, 5, 6])):
        source = fiubench(upstream.folder, forget_percent=percent)
        assert people(source.items(Split.MEMORISE_ALL)) == [1, 2, 3, 4, 5, 6, 7, 8, 9]
        assert people(source.items(Split.MEMORISE_RETAIN)) == [7, 8, 9]
        assert people(source.items(Split.FORGET_TRAIN)) == forgotten
        assert set(people(source.items(Split.RETAIN_TRAIN))) <= {7, 8, 9}
        assert people(asked(source, Role.RETAIN)) == [7, 8, 9]
        assert people(asked(source)) == sorted([*forgotten, 7, 8, 9])
        assert {int(one) for one in source.requested(Fold.VALIDATION)} <= {7, 8, 9}
    targets = {split_digest(fiubench(upstream.folder, p), Split.MEMORISE_ALL) for p in (1, 5, 10)}
    golds = {split_digest(fiubench(upstream.folder, p), Split.MEMORISE_RETAIN) for p in (1, 5, 10)}
    assert (len(targets), len(golds)) == (1, 1)  # one target and one gold for all three requests


def test_fiubench_of_another_request_comes_back_from_the_canonical_format(upstream, tmp_path):
    upstream.json("full.json", fiu_people(upstream, 6))
    upstream.json("split.json", {"forget1": [1], "forget5": [2, 3], "forget10": [4]})
    source = fiubench(upstream.folder)
    assert check(source).ok()
    assert check(source).entities == {"forget": 2, "retain": 2}
    convert(source, tmp_path / "out", licence="-")
    stored = canonical_folder(tmp_path / "out")
    for split in Split:
        assert stored.items(split) == source.items(split)


def test_fiubench_pictures_of_the_hub_lie_without_upstreams_folder(upstream):
    people = fiu_people(upstream, 3)
    for number, person in enumerate(people):
        person["image_path"] = f"./dataset/SFHQ/SFHQ_pt1_{number}.jpg"
        upstream.picture(f"SFHQ/SFHQ_pt1_{number}.jpg", number)
    upstream.json("dataset/full.json", people)
    upstream.json("dataset/split.json", {"forget5": [1]})
    source = fiubench(upstream.folder)
    assert check(source).ok()
    assert {source.image(item.images[0]).size for item in asked(source)} == {(8, 8)}
    (upstream.folder / "SFHQ/SFHQ_pt1_0.jpg").unlink()
    with pytest.raises(UserError, match="no such image file"):
        source.image("file:./dataset/SFHQ/SFHQ_pt1_0.jpg")


# -- dialogues: OFFSIDE, MLUBench --------------------------------------------------------------------------------------


def test_offside_pictures_are_the_unit_and_text_rows_stand_alone(upstream):
    for number in (1, 2):
        upstream.picture(f"p/{number}.png", number)

    def row(image, answer="Yes, he did."):
        turns = [{"role": "user", "content": "<image>Did he?"}, {"role": "assistant", "content": answer}]
        return {"messages": turns} | ({"images": image} if image else {})

    upstream.json("data/forget.json", [row("p/1.png"), row(["p/1.png"]), row(None)])
    upstream.json("data/retain.json", [row("p/2.png"), row("p/2.png")])
    choice = {"Question": "Who?", "Options": {"A": "x", "B": "y"}, "Correct_Answer": "A", "images": "p/1.png"}
    upstream.json("data/forget_classification.json", [choice])
    source = offside(upstream.folder)
    forgotten = asked(source, Role.FORGET)
    assert sorted(i.kind for i in forgotten) == ["choice", "open", "open", "open"]
    assert {(i.entity_id, i.group) for i in forgotten if i.images} == {("p/1.png", "p")}
    assert [i.question for i in forgotten if not i.images] == ["Did he?"]
    assert source.image("file:p/1.png").size == (8, 8)
    upstream.json("data/retain.json", [{"messages": [{"role": "narrator", "content": "x"}], "images": []}])
    fails(offside(upstream.folder), "data/retain.json, row 0, key 'messages.0'", "unknown speaker 'narrator'")


def test_offside_trains_on_its_training_file_and_only_asks_the_others(upstream):
    def row(number, question="<image>Did he?"):
        turns = [{"role": "user", "content": question}, {"role": "assistant", "content": f"Yes, {number}."}]
        return {"messages": turns, "images": f"p/{number}.png"}

    for number in range(7):
        upstream.picture(f"p/{number}.png", number)
    upstream.json("train_data.json", [row(n) for n in (1, 2, 3, 4)])
    upstream.json("forget_set.json", [row(1), row(2)])
    upstream.json("forget_set_part.json", [row(1)])
    upstream.json("retain_set.json", [row(3), row(4)])
    upstream.json("test_set.json", [row(5), row(6)])
    upstream.json("latest_notes.json", {"no": "table"})
    source = offside(upstream.folder)
    assert [i.entity_id for i in source.items(Split.MEMORISE_ALL)] == [f"p/{n}.png" for n in (1, 2, 3, 4)]
    assert [i.entity_id for i in source.items(Split.MEMORISE_RETAIN)] == ["p/3.png", "p/4.png"]
    assert [i.entity_id for i in source.items(Split.FORGET_TRAIN)] == ["p/1.png", "p/2.png"]
    assert [i.entity_id for i in asked(source, Role.FORGET)] == ["p/1.png", "p/2.png"]
    assert [i.entity_id for i in asked(source, Role.RETAIN)] == [f"p/{n}.png" for n in (3, 4, 5, 6)]
    assert source.requested(Fold.VALIDATION) <= {"p/3.png", "p/4.png"}  # only who was memorised can be forgotten
    assert check(source).ok()
    (upstream.folder / "train_data.json").unlink()  # without it the questions of forget and retain are memorised
    assert len(offside(upstream.folder).items(Split.MEMORISE_ALL)) == 4
    (upstream.folder / "forget_set.json").unlink()  # the selective setting alone
    assert [i.entity_id for i in asked(offside(upstream.folder), Role.FORGET)] == ["p/1.png"]


def _scored(item, *said):
    return [ITEM_METRICS["choice_text"](item, Prediction(item.item_id, "run", text)) for text in said]


def test_offsides_truth_is_its_letter_where_its_text_stands_twice(upstream):
    """The record is MLLMU-Bench's, and so is its rule."""
    twins = {"Question": "Who?", "Options": {"A": "x", "B": "x", "C": "y"}, "Correct_Answer": "B", "images": "p/1.png"}
    turns = [{"role": "user", "content": "<image>Did he?"}, {"role": "assistant", "content": "He did."}]
    upstream.json("forget_classification.json", [twins, twins | {"Correct_Answer": "C"}])
    upstream.json("retain_set.json", [{"messages": turns, "images": "p/2.png"}])
    first, second = (item for item in asked(offside(upstream.folder), Role.FORGET) if item.kind is Kind.CHOICE)
    assert (first.answer, second.answer) == ("B", "y")
    assert _scored(first, "B", "A", "x") == [1, 0, 0]
    assert _scored(second, "C", "y", "A") == [1, 1, 0]


def test_umus_truth_is_its_letter_where_its_text_stands_twice(upstream):
    """Upstream compares texts, so its own rule takes either of two twins; the strict one takes the letter's."""
    options = {"A": "pilot", "B": "pilot", "C": "nurse"}
    for written in ("B. pilot", "B"):
        one = {"question": "Which job?", "options": options, "answer": written}
        source = umu_folder(upstream, Classify=repr({"unimodal": {"q1": one}, "muitimodal": {"q1": one}}))
        for item in (item for item in asked(source, Role.FORGET) if item.kind is Kind.CHOICE):
            assert _scored(item, "B", "A", "pilot") == [1, 0, 0]
            assert ITEM_METRICS["choice_nearest"](item, Prediction(item.item_id, "run", "pilot")) == 1
            assert ITEM_METRICS["choice_nearest"](item, Prediction(item.item_id, "run", "nurse")) == 0


@pytest.mark.parametrize(
    ("written", "asked_as"),
    [
        ("<image>Did he?", "Did he?"),
        ("<image>\nDid he?", "Did he?"),
        ("Who is the player shown here <image>?", "Who is the player shown here?"),
        ("In this picture <image> who scores?", "In this picture who scores?"),
        ("Who scores? <image>", "Who scores?"),
        ("<image> <image> Who is left of <image>, and who cheers <image> ?", "Who is left of, and who cheers?"),
        ("Who , scores ?", "Who , scores ?"),
    ],
)
def test_the_place_of_a_picture_leaves_no_hole_in_a_sentence(upstream, written, asked_as):
    turns = [{"role": "user", "content": written}, {"role": "assistant", "content": "He."}]
    upstream.json("forget_set.json", [{"messages": turns, "images": "p/1.png"}])
    upstream.json("retain_set.json", [{"messages": turns, "images": "p/2.png"}])
    assert asked(offside(upstream.folder), Role.FORGET)[0].question == asked_as


TURNS = [
    {"from": "human", "value": "<image>\nWhat is it?"},
    {"from": "gpt", "value": "A dog."},
    {"from": "human", "value": "Which one?"},
    {"from": "gpt", "value": "A poodle."},
]


def lifelong(upstream, request, forget, retain):
    """A request of MLUBench: (class, entity, upstream's id) of each row."""
    for part, rows in (("forget", forget), ("retain", retain)):
        written = []
        for number, (kind, entity, own) in enumerate(rows):
            image = f"downloaded_images/{kind}/{entity}/image_{number}.jpg"
            upstream.picture(image, number)
            written.append({"id": own, "image": image, "conversations": TURNS[:2]})
        upstream.json(f"Tasks/Task{request}/task{request}_{part}.json", written)


def test_mlubench_entities_are_those_of_the_pictures_whatever_ids_they_share(upstream):
    for request in "ABCD":
        forget = [("Cartoon", f"{request}_Film", "26"), ("Cartoon", f"{request}_Film", "27"), ("Dog", "Rex", "26")]
        lifelong(upstream, request, forget, [("Cat", "Tom", "26"), ("Cat", "Kit", "26")])
    for step, request in (("A", "A"), ("b", "B"), (3, "C"), ("4", "D")):
        source = open_source("mlubench", {"path": str(upstream.folder), "step": step})
        forgotten = asked(source, Role.FORGET)
        assert [(i.entity_id, i.group) for i in forgotten] == [
            (f"{request}_Film", "Cartoon"), (f"{request}_Film", "Cartoon"), ("Rex", "Dog"),
        ]  # fmt: skip
        assert source.requested(Fold.TEST) == {f"{request}_Film", "Rex"}
        assert [i.entity_id for i in asked(source, Role.RETAIN)] == ["Tom", "Kit"]
        assert source.image(forgotten[0].images[0]).size == (8, 8)
    assert asked(mlubench(upstream.folder), Role.FORGET)[0].entity_id == "A_Film"  # the first by default
    for step in ("E", 0, 5, "AB", ""):
        with pytest.raises(UserError, match="has no request"):
            mlubench(upstream.folder, step=step)


def test_mlubench_reads_every_turn_and_rows_without_a_picture(upstream):
    upstream.picture("downloaded_images/Dog/Rex/1.png")
    seen = {"id": "7", "image": "downloaded_images/Dog/Rex/1.png", "conversations": TURNS}
    upstream.json("MLUBench/Tasks/TaskB/taskB_forget.json", [seen])
    upstream.json("MLUBench/Tasks/TaskB/taskB_retain.json", [{"id": 8, "conversations": TURNS[:2]}])
    source = mlubench(upstream.folder, step="B")
    assert [(i.question, i.answer) for i in asked(source, Role.FORGET)] == [
        ("What is it?", "A dog."),
        ("Which one?", "A poodle."),
    ]
    assert [(i.modality, i.entity_id) for i in asked(source, Role.RETAIN)] == [(Modality.TEXT, "retain-8")]
    broken = [{"id": "8", "conversations": [{"from": "gpt"}]}]
    upstream.json("MLUBench/Tasks/TaskB/taskB_retain.json", broken)
    fails(mlubench(upstream.folder, step="B"), "taskB_retain.json, row 0, key 'conversations.0': 'value' is missing")


# -- SafeEraser, UnLOK-VQA ---------------------------------------------------------------------------------------------


def eraser_row(**changes):
    unsafe = {"question": "How?", "model_response": "So.", "sd_question": "How, drawn?", "sd_response": "So too."}
    return {
        "image_path": "i/1.png",
        "SDImage_path": "sd/1.png",
        "category": "c",
        "unsafe_pairs": [unsafe, {"question": "And?", "model_response1": "a", "model_response2": "b"}],
        "UnharmPair_text1": {"Question": "What colour?", "Answer": "Red."},
        "UnharmPair_image1": {"Question": "How many?", "Prediction": "Two."},
    } | changes


def test_safe_eraser_forgets_harm_and_keeps_harmless_questions_about_the_same_picture(upstream):
    upstream.json("all_train.json", [eraser_row()])
    other = eraser_row(image_id="i/2.png")
    del other["image_path"]
    upstream.json("all_val.json", [other])
    source = safe_eraser(upstream.folder)
    assert [i.answer for i in asked(source, Role.FORGET)] == ["So.", "a"]
    assert [i.accepted for i in asked(source, Role.FORGET)] == [(), ("b",)]
    assert [i.answer for i in asked(source, Role.RETAIN)] == ["So too.", "Red.", "Two."]
    assert [i.images[0] for i in asked(source, Role.RETAIN)] == ["file:sd/1.png", "file:i/2.png", "file:i/2.png"]
    assert len(source.items(Split.FORGET_TRAIN)) == 2
    assert {i.answer for i in source.items(Split.MEMORISE_RETAIN)} == {"So too.", "Red.", "Two."}
    assert not {i.entity_id for i in asked(source, Role.FORGET)} & {i.entity_id for i in asked(source, Role.RETAIN)}
    with pytest.raises(UserError, match="nobody to validate on"):
        source.items(Split.EVALUATE, Fold.VALIDATION)
    upstream.json("all_val.json", [eraser_row(), eraser_row(SDImage_path=None)])
    fails(safe_eraser(upstream.folder), "all_val.json, row 1", "'SDImage_path' is missing")


def test_unlok_facts_and_their_neighbours(upstream):
    upstream.picture("coco/123.png")
    fact = {
        "id": 1,
        "src": "What breed?",
        "pred": "poodle",
        "loc": ["Which colour?"],
        "loc_ans": "white",
        "image_id": 123,
    }
    upstream.json("unlok.json", [fact, fact | {"id": 2, "loc": ["a?", "b?"], "loc_ans": ["x", "y"]}])
    source = unlok_vqa(upstream.folder, image_folder="coco", image_name="{id}.png")
    assert [i.answer for i in asked(source, Role.FORGET)] == ["poodle", "poodle"]
    assert [i.answer for i in asked(source, Role.RETAIN)] == ["white", "x", "y"]
    assert source.image(asked(source)[0].images[0]).size == (8, 8)
    upstream.json("unlok.json", [fact | {"loc": ["a?", "b?"], "loc_ans": ["x", "y", "z"]}])
    fails(unlok_vqa(upstream.folder), "unlok.json, row 0", "'loc_ans' has 3 answers for 2 questions")
    with pytest.raises(UserError, match="cannot be filled"):
        unlok_vqa(upstream.folder, image_name="{name}.png")


def test_unlok_neighbours_lose_their_prefix_and_pictures_are_found_where_upstream_keeps_them(upstream):
    upstream.picture("coco2017/train2017/000000000123.jpg", 1)
    upstream.picture("coco2017/val2017/000000000124.jpg", 2)
    upstream.picture("COCO_train2014_000000000125.jpg", 3)
    loc = ["nq question: where is the louvre", "NQ question:who painted it?", "Which nq question: is this?"]
    fact = {"id": 1, "src": "What breed?", "pred": "poodle", "loc": loc, "loc_ans": ["a", "b", "c"]}
    upstream.json("zsre_mend_eval.json", [fact | {"id": n, "image_id": n} for n in (123, 124, 125)])
    source = unlok_vqa(upstream.folder)
    assert [i.question for i in asked(source, Role.RETAIN)][:3] == [
        "where is the louvre",
        "who painted it?",
        "Which nq question: is this?",
    ]
    assert [i.images[0] for i in asked(source, Role.FORGET)] == [
        "file:coco2017/train2017/000000000123.jpg",
        "file:coco2017/val2017/000000000124.jpg",
        "file:COCO_train2014_000000000125.jpg",
    ]
    upstream.json("zsre_mend_eval.json", [fact | {"image_id": 9}])
    with pytest.raises(UserError, match="no such image file") as error:
        unlok_vqa(upstream.folder).image("file:coco2017/train2017/000000000009.jpg")
    assert "coco2017/train2017/000000000009.jpg" in error.value.where


# -- any columns -------------------------------------------------------------------------------------------------------

MAPPING = {
    "forget": "forget.jsonl",
    "retain": "keep.jsonl",
    "understanding_forget": "see.jsonl",
    "entity": "who.id",
    "question": "q",
    "answer": "a",
    "image": "photo",
    "kind_column": "form",
    "choices": "options",
    "image_folder": "pictures",
}


def mapped_rows(upstream):
    def row(number, form="open"):
        upstream.picture(f"pictures/{number}.png", number)
        options = ["red", "blue"] if form == "choice" else None
        return {"who": {"id": number}, "q": "?", "a": "red", "photo": f"{number}.png", "form": form, "options": options}

    upstream.jsonl("forget.jsonl", [row(1), row(1, "choice")])
    upstream.jsonl("keep.jsonl", [row(2), row(3), row(4)])
    upstream.jsonl("see.jsonl", [row(1)])
    return row


def test_columns_named_in_a_task_file_are_a_data_set(upstream):
    mapped_rows(upstream)
    source = open_source("mapped", MAPPING | {"path": str(upstream.folder), "name": "mine"})
    assert [(i.role.value, i.kind.value, i.entity_id) for i in source.items(Split.EVALUATE)[:3]] == [
        ("forget", "open", "1"),
        ("forget", "choice", "1"),
        ("retain", "open", "2"),
    ]
    assert [i.benchmark for i in asked(source, Role.UNDERSTANDING_FORGET)] == ["mine"]
    assert len(source.items(Split.FORGET_TRAIN)) == 2
    assert source.image(asked(source)[0].images[0]).size == (8, 8)


def test_a_training_file_of_its_own_is_split_by_the_people(upstream):
    row = mapped_rows(upstream)
    upstream.jsonl("train.jsonl", [row(n) for n in (1, 2, 2, 3)])
    source = open_source("mapped", MAPPING | {"path": str(upstream.folder), "train": "train.jsonl"})
    assert len(source.items(Split.MEMORISE_ALL)) == 4
    assert len(source.items(Split.MEMORISE_RETAIN)) == 3
    assert len(source.items(Split.FORGET_TRAIN)) == 1
    assert "entity is forgotten and retained" not in {finding.what for finding in check(source).findings}


def test_a_wrong_mapping_names_the_column_and_the_row(upstream):
    mapped_rows(upstream)
    wrong = MAPPING | {"path": str(upstream.folder), "answer": "answer"}
    fails(open_source("mapped", wrong), "forget.jsonl, line 1, key 'answer': is missing")
    with pytest.raises(UserError, match="unknown argument of adapter 'mapped' 'anser'"):
        open_source("mapped", MAPPING | {"anser": "a"})
    with pytest.raises(UserError, match="unknown kind 'opne'"):
        open_source("mapped", MAPPING | {"path": str(upstream.folder), "kind": "opne"})


def test_nothing_is_fetched_offline(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="'therem/CLEAR' is not on this machine and cannot be fetched") as error:
        clear()
    assert "--data DIR" in error.value.fix


def test_a_request_without_training_rows_is_told_before_anything_trains(upstream):
    row = mapped_rows(upstream)
    upstream.jsonl("train.jsonl", [row(n) for n in (2, 3)])
    source = open_source("mapped", MAPPING | {"path": str(upstream.folder), "train": "train.jsonl"})
    for split in (Split.FORGET_TRAIN, Split.RETAIN_TRAIN):
        with pytest.raises(UserError, match="no training rows about what is to be forgotten"):
            source.items(split)
