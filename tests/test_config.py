"""Every fault of a config file is named with its place, all at once; overrides are typed like files."""

from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, PositiveInt, ValidationError

from smllmun_bench.config import Frozen, apply_overrides, read_yaml
from smllmun_bench.errors import UserError
from smllmun_bench.schema import Fidelity


class Training(Frozen):
    lr: float = 1e-4
    steps: PositiveInt = 10
    schedule: Literal["constant", "cosine"] = "constant"


class Other(Frozen):
    alpha: float


class Recipe(Frozen):
    name: str
    fidelity: Fidelity = Fidelity.PAPER
    shuffle: bool = True
    layers: tuple[int, ...] = ()
    note: str | None = None
    training: Training = Training()
    second: Training | None = None
    either: Training | Other = Training()
    extra: dict[str, int | str] = Field(default_factory=dict)
    folder: Path = Path()


@pytest.fixture
def write(tmp_path: Path):
    def write(text: str | bytes) -> Path:
        path = tmp_path / "recipe.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def refused(path: Path) -> UserError:
    with pytest.raises(UserError) as caught:
        read_yaml(path, Recipe)
    return caught.value


def test_yaml_1_2_values(write) -> None:
    """`1e-3` is a number, `no` a word, `012` twelve; lists fill tuples and words fill enums."""
    text = "name: no\nfidelity: reconstruction\nlayers: [012, 3]\ntraining: {lr: 1e-3, steps: 5}\nextra: {a: 1:30}\n"
    recipe = read_yaml(write(text), Recipe)
    assert recipe == Recipe(
        name="no",
        fidelity=Fidelity.RECONSTRUCTION,
        layers=(12, 3),
        training=Training(lr=0.001, steps=5),
        extra={"a": "1:30"},
    )


def test_one_fault_reads_like_every_error(write) -> None:
    path = write("name: x\n\ntraining:\n  lr: 0.1\n  stpes: 3\n")
    assert str(refused(path)) == (
        f"unknown key 'stpes'\n  at   {path}:5, key 'training.stpes'\n  try  'training.steps'"
    )


def test_all_faults_are_reported_at_once(write) -> None:
    path = write("nmae: x\nfidelity: papr\nshuffle: 1\ntraining:\n  lr: .nan\n  lr: fast\nlayers: [1, two]\nlr: 3\n")
    lines = str(refused(path)).splitlines()
    assert lines[0] == f"8 faults in {path}"
    assert lines[1:] == [
        f"  {path}:6, key 'training.lr': duplicate key, first on line 5; try keep one of the two",
        f"  {path}:1, key 'name': key 'name' is missing",
        f"  {path}:2, key 'fidelity': 'papr' is not one of 'authors-code', 'paper', 're-implementation', "
        "'reconstruction' or 'new'; try 'paper'",
        f"  {path}:3, key 'shuffle': input should be a valid boolean (found 1)",
        f"  {path}:7, key 'layers.1': input should be a valid integer (found 'two')",
        f"  {path}:5, key 'training.lr': input should be a finite number (found nan)",
        f"  {path}:1, key 'nmae': unknown key 'nmae'; try 'name'",
        f"  {path}:8, key 'lr': unknown key 'lr'; try 'training.lr'",
    ]


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("name: a\nname: b\n", 2, "duplicate key, first on line 1"),
        ("name: a\nextra: {b: 1, b: 2}\n", 2, "duplicate key, first on line 2"),
        ("name: !!python/object/apply:os.system [echo]\n", 1, "tag 'tag:yaml.org,2002:python/object/apply:os.system'"),
        ("name: a\nfolder: !path x\n", 2, "tag '!path' is not allowed"),
        ("name: !!binary aGk=\n", 1, "tag 'tag:yaml.org,2002:binary'"),
        ("name: &n a\nnote: *n\n", 2, "alias of another value"),
        ("name: a\nextra: &e {b: *e}\n", 2, "alias of another value"),
        ("name: a\n? [b, c]\n: d\n", 2, "a key must be a plain word"),
        ("name: a\nextra: {b: [}\n", 2, "not YAML"),
        ("name: a\n---\nname: b\n", 2, "not YAML"),
        ("name: a\nnote: 2001-99-99\n", 2, "not YAML: month must be in 1..12"),
        ("name: a\nextra: {b: 2001-01-01T25:00:00Z}\n", 2, "not YAML: hour must be in 0..23"),
        ("name: a\nlayers: [1, -_]\n", 2, "not YAML: invalid literal for int()"),
        ("name: a\nlayers:\n- !!int x\n", 3, "not YAML: invalid literal for int()"),
        ("name: a\nshuffle: !!bool x\n", 2, "not YAML: 'x'"),
        ("name: a\nlayers: [" + "9" * 5000 + "]\n", 2, "not YAML: Exceeds the limit (4300 digits)"),
        ("name: a\n<<: 1\n", 2, "not YAML"),
        ("- a\n", 1, "expected `key: value` lines"),
        ("name: 12\n", 1, "input should be a valid string (found 12)"),
        ("name: a\ntraining: {steps: '7'}\n", 2, "input should be a valid integer (found '7')"),
        ("name: a\ntraining: {steps: true}\n", 2, "input should be a valid integer (found True)"),
        ("name: a\nname2: 2026-01-31\n", 2, "unknown key 'name2'"),
        ("name: a\neither: {lr: x}\n", 2, "input should be a valid number (found 'x')"),
    ],
)
def test_each_fault_has_its_line(write, text: str, line: int, what: str) -> None:
    path = write(text)
    message = str(refused(path))
    assert what in message
    assert f"{path}:{line}" in message


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "the file is empty"),
        (b"# nothing\n", "the file is empty"),
        (b"name: \xff\n", "not UTF-8 text (byte 6)"),
        (b"name: \x00\n", "not YAML"),
        (b"a: " + b"[" * 1000, "nested too deeply"),
        (b"%YAML 1.7\n---\nname: a\n", "not YAML: version minor part"),
        (b"%YAML 9.9\n---\nname: a\n", "not YAML"),
        (b'name: "\\UFFFFFFFF"\n', "not YAML: Python int too large"),
    ],
)
def test_files_that_are_no_configs(write, content: bytes, what: str) -> None:
    path = write(content)
    assert what in str(refused(path))
    assert str(path) in refused(path).where


