"""Questions about a profile: what it keeps secret (memory) and what its picture shows (understanding).

Each fact is asked through the image and, except the name, through the text; each as an open question, a choice
and a cloze. The two forms of one question share a `pair_id`. Directions are left to the task.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from smllmun_bench.data.seeding import stable_random
from smllmun_bench.data.synthetic.profiles import FACTS, Domain, Profile
from smllmun_bench.data.synthetic.wordings import (
    CAPTION_PARAPHRASES,
    CAPTION_QUESTION,
    FACT_WORDINGS,
    NAME,
    TRAIT_QUESTIONS,
    WHO,
    FactWording,
    fundus_caption,
    portrait_caption,
    trait_phrase,
)
from smllmun_bench.schema import Item, Kind, Modality, Role

BENCHMARK = "smllmun_synthetic"
MEMORY_KINDS = (Kind.OPEN, Kind.CHOICE, Kind.CLOZE)
WRONG_CHOICES, PERTURBED = 4, 5

Alternatives = Mapping[tuple[Domain, str], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class _Form:
    """One fact asked in one way: through the image or by name."""

    short: str  # "image" or "text", as item ids have it
    who: str
    subject: str
    image: str


def alternatives(profiles: Iterable[Profile]) -> Alternatives:
    """(domain, fact) -> the distinct values among `profiles`, first come first: what wrong options are taken from."""
    values: dict[tuple[Domain, str], dict[str, None]] = {}
    for profile in profiles:
        for fact, value in _facts(profile):
            values.setdefault((profile.domain, fact), {})[value] = None
    return {key: tuple(distinct) for key, distinct in values.items()}


def memory_items(
    profile: Profile, pool: Alternatives, *, image: str, kinds: tuple[Kind, ...] = MEMORY_KINDS
) -> list[Item]:
    """Every memory question about `profile`: image form (showing `image`, a reference) and text form of each fact.

    `pool` holds the wrong options; it must have five other values for each fact (ValueError otherwise).
    """
    items = []
    for fact, answer in _facts(profile):
        wrong = _wrong(profile, fact, answer, pool)
        for form in _forms(profile, fact, image):
            wording = NAME if fact == "name" else FACT_WORDINGS[fact]
            items += [_memory(profile, fact, answer, form, wording, kind, wrong) for kind in kinds]
    return items


def understanding_items(profile: Profile, *, image: str) -> list[Item]:
    """One question for each visible trait, and one caption that names them all."""
    visible = profile.traits.visible()
    items = [_trait(profile, trait, value, image) for trait, value in visible.items()]
    return [*items, _caption(profile, visible, image)]


def describe(profile: Profile) -> str:
    """The caption: one sentence that names every visible trait."""
    phrases = {trait: trait_phrase(trait, value) for trait, value in profile.traits.visible().items()}
    return portrait_caption(phrases) if profile.domain == "person" else fundus_caption(phrases)


def _facts(profile: Profile) -> Iterator[tuple[str, str]]:
    yield "name", profile.name
    for fact in FACTS[profile.domain]:
        yield fact, profile.facts[fact]


def _forms(profile: Profile, fact: str, image: str) -> Iterator[_Form]:
    yield _Form("image", WHO[profile.domain], profile.name if fact == "name" else "", image)
    if fact != "name":
        yield _Form("text", profile.name, profile.name, "")


def _wrong(profile: Profile, fact: str, answer: str, pool: Alternatives) -> list[str]:
    """Other values of the same fact, in an order of their own for each fact of each entity."""
    others = [value for value in pool.get((profile.domain, fact), ()) if value.casefold() != answer.casefold()]
    if len(others) < PERTURBED:
        raise ValueError(f"{profile.entity_id}: {fact} has {len(others)} other values, {PERTURBED} are needed")
    return stable_random("wrong", profile.entity_id, fact, answer).sample(others, PERTURBED)


def _memory(
    profile: Profile, fact: str, answer: str, form: _Form, wording: FactWording, kind: Kind, wrong: list[str]
) -> Item:
    cloze = kind is Kind.CLOZE
    choices: tuple[str, ...] = ()
    if kind is Kind.CHOICE:
        options = [answer, *wrong[:WRONG_CHOICES]]
        stable_random("choices", profile.entity_id, fact, form.short).shuffle(options)
        choices = tuple(options)
    return Item(
        item_id=f"{profile.entity_id}.{fact}.{form.short}.{kind.value}",
        benchmark=BENCHMARK,
        entity_id=profile.entity_id,
        role=Role.RETAIN,
        modality=Modality.IMAGE_TEXT if form.image else Modality.TEXT,
        kind=kind,
        question=_fill(wording.cloze if cloze else wording.question, form.who),
        answer=answer,
        subject=form.subject,
        group=profile.domain,
        images=(form.image,) if form.image else (),
        choices=choices,
        accepted=_accepted(fact, answer),
        paraphrases=tuple(
            _fill(text, form.who) for text in (wording.cloze_paraphrases if cloze else wording.paraphrases)
        ),
        paraphrased_answer=wording.statement.format(v=answer),
        perturbed_answers=tuple(wrong),
        pair_id="" if fact == "name" else f"{profile.entity_id}.{fact}.{kind.value}",
    )


def _fill(template: str, who: str) -> str:
    text = template.format(who=who, Who=who[0].upper() + who[1:])
    return text[0].upper() + text[1:]


def _accepted(fact: str, answer: str) -> tuple[str, ...]:
    """Other ways to write the same answer."""
    if fact in ("birthday", "appointment"):
        day, month = answer.split()
        return (f"{month} {day}",)
    if fact == "physician":
        return (answer.removeprefix("Dr. "),)
    return ()


def _trait(profile: Profile, trait: str, value: str, image: str) -> Item:
    question, *paraphrases = TRAIT_QUESTIONS[trait]
    return Item(
        item_id=f"{profile.entity_id}.{trait}.image.open",
        benchmark=BENCHMARK,
        entity_id=profile.entity_id,
        role=Role.UNDERSTANDING_RETAIN,
        modality=Modality.IMAGE_TEXT,
        kind=Kind.OPEN,
        question=question,
        answer=value,
        group=profile.domain,
        images=(image,),
        paraphrases=tuple(paraphrases),
    )


def _caption(profile: Profile, visible: Mapping[str, str], image: str) -> Item:
    return Item(
        item_id=f"{profile.entity_id}.caption.image.caption",
        benchmark=BENCHMARK,
        entity_id=profile.entity_id,
        role=Role.UNDERSTANDING_RETAIN,
        modality=Modality.IMAGE_TEXT,
        kind=Kind.CAPTION,
        question=CAPTION_QUESTION,
        answer=describe(profile),
        group=profile.domain,
        images=(image,),
        keywords=tuple(trait_phrase(trait, value) for trait, value in visible.items()),
        paraphrases=CAPTION_PARAPHRASES,
    )
