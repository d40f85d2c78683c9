"""S-MLLMUn Bench: how well does a method make a multimodal model forget some people, and nothing else?

The names below are public: what is not in `__all__` may move. Each is imported when it is first used, so that
`import smllmun_bench` costs nothing. `__init__.pyi` tells type checkers the same.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "api": ("compare", "items", "leaderboard", "load_task", "run", "runs", "score"),
    "errors": ("UserError",),
    "methods.base": ("Method", "MethodConfig", "Needs", "UnlearningData"),
    "methods.shared": ("streams",),
    "models.change": ("Artifact",),
    "models.hooks": ("editing", "reading"),
    "models.vlm": ("Vlm",),
    "results.manifest": ("RunManifest",),
    "results.predictions": ("read_predictions",),
    "results.run_folder": ("RunFolder", "scores_of"),
    "schema": ("Fidelity", "Fold", "Item", "Kind", "Modality", "Prediction", "Role", "Score"),
    "scoring.summary": ("Summary", "summarise"),
    "tasks": ("TaskSpec",),
    "training": ("losses",),
    "training.artifact": ("as_artifact",),
    "training.config": ("TrainingConfig",),
    "training.loop": ("train",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}
_MODULES = ("losses", "streams")

__all__ = ["__version__", *sorted(_HOME)]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = f"{__name__}.{_HOME[name]}"
    return import_module(f"{home}.{name}") if name in _MODULES else getattr(import_module(home), name)


def __dir__() -> list[str]:
    return __all__
