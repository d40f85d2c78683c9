"""A run's model leaves the benchmark: a folder that is whole or not there, with a card for people and for programs."""

import shutil
from pathlib import Path

from smllmun_bench.errors import UserError
from smllmun_bench.export.card import Form, card_text, facts_text
from smllmun_bench.export.forms import FORMS
from smllmun_bench.export.parts import Parts
from smllmun_bench.results.run_folder import RunFolder


def export(run: RunFolder, parts: Parts, out: Path, form: Form = "merged") -> Path:
    """Write the run's model to the new folder `out`; it is whole or not there.

    Raises:
        UserError: `out` holds something already, the change does not have this form, or it is no change of weights.
    """
    from smllmun_bench.models.change import Artifact

    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError("there is something already", where=str(out), fix="a folder that does not exist yet")
    change = Artifact.load(parts.change.path) if parts.change is not None else Artifact("none")
    if change.kind not in ("none", "delta", "lora") and form != "module":
        raise UserError(
            f"{run.manifest.label} acts while the model answers ({change.kind}), which weights cannot hold",
            where=str(run.folder),
            fix="--as module",
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.new")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    FORMS[form](parts, change, temporary)
    (temporary / "unlearning.json").write_text(facts_text(run.manifest, change.kind, form), encoding="utf-8")
    (temporary / "README.md").write_text(card_text(run.manifest, form, change.mechanism), encoding="utf-8")
    if out.exists():
        out.rmdir()
    temporary.rename(out)
    return out
