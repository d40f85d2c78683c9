"""MLLMU-Bench: the layout upstream's loader reads, its awkward rows, and what a broken row says."""

import json
import shutil

import pyarrow as pa
import pytest

from smllmun_bench.data.benchmarks.mllmu import mllmu_bench
from smllmun_bench.data.source import Split
from smllmun_bench.errors import UserError
from smllmun_bench.metrics.choice import right_choices
from smllmun_bench.schema import Fold, Kind, Modality, Role


def test_roles_kinds_and_modalities_of_the_test_fold(upstream):
    source = mllmu_bench(upstream.mllmu())
    items = source.items(Split.EVALUATE)
    assert len({item.item_id for item in items}) == len(items)
    by_role = {role: [item for item in items if item.role is role] for role in Role}
    assert {role: len(found) for role, found in by_role.items() if found} == {
        Role.FORGET: 12, Role.RETAIN: 36, Role.TEST: 12, Role.REAL: 6,
    }  # fmt: skip
    for found in by_role.values():
        assert not found or {(i.kind, i.modality) for i in found} == {
            (kind, modality) for kind in (Kind.CHOICE, Kind.CLOZE, Kind.OPEN) for modality in Modality
        }


def test_ids_keep_their_zeros_and_celebrities_their_own_names(upstream):
    items = mllmu_bench(upstream.mllmu()).items(Split.EVALUATE)
    assert {i.entity_id for i in items if i.role is Role.FORGET} == {"000", "001"}
    assert {i.entity_id for i in items if i.role is Role.TEST} == {"000", "001"}
    assert {i.entity_id for i in items if i.role is Role.REAL} == {"celebrity-090"}


def test_a_null_option_is_none_and_a_truth_may_stand_twice(upstream):
    items = [i for i in mllmu_bench(upstream.mllmu()).items(Split.EVALUATE) if i.kind is Kind.CHOICE]
    assert {len(i.choices) for i in items if i.entity_id == "001"} == {3}
    twice = [i for i in items if i.entity_id == "000"]
    assert all(len(set(i.choices)) < len(i.choices) for i in twice)
    assert {len(right_choices(i.answer, i.choices)) for i in twice} == {1}  # the letter's own


def test_two_blanks_are_shown_as_blanks(upstream):
    asked = [i.question for i in mllmu_bench(upstream.mllmu()).items(Split.EVALUATE) if i.kind is Kind.CLOZE]
    assert any(question.startswith("The person works as a [Blank] in [Blank].") for question in asked)
    assert not any("__" in question for question in asked)


def test_pictures_open_across_row_groups_and_lists(upstream):
    source = mllmu_bench(upstream.mllmu())
    refs = {item.images[0] for item in source.items(Split.EVALUATE) if item.images}
    colours = {ref: source.image(ref).getpixel((0, 0)) for ref in refs}
    assert len(set(colours.values())) == len(refs) > 8
    assert source.image("row:retain_90/train-00000-of-00001.parquet:4:image").getpixel((0, 0))[2] == 200 - 6


def test_training_comes_from_ft_data_else_metadata_else_the_one_question(upstream):
    folder = upstream.mllmu()
    assert len(mllmu_bench(folder).items(Split.MEMORISE_ALL)) == 8 * 2
    shutil.rmtree(folder / "ft_Data")
    assert len(mllmu_bench(folder).items(Split.MEMORISE_ALL)) == 8
    pairs = json.dumps([{"Question": f"Q{n}?", "Answer": 'It\'s "so"'} for n in range(3)])
    upstream.parquet("forget_10", [upstream.mllmu_person(n, metadata=pairs) for n in range(2)])
    trained = mllmu_bench(folder).items(Split.FORGET_TRAIN)
    assert [item.answer for item in trained] == ['It\'s "so"'] * 6
    assert {item.role for item in trained} == {Role.FORGET}


def test_gold_never_sees_the_forgotten_and_retain_rows_are_as_many(upstream):
    source = mllmu_bench(upstream.mllmu())
    gone = source.requested(Fold.TEST)
    assert not gone & {i.entity_id for i in source.items(Split.MEMORISE_RETAIN)}
    few = source.items(Split.RETAIN_TRAIN)
    assert len(few) == len(source.items(Split.FORGET_TRAIN)) == 4
    assert not gone & {i.entity_id for i in few}


