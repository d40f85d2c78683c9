"""The contract of an unlearning method. Free of torch: listing methods must stay cheap."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from smllmun_bench.config import Frozen
from smllmun_bench.schema import Fidelity, Item
from smllmun_bench.training.config import TrainingConfig

if TYPE_CHECKING:
    from smllmun_bench.models.change import Artifact
    from smllmun_bench.models.vlm import Vlm
    from smllmun_bench.training.loop import Progress


class MethodConfig(Frozen):
    """Settings of a method; every one has a default."""

    training: TrainingConfig = TrainingConfig()


@dataclass(frozen=True, slots=True)
class Needs:
    """What a method must be given."""

    forget: bool = False
    retain: bool = False
    refusals: bool = False
    gradients: bool = False
    hooks: bool = False

    def words(self) -> str:
        return ", ".join(name for name in ("forget", "retain", "refusals", "gradients", "hooks") if getattr(self, name))


def _make_afresh(name: str, inputs: Frozen, make: "Callable[[], Artifact]") -> "Artifact":
    return make()


@dataclass(frozen=True, slots=True)
class UnlearningData:
    """The same for every method: the whole forget set, the same few retain rows, one pool of refusals.

    `reuse(name, inputs, make)` returns what `make` gives and may keep it for the next method that asks for the same
    thing of the same model and data; `inputs` must hold everything else that it depends on.
    """

    forget: Sequence[Item]
    retain: Sequence[Item]
    refusals: Sequence[str]
    seed: int = 0
    reuse: "Callable[[str, Frozen, Callable[[], Artifact]], Artifact]" = field(default=_make_afresh)


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
