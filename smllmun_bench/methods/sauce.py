"""SAUCE: features of a sparse autoencoder that fire for the forgotten people are turned around in the vision tower."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import NonNegativeFloat, PositiveInt

from smllmun_bench.errors import UserError
from smllmun_bench.methods.base import MethodConfig, Needs, UnlearningData
from smllmun_bench.models.cost import Cost
from smllmun_bench.schema import Fidelity, Item
from smllmun_bench.training.config import TrainingConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image
    from torch import Tensor

    from smllmun_bench.methods.shared.sae import Weights
    from smllmun_bench.models.change import Artifact
    from smllmun_bench.models.vlm import Vlm
    from smllmun_bench.training.loop import Progress

_ENDINGS = (".jpg", ".jpeg", ".png", ".webp")


class SauceConfig(MethodConfig):
    training: TrainingConfig = TrainingConfig(steps=500, lr=4e-4, batch_size=1024, warmup=50)  # of the autoencoder
    images: str = ""  # a folder of generic pictures to train it on; empty: those of the retain rows
    block: int = -2  # of the tower, whose output is edited; negative from the end
    scope: Literal["all", "last"] = "all"  # image tokens that are collected and edited
    expansion: PositiveInt = 8  # features per channel
    l1: NonNegativeFloat = 8e-5  # α
    features: PositiveInt = 64  # k: how many are edited
    factor: float = -0.5  # γ
    preserve_error: bool = True  # a + W_dec (z′ − z); false: the reconstruction replaces the state, as published


class Sauce:
    """z_i ← γ z_i for the k features that set forget pictures apart. Li et al. 2025, arXiv 2503.14530 (ICCV 2025)."""

    name = "sauce"
    aliases: tuple[str, ...] = ()
    description = (
        "a sparse autoencoder in the vision tower; features of the forgotten people's pictures are turned around"
    )
    fidelity = Fidelity.REIMPLEMENTATION
    config = SauceConfig
    needs = Needs(forget=True, retain=True, images=True, hooks=True)
    suppression = True

    def fit(self, target: "Vlm", data: UnlearningData, config: SauceConfig, progress: "Progress") -> "Artifact":
        import torch

        from smllmun_bench.methods.shared import sae
        from smllmun_bench.methods.shared.inference_overhead import measured
        from smllmun_bench.metrics.mia import auc
        from smllmun_bench.models.change import Artifact
        from smllmun_bench.models.vision import FeatureBank

        start = time.perf_counter()
        block = sae.chosen_block(target, config.block, self.name)
        refs = {name: _pictures(items, name) for name, items in (("forget", data.forget), ("retain", data.retain))}
        seen = {name: sae.activations(target, target.bank, each, block, config.scope) for name, each in refs.items()}
        generic, others = seen["retain"], 0
        if config.images:
            paths = _files(Path(config.images).expanduser())
            bank = FeatureBank(target.processor, _Folder(), target.image_token)
            generic, others = sae.activations(target, bank, paths, block, config.scope), len(paths)
        points = torch.cat(generic)
        steps = config.training.steps

        def on_step(step: int, loss: float) -> None:
            progress.step(step, steps, {"sae": loss})

        count = config.expansion * points.shape[1]
        weights = sae.train_sae(points, count, config.l1, config.training, data.seed, on_step)
        means = {
            name: torch.stack([sae.encode(each, weights).mean(0) for each in states]) for name, states in seen.items()
        }
        score = sae.scores(means["forget"].mean(0), means["retain"].mean(0))
        chosen = score.topk(min(config.features, count)).indices.sort().values
        factor = torch.ones(count)
        factor[chosen] = config.factor
        every = {**weights, "factor": factor}
        kept = chosen if config.preserve_error else torch.arange(count)
        tensors = {name: every[name][kept] for name in ("into", "into_bias", "out", "factor")}
        tensors["centre"] = every["centre"]
        fires = {name: each[:, chosen].sum(1).tolist() for name, each in means.items()}
        figures = {
            "explained_variance": _explained(points, weights),
            "active_features": (sae.encode(points, weights) > 0).float().sum(1).mean().item(),
            "chosen_auc": auc(fires["forget"], fires["retain"]),
        }
        passes = len(refs["forget"]) + len(refs["retain"]) + others
        trained = sum(tensor.numel() for tensor in weights.values())
        cost = Cost(passes, 0, time.perf_counter() - start, trained)
        settings = {"block": config.block, "scope": config.scope, "preserve_error": config.preserve_error}
        artifact = Artifact("hooks", tensors, cost, figures, mechanism="feature-edit", settings=settings)
        return measured(artifact, target, [item for item in data.forget if item.images])


class _Folder:
    """References are paths."""

    def image(self, ref: str) -> "Image.Image":
        from PIL import Image, UnidentifiedImageError

        try:
            with Image.open(ref) as file:
                return file.convert("RGB")
        except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
            raise UserError(f"not a picture that can be read: {error}", where=ref, fix="take it away") from None


def _files(folder: Path) -> list[str]:
    found = sorted(str(path) for path in folder.rglob("*") if path.suffix.lower() in _ENDINGS)
    if not found:
        raise UserError(
            f"sauce looked for generic pictures ({', '.join(_ENDINGS)}) and found none",
            where=str(folder),
            fix="`images`: a folder of pictures, or nothing for those of the retain rows",
        )
    return found


def _pictures(items: "Sequence[Item]", name: str) -> list[str]:
    found = list(dict.fromkeys(ref for item in items for ref in item.images))
    if not found:
        raise UserError(
            f"sauce looked for pictures in {len(items)} {name} rows and found none: it edits what the model sees",
            fix="rows with pictures, or another method for questions in words",
        )
    return found


def _explained(points: "Tensor", weights: "Weights") -> float:
    """Share of the variance that the reconstruction keeps; below 0 where the mean would do better."""
    from smllmun_bench.methods.shared.sae import encode

    rebuilt = encode(points, weights) @ weights["out"] + weights["centre"]
    return float(1 - (points - rebuilt).square().sum() / (points - points.mean(0)).square().sum())


METHOD = Sauce()
