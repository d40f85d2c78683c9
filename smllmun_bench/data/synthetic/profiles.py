"""Fictitious people and patients: looks, a name and private facts. None of them exists.

Members are what a model is made to memorise; non-members come from the same distribution and are never trained on;
outsiders, whose names no profile can have, are what the base model learns looking and answering from.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import astuple, dataclass, field, replace
from itertools import count as counting
from random import Random
from typing import TYPE_CHECKING, Literal

from smllmun_bench.data.seeding import stable_int, stable_random
from smllmun_bench.data.synthetic import fundus, portraits
from smllmun_bench.data.synthetic.fundus import FundusTraits
from smllmun_bench.data.synthetic.pools import CLINIC_KINDS, DIAGNOSES, HOBBIES, MEDICATIONS, MONTHS
from smllmun_bench.data.synthetic.portraits import PortraitTraits
from smllmun_bench.errors import UserError

if TYPE_CHECKING:
    from faker import Faker

GENERATOR_VERSION = 1  # goes up when the same seed gives other words or other drawings

Domain = Literal["person", "patient"]
Traits = PortraitTraits | FundusTraits

SMALLEST = 20  # below this the folds below cannot all have somebody in them
PATIENT_EVERY = 5
FORGET_SHARE, VALIDATION_SHARE = 0.15, 0.10
FOLDS = ("forget", "validation", "retain_eval", "retain_few", "validation_eval", "retain", "nonmember")

PERSON_FACTS = ("city", "job", "employer", "birthday", "hobby")
PATIENT_FACTS = ("diagnosis", "clinic", "physician", "medication", "appointment")
FACTS: Mapping[Domain, tuple[str, ...]] = {"person": PERSON_FACTS, "patient": PATIENT_FACTS}


@dataclass(frozen=True, slots=True)
class Profile:
    """One entity. `forget_rank` orders the forget pool and the validation pool (first asked to be forgotten: 0)."""

    entity_id: str
    domain: Domain
    traits: Traits
    name: str
    facts: dict[str, str] = field(hash=False)
    fold: str = "outsider"
    forget_rank: int | None = None


def generate(count: int, seed: int) -> tuple[Profile, ...]:
    """`count` members (every fifth a patient), then `max(4, count // 10)` non-members.

    Names are unique. Traits of two entities of one domain differ in three places, or in two or one where a domain has
    too few combinations left; they are never equal. Raises UserError below `SMALLEST`.
    """
    if count < SMALLEST:
        raise UserError(f"{count} profiles are too few to be split", fix=f"at least {SMALLEST} profiles")
    extra = max(4, count // 10)
    folds = _folds([_domain(index) for index in range(count)], seed)
    ids = [f"p{index:04d}" for index in range(count)] + [f"n{index:04d}" for index in range(extra)]
    people = _People("profiles", seed, keeps_name=_is_member_name, spread=True)
    made = []
    for index, entity_id in enumerate(ids):
        fold, rank = folds[index] if index < count else ("nonmember", None)
        made.append(replace(people.make(entity_id, _domain(index)), fold=fold, forget_rank=rank))
    return tuple(made)


def outsiders(count: int, seed: int) -> tuple[Profile, ...]:
    """People for training the tokenizer and the base model. No seed gives one the full name of any profile."""
    people = _People("outsiders", seed, keeps_name=lambda name: not _is_member_name(name), spread=False)
    return tuple(people.make(f"o{seed}-{index:05d}", _domain(index)) for index in range(count))


def request(profiles: tuple[Profile, ...], fold: str, forget_percent: int) -> tuple[Profile, ...]:
    """Who asks to be forgotten at this ratio: a prefix, by rank, of the pool `fold` (`forget` or `validation`)."""
    members = sum(profile.fold != "nonmember" for profile in profiles)
    pool = sorted((p for p in profiles if p.fold == fold), key=lambda p: (p.forget_rank is None, p.forget_rank))
    return tuple(pool[: share(members, forget_percent)])


def share(members: int, percent: int) -> int:
    """`percent` of the members, rounded half up, at least one."""
    return max(1, (members * percent + 50) // 100)


def _domain(index: int) -> Domain:
    return "patient" if index % PATIENT_EVERY == PATIENT_EVERY - 1 else "person"


def _is_member_name(name: str) -> bool:
    """Splits all possible names in two halves, so that profiles and outsiders of any seeds have none in common."""
    return stable_int("name", name.casefold()) % 2 == 0


def _folds(domains: list[Domain], seed: int) -> list[tuple[str, int | None]]:
    """A fold for each member. The order in which folds are filled is stratified, so each prefix of each fold is."""
    count = len(domains)
    pool, validation = share(count, round(100 * FORGET_SHARE)), share(count, round(100 * VALIDATION_SHARE))
    few_eval, validation_eval = max(4, validation), max(4, validation)
    sizes = {
        "forget": pool,
        "validation": validation,
        "retain_eval": few_eval,
        "retain_few": pool,
        "validation_eval": validation_eval,
    }
    result: list[tuple[str, int | None]] = [("retain", None)] * count
    order = _stratified(domains, stable_random("folds", seed))
    for fold, size in sizes.items():
        for rank in range(size):
            result[next(order)] = (fold, rank if fold in ("forget", "validation") else None)
    return result


def _stratified(domains: list[Domain], rng: Random) -> Iterator[int]:
    """All indices in random order, but every fifth is a patient, as among all of them."""
    people = [index for index, domain in enumerate(domains) if domain == "person"]
    patients = [index for index, domain in enumerate(domains) if domain == "patient"]
    rng.shuffle(people)
    rng.shuffle(patients)
    for position in counting():
        # The patient comes third of five, so that short prefixes and short folds have one, too.
        queue = patients if (position % PATIENT_EVERY == 2 and patients) or not people else people
        if not queue:
            return
        yield queue.pop()


class _People:
    """Makes one profile after the other and remembers what must not repeat."""

    def __init__(self, stream: str, seed: int, *, keeps_name: Callable[[str], bool], spread: bool) -> None:
        self._rng = stable_random(stream, seed)
        self._fake = _faker(stable_int(stream, seed, "faker"))
        self._keeps_name, self._spread = keeps_name, spread
        self._names: set[str] = set()
        self._looks: dict[Domain, list[tuple[str, ...]]] = {"person": [], "patient": []}

    def make(self, entity_id: str, domain: Domain) -> Profile:
        traits = self._traits(domain)
        return Profile(entity_id, domain, traits, self._name(), _facts(domain, self._fake, self._rng))

    def _name(self) -> str:
        while True:
            name = f"{self._fake.first_name()} {self._fake.last_name()}"
            if self._keeps_name(name) and name not in self._names:
                self._names.add(name)
                return name

    def _traits(self, domain: Domain) -> Traits:
        draw = portraits.random_traits if domain == "person" else fundus.random_traits
        if not self._spread:
            return draw(self._rng)
        for apart in (3, 2, 1):
            for _ in range(400):
                traits = draw(self._rng)
                look = astuple(traits)
                if all(_differences(look, other) >= apart for other in self._looks[domain]):
                    self._looks[domain].append(look)
                    return traits
        raise UserError(f"there are not enough different looks for that many {domain} profiles", fix="fewer profiles")


def _differences(first: tuple[str, ...], second: tuple[str, ...]) -> int:
    return sum(a != b for a, b in zip(first, second, strict=True))


def _faker(seed: int) -> "Faker":
    from faker import Faker

    fake = Faker("en_US")
    fake.seed_instance(seed)
    return fake


def _facts(domain: Domain, fake: "Faker", rng: Random) -> dict[str, str]:
    if domain == "person":
        return {
            "city": fake.city(),
            "job": _job(fake),
            "employer": _company(fake),
            "birthday": _date(rng),
            "hobby": rng.choice(HOBBIES),
        }
    return {
        "diagnosis": rng.choice(DIAGNOSES),
        "clinic": f"{fake.last_name()} {rng.choice(CLINIC_KINDS)}",
        "physician": f"Dr. {fake.last_name()}",
        "medication": rng.choice(MEDICATIONS),
        "appointment": _date(rng),
    }


def _date(rng: Random) -> str:
    return f"{rng.randint(1, 28)} {rng.choice(MONTHS)}"


def _job(fake: "Faker") -> str:
    """A job of one to three words: "Engineer, civil (consulting)" is a "civil engineer"."""
    while True:
        plain = fake.job().split("(")[0].strip()
        head, _, qualifier = plain.partition(", ")
        words = f"{qualifier} {head}".split()
        if 1 <= len(words) <= 3 and not {",", "/"} & set(qualifier + head):
            return " ".join(word if word.isupper() else word.lower() for word in words)


def _company(fake: "Faker") -> str:
    """At most three words: "Lee, Cole and Ray" is shortened to "Lee and Cole"."""
    first, _, rest = fake.company().partition(", ")
    return f"{first} and {rest.split(' and ')[0]}" if rest else first
