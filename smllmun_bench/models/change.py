"""What a method leaves behind: a change that can be mounted on a model and taken off again, bit for bit.

A change of kind `hooks` or `gate` names its mechanism: a function `(vlm, tensors, settings)` that returns a context
manager. Inside it the model answers otherwise; on any exit it is exactly as before, and no code of `fit` is needed.
Other packages add mechanisms under the entry point group `smllmun_bench.mechanisms` (name = `module:function`), so that
an artifact can name installed code and no other.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeGuard

from smllmun_bench.catalogue import distribution
from smllmun_bench.catalogue import load as load_point
from smllmun_bench.errors import RunFailed, UserError
from smllmun_bench.models.cost import Cost

if TYPE_CHECKING:
    from torch import Tensor

    from smllmun_bench.models.vlm import Vlm
from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from smllmun_bench.errors import unknown

if TYPE_CHECKING:
    from torch import Tensor

    from smllmun_bench.models.vlm import Vlm

GROUP = "smllmun_bench.mechanisms"
Settings = Mapping[str, Any]
"""JSON: text, numbers, true, false, null, lists and objects of these."""
Mechanism = Callable[["Vlm", Mapping[str, "Tensor"], Settings], AbstractContextManager[Any]]
_OURS = {
    "steering": "smllmun_bench.methods.shared.steering:steering",
    "corruption": "smllmun_bench.methods.shared.corruption:corruption",
    "feature-edit": "smllmun_bench.methods.shared.sae:feature_edit",
    "preamble": "smllmun_bench.methods.shared.prompt_filters:preamble",
    "name-filter": "smllmun_bench.methods.shared.prompt_filters:name_filter",
}
Kind = Literal["none", "delta", "lora", "hooks", "gate"]
SUPPRESSION: tuple[Kind, ...] = ("hooks", "gate")
_TENSORS, _ABOUT, _HOW = "artifact.safetensors", "artifact.json", "how"


@dataclass(frozen=True, slots=True)
class Artifact:
    """A change of weights, or of what happens while the model answers.

    `delta` holds dense float32 differences by parameter name. `lora` holds `<parameter>::a` (rank, in) and
    `<parameter>::b` (out, rank), the difference being b @ a (the scale is folded into b), and may hold dense
    differences of other parameters beside them. `none` changes nothing.
    `hooks` act on every question and `gate` on those that it picks out; weights stay as they are, so what is known is
    still there. For both, `mechanism` names the code that mounts it, with `tensors` and `settings`.
    `figures` are numbers worth logging (mask diagnostics, losses before and after).
    """

    kind: Kind
    tensors: Mapping[str, "Tensor"] = field(default_factory=dict)
    cost: Cost = field(default_factory=Cost)
    figures: Mapping[str, float] = field(default_factory=dict)
    base: str = ""  # digest of the target that it belongs to
    mechanism: str = ""
    settings: Settings = field(default_factory=dict)

    @property
    def suppression(self) -> bool:
        """Weights unchanged."""
        return self.kind in SUPPRESSION

    def deltas(self) -> Iterator[tuple[str, "Tensor"]]:
        """(parameter name, ΔW in float32)."""
        if self.suppression:
            return
        for key, tensor in self.tensors.items():
            if key.endswith("::a"):
                name = key.removesuffix("::a")
                yield name, self.tensors[f"{name}::b"].float() @ tensor.float()
            elif not key.endswith("::b"):
                yield key, tensor.float()

    def rounded(self, dtype: str) -> "Artifact":
        """The same change with its tensors in `dtype`, say float16, for keeping."""
        import torch

        return replace(self, tensors={name: tensor.to(getattr(torch, dtype)) for name, tensor in self.tensors.items()})

    def scaled(self, factor: float) -> "Artifact":
        """The same change times `factor`: -1 is the negation of a task vector (Ilharco et al. 2023)."""
        if self.suppression:
            raise ValueError(f"{self.kind} are no change of weights that could be scaled")
        factors = {name: 1.0 if name.endswith("::a") else factor for name in self.tensors}
        return replace(self, tensors={name: factors[name] * tensor for name, tensor in self.tensors.items()})

    def after(self, first: "Artifact") -> "Artifact":
        """Both changes as one, this one learnt on top of `first`, dense differences; those of one parameter add up."""
        both = self.tensors.keys() & first.tensors.keys()
        sums = {name: first.tensors[name] + self.tensors[name] for name in both}
        return replace(self, tensors={**first.tensors, **self.tensors, **sums})

    @contextmanager
    def mounted(self, vlm: "Vlm") -> Iterator["Vlm"]:
        """The model with the change, inside the block; exactly the model as it was, afterwards and on any exit.

        The sum is formed in float32 and cast last: at |W| ≈ 0.02 one bfloat16 step is as large as many entries of ΔW.
        """
        if self.suppression:
            with mechanism(self.mechanism)(vlm, self.tensors, self.settings):
                yield vlm
            return
        import torch

        from smllmun_bench.models.memory import check_resident

        parameters = dict(vlm.model.named_parameters())
        missing = [name for name, _ in self.deltas() if name not in parameters]
        if missing:
            raise UserError(
                f"the artifact changes {len(missing)} parameters that the model lacks, {missing[0]!r} first",
                fix="mount it on the model that it was made for",
            )
        check_resident(vlm.model, {name for name, _ in self.deltas()}, "the artifact")
        saved: dict[str, Tensor] = {}
        try:
            with torch.no_grad():
                for name, delta in self.deltas():
                    parameter = parameters[name]
                    saved[name] = parameter.detach().clone()
                    parameter.copy_((parameter.float() + delta.to(parameter.device)).to(parameter.dtype))
            if any(name.startswith(vlm.family.vision) for name in saved):
                vlm.bank.forget_features()
            yield vlm
        finally:
            with torch.no_grad():
                for name, before in saved.items():
                    parameters[name].copy_(before)
            if any(name.startswith(vlm.family.vision) for name in saved):
                vlm.bank.forget_features()

    def digest(self) -> str:
        """sha256 over kind, mechanism and tensors; cost and figures do not count."""
        import torch

        state = hashlib.sha256(self.kind.encode())
        state.update((self._how() or "").encode())
        for name, tensor in sorted(self.tensors.items()):
            state.update(name.encode())
            state.update(tensor.contiguous().view(torch.uint8).numpy().tobytes())
        return state.hexdigest()

    def check_finite(self) -> None:
        """Raises RunFailed where training diverged into what is no number, in the change or in what is told of it."""
        told = {name: value for name, value in (*self.figures.items(), *self.settings.items()) if _is_float(value)}
        odd = [name for name, tensor in self.tensors.items() if not bool(tensor.isfinite().all())]
        odd += [f"{name} = {value}" for name, value in told.items() if not math.isfinite(value)]
        if odd:
            raise RunFailed(f"training diverged: not a finite number in {odd[0]}", fix="a smaller training.lr")

    def for_base(self, digest: str) -> "Artifact":
        return replace(self, base=digest)

    def save(self, folder: Path) -> None:
        from safetensors.torch import save_file

        how = self._how()  # in the file of the tensors, whose hash thereby covers all that changes answers
        metadata = None if how is None else {_HOW: how}
        save_file({name: tensor.contiguous() for name, tensor in self.tensors.items()}, folder / _TENSORS, metadata)
        about = {"kind": self.kind, "cost": asdict(self.cost), "figures": dict(self.figures), "base": self.base}
        (folder / _ABOUT).write_text(json.dumps(about, indent=1, sort_keys=True), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "Artifact":
        from safetensors import safe_open
        from safetensors.torch import load_file

        about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
        with safe_open(folder / _TENSORS, "pt") as file:
            how = json.loads((file.metadata() or {}).get(_HOW, "{}"))
        cost = Cost(**about["cost"])
        return cls(about["kind"], load_file(folder / _TENSORS), cost, about["figures"], about["base"], **how)

    def _how(self) -> str | None:
        if not self.suppression:
            return None
        return json.dumps({"mechanism": self.mechanism, "settings": self.settings}, sort_keys=True)


def _is_float(value: object) -> TypeGuard[float]:
    return isinstance(value, float)


def mechanism(name: str) -> Mechanism:
    """Raises UserError with the nearest name."""
    if name in _OURS:
        module, _, function = _OURS[name].partition(":")
        found: Mechanism = getattr(import_module(module), function)
        return found
    theirs = {point.name: point for point in entry_points(group=GROUP)}
    if name not in theirs:
        raise unknown("mechanism", name, [*_OURS, *theirs])
    found = load_point(theirs[name], "mechanism")
    if not callable(found):
        raise UserError(f"the mechanism {name!r} of {distribution(theirs[name])} cannot be called: {found!r}")
    return found
