"""What a judge made of one run: a file of its own beside the run's scores, which stay what they were."""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from smllmun_bench.config import Frozen
from smllmun_bench.errors import UserError
from smllmun_bench.judge.prompts import Prompt
from smllmun_bench.judge.protocol import Failure
from smllmun_bench.judge.rate import Question, Rating
from smllmun_bench.metrics import composites
from smllmun_bench.metrics.statistics import macro
from smllmun_bench.schema import Fidelity, Kind, Modality, Role
from smllmun_bench.scoring.columns import NOT_GENERATED
from smllmun_bench.store.atomic import atomic_write

PAPER_ROLES = (Role.FORGET, Role.RETAIN, Role.UNDERSTANDING_FORGET, Role.UNDERSTANDING_RETAIN)


class JudgedItem(Frozen):
    """One answer; `rating` is None where there is a `failure`. `said`: the judge's words; `detail`: of the failure."""

    item_id: str
    entity_id: str
    role: Role
    modality: Modality
    kind: Kind
    rating: int | None
    failure: Failure | None
    said: str
    detail: str


class PromptRecord(Frozen):
    name: str
    version: int
    digest: str
    fidelity: Fidelity
    lowest: int
    highest: int


class Judged(Frozen):
    """`items_digest` is the SHA-256 of the run's `items.parquet`: what was judged, to the byte."""

    schema_version: Literal[1] = 1
    run: str
    items_digest: str
    prompt: PromptRecord
    judge: dict[str, str | int | float]
    items: tuple[JudgedItem, ...]


class Cell(Frozen):
    """One role in one modality: `n` answers were put to the judge, `rated` of them got a rating.

    `mean` is over the rated ones, macro by identity. `worst` and `best` are what it would be if every failure were the
    lowest or the highest rating: the truth lies between, whatever the failures hide.
    """

    role: Role
    modality: Modality
    n: int
    rated: int
    failures: dict[str, int]
    mean: float | None
    worst: float
    best: float


class Composites(Frozen):
    """The paper's composites on the prompt's scale, from open and written answers that were rated; None: no such."""

    overall_understanding: float | None = None
    overall_memory: float | None = None
    overall_meaningful: float | None = None


def written(rows: Sequence[Mapping[str, Any]], roles: Sequence[Role]) -> list[Mapping[str, Any]]:
    """The rows of `items.parquet` that a judge can be asked about: answers in words, of these roles."""
    return [row for row in rows if Role(row["role"]) in roles and row["state"] != NOT_GENERATED and _in_words(row)]


def _in_words(row: Mapping[str, Any]) -> bool:
    # A choice made by log-probability has a verdict and no words.
    return bool(row["text"]) or row.get("finish_reason", "stop") != "none"


def questions(rows: Sequence[Mapping[str, Any]]) -> list[Question]:
    return [Question(row["item_id"], row["question"], row["answer"], row["text"]) for row in rows]


def judged(
    rows: Sequence[Mapping[str, Any]],
    ratings: Sequence[Rating],
    prompt: Prompt,
    identity: Mapping[str, str | int | float],
    *,
    run: str,
    items_digest: str,
) -> Judged:
    """The record; `rows` and `ratings` in one order."""
    items = [
        JudgedItem(
            item_id=row["item_id"],
            entity_id=row["entity_id"],
            role=Role(row["role"]),
            modality=Modality(row["modality"]),
            kind=Kind(row["kind"]),
            rating=rating.rating,
            failure=rating.failure,
            said=rating.said,
            detail=rating.detail,
        )
        for row, rating in zip(rows, ratings, strict=True)
    ]
    record = PromptRecord(digest=prompt.digest, **prompt.model_dump(exclude={"source", "system", "user"}))
    return Judged(run=run, items_digest=items_digest, prompt=record, judge=dict(identity), items=tuple(items))


def cells(found: Judged) -> list[Cell]:
    """By role and modality, in that order."""
    groups: dict[tuple[Role, Modality], list[JudgedItem]] = {}
    for item in found.items:
        groups.setdefault((item.role, item.modality), []).append(item)
    return [_cell(role, modality, groups[role, modality], found.prompt) for role, modality in sorted(groups)]


def _cell(role: Role, modality: Modality, items: Sequence[JudgedItem], prompt: PromptRecord) -> Cell:
    failed = [item.failure for item in items if item.failure is not None]
    return Cell(
        role=role,
        modality=modality,
        n=len(items),
        rated=len(items) - len(failed),
        failures={failure.value: failed.count(failure) for failure in Failure if failure in failed},
        mean=_rated_mean(items),
        worst=_filled(items, prompt.lowest),
        best=_filled(items, prompt.highest),
    )


def paper_composites(found: Judged) -> Composites:
    """Fact ratings give understanding and memory, Meaningful ratings the mean over all rated answers.

    The formulas are inferred from the paper's table (see `metrics.composites`); over which splits it averages the
    Meaningful Score is not stated.
    """
    if found.prompt.name == "meaningful":
        rated = [item.rating for item in found.items if item.rating is not None]
        return Composites(overall_meaningful=math.fsum(rated) / len(rated) if rated else None)
    if found.prompt.name != "fact":
        return Composites()

    def column(role: Role, modality: Modality | None = None, kind: Kind | None = None) -> float | None:
        fitting = [
            i for i in found.items if i.role is role and modality in (None, i.modality) and kind in (None, i.kind)
        ]
        return _rated_mean(fitting)

    seen_forget, seen_retain = column(Role.UNDERSTANDING_FORGET), column(Role.UNDERSTANDING_RETAIN)
    gaps = []
    for modality in Modality:
        forget, retain = (column(role, modality, Kind.OPEN) for role in (Role.FORGET, Role.RETAIN))
        if forget is not None and retain is not None:
            gaps.append((forget, retain))
    seen = None
    if seen_forget is not None and seen_retain is not None:
        seen = composites.overall_understanding(seen_forget, seen_retain)
    return Composites(
        overall_understanding=seen,
        overall_memory=composites.overall_memory(gaps) if gaps else None,
    )


def _rated_mean(items: Sequence[JudgedItem]) -> float | None:
    rated = [item for item in items if item.rating is not None]
    return _filled(rated, 0) if rated else None


def _filled(items: Sequence[JudgedItem], missing: int) -> float:
    ratings = [float(missing if item.rating is None else item.rating) for item in items]
    return macro(ratings, [_identity(item) for item in items])


def _identity(item: JudgedItem) -> str:
    return item.entity_id or f"item {item.item_id}"


def file_name(prompt: Prompt, identity: Mapping[str, str | int | float]) -> str:
    """`judge-fact-v1-qwen-plus.json`"""
    model = re.sub(r"[^a-z0-9.]+", "-", str(identity["model"]).lower()).strip("-.")
    return f"judge-{prompt.name}-v{prompt.version}-{model or 'model'}.json"


def files(folder: Path) -> list[Path]:
    """What judges left beside a run's scores, under the names that `file_name` gives."""
    return sorted(folder.glob("judge-*.json"))


def write(path: Path, found: Judged) -> None:
    atomic_write(path, found.model_dump_json(indent=1) + "\n")


def read(path: Path) -> Judged:
    """Raises UserError naming file and key."""
    try:
        return Judged.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise UserError("there is no such file", where=str(path), fix="what `judge RUN` wrote") from None
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", where=str(path)) from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        raise UserError(f"not what a judge wrote: {first['msg']}", where=f"{path}, key {key!r}") from None
