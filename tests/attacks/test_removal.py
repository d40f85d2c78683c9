"""Which artifacts come off, and which attacks an artifact allows."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from smllmun_bench import attacks
from smllmun_bench.attacks.base import AttackNeeds, NotApplicable
from smllmun_bench.stages.attacking import attackable

REMOVAL = attacks.get("removal").needs


def stored(folder: Path, kind: str) -> Any:
    (folder / "artifact.json").write_text(json.dumps({"kind": kind}))
    return SimpleNamespace(path=folder)


@pytest.mark.parametrize("kind", ["none", "lora", "hooks", "gate"])
def test_adapters_hooks_and_filters_come_off(kind: str, tmp_path: Path) -> None:
    artifact = stored(tmp_path, kind)
    assert attackable(REMOVAL, artifact) is None
    assert attackable(AttackNeeds(), artifact) is artifact


def test_a_change_of_weights_does_not(tmp_path: Path) -> None:
    with pytest.raises(NotApplicable, match="nothing comes off"):
        attackable(REMOVAL, stored(tmp_path, "delta"))


@pytest.mark.parametrize(("kind", "allowed"), [("delta", True), ("lora", True), ("hooks", False), ("gate", False)])
def test_attacks_on_the_change_of_weights_need_one(kind: str, allowed: bool, tmp_path: Path) -> None:
    artifact, needs = stored(tmp_path, kind), AttackNeeds(weights=True)
    if allowed:
        assert attackable(needs, artifact) is artifact
    else:
        with pytest.raises(NotApplicable, match="leaves the weights as they are"):
            attackable(needs, artifact)


def test_target_and_gold_have_nothing_on_them() -> None:
    assert attackable(REMOVAL, None) is None
