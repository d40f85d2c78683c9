"""What the values of options mean, and the options that many commands have. Knows no command."""

import os
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from smllmun_bench import resources
from smllmun_bench.errors import UserError

MOST_SEEDS = 1_000  # of one command
_SEED_DIGITS = 9  # every library takes such numbers


class Dtype(StrEnum):
    FLOAT32 = "float32"
    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"


class Backend(StrEnum):
    TRANSFORMERS = "transformers"
    VLLM = "vllm"


def _include(context: typer.Context, folders: list[Path] | None) -> list[Path] | None:
    """Named to this process and its workers for as long as the command runs."""
    if not folders or context.resilient_parsing:
        return folders
    before = os.environ.get(resources.INCLUDE)
    named = [str(resources.checked(folder)) for folder in folders]  # what is no such folder is said at once
    os.environ[resources.INCLUDE] = os.pathsep.join([*named, *([before] if before else [])])
    context.call_on_close(lambda: _put_back(before))
    return folders


def _put_back(before: str | None) -> None:
    if before is None:
        os.environ.pop(resources.INCLUDE, None)
    else:
        os.environ[resources.INCLUDE] = before


Include = Annotated[
    list[Path] | None,
    typer.Option(
        "--include",
        callback=_include,
        is_eager=True,
        help="Folder of your own with baselines/ (recipes, spaces, models), tasks/ or both.",
    ),
]


def batch_size(text: str) -> int:
    """`auto`, or how many.

    >>> batch_size("auto"), batch_size("8")
    (256, 8)
    """
    from smllmun_bench.stages.predicting import AUTO_BATCH

    if text == "auto":
        return AUTO_BATCH
    if not text.isdecimal() or int(text) < 1:
        raise UserError(f"{text!r} is no batch size", where="--batch-size", fix="auto, or a number from 1 on")
    return int(text)


def names(values: Sequence[str]) -> list[str]:
    """Repeated and comma-separated values as one list, each name once.

    >>> names(["smfa,ga", "npo", "ga"])
    ['smfa', 'ga', 'npo']
    """
    return list(dict.fromkeys(part.strip() for value in values for part in value.split(",") if part.strip()))


def seeds(text: str) -> list[int]:
    """`3` is how many (0, 1, 2), `0,4` is which; `4,` is the seed 4 alone.

    >>> seeds("3"), seeds("0,4"), seeds("4,")
    ([0, 1, 2], [0, 4], [4])
    """
    parts = [part.strip() for part in text.split(",")]
    if len(parts) > 1 and parts[-1] == "":
        parts.pop()
    if not all(part.isdecimal() for part in parts):
        raise UserError(f"{text!r} is no number of seeds and no list of them", where="--seeds", fix="3, or 0,1,2")
    if long := [part for part in parts if len(part) > _SEED_DIGITS]:
        raise UserError(f"{long[0][:40]!r} is too large for a seed", where="--seeds", fix="numbers of up to 9 digits")
    chosen = [int(part) for part in parts]
    if "," in text:
        if len(set(chosen)) < len(chosen):
            raise UserError(f"a seed stands twice in {text!r}", where="--seeds", fix="each seed once")
        return chosen
    if chosen == [0]:
        raise UserError("no seed at all", where="--seeds", fix="1, or `0,` for the seed 0")
    if chosen[0] > MOST_SEEDS:
        raise UserError(f"{chosen[0]:,} seeds are too many", where="--seeds", fix=f"`{text},` for that seed alone")
    return list(range(chosen[0]))
