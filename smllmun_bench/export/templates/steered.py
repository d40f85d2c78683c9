"""Steers a transformers model while it reads a prompt; needs torch and safetensors alone.

    with steered(model):
        model.generate(**inputs, do_sample=False)

Prompts of a batch are padded on the left, as `generate` wants them. Weights are never touched.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file


@contextmanager
def steered(model: torch.nn.Module, folder: str | Path = Path(__file__).parent) -> Iterator[torch.nn.Module]:
    """Inside the block, h_t + strength (h_last . gate) direction on each token t of a prompt, in the steered layers."""
    about = json.loads((Path(folder) / "steering.json").read_text(encoding="utf-8"))
    tensors = load_file(Path(folder) / "artifact.safetensors")
    blocks: Any = model.get_submodule(about["blocks"])
    there: dict[str, torch.Tensor] = {}

    def look(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        there.clear()
        mask = kwargs.get("attention_mask")
        if mask is None:
            return
        if not isinstance(mask, torch.Tensor) or mask.ndim != 2:
            raise RuntimeError("steering needs the attention mask (rows, tokens) that the processor gives")
        if not bool(mask[:, -1].all()):
            raise RuntimeError("steering needs prompts that are padded on the left: padding_side='left'")
        there["mask"] = mask

    def push(hidden: torch.Tensor, gate: torch.Tensor, direction: torch.Tensor) -> torch.Tensor:
        if hidden.shape[1] == 1:  # a word of the answer: what was changed acts on it through the cache
            return hidden
        opened = about["strength"] * (hidden[:, -1].float() @ gate.to(hidden.device))
        moved: torch.Tensor = hidden + (opened[:, None, None] * direction.to(hidden.device)).to(hidden.dtype)
        if "mask" not in there:
            return moved
        return torch.where(there["mask"].to(hidden.device).bool()[..., None], moved, hidden)

    def before(gate: torch.Tensor, direction: torch.Tensor) -> Any:
        def hook(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            if args:
                return (push(args[0], gate, direction), *args[1:]), kwargs
            return args, kwargs | {"hidden_states": push(kwargs["hidden_states"], gate, direction)}

        return hook

    def behind(gate: torch.Tensor, direction: torch.Tensor) -> Any:
        def hook(_: Any, args: Any, output: Any) -> Any:
            if isinstance(output, tuple):
                return (push(output[0], gate, direction), *output[1:])
            return push(output, gate, direction)

        return hook

    with ExitStack() as stack:
        if about["strength"]:
            stack.callback(model.register_forward_pre_hook(look, with_kwargs=True).remove)
            for row, layer in enumerate(about["layers"]):
                gate, direction = tensors["gate"][row], tensors["direction"][row]
                if about["at"] == "output":
                    handle = blocks[layer].register_forward_hook(behind(gate, direction))
                else:
                    handle = blocks[layer].register_forward_pre_hook(before(gate, direction), with_kwargs=True)
                stack.callback(handle.remove)
        yield model
