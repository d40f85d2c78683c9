"""Whom a forgotten person is taken for, and what the two noises do."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from smllmun_bench.config import apply_overrides
from smllmun_bench.errors import UserError
from smllmun_bench.methods.megu import METHOD, MeguConfig
from smllmun_bench.methods.shared import adversarial, similarity
from smllmun_bench.methods.shared.embedding_noise import score
from smllmun_bench.schema import Item, Kind, Modality, Role
from smllmun_bench.training.examples import from_items
from smllmun_bench.training.loop import Silent

QUICK = ("training.steps=3", "training.batch_size=4", "training.lr=0.01", "noise_steps=3")


def fit(tiny: Any, *settings: str, data: Any = None) -> Any:
    return METHOD.fit(tiny.vlm, data or tiny.data, apply_overrides(MeguConfig(), QUICK + settings), Silent())


def told(person: str, question: str, answer: str, subject: str, kind: Kind = Kind.OPEN) -> Item:
    name = f"{person}/{question}"
    return Item(name, "tiny", person, Role.RETAIN, Modality.TEXT, kind, question, answer, subject=subject)


def pictured(tiny: Any) -> tuple[list[Any], dict[Any, Any]]:
    examples = [example for example in from_items(tiny.data.forget) if example.images]
    return examples, adversarial.keys(tiny.vlm, examples, {i.item_id: i.entity_id for i in tiny.data.forget})


# -- labels ------------------------------------------------------------------------------------------------------------


def test_candidates_are_other_answers_to_the_same_question_of_the_most_similar() -> None:
    forget = [told("a", "Where does Ann live?", "Rome", "Ann")]
    retain = [
        told("b", "Where does Bob live?", "Oslo", "Bob"),
        told("c", "Where does Cem live?", "Rome", "Cem"),
        told("d", "Where does Dan live?", "Bonn", "Dan"),
        told("e", "Where does Eve live?", "Oslo", "Eve"),
        told("d", "What does Dan do?", "baker", "Dan"),
    ]
    table = {"a": {"b": 0.1, "c": 0.4, "d": 0.2, "e": 0.3}}
    ((group, best),) = similarity.candidates(forget, retain, table, most=5)
    assert group == forget
    assert best == {"Oslo": 0.3, "Bonn": 0.2}
    assert similarity.candidates(forget, retain, table, most=1)[0][1] == {"Oslo": 0.3}
    ((_, wider),) = similarity.candidates(forget, retain[4:], table, most=5)
    assert wider == {"baker": 0.2}
    with pytest.raises(UserError, match=r"another answer to 'Where does Ann live\?'"):
        similarity.candidates(forget, retain[1:2], table, most=5)


def test_the_likeliest_weighs_similarity_by_the_models_own_probability(tiny: Any) -> None:
    item = tiny.data.forget[1]
    (low, high) = sorted(
        ("pilot", "judge"),
        key=lambda answer: score(tiny.vlm, from_items([replace(item, answer=answer)])).means().item(),
    )
    alike, _ = similarity.likeliest(tiny.vlm, [([item], {low: 0.5, high: 0.5})])
    assert alike == {item.item_id: high}
    favoured, passes = similarity.likeliest(tiny.vlm, [([item], {low: 1.0, high: 1e-9})])
    assert (favoured, passes) == ({item.item_id: low}, 2)


@pytest.mark.parametrize("how", ["image", "asked", "none"])
def test_rows_of_the_matrix_sum_to_one(tiny: Any, how: Any) -> None:
    table, passes = similarity.transition(tiny.vlm, tiny.data.forget, tiny.data.retain, how)
    assert set(table) == {f"p{n}" for n in range(4)}
    for row in table.values():
        assert set(row) == {f"p{n}" for n in range(4, 8)}
        assert sum(row.values()) == pytest.approx(1)
    assert passes == (2 * 4 * 4 if how == "asked" else 0)


def test_a_person_resembles_who_looks_the_same(tiny: Any) -> None:
    """p0 and p7 get one picture: their cosine is 1, the largest there is."""
    retain = [replace(i, images=("p0",)) if i.images and i.entity_id == "p7" else i for i in tiny.data.retain]
    table, _ = similarity.transition(tiny.vlm, tiny.data.forget, retain, "image")
    assert max(table["p0"], key=lambda j: table["p0"][j]) == "p7"


# -- noise -------------------------------------------------------------------------------------------------------------


def test_the_pair_pushes_towards_one_answer_and_away_from_the_other_within_its_bound(tiny: Any) -> None:
    examples, keyed = pictured(tiny)
    sizes = adversarial.scales(tiny.vlm, examples, keyed, method="test")
    before = tiny.vlm.fingerprint()
    for away in (False, True):
        noise, plain, under = adversarial.learn(
            tiny.vlm, examples, keyed, away=away, method="test", steps=15, lr=0.1, bound=0.5, penalty=0.1, cap=50.0
        )
        assert (under > plain + 1e-4) if away else (under < plain - 1e-4)
        shares = [float(noise[key].square().mean().sqrt() / sizes[key][0, 0]) for key in noise]
        assert 0 < min(shares) <= max(shares) <= 0.5 + 1e-5
    assert tiny.vlm.fingerprint() == before


def test_beyond_the_cap_nothing_is_pushed(tiny: Any) -> None:
    examples, keyed = pictured(tiny)
    noise, plain, under = adversarial.learn(
        tiny.vlm, examples, keyed, away=True, method="test", steps=3, lr=0.1, bound=0.5, penalty=0.1, cap=0.1
    )
    assert plain > 0.1
    assert plain == pytest.approx(under)
    assert max(n.abs().max() for n in noise.values()) == 0


def test_noise_falls_on_its_own_picture_alone(tiny: Any) -> None:
    """Ten times its scale on p1 changes the answers about p1 and, to rounding, no other."""
    examples, keyed = pictured(tiny)
    sizes = adversarial.scales(tiny.vlm, examples, keyed, method="test")
    draw = torch.Generator().manual_seed(0)
    table = {key: torch.zeros_like(size) for key, size in sizes.items()}
    mine = keyed["p1",]
    table[mine] = 10 * sizes[mine] * torch.randn(sizes[mine].shape, generator=draw)
    with torch.no_grad():
        plain = score(tiny.vlm, examples).sums()
        under = adversarial.noised(tiny.vlm, examples, keyed, [table], method="test").sums()
    moved = [bool(abs(a - b) > 1e-3) for a, b in zip(plain.tolist(), under.tolist(), strict=True)]
    assert moved == [example.images == ("p1",) for example in examples]


# -- the method --------------------------------------------------------------------------------------------------------


def test_it_learns_the_new_answers_and_unlearns_the_old(tiny: Any) -> None:
    artifact = fit(tiny, "training.steps=20", "noise_cap=50")
    assert artifact.figures["nll_towards_after"] < artifact.figures["nll_towards_before"]
    assert artifact.figures["nll_away_after"] > artifact.figures["nll_away_before"]
    table, _ = similarity.transition(tiny.vlm, tiny.data.forget, tiny.data.retain, "image")
    labels, _ = similarity.likeliest(tiny.vlm, similarity.candidates(tiny.data.forget, tiny.data.retain, table, most=5))
    old = from_items(tiny.data.forget)
    new = [replace(example, answer=labels[example.key]) for example in old]
    assert {example.answer for example in new} <= {item.answer for item in tiny.data.retain}

    def gap() -> float:
        with torch.no_grad():
            return float((score(tiny.vlm, new).means() - score(tiny.vlm, old).means()).mean())

    before = gap()
    with artifact.mounted(tiny.vlm):
        assert gap() > before + 0.1


@pytest.mark.parametrize(
    ("settings", "noised"),
    [((), True), (("noise=false",), False), (("noise_weight=0",), False), (("perturb=random",), True)],
)
def test_variants_and_what_they_cost(tiny: Any, settings: tuple[str, ...], noised: bool) -> None:
    artifact = fit(tiny, *settings)
    assert ("nll_away_after" in artifact.figures) is noised
    weighed = 0 if "perturb=random" in settings else 8 * 4  # 4 people, asked two ways; 4 other answers each
    learnt = 2 * 8 * (3 + 3) if noised else 0  # two noises, 8 rows with a picture, 3 steps and 3 more passes
    trained = 3 * (8 + (3 if noised else 0))  # 3 of 4 rows of a batch have a picture
    assert artifact.cost.forwards == weighed + learnt + trained
    assert artifact.cost.backwards == learnt + trained


def test_without_pictures_it_only_relabels(tiny: Any) -> None:
    def words(items: Any) -> Any:
        return [item for item in items if not item.images]

    data = replace(tiny.data, forget=words(tiny.data.forget), retain=words(tiny.data.retain))
    assert not any(name.startswith("nll") for name in fit(tiny, data=data).figures)


def test_nobody_to_be_taken_for_is_one_readable_error(tiny: Any) -> None:
    with pytest.raises(UserError, match="forget row p0/seen"):
        fit(tiny, data=replace(tiny.data, retain=[i for i in tiny.data.retain if not i.images]))
