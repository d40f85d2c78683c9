"""The metrics as Hugging Face `evaluate` modules, loaded from this package's folder: no hub, no network.

import evaluate
from smllmun_bench import evaluate_modules

rouge = evaluate.load(evaluate_modules.path("rouge"))
rouge.compute(predictions=["he paints"], references=["he painted boats"])
"""

from pathlib import Path

from smllmun_bench.errors import unknown

_FOLDER = Path(__file__).parent


def names() -> tuple[str, ...]:
    """The modules there are.

    >>> "rouge" in names(), "path" in names()
    (True, False)
    """
    return tuple(sorted(script.stem for script in _FOLDER.glob("*/*.py") if script.stem == script.parent.name))


def path(name: str) -> str:
    """The folder that `evaluate.load` takes for this module. Raises UserError for a name that is not in `names()`.

    >>> path("rouge").endswith("rouge")
    True
    """
    if name not in names():
        raise unknown("evaluate module", name, names())
    return str(_FOLDER / name)
