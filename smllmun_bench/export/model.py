"""A run leaves the benchmark: its model as a folder that plain `transformers` or `peft` load, with a card of its own.

merged    all weights, changed: a normal model folder
adapter   the low-rank change alone, as PEFT keeps it
delta     the changed entries alone, with the few lines of Python that put them on
module    the artifact as it is, with the few lines that mount it: for what acts while the model answers. Steering
          comes with a module for plain transformers; what else there is needs this package
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smllmun_bench.errors import UserError
from smllmun_bench.export import steering
from smllmun_bench.export.card import Form, card_text, facts_text
from smllmun_bench.results.manifest import RunManifest
from smllmun_bench.results.run_folder import RunFolder
from smllmun_bench.stages import model_cards
from smllmun_bench.stages.loader import reference
from smllmun_bench.store.hashing import HashMemo
from smllmun_bench.store.overlays import PUT_TOGETHER
from smllmun_bench.store.store import Store
from smllmun_bench.store.stored_stage import StoredStage, read_entry

if TYPE_CHECKING:
    from PIL import Image

    from smllmun_bench.models.change import Artifact

MODELS = ("memorise", "pretrain", *PUT_TOGETHER)  # stages that leave a model folder


@dataclass(frozen=True, slots=True)
class Parts:
    """What a run's model is made of. `start` is the model it was made from, `change` the artifact's entry."""

    start: str
    change: StoredStage | None
    dtype: str


def parts_of(run: RunFolder, store: Store, base: str | None = None) -> Parts:
    """Find them: the artifact by its key, the model by its content.

    Raises:
        UserError: the run failed, or one of the two is nowhere to be found.
    """
    manifest = run.manifest
    if manifest.status == "failed":
        raise UserError(f"the run failed, so there is no model: {manifest.error}", where=str(run.folder))
    asked = _by_key(store, "predict", manifest.keys["predict"])
    return Parts(
        _start(manifest, store, base),
        _by_key(store, "unlearn", manifest.keys["unlearn"]) if "unlearn" in manifest.keys else None,
        str(asked.manifest.request["inputs"]["dtype"]),  # type: ignore[index, call-overload]
    )


def _by_key(store: Store, stage: str, key: str) -> StoredStage:
    for folder in store.entries(stage):
        if folder.name == key:
            return read_entry(folder, key)
    raise UserError(
        f"what the run made is no longer in the store ({stage} {key})",
        where=str(store.root),
        fix="--store with the store of the run, or the run once more",
    )


def _start(manifest: RunManifest, store: Store, base: str | None) -> str:
    wanted = manifest.digests["model"]
    if base is None:
        for stage in MODELS:
            for folder in store.entries(stage):
                # What is put together is identified by what it is made of, everything else by what is in it.
                same = folder.name if stage in PUT_TOGETHER else read_entry(folder, folder.name).digest
                if same == wanted:
                    return str(folder)
        card = model_cards.load(manifest.model) if manifest.model in model_cards.names() else None
        known = [path for path in (card.target, card.gold, card.path) if path] if card is not None else []
    else:
        known = [base]
    memo = HashMemo()
    for path in known:
        if reference(path, memo).digest == wanted:
            return path
    if base is not None:
        raise UserError("this is not the model that the run started from", where=f"--base {base}")
    raise UserError(
        f"the model that the run started from ({manifest.model}, {wanted[:12]}) is neither in the store nor registered",
        fix="--base with its folder",
    )


def export(run: RunFolder, parts: Parts, out: Path, form: Form = "merged") -> Path:
    """Write the run's model to the new folder `out`; it is whole or not there.

    Raises:
        UserError: `out` holds something already, the change does not have this form, or it is no change of weights.
    """
    from smllmun_bench.models.change import Artifact

    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError("there is something already", where=str(out), fix="a folder that does not exist yet")
    change = Artifact.load(parts.change.path) if parts.change is not None else Artifact("none")
    if change.kind not in ("none", "delta", "lora") and form != "module":
        raise UserError(
            f"{run.manifest.label} acts while the model answers ({change.kind}), which weights cannot hold",
            where=str(run.folder),
            fix="--as module",
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.new")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    _FORMS[form](parts, change, temporary)
    (temporary / "unlearning.json").write_text(facts_text(run.manifest, change.kind, form), encoding="utf-8")
    (temporary / "README.md").write_text(card_text(run.manifest, form, change.mechanism), encoding="utf-8")
    if out.exists():
        out.rmdir()
    temporary.rename(out)
    return out


# -- forms -------------------------------------------------------------------------------------------------------------


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


APPLY = '''"""Put the change of this folder on the model that it was made from; needs torch and safetensors alone."""

from pathlib import Path

import torch
from safetensors.torch import load_file


@torch.no_grad()
def apply_delta(model: torch.nn.Module, folder: str | Path = Path(__file__).parent) -> torch.nn.Module:
    """Adds in float32 and casts last, as the benchmark does."""
    tensors = load_file(Path(folder) / "delta.safetensors")
    parameters = dict(model.named_parameters())
    for key, values in tensors.items():
        name, _, kind = key.partition("::")
        if kind == "places":
            continue
        delta = values.float()
        if kind == "values":
            delta = torch.zeros(parameters[name].numel()).index_copy(0, tensors[f"{name}::places"].long(), delta)
        parameter = parameters[name]
        delta = delta.view_as(parameter).to(parameter.device)
        parameter.copy_((parameter.float() + delta).to(parameter.dtype))
    return model
'''


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
    (folder / "apply_delta.py").write_text(APPLY, encoding="utf-8")


MODULE = '''"""The model with what this folder does to it while it answers. Needs smllmun-bench."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

try:
    from smllmun_bench.models.change import Artifact
    from smllmun_bench.models.loading import load
    from smllmun_bench.models.vlm import ImageSource, Vlm
except ModuleNotFoundError as missing:
    raise ImportError(
        "what is in this folder acts while the model answers and is mounted by the benchmark that made it: "
        f"pip install smllmun-bench (missing: {missing.name})"
    ) from missing


class Files:
    """References of pictures are paths of files."""

    def image(self, ref: str) -> Image.Image:
        return Image.open(ref)


@contextmanager
def unlearned(target: str, source: ImageSource | None = None, **options: Any) -> Iterator[Vlm]:
    """The target model (a folder) with the artifact mounted; `options` are those of `models.loading.load`."""
    vlm = load(target, source or Files(), **options)
    with Artifact.load(Path(__file__).parent).mounted(vlm):
        yield vlm
'''


def _module(parts: Parts, change: "Artifact", folder: Path) -> None:
    change.save(folder)
    (folder / "unlearned.py").write_text(MODULE, encoding="utf-8")
    if change.mechanism == steering.MECHANISM:
        steering.write(change, parts.start, folder)


_FORMS: dict[Form, Callable[[Parts, Any, Path], None]] = {
    "merged": _merged,
    "adapter": _adapter,
    "delta": _delta,
    "module": _module,
}
