"""The contract of an unlearning method. Free of torch: listing methods must stay cheap."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from smllmun_bench.config import Frozen
from smllmun_bench.errors import UserError
from smllmun_bench.schema import Fidelity, Item
from smllmun_bench.training.config import TrainingConfig

if TYPE_CHECKING:
    from smllmun_bench.models.change import Artifact
    from smllmun_bench.models.vlm import Vlm
    from smllmun_bench.training.loop import Progress


@dataclass(frozen=True, slots=True)
class Needs:
    """What a method must be given, and what it must be able to do with the model.

    `images`: rows with pictures, among the forget rows, the retain rows, or (True) each of them that it needs.
    `general`: rows of general questions to train on. `gradients`: weights that can be trained. `hooks`: hidden states
    that can be read or edited while the model runs.
    """

    forget: bool = False
    retain: bool = False
    general: bool = False
    refusals: bool = False
    images: bool | Literal["forget", "retain"] = False
    gradients: bool = False
    hooks: bool = False

    def words(self) -> str:
        return ", ".join(field.name for field in fields(self) if getattr(self, field.name))


class MethodConfig(Frozen):
    """Settings of a method; every one has a default."""

    training: TrainingConfig = TrainingConfig()

    def needed(self, usually: Needs) -> Needs:
        """What the method needs with these settings, where that differs from what it `usually` needs."""
        return usually


def _make_afresh(name: str, inputs: Frozen, make: "Callable[[], Artifact]") -> "Artifact":
    return make()


@dataclass(frozen=True, slots=True)
class UnlearningData:
    """The same for every method: the whole forget set, the same few retain rows, one pool of refusals.

    `general` holds general questions for a method that needs them, and nothing for any other.

    `reuse(name, inputs, make)` returns what `make` gives and may keep it for the next method that asks for the same
    thing of the same model and data; `inputs` must hold everything else that it depends on.
    """

    forget: Sequence[Item]
    retain: Sequence[Item]
    refusals: Sequence[str]
    seed: int = 0
    reuse: "Callable[[str, Frozen, Callable[[], Artifact]], Artifact]" = field(default=_make_afresh)
    general: Sequence[Item] = ()


def missing(needs: Needs, data: UnlearningData, *, trainable: bool = True) -> list[str]:
    """In words, what is needed and not there. `trainable`: the weights of the model can be trained."""
    rows = {"forget": data.forget, "retain": data.retain, "general": data.general}
    lacks = [f"{name} rows" for name, given in rows.items() if getattr(needs, name) and not given]
    for name in ("forget", "retain"):
        wanted = needs.images == name or (needs.images is True and getattr(needs, name))
        if wanted and rows[name] and not any(item.images for item in rows[name]):
            lacks.append(f"{name} rows with pictures")
    if needs.refusals and not data.refusals:
        lacks.append("refusals")
    if needs.gradients and not trainable:
        lacks.append("weights that can be trained (these are quantised)")
    return lacks


def check_needs(
    wanted: "Iterable[tuple[Method[Any], MethodConfig]]",
    data: "Callable[[Needs], UnlearningData]",
    *,
    trainable: bool = True,
    where: str = "",
) -> None:
    """Raises UserError, naming every method that needs what is not there; `data` gives what it would be given."""
    lines: dict[str, None] = {}
    for method, config in wanted:
        needs = config.needed(method.needs)
        if lacks := missing(needs, data(needs), trainable=trainable):
            lines[f"{method.name} needs {', '.join(lacks)}"] = None
    if lines:
        raise UserError(
            "; ".join([*lines]) + ": there are none",
            where=where,
            fix="other methods: `smllmun-bench methods` says what each needs",
        )


def suppresses(method: "Method[Any]") -> bool:
    """Weights unchanged: what was to be forgotten is still there, and every table says so."""
    return bool(getattr(method, "suppression", False))


C = TypeVar("C", bound=MethodConfig, contravariant=True)


class Method(Protocol[C]):
    """One unlearning method; `description` is the one line that `smllmun-bench methods` prints.

    A method that leaves the weights as they are, and only changes what happens while the model answers, has
    `suppression = True`; its artifact is of kind `hooks` or `gate`.
    """

    name: str
    aliases: tuple[str, ...]
    description: str
    fidelity: Fidelity
    config: type[MethodConfig]
    needs: Needs

    def fit(self, target: "Vlm", data: UnlearningData, config: C, progress: "Progress") -> "Artifact": ...
