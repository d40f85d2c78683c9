"""Steering for plain `transformers`: a module of its own, which an export carries in place of a need for this package.

It does what `methods/shared/steering.py` does, and learns from `generate`'s attention mask what the layout of a batch
tells there. The module itself is `templates/steered.py`.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from smllmun_bench.export import templates

if TYPE_CHECKING:
    from smllmun_bench.models.change import Artifact

MECHANISM = "steering"


def write(change: "Artifact", start: str, folder: Path) -> None:
    """`steered.py` and `steering.json`, beside the artifact's tensors; `start` is the folder of the target."""
    from transformers import AutoConfig

    from smllmun_bench.models.families import family_of
    from smllmun_bench.models.pretrained import read

    blocks = f"{family_of(read(AutoConfig, start).model_type).language}.layers"
    about = {"blocks": blocks, **change.settings}
    (folder / "steering.json").write_text(json.dumps(about, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    (folder / "steered.py").write_text(templates.source("steered"), encoding="utf-8")