def test_the_validation_fold_has_people_of_its_own_and_never_asks_about_the_test_request(upstream):
    source = mllmu_bench(upstream.mllmu())
    test, validation = source.requested(Fold.TEST), source.requested(Fold.VALIDATION)
    assert len(validation) == 2
    assert not test & validation
    asked = source.items(Split.EVALUATE, Fold.VALIDATION)
    assert not test & {i.entity_id for i in asked}
    assert {i.entity_id for i in asked if i.role is Role.FORGET} == validation


@pytest.mark.parametrize("shots", [1, 2])
def test_few_shot_examples_are_about_people_who_are_not_asked_about(upstream, shots):
    folder = upstream.mllmu()
    plain, source = mllmu_bench(folder), mllmu_bench(folder, few_shot=shots)
    asked = source.items(Split.EVALUATE)
    donors = {i.entity_id for i in plain.items(Split.EVALUATE)} - {i.entity_id for i in asked}
    assert len(donors) == shots
    assert not donors & plain.requested(Fold.TEST)
    assert all(item.question.count("Answer: ") >= shots for item in asked)
    assert source.digest != plain.digest
    assert not any("Answer: " in item.question for item in plain.items(Split.EVALUATE))


def test_too_many_examples_are_refused(upstream):
    with pytest.raises(UserError, match="few_shot is 6, but there are 6 retained people"):
        mllmu_bench(upstream.mllmu(), few_shot=6).items(Split.EVALUATE)


def test_equal_folders_have_equal_digests_wherever_they_lie(upstream, tmp_path):
    folder = upstream.mllmu()
    copy = shutil.copytree(folder, tmp_path / "elsewhere")
    assert mllmu_bench(copy).digest == mllmu_bench(folder).digest
    upstream.parquet("forget_10", [upstream.mllmu_person(n, image=upstream.stored(99)) for n in range(2)])
    assert mllmu_bench(copy).digest != mllmu_bench(folder).digest


def broken(upstream, **changes):
    upstream.mllmu()
    upstream.parquet("forget_10", [upstream.mllmu_person(0), upstream.mllmu_person(1, **changes)])
    return mllmu_bench(upstream.folder)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ID": None}, "key 'ID': input should be a valid string"),
        (
            {"Mask_Task": [{"Question": "A __.", "Ground_Truth": "x", "Type": "image_textual"}]},
            "key 'Mask_Task.0': 'Type' is 'image_textual'",
        ),
        ({"metadata": "[{'Question': 1}]"}, "key 'metadata': is not JSON"),
        (
            {
                "Classification_Task": {
                    "Image_Textual_Questions": [
                        {"Question": "?", "Options": {"A": "x", "B": "y"}, "Correct_Answer": "E"}
                    ],
                    "Pure_Text_Questions": [],
                }
            },
            "'Correct_Answer' 'E' is no option of ['A', 'B'",
        ),
    ],
)
def test_a_broken_row_says_file_row_and_key(upstream, changes, words):
    with pytest.raises(UserError) as error:
        broken(upstream, **changes).items(Split.EVALUATE)
    assert "forget_10/train-00000-of-00001.parquet, row 1, " in error.value.what
    assert words in error.value.what
    assert error.value.where == str(upstream.folder)


def test_a_question_about_a_missing_picture_is_no_text_question(upstream):
    upstream.mllmu()
    rows = [upstream.mllmu_person(0), upstream.mllmu_person(1, image=None)]
    struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    upstream.parquet("forget_10", rows, image=struct)
    with pytest.raises(UserError, match="row 1, key '': 'image' is missing, and there are questions about it"):
        mllmu_bench(upstream.folder).items(Split.EVALUATE)


def test_a_missing_set_names_what_lies_there(upstream):
    folder = upstream.mllmu(percent=5)
    with pytest.raises(UserError, match="no Parquet, JSON or JSONL file for forget_10") as error:
        mllmu_bench(folder).items(Split.EVALUATE)
    assert "forget_5" in error.value.fix


def test_a_path_in_place_of_bytes_stays_inside_the_folder(upstream):
    upstream.mllmu()
    upstream.picture("faces/0.png", 3)
    inside = {"bytes": None, "path": "faces/0.png"}
    outside = {"bytes": None, "path": "../../secret.png"}
    rows = [upstream.mllmu_person(0, image=inside), upstream.mllmu_person(1, image=outside)]
    upstream.parquet("forget_10", rows, image=pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    source = mllmu_bench(upstream.folder)
    ref = "row:forget_10/train-00000-of-00001.parquet:{}:image"
    assert source.image(ref.format(0)).size == (8, 8)
    with pytest.raises(UserError, match="leads out of the folder"):
        source.image(ref.format(1))
