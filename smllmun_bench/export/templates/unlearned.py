"""The model with what this folder does to it while it answers. Needs smllmun-bench."""

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
