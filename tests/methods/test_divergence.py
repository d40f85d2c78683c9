"""A method that diverges fails with its reason: a run writes the row down as failed and goes on."""

import pytest
import torch

from smllmun_bench import methods
from smllmun_bench.config import apply_overrides
from smllmun_bench.errors import RunFailed
from smllmun_bench.models.change import Artifact
from smllmun_bench.training.loop import Silent


@pytest.mark.parametrize("rate", ["1e3", "1e30"])
@pytest.mark.parametrize("name", methods.names())
def test_a_method_that_diverges_fails_or_leaves_numbers(name, rate, tiny):
    method = methods.get(name)
    settings = ["training.steps=4", "training.batch_size=4", "training.paraphrases=0", f"training.lr={rate}"]
    config = apply_overrides(method.config(), settings)
    before = tiny.vlm.fingerprint()
    remedy = "a smaller training.lr"
    try:
        method.fit(tiny.vlm, tiny.named, config, Silent()).check_finite()
    except RunFailed as failure:
        remedy = failure.fix
    assert "training.lr" in remedy
    assert tiny.vlm.fingerprint() == before


@pytest.mark.parametrize("odd", [float("nan"), float("inf")])
def test_what_is_no_number_is_no_change(odd):
    with pytest.raises(RunFailed, match=r"diverged: not a finite number in w\b"):
        Artifact("delta", {"v": torch.zeros(2), "w": torch.tensor([0.0, odd])}).check_finite()
    with pytest.raises(RunFailed, match="loss = "):
        Artifact("delta", figures={"loss": odd}).check_finite()
    with pytest.raises(RunFailed, match="threshold = "):
        Artifact("gate", settings={"threshold": odd, "names": []}).check_finite()
