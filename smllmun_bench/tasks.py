"""Tasks: what is asked, how it is scored, and where a good unlearner moves each score.

Reads YAML and checks it. Knows adapters, prompts and metrics by name only; the rooms that own them look the names up.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, PrivateAttr, StringConstraints, model_validator

from smllmun_bench import resources
from smllmun_bench.catalogue import warn
from smllmun_bench.config import Frozen, read_yaml
from smllmun_bench.errors import UserError, unknown
from smllmun_bench.schema import Direction, Fidelity, Kind, Modality, Role

JsonScalar = str | int | float | bool | None
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]*$")]
TaskName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]*(/[a-z0-9][a-z0-9_-]*)?$")]
Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
Percent = Annotated[int, Field(ge=1, le=99)]


class Adapter(Frozen):
    """The data source, and the arguments that it types and checks itself."""

    name: Name
    args: dict[Name, JsonScalar] = Field(default_factory=dict)


class ForgetPercents(Frozen):
    """Shares of the people, in percent, whose memory may be asked to be erased.

    None available (and 0 the default) where the task only asks: general visual question answering.
    """

    available: tuple[Percent, ...]
    default: Annotated[int, Field(ge=0, le=99)]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.available and self.default == 0:
            return self
        if list(self.available) != sorted(set(self.available)):
            raise ValueError("'available' must rise, without repeats")
        if self.default not in self.available:
            raise ValueError(f"'default' is {self.default}, which is not among 'available' {list(self.available)}")
        return self


class Generation(Frozen):
    """Limits of an answer. Decoding is greedy."""

    max_new_tokens: PositiveInt


class MetricPlan(Frozen):
    """The metrics of one kind of question: `headline` goes into tables, `also` is computed beside it."""

    headline: Name
    also: tuple[Name, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        repeated = [name for name, count in Counter([self.headline, *self.also]).items() if count > 1]
        if repeated:
            raise ValueError(f"metric named twice: {', '.join(repeated)}")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Headline first."""
        return (self.headline, *self.also)


class ChoiceHandling(Frozen):
    """How a multiple-choice question is put and read.

    `listed`: the options stand in the prompt. `answer`: `logprob` takes the option with the highest summed
    log-probability, `generated` reads the option out of the generated text.
    """

    listed: bool
    answer: Literal["logprob", "generated"]


class GeneralPart(Frozen):
    """Questions beside the profiles, about pictures or in words alone: `sample` of them, drawn with `seed`."""

    adapter: Name
    sample: PositiveInt
    seed: NonNegativeInt


class TaskSpec(Frozen):
    """One task of the benchmark. `version` goes up when a score can change, and is part of every manifest."""

    name: TaskName
    version: PositiveInt
    description: Text
    source: Text
    fidelity: Fidelity
    licence: Text
    adapter: Adapter
    forget_percents: ForgetPercents = ForgetPercents(available=(), default=0)
    prompt: Literal["question_only"]  # the one way of putting a question that there is
    generation: Generation
    metrics: dict[Kind, MetricPlan] = Field(min_length=1)
    choice: ChoiceHandling | None = None
    direction: dict[Role, Annotated[dict[Modality, Direction], Field(min_length=1)]] = Field(min_length=1)
    general: GeneralPart | None = None
    language: GeneralPart | None = Field(default=None, exclude_if=lambda value: value is None)
    _folder: Path | None = PrivateAttr(default=None)  # where the file lies: part of no digest

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.forgets and (self.general is None) != (Role.GENERAL not in self.direction):
            raise ValueError("'general' and 'direction.general' need each other")
        if (self.language is None) != (Role.LANGUAGE not in self.direction):
            raise ValueError("'language' and 'direction.language' need each other")
        if self.language is not None and Kind.PASSAGE not in self.metrics:
            raise ValueError("'language' needs 'metrics.passage': {headline: probability}")
        if (self.choice is None) != (Kind.CHOICE not in self.metrics):
            raise ValueError("'choice' and 'metrics.choice' need each other")
        return self

    @property
    def arguments(self) -> dict[str, JsonScalar]:
        """Those of the adapter; a `path` is relative to the task's file. One that does not lie there stays as it is."""
        args = dict(self.adapter.args)
        path = args.get("path")
        if isinstance(path, str) and self._folder is not None:
            near = self._folder / Path(path).expanduser()
            args["path"] = str(near) if near.exists() or path[:1] == "." else path
        return args

    @property
    def forgets(self) -> bool:
        """Whether there is anything to forget; otherwise the task only asks."""
        return bool(self.forget_percents.available)

    @property
    def roles(self) -> tuple[Role, ...]:
        """The roles that the task asks about, in the order of its file."""
        return tuple(self.direction)

    def direction_of(self, role: Role, modality: Modality) -> Direction:
        """Where a good unlearner moves the score; `NONE` where the task makes no claim."""
        return self.direction.get(role, {}).get(modality, Direction.NONE)


