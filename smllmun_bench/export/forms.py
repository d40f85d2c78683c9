"""The forms that a model is exported in; each function fills a folder.

merged    all weights, changed: a normal model folder
adapter   the low-rank change alone, as PEFT keeps it
delta     the changed entries alone, with the module that puts them on
module    the artifact as it is, with the module that mounts it: for what acts while the model answers. Steering
          comes with a module for plain transformers; what else there is needs this package
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smllmun_bench.errors import UserError
from smllmun_bench.export import steering, templates
from smllmun_bench.export.card import Form
from smllmun_bench.export.parts import Parts

if TYPE_CHECKING:
    from PIL import Image

    from smllmun_bench.models.change import Artifact


class _NoPictures:
    def image(self, ref: str) -> "Image.Image":
        raise LookupError(ref)  # nothing is asked while weights are written


def _merged(parts: Parts, change: "Artifact", folder: Path) -> None:
    from smllmun_bench.models.folder import save
    from smllmun_bench.models.loading import load

    vlm = load(parts.start, _NoPictures(), dtype=parts.dtype)
    with change.mounted(vlm):
        save(vlm.model, vlm.processor, folder)


def _adapter(parts: Parts, change: "Artifact", folder: Path) -> None:
    from peft import LoraConfig
    from safetensors.torch import save_file

    if change.kind != "lora":
        raise UserError(
            f"the change is not low-rank but {change.kind}", where="--as adapter", fix="--as merged or delta"
        )
    factors = change.tensors
    ranks = {key.removesuffix(".weight::a"): len(a) for key, a in factors.items() if key.endswith("::a")}
    common = max(set(ranks.values()), key=list(ranks.values()).count)
    other = {name: rank for name, rank in ranks.items() if rank != common}
    LoraConfig(  # alpha = rank: the scale is part of b already
        r=common,
        lora_alpha=common,
        target_modules=sorted(ranks),
        rank_pattern=other,
        alpha_pattern=other,
        base_model_name_or_path=str(Path(parts.start).resolve()) if Path(parts.start).is_dir() else parts.start,
        inference_mode=True,
    ).save_pretrained(folder)
    named = {"a": "lora_A", "b": "lora_B"}
    tensors = {}
    for key, tensor in factors.items():
        name, _, side = key.partition("::")
        tensors[f"base_model.model.{name.removesuffix('.weight')}.{named[side]}.weight"] = tensor.contiguous()
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})


def _delta(parts: Parts, change: "Artifact", folder: Path) -> None:
    import torch
    from safetensors.torch import save_file

    tensors: dict[str, torch.Tensor] = {}
    for name, delta in change.deltas():
        flat = delta.float().flatten()
        places = flat.nonzero().flatten()
        if 2 * len(places) < len(flat):  # a place costs as much as a value
            narrow = torch.int32 if len(flat) < 2**31 else torch.int64
            tensors |= {f"{name}::places": places.to(narrow), f"{name}::values": flat[places]}
        else:
            tensors[f"{name}::dense"] = delta.float().contiguous()
    save_file(tensors, folder / "delta.safetensors", metadata={"format": "pt"})
    (folder / "apply_delta.py").write_text(templates.source("apply_delta"), encoding="utf-8")


def _module(parts: Parts, change: "Artifact", folder: Path) -> None:
    change.save(folder)
    (folder / "unlearned.py").write_text(templates.source("unlearned"), encoding="utf-8")
    if change.mechanism == steering.MECHANISM:
        steering.write(change, parts.start, folder)


FORMS: dict[Form, Callable[[Parts, Any, Path], None]] = {
    "merged": _merged,
    "adapter": _adapter,
    "delta": _delta,
    "module": _module,
}
