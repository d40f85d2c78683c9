"""Writing a model as a normal `transformers` folder."""

import copy
from pathlib import Path
from typing import Any


def save(model: Any, processor: Any, folder: Path, *, dtype: str | None = None) -> None:
    """Model and processor in one folder, safetensors only; `dtype` rounds what is written, not the model."""
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    kind = model.dtype if dtype is None else getattr(torch, dtype)
    written = model if kind == model.dtype else copy.deepcopy(model).to(kind)
    written.save_pretrained(folder)
    processor.save_pretrained(folder)
