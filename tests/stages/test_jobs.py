"""Runs in several processes: the same folders as in one."""

import os
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from until import until

from smllmun_bench import stages
from smllmun_bench.cli._session import RunOptions, open_quietly
from smllmun_bench.config import apply_overrides
from smllmun_bench.errors import UserError
from smllmun_bench.experiments.run import run
from smllmun_bench.stages import method_recipes
from smllmun_bench.stages.jobs import fill_store
from smllmun_bench.store.store import Action


def test_workers_leave_what_one_process_would_make(nano_store: Path, tmp_path: Path, make_context: Any) -> None:
    roots = [tmp_path / "one", tmp_path / "two"]
    for root in roots:
        shutil.copytree(nano_store, root)
    short = ("training.steps=2", "training.batch_size=4")
    chosen = [method_recipes.choose("ga", "nano", short), method_recipes.choose("grad-diff", "nano", short)]
    done: list[int] = []
    options = RunOptions("nano", "smllmun-nano", store=roots[1], limit=4)
    fill_store(partial(open_quietly, options), [(choice, 0) for choice in chosen], 2, done.append)
    assert done == [1, 1]
    texts = []
    for root in roots:
        events: list[Any] = []
        context = make_context(root, limit=4, on_event=events.append)
        target, asked = stages.target(context), stages.questions(context)
        said = []
        for choice in chosen:
            artifact = stages.unlearn(context, target, choice.method, choice.config, 0)
            said.append([p.text for p in stages.predict(context, asked, target, artifact, choice.label).predictions])
        texts.append(said)
        made = {event.stage.split()[0] for event in events if event.action is Action.MADE}
        assert made == ({"unlearn", "predict"} if root == roots[0] else set())
    assert texts[0] == texts[1]


def test_a_method_that_fails_is_left_to_whoever_asks_next(nano_store: Path, tmp_path: Path) -> None:
    shutil.copytree(nano_store, tmp_path / "store")
    choice = method_recipes.choose("ga", "nano")
    bad = apply_overrides(choice.config, ("training.lr=1e30", "training.steps=3", "training.max_grad_norm=1e30"))
    failing = method_recipes.Chosen("ga", choice.method, bad, "")
    done: list[int] = []
    options = RunOptions("nano", "smllmun-nano", store=tmp_path / "store", limit=4)
    fill_store(partial(open_quietly, options), [(failing, 0)], 2, done.append)
    assert done == [1]
    assert not list((tmp_path / "store").glob("v1/unlearn/??/*"))


def test_the_base_is_derived_and_the_questions_selected_once(
    nano_store: Path, make_context: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[Any] = []
    context = make_context(nano_store, limit=2, on_event=events.append)
    taken = []
    usual = context.data.evaluation_digest
    monkeypatch.setattr(context.data, "evaluation_digest", lambda items: taken.append(len(items)) or usual(items))
    list(run(context, [], [], 15, tmp_path / "out"))
    assert [event.stage for event in events].count("pretrain") == 1
    assert len(taken) == 1


def _ended(process: int) -> bool:
    try:
        return psutil.Process(process).status() == psutil.STATUS_ZOMBIE  # nobody may be there to take its end note
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_end_with_their_parent(tmp_path: Path, number: signal.Signals) -> None:
    """However it ends. The signal goes to the parent alone, as that of a batch system does."""
    script = Path(__file__).parents[1] / "helpers" / "hanging.py"
    parent = subprocess.Popen([sys.executable, str(script), str(tmp_path)], stderr=subprocess.DEVNULL)
    until(lambda: len(list(tmp_path.iterdir())) == 2 or parent.poll() is not None)
    parent.send_signal(number)
    assert (parent.wait(30) == -number) == (number == signal.SIGKILL)
    workers = [int(path.name) for path in tmp_path.iterdir()]
    until(lambda: all(_ended(worker) for worker in workers))


def test_a_worker_that_the_system_ends_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="one of 2 processes was ended from outside"):
        fill_store(partial(os._exit, 9), [("a", 0)], 2)  # type: ignore[arg-type, list-item]
