"""Metrics on trial, on the nano models."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from smllmun_bench import stages
from smllmun_bench.experiments.memorisation_metrics import memorisation, teacher_forced
from smllmun_bench.experiments.metaeval import Pools, metaeval, values_csv
from smllmun_bench.schema import Item, Role
from smllmun_bench.stages import method_recipes


def test_teacher_forced_scores_agree_with_the_plain_log_probabilities(tiny: Any, make_context: Any) -> None:
    from smllmun_bench import tasks
    from smllmun_bench.models.vlm import Query

    task = tasks.load("smllmun-nano")
    items: list[Item] = list(tiny.data.forget)
    found = teacher_forced(tiny.vlm, [(item, item.answer) for item in items], task)
    plain = tiny.vlm.answer_logprobs([(Query(item.question, item.images), item.answer) for item in items])
    for scores, logp in zip(found, plain, strict=True):
        assert scores.logp == pytest.approx(logp, abs=1e-4)
        assert len(scores.hit) == len(scores.mean) == len(scores.deviation) == len(logp)


@pytest.mark.slow
def test_metrics_are_ranked_on_nano(nano_store: Path, tmp_path: Path, make_context: Any) -> None:
    shutil.copytree(nano_store, tmp_path / "store")
    context = make_context(tmp_path / "store")
    findings = metaeval(context, [method_recipes.choose("ga", "nano")], Pools(size=2))
    by_name = {verdict.metric: verdict for verdict in findings.verdicts}
    assert by_name["probability"].faithfulness > by_name["length"].faithfulness - 0.5
    assert {"mia_loss", "extraction_strength", "truth_share", "key_fact"} <= set(by_name)
    assert {"target 0", "gold 1", "gold relearned", "ga", "ga relearned", "ga 4 bit"} <= set(findings.values)
    assert values_csv(findings).count("\n") == 1 + sum(map(len, findings.values.values()))
    again = metaeval(replace(context), [method_recipes.choose("ga", "nano")], Pools(size=2))
    assert again == findings


@pytest.mark.slow
def test_the_target_remembers_more_than_gold(nano_store: Path, tmp_path: Path, make_context: Any) -> None:
    shutil.copytree(nano_store, tmp_path / "store")
    context = make_context(tmp_path / "store")
    items = [i for i in stages.questions(context).items if i.role is Role.FORGET and not i.images]
    knows, blank = (
        memorisation(context.loader.get(model(context)), items, (), context.task)
        for model in (stages.target, stages.gold)
    )
    for metric in ("key_fact", "probability", "truth_share", "exact_memorisation"):
        assert knows[metric] > blank[metric], metric
