"""Put the change of this folder on the model that it was made from; needs torch and safetensors alone."""

from pathlib import Path

import torch
from safetensors.torch import load_file


@torch.no_grad()
def apply_delta(model: torch.nn.Module, folder: str | Path = Path(__file__).parent) -> torch.nn.Module:
    """Adds in float32 and casts last, as the benchmark does."""
    tensors = load_file(Path(folder) / "delta.safetensors")
    parameters = dict(model.named_parameters())
    for key, values in tensors.items():
        name, _, kind = key.partition("::")
        if kind == "places":
            continue
        delta = values.float()
        if kind == "values":
            delta = torch.zeros(parameters[name].numel()).index_copy(0, tensors[f"{name}::places"].long(), delta)
        parameter = parameters[name]
        delta = delta.view_as(parameter).to(parameter.device)
        parameter.copy_((parameter.float() + delta).to(parameter.dtype))
    return model
