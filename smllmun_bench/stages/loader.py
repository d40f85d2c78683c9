"""Where models come from in a run: folders with an identity, loaded when first needed."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from smllmun_bench.models.libraries import import_libraries
from smllmun_bench.store.hashing import HashMemo

if TYPE_CHECKING:
    from smllmun_bench.models.vision import FeatureBank
    from smllmun_bench.models.vlm import ImageSource, Vlm


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A model folder (or hub id) and the digest of what is in it: names and paths never count.

    `entry` is the folder of the store that would be shipped for it: the model itself, or what was learnt for it.
    """

    path: str
    digest: str
    entry: Path | None = None


def reference(path: str, memo: HashMemo) -> ModelRef:
    """Identify a user's model by its content; a hub id by its name, since its files are only known once cached."""
    folder = Path(path).expanduser()
    if not folder.is_dir():
        return ModelRef(path, hashlib.sha256(f"hub:{path}".encode()).hexdigest())
    return ModelRef(str(folder), memo.folder(folder))


class Loader:
    """Keeps the last model in memory; image features are shared by all models whose towers are equal.

    It is one of a family, one for each precision (`at`), of which one at a time holds a model.
    """

    def __init__(self, source: "ImageSource", *, device: str, dtype: str, device_map: str | None = None) -> None:
        self.source = source
        self.device, self.dtype, self.device_map = device, dtype, device_map
        self._last: tuple[str, Vlm] | None = None
        self._banks: dict[str, FeatureBank] = {}
        self._others: dict[str, Loader] = {dtype: self}

    def at(self, dtype: str) -> "Loader":
        """The same in another precision."""
        if dtype not in self._others:
            other = Loader(self.source, device=self.device, dtype=dtype, device_map=self.device_map)
            other._others = self._others
            self._others[dtype] = other
        return self._others[dtype]

    def get(self, model: ModelRef, on_load: Callable[[str], None] = lambda path: None) -> "Vlm":
        import_libraries()
        from smllmun_bench.models.loading import load

        if self._last is not None and self._last[0] == model.digest:
            return self._last[1]
        for loader in self._others.values():
            loader._last = None  # let the old one go before the new one comes
        on_load(model.path)
        vlm = load(model.path, self.source, device=self.device, dtype=self.dtype, device_map=self.device_map)
        vlm.bank = self._banks.setdefault(_vision_digest(vlm) or model.digest, vlm.bank)
        self._last = (model.digest, vlm)
        return vlm

    def let_go(self) -> None:
        """Make room on the card for somebody else."""
        from smllmun_bench.models.memory import release

        for loader in self._others.values():
            loader._last = None
        release()

    def in_float32(self, model: ModelRef) -> "Vlm":
        """The model for sums that are formed in float32, on the CPU; not kept."""
        import_libraries()
        from smllmun_bench.models.loading import load

        return load(model.path, self.source)


def _vision_digest(vlm: "Vlm") -> str | None:
    """sha256 over tower and projector; None where `device_map` keeps part of them elsewhere."""
    import torch

    state = hashlib.sha256()
    for name, tensor in sorted(vlm.model.state_dict().items()):
        if name.startswith(vlm.family.vision):
            if tensor.is_meta:
                return None
            state.update(name.encode())
            state.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return state.hexdigest()
