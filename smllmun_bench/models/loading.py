"""From a folder to a model that can be asked: weights, processor, and whether the two belong together."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from smllmun_bench.errors import UserError
from smllmun_bench.models.families import family_of, load_processor
from smllmun_bench.models.folder import quiet_transformers
from smllmun_bench.models.memory import is_shortage, release
from smllmun_bench.models.pretrained import read, read_weights, unreadable
from smllmun_bench.models.vision import FeatureBank
from smllmun_bench.models.vlm import ImageSource, Vlm


def load(
    path: str | Path,
    source: ImageSource,
    *,
    device: str = "cpu",
    dtype: str = "float32",
    device_map: str | Mapping[str, str] | None = None,
    bank: FeatureBank | None = None,
) -> Vlm:
    """Load a model folder (or a hub id that is in the local cache) with its processor.

    `device_map` (`auto`, or module: device, cpu or disk) spreads the model over what there is instead of putting it on
    `device`. Parts that do not stay in memory answer, but cannot be changed: see `memory.check_resident`.

    Raises:
        UserError: no such folder, not a VLM, no chat template, tokenizer and model that do not belong together, weights
            that are not safetensors or do not fit into memory, unknown dtype.
    """
    from transformers import AutoConfig

    quiet_transformers()
    local = Path(path).expanduser()
    where = str(local if local.is_dir() else path)
    kind = getattr(torch, dtype, None)
    if not isinstance(kind, torch.dtype):
        raise UserError(f"unknown dtype {dtype!r}", fix="float32, bfloat16 or float16")
    with _located(where):
        config = read(AutoConfig, where)
        family_of(config.model_type)
        processor = load_processor(where, config)
        model = _weights(where, kind, device, device_map)
        model.eval()
        vlm = Vlm(model, processor, source, name=local.name if local.is_dir() else str(path), bank=bank)
        check_tokens(vlm)
    return vlm


@contextmanager
def _located(where: str) -> Iterator[None]:
    """Errors of other libraries become one line about the folder."""
    try:
        yield
    except UserError as error:
        raise UserError(error.what, where=error.where or where, fix=error.fix) from None
    except (OSError, ValueError) as error:
        raise unreadable(error, where) from error


def _weights(where: str, kind: torch.dtype, device: str, device_map: str | Mapping[str, str] | None) -> Any:
    from transformers import AutoModelForImageTextToText

    try:
        model = read_weights(AutoModelForImageTextToText, where, dtype=kind, device_map=device_map)
        return model if device_map is not None else model.to(device)
    except (RuntimeError, AssertionError, MemoryError) as error:
        if not is_shortage(error):
            first = str(error).splitlines()[0]
            raise UserError(f"cannot use device {device!r}: {first}", fix="--device cpu") from error
    release()
    raise UserError(
        f"the model does not fit into the memory of {device} in {str(kind).removeprefix('torch.')}",
        fix="--dtype bfloat16, or --device-map auto to spread it over cards and main memory",
    )


def check_tokens(vlm: Vlm) -> None:
    """Refuse a tokenizer that was made for another model: its ids would mean other words, or none.

    Raises:
        UserError: more tokens than the model has embeddings, or no image token of the model in a prompt with an image.
    """
    tokenizer, rows = vlm.processor.tokenizer, vlm.model.get_input_embeddings().weight.shape[0]
    known = len(tokenizer) - (vlm.image_token >= rows)  # some families replace the image token before looking it up
    fix = "tokenizer, processor and weights from one folder"
    if known > rows:
        raise UserError(f"the tokenizer knows {known:,} tokens, the model {rows:,}", fix=fix)
    if vlm.image_token not in vlm.encoder.encode("?", None, ("?",), ((64, 64),)).ids:
        token = tokenizer.convert_ids_to_tokens(vlm.image_token)
        raise UserError(
            f"a prompt with an image holds no image token of the model ({vlm.image_token}, which the tokenizer calls "
            f"{token!r})",
            fix=f"{fix}; or a chat template that writes the image",
        )
