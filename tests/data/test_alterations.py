"""Pictures made of pictures: values by hand, sizes, and that the reference says it all."""

import numpy as np
import pytest
from PIL import Image

from smllmun_bench import tasks
from smllmun_bench.data import alterations
from smllmun_bench.data.combined import TaskData
from smllmun_bench.data.source import Split
from smllmun_bench.errors import UserError
from smllmun_bench.schema import Role

PICTURE = Image.fromarray(np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3))
WHITE = Image.new("RGB", (8, 8), "white")


def source(ref: str) -> Image.Image:
    if alterations.is_altered(ref):
        return alterations.altered(ref, source)
    return {"row:a.parquet:1:image": PICTURE, "white,1": WHITE}[ref]


def pixels(ref: str) -> np.ndarray:
    return np.asarray(source(ref))


REF = "row:a.parquet:1:image"  # references have colons of their own


def test_mirrored_is_from_right_to_left_and_twice_is_the_picture() -> None:
    once = alterations.mirrored(REF)
    assert (pixels(once) == np.asarray(PICTURE)[:, ::-1]).all()
    assert (pixels(alterations.mirrored(once)) == np.asarray(PICTURE)).all()


def test_noise_has_its_strength_and_is_the_same_every_time() -> None:
    ref = alterations.noisy(REF, 0.01)
    apart = pixels(ref).astype(float) - np.asarray(PICTURE)
    assert 0.5 < apart.std() < 6  # 0.01 of 255 is 2.55
    assert (pixels(ref) == pixels(ref)).all()


def test_blur_keeps_what_has_no_edges_and_flattens_the_rest() -> None:
    assert (pixels(alterations.blurred("white,1", 0.5)) == 255).all()
    assert pixels(alterations.blurred(REF, 0.5)).std() < np.asarray(PICTURE).std()


def test_a_crop_is_the_middle_at_the_size_of_the_whole() -> None:
    found = source(alterations.cropped(REF, 0.5))
    assert found.size == PICTURE.size
    assert np.asarray(found).min() >= np.asarray(PICTURE)[1:3, 1:5].min() - 20
    assert np.asarray(found).max() <= np.asarray(PICTURE)[1:3, 1:5].max() + 20


def test_a_group_stands_side_by_side_at_one_height() -> None:
    found = source(alterations.beside(REF, ["white,1", "white,1"], 1))
    assert found.size == (4 + 6 + 4, 4)
    assert (np.asarray(found)[:, 4:10] == np.asarray(PICTURE)).all()
    assert (np.asarray(found)[:, :4] == 255).all()


def test_words_stand_below_the_picture() -> None:
    found = np.asarray(source(alterations.written_under("white,1", "Who: 50 % of it? " * 5)))
    assert found.shape[1] == 336
    assert (found[:336] == 255).all()
    assert (found[336:] < 100).any()


@pytest.mark.parametrize("ref", ["altered:", "altered:sepia=1:x", "altered:blur:x", f"altered:blur=2:{REF}"])
def test_what_is_no_alteration_is_one_message(ref: str) -> None:
    with pytest.raises(UserError, match=r"no image|cannot be altered"):
        source(ref)


def test_a_task_opens_them_and_knows_further_photos() -> None:
    data = TaskData(tasks.load("smllmun-nano"), 15)
    item = next(item for item in data.evaluation("test") if item.role is Role.FORGET and item.images)  # type: ignore[arg-type]
    [ref] = item.images
    assert (np.asarray(data.image(alterations.mirrored(ref))) == np.asarray(data.image(ref))[:, ::-1]).all()
    further = data.benchmark.further_photos(ref)  # type: ignore[attr-defined]
    assert further == [f"{item.entity_id}/{n}" for n in range(16, 20) if f"{item.entity_id}/{n}" != ref]
    trained = {photo for row in data.training(Split.MEMORISE_ALL) for photo in row.images}
    assert not trained & {ref, *further}
    assert data.benchmark.further_photos(item.entity_id + "/00") == []  # type: ignore[attr-defined]
