"""What a run's model is made of, found again: the artifact by its key, the model that it changes by its content."""

from dataclasses import dataclass

from smllmun_bench.errors import UserError
from smllmun_bench.results.manifest import RunManifest
from smllmun_bench.results.run_folder import RunFolder
from smllmun_bench.stages import model_cards
from smllmun_bench.stages.loader import reference
from smllmun_bench.store.overlays import PUT_TOGETHER
from smllmun_bench.store.store import Store
from smllmun_bench.store.stored_stage import StoredStage, manifest_of, read_entry

MODELS = ("memorise", "pretrain", *PUT_TOGETHER)  # stages that leave a model folder


@dataclass(frozen=True, slots=True)
class Parts:
    """What a run's model is made of. `start` is the model it was made from, `change` the artifact's entry."""

    start: str
    change: StoredStage | None
    dtype: str


def parts_of(run: RunFolder, store: Store, target: str | None = None) -> Parts:
    """Find them: the artifact by its key, the model by its content.

    Raises:
        UserError: the run failed, or one of the two is nowhere to be found.
    """
    manifest, where = run.manifest, str(run.folder)
    if manifest.status == "failed":
        raise UserError(f"the run failed, so there is no model: {manifest.error}", where=where)
    for stated, name in ((manifest.keys, "predict"), (manifest.digests, "model")):
        if name not in stated:
            raise UserError(f"the manifest does not say what the run was made from: {name!r} is missing", where=where)
    asked = _by_key(store, "predict", manifest.keys["predict"])
    return Parts(
        _start(manifest, store, target),
        _by_key(store, "unlearn", manifest.keys["unlearn"]) if "unlearn" in manifest.keys else None,
        str(asked.manifest.request["inputs"]["dtype"]),  # type: ignore[index, call-overload]
    )


def _by_key(store: Store, stage: str, key: str) -> StoredStage:
    for folder in store.entries(stage):
        if folder.name == key:
            return read_entry(folder, store.memo.file)
    raise UserError(
        f"what the run made is no longer in the store ({stage} {key})",
        where=str(store.root),
        fix="--store with the store of the run, or the run once more",
    )


def _start(manifest: RunManifest, store: Store, target: str | None) -> str:
    wanted = manifest.digests["model"]
    if target is None:
        for stage in MODELS:
            for folder in store.entries(stage):
                # What is put together is identified by what it is made of, everything else by what is in it.
                same = folder.name if stage in PUT_TOGETHER else manifest_of(folder).output_digest
                if same == wanted:
                    return str(read_entry(folder, store.memo.file).path)
        card = model_cards.load(manifest.model) if manifest.model in model_cards.names() else None
        known = [path for path in (card.target, card.gold, card.path) if path] if card is not None else []
    else:
        known = [target]
    for path in known:
        if reference(path, store.memo).digest == wanted:
            return path
    if target is not None:
        raise UserError("this is not the model that the run started from", where=f"--target {target}")
    raise UserError(
        f"the model that the run started from ({manifest.model}, {wanted[:12]}) is neither in the store nor registered",
        fix="--target with its folder",
    )
