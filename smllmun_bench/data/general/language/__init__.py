"""General language: questions of common knowledge in our own words, and passages to score. No picture, no person.

`questions.jsonl` and `training.jsonl` are ours. `passages.jsonl` is public-domain text, each passage with its source.
Nothing here is about a profile, so no method has a reason to change an answer; what it loses here it broke.
"""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, TypeVar

from PIL import Image
from pydantic import Field, StringConstraints, ValidationError

from smllmun_bench.config import Frozen
from smllmun_bench.data.sampling import subset
from smllmun_bench.data.source import Split, digest_of, item_lines
from smllmun_bench.errors import UserError
from smllmun_bench.schema import Fold, Item, Kind, Modality, Role

BENCHMARK = "general_language"
CONTINUE = "Continue this text: "

_HERE = Path(__file__).parent
_Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
_Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*$")]


class Question(Frozen):
    """One line of `questions.jsonl`; with `choices` it is scored, else answered in words (yes or no among them)."""

    id: _Id
    group: _Id
    question: _Text
    answer: _Text
    accepted: tuple[_Text, ...] = ()
    choices: tuple[_Text, ...] = ()

    def item(self) -> Item:
        return _item(
            self.id,
            Kind.CHOICE if self.choices else Kind.YESNO if self.answer in ("yes", "no") else Kind.OPEN,
            self.question,
            self.answer,
            group=self.group,
            accepted=self.accepted,
            choices=self.choices,
        )


class Passage(Frozen):
    """One line of `passages.jsonl`: the `opening` is given, the `rest` is scored."""

    id: _Id
    author: _Text
    title: _Text
    year: Annotated[int, Field(lt=1929)]  # of publication; older than that it is free to use
    opening: _Text
    rest: _Text

    def item(self) -> Item:
        return _item(self.id, Kind.PASSAGE, CONTINUE + self.opening, self.rest, group=self.title)


class Line(Frozen):
    """One line of `training.jsonl`."""

    id: _Id
    group: _Id
    question: _Text
    answer: _Text

    def item(self) -> Item:
        return _item(self.id, Kind.OPEN, self.question, self.answer, group=self.group)


class GeneralLanguage:
    """A `Source` with the single split `evaluate`: a fixed sample of the questions, or all, and every passage."""

    name = BENCHMARK
    image_digest = digest_of()

    def __init__(self, sample: int | None = None, seed: int = 0) -> None:
        """`sample` questions, each topic with its share of them; all where there are not more."""
        self._sample, self._seed = sample, seed

    @cached_property
    def digest(self) -> str:
        return digest_of(*item_lines((*self.train_items(), *self.items(Split.EVALUATE))))

    def items(self, split: Split, fold: Fold = Fold.TEST) -> list[Item]:
        """Questions, then passages (both folds alike). There is nothing to memorise or to forget: UserError."""
        if split is not Split.EVALUATE:
            raise UserError(f"{self.name} has no split {split.value!r}", fix=f"{Split.EVALUATE.value!r}")
        everything = self.questions()
        wanted = min(self._sample or len(everything), len(everything))
        kept = set(subset(everything, wanted, self._seed).ids)
        return [*(item for item in everything if item.item_id in kept), *self.passages()]

    def questions(self) -> list[Item]:
        """All questions, whatever the sample."""
        return [line.item() for line in _read("questions.jsonl", Question)]

    def passages(self) -> list[Item]:
        return [line.item() for line in _read("passages.jsonl", Passage)]

    def train_items(self) -> list[Item]:
        """Instructions and answers about other things than the questions, for a model that must go on talking."""
        return [line.item() for line in _read("training.jsonl", Line)]

    def image(self, ref: str) -> Image.Image:
        raise UserError(f"there is no image {ref!r}", where=self.name, fix="its questions are in words alone")


_L = TypeVar("_L", Question, Passage, Line)


def _read(name: str, record: type[_L]) -> Iterator[_L]:
    path = _HERE / name
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            yield record.model_validate_json(line)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            key = ".".join(map(str, first["loc"]))
            raise UserError(first["msg"], where=f"{path}, row {number}, key {key!r}", fix="reinstall it") from None


def _item(own: str, kind: Kind, question: str, answer: str, **more: Any) -> Item:
    """Every item stands for itself: there is no entity that two of them share."""
    return Item(
        item_id=f"language.{own}",
        benchmark=BENCHMARK,
        entity_id="",
        role=Role.LANGUAGE,
        modality=Modality.TEXT,
        kind=kind,
        question=question,
        answer=answer,
        **more,
    )
