"""What a viewer shows is what a model sees: orientation, grey levels of every depth, transparency."""

import io

import numpy as np
import pytest
from PIL import ExifTags, Image

from smllmun_bench.data.checking import check
from smllmun_bench.data.pixels import decode
from smllmun_bench.data.registry import open_source
from smllmun_bench.errors import UserError

RED, BLUE = (230, 40, 40), (40, 40, 230)


def stored(image, form="PNG", **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def half_and_half():
    """Left half red, right half blue; 6 wide, 4 high."""
    image = Image.new("RGB", (6, 4), RED)
    image.paste(BLUE, (3, 0, 6, 4))
    return image


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_a_picture_is_upright_whatever_the_camera_wrote(form, turn):
    """The tag says how the stored pixels were turned; undoing it by hand is what the camera did."""
    undone = {
        1: [], 2: ["FLIP_LEFT_RIGHT"], 3: ["ROTATE_180"], 4: ["FLIP_TOP_BOTTOM"], 5: ["TRANSPOSE"],
        6: ["ROTATE_90"], 7: ["TRANSVERSE"], 8: ["ROTATE_270"],
    }  # fmt: skip
    image = half_and_half()
    for name in undone[turn]:
        image = image.transpose(Image.Transpose[name])
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = turn
    options = {"lossless": True} if form == "WEBP" else {}
    seen = decode(stored(image, form, exif=exif, **options), "x")
    assert seen.tobytes() == half_and_half().tobytes()
    assert seen.size == (6, 4)


def test_metadata_that_cannot_be_read_turns_nothing():
    assert decode(stored(half_and_half(), "JPEG", exif=b"Exif\0\0broken"), "x").size == (6, 4)


LEVELS = np.linspace(0, 1, 64)


@pytest.mark.parametrize(
    ("levels", "form"),
    [
        ((LEVELS * 65535).astype(np.uint16), "PNG"),
        ((LEVELS * 65535).astype(np.uint16), "TIFF"),
        ((LEVELS * 65535).astype(np.int32), "TIFF"),
        ((LEVELS * 4095).astype(np.int32), "TIFF"),
        ((LEVELS * 255).astype(np.int32), "TIFF"),
        (LEVELS.astype(np.float32), "TIFF"),
        ((LEVELS * 255).astype(np.float32), "TIFF"),
        ((LEVELS * 255).astype(np.uint8), "PNG"),
    ],
)
def test_grey_levels_of_every_depth_are_kept(levels, form):
    seen = np.asarray(decode(stored(Image.fromarray(levels[None, :]), form), "x"))
    assert seen.shape == (1, 64, 3)
    assert np.abs(seen[0, :, 0] - LEVELS * 255).max() <= 1
    assert (seen[..., 0] == seen[..., 2]).all()


@pytest.mark.parametrize("levels", [[-1.0, 0.5], [0.0, 5000.0], [float("nan"), 1.0]])
def test_grey_levels_without_a_scale_are_told(levels):
    with pytest.raises(UserError, match="have no scale that is known"):
        decode(stored(Image.fromarray(np.array([levels], np.float32)), "TIFF"), "x")


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGB"])
def test_what_is_transparent_shows_white_and_not_the_hidden_colour(mode):
    options = {}
    if mode == "RGBA":
        image = Image.new("RGBA", (2, 1), (255, 0, 0, 0))
        image.putpixel((1, 0), (0, 0, 255, 255))
    elif mode == "LA":
        image = Image.new("LA", (2, 1), (0, 0))
        image.putpixel((1, 0), (77, 255))
    elif mode == "P":
        image = Image.new("P", (2, 1), 0)
        image.putpalette([255, 0, 0, 0, 0, 255])
        image.putpixel((1, 0), 1)
        options = {"transparency": 0}
    else:
        image = Image.new("RGB", (2, 1), (255, 0, 0))
        image.putpixel((1, 0), (0, 0, 255))
        options = {"transparency": (255, 0, 0)}
    seen = decode(stored(image, **options), "x")
    assert seen.getpixel((0, 0)) == (255, 255, 255)
    assert seen.getpixel((1, 0)) == ((77, 77, 77) if mode == "LA" else (0, 0, 255))


def test_half_transparent_is_half_white():
    seen = decode(stored(Image.new("RGBA", (1, 1), (0, 0, 0, 128))), "x")
    assert seen.getpixel((0, 0)) == (127, 127, 127)


# -- one picture in many files -----------------------------------------------------------------------------------------


def both_sides(upstream, left, right, question=("Who is it?", "Who is this?")):
    """A set whose forgotten and retained person are shown by these bytes, as files."""
    for name, data in (("left", left), ("right", right)):
        upstream.picture(f"{name}.png").write_bytes(data)
    upstream.jsonl("f.jsonl", [{"id": "1", "q": question[0], "a": "Ann", "i": "left.png"}])
    upstream.jsonl("r.jsonl", [{"id": "2", "q": question[1], "a": "Ann", "i": "right.png"}])
    return opened(upstream, "jsonl")


def opened(upstream, suffix):
    args = {"question": "q", "answer": "a", "entity": "id", "image": "i"}
    files = {"forget": f"f.{suffix}", "retain": f"r.{suffix}", "path": str(upstream.folder)}
    return open_source("mapped", args | files)


def findings(source):
    return [(f.what, f.fault) for f in check(source).findings]


SHARED = ("picture is shown on both sides of the request", False)


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "WEBP"])
def test_equal_pixels_in_other_bytes_are_one_picture(upstream, form):
    other = stored(half_and_half(), form, **({"lossless": True} if form == "WEBP" else {}))
    assert findings(both_sides(upstream, stored(half_and_half()), other)) == [SHARED]


def test_other_metadata_and_another_compression_are_the_same_picture(upstream):
    from PIL.PngImagePlugin import PngInfo

    about = PngInfo()
    about.add_text("who", "me")
    other = stored(half_and_half(), pnginfo=about, compress_level=0)
    assert findings(both_sides(upstream, stored(half_and_half()), other)) == [SHARED]
    assert findings(both_sides(upstream, stored(half_and_half()), stored(half_and_half().rotate(180)))) == []


def test_one_question_on_both_sides_is_one_fault_in_every_kind_of_file(upstream):
    picture = stored(half_and_half())
    expected = [("question stands on both sides of the request", True), SHARED]
    same = ("Who is it?", "Who is it?")
    assert findings(both_sides(upstream, picture, stored(half_and_half(), "BMP"), same)) == expected
    for name, person in (("f", "1"), ("r", "2")):
        row = {"id": person, "q": "Who is it?", "a": "Ann", "i": {"bytes": picture, "path": None}}
        upstream.parquet(f"{name}.parquet", [row])
    assert findings(opened(upstream, "parquet")) == expected
