"""Photos differ from shot to shot, and what they show can be read off the pixels all the same."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from random import Random

import numpy as np
import pytest

from smllmun_bench.data.seeding import stable_generator
from smllmun_bench.data.synthetic import fundus, portraits
from smllmun_bench.data.synthetic.drawing import Both, Box, Canvas, Colour, Ellipse, Pixels, Pose, Stroke

WHITE, BLACK = (255.0, 255.0, 255.0), (0.0, 0.0, 0.0)


def developed(canvas: Canvas) -> np.ndarray:
    return canvas.develop(np.random.default_rng(0), light=1.0, tint=(1, 1, 1), noise=0.0)


def painted_share(shape, pose: Pose | None = None) -> float:
    """The share of the canvas that a white shape covers."""
    canvas = Canvas(96, BLACK, pose)
    canvas.paint(shape, WHITE)
    return float(developed(canvas).mean() / 255)


@pytest.mark.parametrize(
    ("shape", "area"),
    [
        (Ellipse(0.5, 0.5, 0.3, 0.3), np.pi * 0.09),
        (Ellipse(0.5, 0.5, 0.4, 0.1), np.pi * 0.04),
        (Box(0.2, 0.3, 0.8, 0.7), 0.24),
        (Box(0.2, 0.3, 0.8, 0.7, 0.1), 0.24 - (4 - np.pi) * 0.01),  # four corners lose r² - πr²/4 each
        (Stroke(((0.2, 0.5), (0.8, 0.5)), 0.1), 0.06 + np.pi * 0.0025),
        (Both(Box(0.1, 0.1, 0.6, 0.9), Box(0.4, 0.1, 0.9, 0.9)), 0.16),
    ],
)
@pytest.mark.parametrize("pose", [Pose(), Pose(dx=0.02, dy=-0.03, angle=0.7)])
def test_a_shape_covers_its_area(shape, area, pose):
    assert painted_share(shape, pose) == pytest.approx(area, abs=0.004)


def test_scale_scales_areas_by_its_square():
    box = Box(0.3, 0.3, 0.7, 0.7)
    assert painted_share(box, Pose(scale=1.5)) == pytest.approx(0.16 * 1.5**2, abs=0.004)


def test_a_shape_outside_paints_nothing():
    assert painted_share(Box(1.5, 1.5, 2.0, 2.0)) == 0


def test_edges_are_smooth():
    canvas = Canvas(48, BLACK)
    canvas.paint(Ellipse(0.5, 0.5, 0.3, 0.3), WHITE)
    assert len(np.unique(developed(canvas))) > 10


@pytest.mark.parametrize("module", [portraits, fundus])
def test_photos_of_one_look_differ_and_repeat(module):
    traits = module.random_traits(Random(1))
    first, again, second = (module.draw(traits, stable_generator("shot", n)) for n in (0, 0, 1))
    assert first.shape == (48, 48, 3)
    assert first.dtype == np.uint8
    assert (first == again).all()
    assert np.abs(first.astype(int) - second).mean() > 3


@pytest.mark.parametrize("size", [32, 48, 64])
def test_size_is_free(size):
    traits = portraits.random_traits(Random(2))
    assert portraits.draw(traits, stable_generator(0), size).shape == (size, size, 3)


def nearest(pixels: Pixels, colours: Mapping[str, Colour]) -> str:
    mean = pixels.reshape(-1, 3).mean(axis=0)
    return min(colours, key=lambda name: float(np.abs(mean - np.asarray(colours[name])).sum()))


@pytest.mark.parametrize("colour", portraits.CLOTHES)
def test_the_colour_of_a_plain_shirt_is_read_off_the_pixels(colour):
    rng = Random(colour)
    for shot in range(12):
        drawn = replace(portraits.random_traits(rng), clothes_colour=colour, clothes_pattern="plain")
        shirt = portraits.draw(drawn, stable_generator(colour, shot))[42:47, 20:28]
        assert nearest(shirt, portraits.CLOTHES) == colour


@pytest.mark.parametrize("colour", portraits.BACKDROP)
def test_the_backdrop_is_read_off_the_corners(colour):
    rng = Random(colour)
    for shot in range(12):
        photo = portraits.draw(replace(portraits.random_traits(rng), backdrop=colour), stable_generator(colour, shot))
        assert nearest(photo[:5, :4], portraits.BACKDROP) == colour


@pytest.mark.parametrize("tint", fundus.TINT)
def test_the_tint_is_read_off_the_middle(tint):
    rng = Random(tint)
    for shot in range(12):
        photo = fundus.draw(replace(fundus.random_traits(rng), tint=tint), stable_generator(tint, shot))
        assert nearest(photo[21:27, 22:26], fundus.TINT) == tint


@pytest.mark.parametrize("module", [portraits, fundus])
def test_each_value_of_each_trait_changes_the_picture(module):
    """With pose, light and noise held still, another value must repaint ten pixels at four times the noise."""
    base = module.random_traits(Random(7))
    for trait, values in module.TRAITS.items():
        if trait.startswith("lesion"):
            continue
        photos = [
            module.draw(replace(base, **{trait: value}), stable_generator("still")).astype(int) for value in values
        ]
        for n, one in enumerate(photos):
            for other in photos[n + 1 :]:
                assert (np.abs(one - other).max(axis=2) > 20).sum() >= 10, trait


def test_lesions_can_be_counted():
    """Each further lesion darkens pixels of its own."""
    eye = fundus.FundusTraits("yellow", "small", "left", "thin", "none", "none", "none", "blue", "top left")
    still = [fundus.draw(eye, stable_generator("still")).astype(int)]
    for count in fundus.COUNTS:
        ill = replace(eye, lesion_kind="haemorrhages", lesion_count=count, lesion_place="upper")
        still.append(fundus.draw(ill, stable_generator("still")).astype(int))
    for fewer, more in pairwise(still):
        assert ((fewer - more).max(axis=2) > 60).sum() >= 8


def test_an_eye_cannot_have_a_count_without_lesions():
    with pytest.raises(ValueError, match="disagree"):
        fundus.FundusTraits("red", "small", "left", "thin", "none", "two", "upper", "blue", "top left")


def test_an_eye_without_lesions_is_not_asked_where_they_are():
    eye = fundus.FundusTraits("red", "small", "left", "thin", "none", "none", "none", "blue", "top left")
    assert not {"lesion_count", "lesion_place"} & set(eye.visible())
    assert eye.visible()["lesion_kind"] == "none"