def test_a_missing_file_names_its_neighbour(write) -> None:
    path = write("name: a\n")
    error = refused(path.with_name("recpie.yaml"))
    assert (error.what, error.fix) == ("no such file", str(path))


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert "cannot be read" in str(refused(tmp_path))


def test_an_alias_bomb_is_refused_at_once(write) -> None:
    text = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60))
    assert "alias of another value" in str(refused(write(text)))


def test_frozen_refuses_assignment_and_nan() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Training().lr = 1.0
    with pytest.raises(ValidationError, match="finite"):
        Training(lr=float("nan"))


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("training.lr=1e-3", Recipe(name="a", training=Training(lr=0.001))),
        ("training.steps=3", Recipe(name="a", training=Training(steps=3))),
        ("second.steps=3", Recipe(name="a", second=Training(steps=3))),
        ("second={lr: 0.5}", Recipe(name="a", second=Training(lr=0.5))),
        ("name=007", Recipe(name="007")),
        ("name=a=b", Recipe(name="a=b")),
        ("name=null", Recipe(name="null")),
        ("note=null", Recipe(name="a")),
        ("note=12", Recipe(name="a", note="12")),
        ("fidelity=reconstruction", Recipe(name="a", fidelity=Fidelity.RECONSTRUCTION)),
        ("layers=[1, 2]", Recipe(name="a", layers=(1, 2))),
        ("shuffle=false", Recipe(name="a", shuffle=False)),
        ("extra.b=5", Recipe(name="a", extra={"b": 5})),
        ("folder=x/y", Recipe(name="a", folder=Path("x/y"))),
    ],
)
def test_overrides_are_typed(setting: str, expected: Recipe) -> None:
    assert apply_overrides(Recipe(name="a"), [setting]) == expected


def test_later_overrides_win_and_the_config_itself_stays() -> None:
    config = Recipe(name="a")
    assert apply_overrides(config, ["name=b", "training.lr=1", "name=c"]) == Recipe(name="c", training=Training(lr=1))
    assert config == Recipe(name="a")
    assert apply_overrides(config, []) == config


@pytest.mark.parametrize(
    "value", ["!!int x", "2001-99-99", "-_", "&a [*a]", "!!set {a, b}", "{a: 1, a: 2}", "[" * 5000]
)
def test_what_no_file_may_hold_is_no_override(value: str) -> None:
    with pytest.raises(UserError, match="is not a YAML value"):
        apply_overrides(Recipe(name="a"), [f"layers={value}"])


def test_all_bad_overrides_are_named() -> None:
    with pytest.raises(UserError) as caught:
        apply_overrides(
            Recipe(name="a"),
            ["training.lrr=1", "lr=1", "x", "training.steps=-1", "extra.b=[", "name.x=1", "shuffle=no"],
        )
    assert str(caught.value).splitlines() == [
        "7 faults in --set",
        "  --set training.lrr=1: unknown key 'training.lrr'; try 'training.lr'",
        "  --set lr=1: unknown key 'lr'; try 'training.lr'",
        "  --set x: 'x' has no '='; try key=value",
        "  --set extra.b=[: '[' is not a YAML value",
        "  --set name.x=1: unknown key 'name.x'; try 'name'",
        "  --set shuffle=no: input should be a valid boolean (found 'no')",
        "  --set training.steps=-1: input should be greater than 0 (found -1)",
    ]


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(1, 2**70), st.text(st.characters(codec="utf-8")))
def test_overriding_with_its_own_values_changes_nothing(lr: float, steps: int, name: str) -> None:
    """Text of any kind and every float come through `key=value` as they are."""
    config = apply_overrides(Recipe(name="a"), [f"training.lr={lr!r}", f"training.steps={steps}", f"name={name}"])
    assert config == Recipe(name=name, training=Training(lr=lr, steps=steps))
