"""The records that cross rooms. Everything a score depends on is an Item and a Prediction, nothing else."""

from dataclasses import dataclass, field
from enum import StrEnum


class Role(StrEnum):
    """What an item is there to show."""

    FORGET = "forget"
    RETAIN = "retain"
    TEST = "test"
    UNDERSTANDING_FORGET = "understanding_forget"
    UNDERSTANDING_RETAIN = "understanding_retain"
    REAL = "real"
    GENERAL = "general"
    LANGUAGE = "language"


class Modality(StrEnum):
    TEXT = "text"
    IMAGE_TEXT = "image_text"


class Kind(StrEnum):
    """The form of the question."""

    OPEN = "open"
    CHOICE = "choice"
    CLOZE = "cloze"
    YESNO = "yesno"
    CAPTION = "caption"
    PASSAGE = "passage"  # a text that goes on: only scored, never generated


class Direction(StrEnum):
    """Where a good unlearner moves the score of an item; belongs to the task."""

    UP = "up"
    DOWN = "down"
    NONE = "none"


class Fold(StrEnum):
    """Whose unlearning request is at stake: reported people, or people set apart for choosing hyperparameters."""

    TEST = "test"
    VALIDATION = "validation"


class Fidelity(StrEnum):
    """How surely an implementation is the published thing."""

    AUTHORS_CODE = "authors-code"
    PAPER = "paper"
    REIMPLEMENTATION = "re-implementation"  # of somebody else, public; the authors' own code was not at hand
    RECONSTRUCTION = "reconstruction"
    NEW = "new"  # an idea of its own: nothing published to be faithful to


@dataclass(frozen=True, slots=True)
class Item:
    """One question, as asked of a model.

    `images` are references that the data source resolves. `subject` is the name as the question or the answer
    spells it (empty if none). `accepted` are further right answers, `keywords` the parts of a caption that are
    scored one by one. `pair_id` links the image form and the text form of one fact.
    """

    item_id: str
    benchmark: str
    entity_id: str
    role: Role
    modality: Modality
    kind: Kind
    question: str
    answer: str
    subject: str = ""
    group: str = ""
    images: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    paraphrases: tuple[str, ...] = ()
    paraphrased_answer: str = ""
    perturbed_answers: tuple[str, ...] = ()
    pair_id: str = ""
    direction: Direction = Direction.NONE


@dataclass(frozen=True, slots=True)
class Prediction:
    """What one model answered to one item.

    Log-probabilities are natural, of whole answers: `answer_logprobs` holds one number per token of the reference
    answer, EOS included (a passage has none: it goes on); `option_logprobs` one sum per choice; `perturbed_logprobs`
    one mean per token (EOS included) per perturbed answer, since lengths differ and the truth ratio needs them
    normalised.
    `finish_reason` is `stop` (the model ended), `length` (it was cut) or `none` (nothing was generated).
    """

    item_id: str
    run_id: str
    text: str
    finish_reason: str = "stop"
    attack: str = "none"
    sample: int = 0
    answer_logprobs: tuple[float, ...] | None = None
    option_logprobs: tuple[float, ...] | None = None
    perturbed_logprobs: tuple[float, ...] | None = None
    latency_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Score:
    """The score of one item in one prediction; `state` says what the answer was.

    `values` maps a metric's name to a number in [0, 1]. `headline` is the one of them that the task puts into tables.
    """

    item_id: str
    entity_id: str
    role: Role
    modality: Modality
    kind: Kind
    state: str
    headline: float
    values: dict[str, float] = field(default_factory=dict)
