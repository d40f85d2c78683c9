"""What a run folder says about itself. Everything a number depends on is in it or hashed in it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    NonNegativeFloat,
    NonNegativeInt,
    StringConstraints,
    ValidationError,
)

from smllmun_bench.config import Frozen
from smllmun_bench.errors import UserError
from smllmun_bench.schema import Fidelity
from smllmun_bench.scoring.gate import Gate
from smllmun_bench.scoring.gold import ToGold
from smllmun_bench.scoring.vectors import ColumnFields
from smllmun_bench.store.environment import Environment

FILE, SCORES = "manifest.json", "scores.json"
Name = Annotated[str, StringConstraints(min_length=1)]
Share = Annotated[float, Field(ge=0, le=1)]


class Vector(ColumnFields):
    """Every column (`scoring.columns`), the scalars too; None: there is no such score."""

    if TYPE_CHECKING:

        def __init__(self, **columns: float | None) -> None: ...


class CostRecord(Frozen):
    fit_seconds: NonNegativeFloat = 0.0
    peak_memory_mb: NonNegativeFloat = 0.0
    trainable_params: NonNegativeInt = 0
    forwards: NonNegativeInt = 0
    backwards: NonNegativeInt = 0
    peak_device_mb: NonNegativeFloat = 0.0  # on the accelerator; 0 on a CPU
    extra_params: NonNegativeInt = 0  # beside the model's own weights, when it answers
    inference_overhead: float = 0.0  # time of an answer over that of the plain model, minus 1


class RunManifest(Frozen):
    """One method (or reference), one configuration, one seed, on one task and model."""

    schema_version: Literal[1] = 1
    run_id: Name
    status: Literal["done", "failed"]
    error: str = ""
    label: Name  # the method with its variant, or base, target, gold
    kind: Literal["reference", "weights", "test-time"]
    fidelity: Fidelity | None
    model: Name
    task: Name
    task_version: NonNegativeInt
    fold: Name
    forget_ratio: Share
    seed: int | None
    limit: NonNegativeFloat | None
    config: JsonValue
    recipe_source: str
    selected_on: str = ""  # as `stages.method_recipes.SelectedOn`
    settings: str = ""  # digest of method, configuration and everything given, without the seed: one row of a table
    # Who answered. Left out where it is transformers, as it always was before there was a choice.
    backend: Name = Field(default="transformers", exclude_if=lambda value: value == "transformers")
    precision: Name = Field(default="float32", exclude_if=lambda value: value == "float32")  # in which it answered
    keys: dict[str, str]  # stage -> key in the store
    digests: dict[str, str]  # data, prompts, recipe, model, code
    target_run: str | None = None
    gold_run: str | None = None
    vector: Vector = Vector()
    gate: str = ""  # the verdict of `gate.Gate`; nothing: written before there was one
    measurable: tuple[str, ...] | None = None  # memory columns that `overall` is made of; null: all
    figures: dict[str, float] = Field(default_factory=dict)
    cost: CostRecord = CostRecord()
    version: Name
    environment: Environment


class ScoresFile(BaseModel):
    """What `scores.json` says beyond what the items say: was there anything to forget, and how far is gold?"""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    gate: Gate | None = None
    gold: tuple[ToGold, ...] | None = None


def read(folder: Path) -> RunManifest:
    """The manifest of a run folder. Raises UserError naming the file and the key."""
    path = folder / FILE
    try:
        return RunManifest.model_validate_json(path.read_bytes(), strict=True)
    except FileNotFoundError:
        raise UserError("not a run folder: it has no manifest.json", where=str(folder)) from None
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", where=str(path)) from None
    except ValidationError as error:
        raise _first_fault("not a manifest of a run", error, path) from None


def read_scores_json(folder: Path) -> ScoresFile:
    """Gate and distances of a run; none where there is no such file. Raises UserError for a damaged one."""
    path = folder / SCORES
    try:
        return ScoresFile.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return ScoresFile()
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", where=str(path)) from None
    except ValidationError as error:
        raise _first_fault("not the scores of a run", error, path) from None


def _first_fault(what: str, error: ValidationError, path: Path) -> UserError:
    first = error.errors(include_url=False)[0]
    key = ".".join(map(str, first["loc"]))
    return UserError(f"{what}: {first['msg']}", where=f"{path}, key {key!r}" if key else str(path))
