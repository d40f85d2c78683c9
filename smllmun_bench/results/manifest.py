"""What a run folder says about itself. Everything a number depends on is in it or hashed in it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, JsonValue, ValidationError

from smllmun_bench.config import Frozen
from smllmun_bench.errors import UserError
from smllmun_bench.schema import Fidelity
from smllmun_bench.scoring.vectors import ColumnFields
from smllmun_bench.store.environment import Environment

FILE, SCORES = "manifest.json", "scores.json"


class Vector(ColumnFields):
    """Every column (`scoring.columns`), the scalars too; None: there is no such score."""

    if TYPE_CHECKING:

        def __init__(self, **columns: float | None) -> None: ...


class CostRecord(Frozen):
    fit_seconds: float = 0.0
    peak_memory_mb: float = 0.0
    trainable_params: int = 0
    forwards: int = 0
    backwards: int = 0
    peak_device_mb: float = 0.0  # on the accelerator; 0 on a CPU
    extra_params: int = 0  # beside the model's own weights, when it answers
    inference_overhead: float = 0.0  # time of an answer over that of the plain model, minus 1


class RunManifest(Frozen):
    """One method (or reference), one configuration, one seed, on one task and model."""

    schema_version: Literal[1] = 1
    run_id: str
    status: Literal["done", "failed"]
    error: str = ""
    label: str  # the method with its variant, or base, target, gold
    kind: Literal["reference", "weights", "test-time"]
    fidelity: Fidelity | None
    model: str
    task: str
    task_version: int
    fold: str
    forget_ratio: float
    seed: int | None
    limit: float | None
    config: JsonValue
    recipe_source: str
    selected_on: str = ""  # validation, test (an override), by hand; nothing: not known, as for published values
    settings: str = ""  # digest of method, configuration and everything given, without the seed: one row of a table
    # Who answered. Left out where it is transformers, as it always was before there was a choice.
    backend: str = Field(default="transformers", exclude_if=lambda value: value == "transformers")
    precision: str = Field(default="float32", exclude_if=lambda value: value == "float32")  # in which it answered
    keys: dict[str, str]  # stage -> key in the store
    digests: dict[str, str]  # data, prompts, recipe, model, code
    target_run: str | None = None
    gold_run: str | None = None
    vector: Vector = Vector()
    gate: str = ""  # the verdict of `gate.Gate`; nothing: written before there was one
    measurable: tuple[str, ...] | None = None  # memory columns that `overall` is made of; null: all
    figures: dict[str, float] = Field(default_factory=dict)
    cost: CostRecord = CostRecord()
    version: str
    environment: Environment


def read(folder: Path) -> RunManifest:
    """The manifest of a run folder. Raises UserError naming the file and the key."""
    path = folder / FILE
    try:
        return RunManifest.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise UserError("not a run folder: it has no manifest.json", where=str(folder)) from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        raise UserError(f"not a manifest of a run: {first['msg']}", where=f"{path}, key {key!r}") from None


def read_scores_json(folder: Path) -> dict[str, Any]:
    """What `scores.json` of a run holds: cells, vector, composites, `gate` and `gold`; {} where there is none.

    Raises UserError for a damaged one.
    """
    path = folder / SCORES
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise UserError(f"not JSON: {error}", where=str(path)) from None
    return found
