"""The contract of an attack. Free of torch: listing attacks must stay cheap.

Target, gold and the unlearned model get the same attack with the same strength; only what exceeds gold is residual
memory. An attack therefore says nothing about success: it gives questions, a changed model, or figures, and
`experiments.attack` holds the three models against each other.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from smllmun_bench.config import Frozen
from smllmun_bench.schema import Item

if TYPE_CHECKING:
    from smllmun_bench.models.change import Artifact
    from smllmun_bench.models.vlm import ImageSource, Vlm


class Family(StrEnum):
    """What an attacker needs, from least to most: the groups that `--attack` takes as a whole."""

    PROMPT = "prompt"
    PICTURE = "picture"
    SAMPLING = "sampling"
    LIKELIHOOD = "likelihood"
    WEIGHTS = "weights"
    WHITE_BOX = "white-box"
    BEFORE_AFTER = "before-after"


CONTROL = "random labels"
"""How the points of a curve end that are controls: what is found there was found by chance, it did not come back."""


class AttackConfig(Frozen):
    """Settings of an attack: its strength. Every one has a default, chosen on validation people."""


@dataclass(frozen=True, slots=True)
class AttackNeeds:
    """What must be there. `weights`: the model changes in its weights, so a change on top of them means something.

    `removable`: what the method left comes off (adapters, hooks, filters), and the model is attacked without it.
    """

    photos: bool = False  # another photo of the same person
    layers: bool = False  # decoder layers whose states can be read and set
    references: bool = False  # target and gold at hand, to be read beside the model
    weights: bool = False
    removable: bool = False


@dataclass(frozen=True, slots=True)
class AttackData:
    """The same for every model under every attack.

    `items` are the open memory questions about the forgotten people as the task asks them; `others` the same about
    retained people. `forget_rows`, `retain_rows` and `general_rows` are training rows, for attacks that teach. `photos`
    names further photos by the picture of an item: photos of the same person that no method was given.
    """

    items: Sequence[Item]
    others: Sequence[Item]
    forget_rows: Sequence[Item]
    retain_rows: Sequence[Item]
    general_rows: Sequence[Item]
    images: "ImageSource"
    photos: Mapping[str, Sequence[str]] = field(default_factory=dict)
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Try:
    """One way of asking an item.

    `item` keeps the id and the truths of the one that is attacked; its question, pictures, kind and options may be
    others. `prefill` is what the model's answer begins with, `temperature` and `top_p` how it is drawn (0: greedy).
    """

    item: Item
    prefill: str = ""
    temperature: float = 0.0
    top_p: float = 1.0


class AttackSource(Protocol):
    """What every attack tells of itself; `description` is the one line of a listing."""

    name: str
    description: str
    family: Family
    config: type[AttackConfig]
    needs: AttackNeeds


C = TypeVar("C", bound=AttackConfig, contravariant=True)


@runtime_checkable
class Elicitation(Protocol[C]):
    """Asks otherwise. An item that several tries are for is known if any of them brings it out: for gold as well."""

    def tries(self, data: AttackData, config: C) -> Sequence[Try]: ...


Ask = Callable[[Sequence[Try]], Sequence[float]]
"""Asks the model that is attacked; how much of the fact came back in each try, in [0, 1]."""


@runtime_checkable
class Checked(Protocol[C]):
    """An elicitation that a model may not understand at all: raises NotApplicable then, before it is tried."""

    def check(self, ask: Ask, data: AttackData, config: C) -> None: ...


@runtime_checkable
class Combining(Protocol[C]):
    """An elicitation whose tries of one item count otherwise than by the strongest of them.

    `worth` is what came back in each of `tries`, which are all those of one item. Gives point of a curve -> figure in
    [0, 1], the same points for every item.
    """

    def combined(self, tries: Sequence[Try], worth: Sequence[float], config: C) -> Mapping[str, float]: ...


@runtime_checkable
class WeightAttack(Protocol[C]):
    """Changes the model as it is mounted and asks the items as the task does.

    Each change goes on top of the unlearned model; a curve gives several, each named by its point (steps, bits).
    """

    def changes(self, vlm: "Vlm", data: AttackData, config: C) -> "Iterator[tuple[str, Artifact]]": ...


Curve = Mapping[str, Mapping[str, float]]
"""Point (nothing: there is one alone) -> item id -> how much of it came back, in [0, 1]."""


@runtime_checkable
class Selective(Protocol[C]):
    """A weight attack that asks some of the items only: it teaches others, and what is taught is not asked."""

    def asked(self, data: AttackData, config: C) -> Sequence[Item]: ...


@runtime_checkable
class Summarised(Protocol[C]):
    """A weight attack whose points make a curve: `summary` gives further points out of them, say its area."""

    def summary(self, values: Curve, config: C) -> Curve: ...


OpenReference = Callable[[str], "AbstractContextManager[Vlm]"]
"""Opens `target` or `gold`; one model is held at a time."""


@runtime_checkable
class Probe(Protocol[C]):
    """Looks inside: a figure in [0, 1] for each item, 1 = as much as a model that knows it.

    One model is held at a time, so `read` takes what is needed from the one under attack, and `figures` makes figures
    of what was `found`, beside target and gold where the attack needs them.
    """

    def read(self, vlm: "Vlm", data: AttackData, config: C) -> Any: ...

    def figures(self, found: Any, references: OpenReference, data: AttackData, config: C) -> Curve: ...


Attack = Any
"""An `AttackSource` that is an `Elicitation`, a `WeightAttack` or a `Probe`."""


class NotApplicable(Exception):
    """The attack means nothing for this model, task or artifact; the reason is shown in its place, never a 0."""