@dataclass(frozen=True, slots=True)
class TaskSummary:
    """One line of a task list; `faults` is the error's text where the file cannot be read."""

    name: str
    path: Path
    spec: TaskSpec | None
    faults: str = ""


def names() -> tuple[str, ...]:
    """Names of all tasks, shipped ones and those of plug-ins, sorted."""
    return tuple(sorted(_files()))


def load(name_or_path: str | Path) -> TaskSpec:
    """The task of that name, or the one in that YAML file.

    Raises UserError for an unknown name (with the nearest one) and for every fault of the file.
    """
    path = _as_path(name_or_path)
    if path is not None:
        return read(path)
    path = find(str(name_or_path))
    spec = read(path)
    check_name(spec, path)
    return spec


def read(path: Path) -> TaskSpec:
    """The task in that file, which knows where it lies. Raises UserError for every fault of it."""
    spec = read_yaml(path, TaskSpec)
    if "path" in spec.adapter.args:
        spec._folder = path.absolute().parent
    return spec


def check_name(spec: TaskSpec, path: Path) -> None:
    """Raise UserError unless the file lies where the task's name says: `clear/forget-05` in `clear/forget-05.yaml`."""
    named = spec.name.split("/")
    if list(path.with_suffix("").parts[-len(named) :]) != named:
        fix = path.stem if len(named) == 1 else f"{path.parent.name}/{path.stem}"
        raise UserError(f"the task calls itself {spec.name!r}", where=str(path), fix=f"name: {fix}")


def find(name: str) -> Path:
    """The file of the task of that name. Raises UserError for an unknown one."""
    files = _files()
    if name not in files:
        raise unknown("task", name, files)
    return files[name]


def describe() -> tuple[TaskSummary, ...]:
    """All tasks, for a list; a broken file is a line that says so, so that it cannot hide the others."""
    return tuple(_summary(name, path) for name, path in sorted(_files().items()))


def _summary(name: str, path: Path) -> TaskSummary:
    try:
        return TaskSummary(name, path, load(name))
    except UserError as error:
        return TaskSummary(name, path, None, str(error))


def _as_path(name_or_path: str | Path) -> Path | None:
    """A name may have a slash (`clear/forget-05`), so a path is told by its ending."""
    path = Path(name_or_path)
    return path if isinstance(name_or_path, Path) or path.suffix in (".yaml", ".yml") else None


def _files() -> dict[str, Path]:
    """Task name -> file. What comes under a name that is taken is left out, with a warning: ours first."""
    found = _below(resources.shipped("tasks"))
    for folder in (*resources.own("tasks"), *resources.brought("tasks")):
        theirs = _below(folder)
        for name in sorted(found.keys() & theirs.keys()):
            warn(f"two tasks are named {name!r}: {found[name]} and {theirs[name]}; the second is left out")
        found = theirs | found
    return found


def _below(folder: Path) -> dict[str, Path]:
    paths = sorted([*folder.glob("*.yaml"), *folder.glob("*/*.yaml")])
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in paths}
