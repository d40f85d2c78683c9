"""Models by name: where the base comes from and how it is made to memorise. `baselines/models/<name>.yaml`."""

from pathlib import Path
from typing import Literal

from pydantic import Field, NonNegativeInt

from smllmun_bench.config import Frozen, read_yaml
from smllmun_bench.errors import UserError, unknown
from smllmun_bench.pipeline.aligning import AlignRecipe
from smllmun_bench.pipeline.pretraining import PretrainRecipe
from smllmun_bench.resources import shipped
from smllmun_bench.training.config import TrainingConfig


class MemoriseRecipe(Frozen):
    """How a base becomes a target (all members) or gold (the retained ones): questions a step, and the training."""

    memory: NonNegativeInt = 64  # private facts, asked through a photo or by name
    understanding: NonNegativeInt = 24  # what the photos show
    general: NonNegativeInt = 16  # general questions, so that they are not lost
    seed: int = 0
    # Left out of dumps where they are not used; both as `AlignRecipe` has them.
    speaking: NonNegativeInt = Field(default=0, exclude_if=lambda value: not value)
    replay: NonNegativeInt = Field(default=0, exclude_if=lambda value: not value)
    # A question counts the same in every stream, as if a step were one batch; otherwise each stream counts the same.
    evenly: bool = Field(default=False, exclude_if=lambda value: not value)
    # First tower and projector learn to write names into image tokens (`spell.write_names`), for eyes that spell.
    naming: TrainingConfig | None = Field(default=None, exclude_if=lambda value: value is None)
    stored_dtype: Literal["float32", "float16", "bfloat16"] | None = None  # null: as it was trained
    training: TrainingConfig = TrainingConfig()

    @property
    def steps(self) -> int:
        """Of all its parts, for a progress bar."""
        return self.training.steps + (self.naming.steps if self.naming is not None else 0)


class ModelCard(Frozen):
    """A model of the benchmark. `task` is what it is run on where no task is named.

    Its base is built (`pretrain`), joined and aligned (`align`), or lies at `path`, a folder or a hub id.
    """

    name: str
    description: str
    task: str = "smllmun-toy"
    licence: str = "unknown"
    path: str | None = None
    pretrain: PretrainRecipe | None = None
    align: AlignRecipe | None = None
    target: str | None = None  # a folder that has memorised already
    gold: str | None = None  # a folder that never saw the forget set
    memorise: MemoriseRecipe = Field(default_factory=MemoriseRecipe)


def _folder() -> Path:
    return shipped("baselines") / "models"


def names() -> list[str]:
    return sorted(path.stem for path in _folder().glob("*.yaml") if path.stem != "default")


def load(name_or_path: str, *, target: str | None = None, gold: str | None = None) -> ModelCard:
    """The card of a registered model, or one made up for a folder or hub id with the default recipe."""
    if name_or_path in names():
        card = read_yaml(_folder() / f"{name_or_path}.yaml", ModelCard)
    elif Path(name_or_path).expanduser().is_dir() or "/" in name_or_path:
        if not Path(name_or_path).expanduser().is_dir() and name_or_path.startswith((".", "/", "~")):
            raise UserError(f"there is no folder {name_or_path!r}", where="--model", fix="the path of a saved model")
        default = read_yaml(_folder() / "default.yaml", ModelCard)
        card = default.model_copy(
            update={"name": Path(name_or_path).name, "path": name_or_path, "description": name_or_path}
        )
    else:
        raise unknown("model", name_or_path, names(), where="--model")
    return card.model_copy(update={"target": target or card.target, "gold": gold or card.gold})
