"""What a judge is asked. Prompts are versioned files; their digest goes into every record and cache key."""

import re
from pathlib import Path
from typing import Self

from pydantic import Field, PositiveInt, model_validator

from smllmun_bench.config import Frozen, read_yaml
from smllmun_bench.errors import unknown
from smllmun_bench.schema import Fidelity
from smllmun_bench.store.hashing import digest
from smllmun_bench.tasks import Name, Text

_FOLDER = Path(__file__).parent / "templates"
_SLOT = re.compile(r"\{(\w+)\}")
_SLOTS = ("question", "reference", "answer")


class Prompt(Frozen):
    """One prompt; `{question}`, `{reference}` and `{answer}` in `user` are filled in.

    `version` goes up with every change of a word. `source` says what was published and what is ours.
    """

    name: Name
    version: PositiveInt
    fidelity: Fidelity
    source: Text
    lowest: int = 0
    highest: int = Field(default=10)
    system: Text
    user: Text

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.lowest >= self.highest:
            raise ValueError("'lowest' must be below 'highest'")
        strange = sorted(set(_SLOT.findall(self.user)) - set(_SLOTS))
        if strange:
            raise ValueError(f"'user' has an unknown slot {strange[0]!r}; slots are {', '.join(_SLOTS)}")
        if "answer" not in _SLOT.findall(self.user):
            raise ValueError("'user' has no slot {answer}")
        return self

    @property
    def digest(self) -> str:
        return digest(self.model_dump(mode="json"))

    def ask(self, *, question: str, reference: str, answer: str) -> "Request":
        """The filled-in prompt. One pass: a slot's name inside an answer stays text."""
        texts = {"question": question, "reference": reference, "answer": answer}
        return Request(system=self.system, user=_SLOT.sub(lambda slot: texts[slot[1]], self.user))


class Request(Frozen):
    """What is sent to a judge."""

    system: str
    user: str
    images: tuple[str, ...] = Field(default=(), exclude_if=lambda value: not value)  # as `data:` addresses


def names() -> tuple[str, ...]:
    """The prompts that ship."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


def load(name_or_path: str) -> Prompt:
    """The prompt of that name, or the one in that YAML file. Raises UserError naming the file and the key."""
    if name_or_path.endswith((".yaml", ".yml")):
        return read_yaml(Path(name_or_path), Prompt)
    if name_or_path not in names():
        raise unknown("prompt", name_or_path, names(), where="--prompt")
    return read_yaml(_FOLDER / f"{name_or_path}.yaml", Prompt)
