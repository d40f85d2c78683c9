"""Importing what models need, without the garbage collector in the way."""

import gc
import sys


def import_libraries() -> None:
    """Import torch and transformers. Costs nothing the second time.

    They leave some 600,000 objects that live as long as the process. The collector would walk them ten times while
    they come and again between all stages, so it rests meanwhile and leaves them alone afterwards (`gc.freeze`).
    Not where torch was imported before: a model of somebody else could be alive, and would never be freed.
    """
    if "torch" in sys.modules:
        return
    resting = not gc.isenabled()
    gc.disable()
    try:
        from transformers import AutoModelForImageTextToText, AutoProcessor  # noqa: F401 -- these bring the rest

        from smllmun_bench.models import loading  # noqa: F401
    finally:
        if not resting:
            gc.enable()
    gc.freeze()
