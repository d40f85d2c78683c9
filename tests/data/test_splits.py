"""Who and which photo is in which split; nothing leaks between forgetting, keeping and evaluating."""

import json
from dataclasses import asdict

import pytest

from smllmun_bench import tasks
from smllmun_bench.data.combined import TaskData
from smllmun_bench.data.rows import requested
from smllmun_bench.data.source import Split, item_lines, split_digest
from smllmun_bench.data.synthetic.smllmun import smllmun_synthetic
from smllmun_bench.errors import UserError
from smllmun_bench.schema import Fold, Kind, Modality, Role

TRAINING = (Split.MEMORISE_ALL, Split.MEMORISE_RETAIN, Split.FORGET_TRAIN, Split.RETAIN_TRAIN)
BOTH_FOLDS = pytest.mark.parametrize("fold", list(Fold))


def entities(items, *roles) -> set[str]:
    return {item.entity_id for item in items if not roles or item.role in roles}


def photos(items) -> set[str]:
    return {ref for item in items for ref in item.images}


@BOTH_FOLDS
@pytest.mark.parametrize("split", TRAINING)
def test_training_photos_are_never_evaluated_on(source, split, fold):
    evaluated = photos(source.items(Split.EVALUATE)) | photos(source.items(Split.EVALUATE, Fold.VALIDATION))
    assert not photos(source.items(split, fold)) & evaluated
    assert all(int(ref.split("/")[1]) < 16 for ref in photos(source.items(split, fold)))


def test_evaluation_uses_all_four_unseen_photos(source):
    assert {int(ref.split("/")[1]) for ref in photos(source.items(Split.EVALUATE))} == {16, 17, 18, 19}


def test_every_training_photo_of_a_member_is_used(source):
    seen = photos(item for item in source.items(Split.MEMORISE_ALL) if item.entity_id == "p0000")
    assert len(seen) == 16


@BOTH_FOLDS
def test_forgotten_and_kept_people_are_others(source, fold):
    evaluated = source.items(Split.EVALUATE, fold)
    forgotten = entities(evaluated, Role.FORGET, Role.UNDERSTANDING_FORGET)
    kept = entities(evaluated, Role.RETAIN, Role.UNDERSTANDING_RETAIN)
    few = entities(source.items(Split.RETAIN_TRAIN, fold))
    assert forgotten == requested(source.rows, fold, 10) == entities(source.items(Split.FORGET_TRAIN, fold))
    assert len(forgotten) == len(kept) == 6
    assert not forgotten & kept
    assert not few & (forgotten | kept)


def test_validation_has_nobody_in_common_with_the_test(source):
    test, validation = (entities(source.items(Split.EVALUATE, fold)) for fold in Fold)
    assert not test & validation


@BOTH_FOLDS
def test_gold_has_seen_everybody_but_the_request(source, fold):
    everybody, without = source.items(Split.MEMORISE_ALL, fold), source.items(Split.MEMORISE_RETAIN, fold)
    assert entities(everybody) - entities(without) == requested(source.rows, fold, 10)
    assert set(without) < set(everybody)


def test_nonmembers_are_never_trained_on(source):
    strangers = source.items(Split.NONMEMBER)
    assert entities(strangers)
    assert {item.role for item in strangers} == {Role.TEST}
    assert not entities(strangers) & (
        entities(source.items(Split.MEMORISE_ALL)) | entities(source.items(Split.EVALUATE))
    )


def test_a_method_gets_all_facts_of_the_request_and_as_many_other_rows(source):
    forget, retain = source.items(Split.FORGET_TRAIN), source.items(Split.RETAIN_TRAIN)
    assert len(forget) == len(retain)
    assert {item.kind for item in forget} == {Kind.OPEN, Kind.CLOZE}
    assert {item.modality for item in forget} == set(Modality)
    assert entities(retain, Role.UNDERSTANDING_RETAIN)
    taught = {(item.entity_id, item.answer) for item in forget}
    asked = {(i.entity_id, i.answer) for i in source.items(Split.EVALUATE) if i.role is Role.FORGET}
    assert taught == asked


def test_paraphrases_are_not_trained_on(source):
    trained = {item.question for item in source.items(Split.MEMORISE_ALL)}
    assert not any(set(item.paraphrases) & trained for item in source.items(Split.EVALUATE))


@BOTH_FOLDS
@pytest.mark.parametrize("split", list(Split))
def test_ids_are_unique(source, split, fold):
    items = source.items(split, fold)
    assert len({item.item_id for item in items}) == len(items) > 0


def test_ratios_are_nested():
    sources = [smllmun_synthetic(60, 3, percent) for percent in (5, 10, 15)]
    for split in (Split.FORGET_TRAIN, Split.RETAIN_TRAIN):
        five, ten, fifteen = ({item.item_id for item in s.items(split)} for s in sources)
        assert five < ten < fifteen
    kept = [[i for i in s.items(Split.EVALUATE) if i.role is Role.RETAIN] for s in sources]
    assert kept[0] == kept[1] == kept[2]


def test_digests_tell_data_apart_and_let_ratios_share_the_target(source):
    again, five = smllmun_synthetic(60, 3, 10), smllmun_synthetic(60, 3, 5)
    assert source.digest == again.digest
    assert len({source.digest, five.digest, smllmun_synthetic(60, 4, 10).digest}) == 3
    assert smllmun_synthetic(60, 3, 10, image_size=32).digest != source.digest
    assert split_digest(source, Split.MEMORISE_ALL) == split_digest(five, Split.MEMORISE_ALL)
    assert split_digest(source, Split.MEMORISE_RETAIN) != split_digest(five, Split.MEMORISE_RETAIN)


def test_images_open_by_reference(source):
    image = source.image("p0007/16")
    assert (image.size, image.mode) == ((48, 48), "RGB")
    assert image.tobytes() == source.image("p0007/16").tobytes() != source.image("p0007/17").tobytes()


@pytest.mark.parametrize("ref", ["p0007/20", "p9999/00", "p0007", "../p0007/00"])
def test_an_unknown_image_is_a_readable_error(source, ref):
    with pytest.raises(UserError, match="there is no image"):
        source.image(ref)


@pytest.mark.parametrize("percent", [0, -5, 16, 100])
def test_an_impossible_ratio_is_refused(percent):
    with pytest.raises(UserError, match=f"cannot forget {percent} %"):
        smllmun_synthetic(20, 0, percent)


def test_an_item_is_digested_as_the_json_of_its_fields(source):
    """Keys of everything that is stored depend on these lines."""
    items = source.items(Split.EVALUATE)
    lines = [json.dumps(asdict(item), sort_keys=True, ensure_ascii=False) for item in items]
    assert list(item_lines(items)) == lines


def test_whoever_changes_a_list_of_questions_changes_no_other():
    data = TaskData(tasks.load("smllmun-nano"), 10)
    first = data.evaluation(Fold.TEST)
    digest = data.evaluation_digest(first)
    first.clear()
    assert data.evaluation_digest(data.evaluation(Fold.TEST)) == digest
    assert data.training_digest(Split.FORGET_TRAIN) == split_digest(data.benchmark, Split.FORGET_TRAIN)
    assert data.training_digest(Split.FORGET_TRAIN, Fold.VALIDATION) != data.training_digest(Split.FORGET_TRAIN)
