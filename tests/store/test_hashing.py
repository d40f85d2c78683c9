"""Equal values have equal bytes, different ones do not."""

import doctest
import hashlib
import math
import os
from enum import StrEnum
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smllmun_bench.errors import UserError
from smllmun_bench.store import hashing
from smllmun_bench.store.environment import environment, git_commit
from smllmun_bench.store.hashing import HashMemo, canonical_json, digest, file_digest, folder_digest
from smllmun_bench.store.store import Request

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()


def test_the_examples_of_the_module() -> None:
    assert doctest.testmod(hashing).failed == 0


def test_a_digest_by_hand() -> None:
    expected = hashlib.sha256(b'{"a":[1,1.0,1e-05],"b":{"c":null}}').hexdigest()[:32]
    assert digest({"b": {"c": None}, "a": (1, 1.0, 1e-5)}) == expected


class Colour(StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ((1, 2), [1, 2], True),
        ("e\u0301", "\u00e9", True),
        (Colour.RED, "red", True),
        ([1, 2], [2, 1], False),
        (1, 1.0, False),
        (True, 1, False),
        ("1", 1, False),
        (None, "null", False),
    ],
)
def test_what_is_equal(one: hashing.Json, other: hashing.Json, same: bool) -> None:
    assert (digest(one) == digest(other)) == same


@pytest.mark.parametrize("value", [math.nan, math.inf, {"a": [-math.inf]}, {"e\u0301": 1, "\u00e9": 2}])
def test_values_without_a_canonical_form(value: hashing.Json) -> None:
    with pytest.raises(ValueError, match="value"):
        canonical_json(value)


@pytest.mark.parametrize("value", [{1: "a"}, {"a"}, Path("x"), b"x", {"a": object()}])
def test_what_is_no_json(value: hashing.Json) -> None:
    with pytest.raises(TypeError, match="value"):
        canonical_json(value)


@given(st.dictionaries(st.text(), SCALARS, min_size=1), st.data())
def test_each_field_of_a_request_moves_its_key(inputs: dict[str, hashing.Json], data: st.DataObject) -> None:
    try:
        key = Request("a", 1, inputs).key
    except ValueError:  # two keys that are one after normalisation
        return
    changed = data.draw(st.sampled_from(sorted(inputs)))
    assert Request("a", 1, dict(reversed(inputs.items()))).key == key
    assert Request("a", 1, {**inputs, changed: [inputs[changed]]}).key != key
    assert Request("a", 2, inputs).key != key
    assert Request("b", 1, inputs).key != key


def test_folders_by_name_and_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "sub" / "a").write_text("x")
    os.utime(tmp_path / "two" / "sub" / "a", (1, 1))
    (tmp_path / "two" / "empty").mkdir()
    assert folder_digest(tmp_path / "one") == folder_digest(tmp_path / "two")
    assert HashMemo().folder(tmp_path / "one") == folder_digest(tmp_path / "one")
    (tmp_path / "two" / "sub" / "a").rename(tmp_path / "two" / "a")
    assert folder_digest(tmp_path / "one") != folder_digest(tmp_path / "two")
    (tmp_path / "two" / "link").symlink_to(tmp_path / "one")
    with pytest.raises(UserError, match="not a plain file"):
        folder_digest(tmp_path / "two")


def test_the_memo_reads_a_settled_file_once(tmp_path: Path) -> None:
    """Same size and mtime: the memo does not look again; another mtime: it does."""
    path, memo = tmp_path / "a", HashMemo()
    path.write_text("old")
    os.utime(path, (1000, 1000))
    known = memo.file(path)
    path.write_text("new")
    os.utime(path, (1000, 1000))
    assert memo.file(path) == known == hashlib.sha256(b"old").hexdigest()
    os.utime(path, (1001, 1001))
    assert memo.file(path) == file_digest(path) == hashlib.sha256(b"new").hexdigest()


def test_the_memo_does_not_trust_a_file_that_was_just_written(tmp_path: Path) -> None:
    path, memo = tmp_path / "a", HashMemo()
    path.write_text("old")
    status = path.stat()
    assert memo.file(path) == hashlib.sha256(b"old").hexdigest()
    path.write_text("new")
    os.utime(path, ns=(status.st_mtime_ns, status.st_mtime_ns))
    assert memo.file(path) == hashlib.sha256(b"new").hexdigest()


def test_the_environment_names_what_can_move_a_number(tmp_path: Path) -> None:
    found = environment()
    assert {"torch", "transformers", "numpy"} <= set(found.packages)
    assert len(found.source) == 64
    assert git_commit(tmp_path) is None
