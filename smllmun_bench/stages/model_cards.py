"""Models by name: where the base comes from and how it is made to memorise. `baselines/models/<name>.yaml`."""

from pathlib import Path

from pydantic import Field

from smllmun_bench.config import Frozen, read_yaml
from smllmun_bench.errors import UserError, unknown
from smllmun_bench.references.recipes import AlignRecipe, MemoriseRecipe, PretrainRecipe
from smllmun_bench.resources import shipped


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
