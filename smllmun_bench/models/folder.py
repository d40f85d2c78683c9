"""Model folders of `transformers`: writing one, and quiet about it."""

import copy
import json
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


def is_quantised(path: str | Path) -> bool:
    """Whether a folder says that its weights are packed into few bits: they answer, and cannot be trained or changed.

    Of a hub id nothing is known before it is loaded.
    """
    try:
        config = json.loads((Path(path).expanduser() / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False  # whoever loads it says what is wrong
    return isinstance(config, dict) and config.get("quantization_config") is not None


def quiet_transformers() -> None:
    """transformers tells only errors, and draws no bars."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
