"""What an exported model says about itself, for people and for programs."""

import json
from typing import Literal

from smllmun_bench.results.manifest import RunManifest
from smllmun_bench.scoring.columns import COLUMNS
from smllmun_bench.stages import model_cards

Form = Literal["merged", "adapter", "delta", "module"]
_LOADING = {
    "merged": """from transformers import AutoModelForImageTextToText, AutoProcessor

model = AutoModelForImageTextToText.from_pretrained("path/to/this/folder")
processor = AutoProcessor.from_pretrained("path/to/this/folder")""",
    "adapter": """from peft import PeftModel
from transformers import AutoModelForImageTextToText

target = AutoModelForImageTextToText.from_pretrained("path/to/the/target")
model = PeftModel.from_pretrained(target, "path/to/this/folder")""",
    "delta": """from apply_delta import apply_delta  # in this folder
from transformers import AutoModelForImageTextToText

model = apply_delta(AutoModelForImageTextToText.from_pretrained("path/to/the/target"))""",
    "module": """from unlearned import unlearned  # in this folder; needs smllmun-bench
from smllmun_bench.models.vlm import Query

with unlearned("path/to/the/target") as vlm:
    print(vlm.generate([Query("Who is shown?", ("photo.png",))], max_new_tokens=32))""",
}

_WITHOUT_US = {  # mechanisms whose module needs nothing of ours
    "steering": """from steered import steered  # in this folder; needs torch and safetensors alone
from transformers import AutoModelForImageTextToText

model = AutoModelForImageTextToText.from_pretrained("path/to/the/target")
with steered(model):
    model.generate(**inputs, do_sample=False)  # inputs of the target's processor, padded on the left""",
}


def card_text(manifest: RunManifest, form: Form, mechanism: str = "") -> str:
    """The model card: what was done, how it scored, what it was made from, and what may be done with it."""
    loading = _WITHOUT_US.get(mechanism, _LOADING[form]) if form == "module" else _LOADING[form]
    vector = manifest.vector.model_dump()
    rows = [
        f"| {of.label} | {'—' if vector[of.name] is None else f'{vector[of.name]:.3f}'} | {of.direction.value} |"
        for of in COLUMNS
        if of.exported
    ]
    licence = model_cards.load(manifest.model).licence if manifest.model in model_cards.names() else "unknown"
    seed = "" if manifest.seed is None else f", seed {manifest.seed}"
    lines = [
        "---",
        "library_name: " + ("peft" if form == "adapter" else "transformers"),
        "pipeline_tag: image-text-to-text",
        "tags: [machine-unlearning, smllmun-bench]",
        "---",
        f"# {manifest.run_id}",
        "",
        f"{manifest.model} after `{manifest.label}`{seed}, on the task `{manifest.task}` "
        f"(version {manifest.task_version}), asked to forget {manifest.forget_ratio:.0%} of the people. "
        f"Written by smllmun-bench {manifest.version}.",
        "",
        "| score | value | a good unlearner moves it |",
        "| --- | --- | --- |",
        *rows,
        "",
        "The scores tell what the questions of this task found, not that nothing is left in the weights.",
        "",
        f"Made from the model with content digest `{manifest.digests['model']}`"
        + (f", changed by `{manifest.digests['artifact']}`." if "artifact" in manifest.digests else "."),
        "",
        "```python",
        loading,
        "```",
        "",
        f"Licence: the model it was made from is under **{licence}**; what is in this folder is derived from it and "
        "stays under the same terms.",
        "",
    ]
    return "\n".join(lines)


def facts_text(manifest: RunManifest, change: str, form: Form) -> str:
    """The same for programs, as JSON; `change` is the artifact's kind."""
    facts = {
        "run_id": manifest.run_id,
        "form": form,
        "change": change,
        "method": manifest.label,
        "config": manifest.config,
        "seed": manifest.seed,
        "task": manifest.task,
        "forget_ratio": manifest.forget_ratio,
        "digests": manifest.digests,
        "scores": manifest.vector.model_dump(),
        "version": manifest.version,
    }
    return json.dumps(facts, indent=1, sort_keys=True) + "\n"
