"""Model folders of `transformers`: writing one, and quiet about it."""

import copy
from pathlib import Path
from typing import Any


def save(model: Any, processor: Any, folder: Path, *, dtype: str | None = None) -> None:
    """Model and processor in one folder, safetensors only; `dtype` rounds what is written, not the model."""
    import torch

    quiet_transformers()
    kind = model.dtype if dtype is None else getattr(torch, dtype)
    written = model if kind == model.dtype else copy.deepcopy(model).to(kind)
    written.save_pretrained(folder)
    processor.save_pretrained(folder)


def quiet_transformers() -> None:
    """transformers tells only errors, and draws no bars."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
