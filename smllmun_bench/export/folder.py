"""A run's model leaves the benchmark: a folder that is whole or not there, with a card for people and for programs."""

from pathlib import Path

from smllmun_bench.errors import UserError
from smllmun_bench.export.card import Form, card_text, facts_text
from smllmun_bench.export.forms import FORMS
from smllmun_bench.export.parts import Parts
from smllmun_bench.results.run_folder import RunFolder
from smllmun_bench.store.atomic import whole_folder


def export(run: RunFolder, parts: Parts, out: Path, form: Form = "merged") -> Path:
    """Write the run's model to the new folder `out`; it is whole or not there.

    Raises:
        UserError: `out` holds something already, the change does not have this form, or it is no change of weights.
    """
    from smllmun_bench.models.change import Artifact

    change = Artifact.load(parts.change.path) if parts.change is not None else Artifact("none")
    if change.kind not in ("none", "delta", "lora") and form != "module":
        raise UserError(
            f"{run.manifest.label} acts while the model answers ({change.kind}), which weights cannot hold",
            where=str(run.folder),
            fix="--as module",
        )
    with whole_folder(out) as folder:
        FORMS[form](parts, change, folder)
        (folder / "unlearning.json").write_text(facts_text(run.manifest, change.kind, form), encoding="utf-8")
        (folder / "README.md").write_text(card_text(run.manifest, form, change.mechanism), encoding="utf-8")
    return out
