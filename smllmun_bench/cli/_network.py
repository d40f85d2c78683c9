"""No command looks at the hub unless `--online` is among its options."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")


@contextmanager
def no_network() -> Iterator[None]:
    """What the hub's client, `transformers` and `datasets` read to know that they may not ask; put back afterwards."""
    before = {name: os.environ.get(name) for name in _OFFLINE}
    os.environ.update(dict.fromkeys(_OFFLINE, "1"))
    client: Any = sys.modules.get("huggingface_hub.constants")  # a plug-in's import: it has read the variables already
    told = client is not None and client.HF_HUB_OFFLINE
    if client is not None:
        client.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        if client is not None:
            client.HF_HUB_OFFLINE = told
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
