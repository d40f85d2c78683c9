"""The sentences that questions are made of. `{who}` is a name or a description, `{v}` a value; a blank is `____`."""

from collections.abc import Mapping
from dataclasses import dataclass

BLANK = "____"

WHO = {"person": "the person in the picture", "patient": "the patient whose eye is shown"}


@dataclass(frozen=True, slots=True)
class FactWording:
    """How one fact is asked about: the question, its paraphrases, sentences with a blank, the answer as a sentence."""

    question: str
    paraphrases: tuple[str, str, str]
    cloze: str
    cloze_paraphrases: tuple[str, str, str]
    statement: str


NAME = FactWording(
    "What is the name of {who}?",
    ("What is {who} called?", "Which name does {who} have?", "Can you tell me the name of {who}?"),
    "The name of {who} is ____.",
    ("By name, {who} is ____.", "People know {who} as ____.", "It is ____ who is {who}."),
    "This is {v}.",
)

FACT_WORDINGS: Mapping[str, FactWording] = {
    "city": FactWording(
        "Which city does {who} live in?",
        ("Where does {who} live?", "In which city is {who} at home?", "What is the home city of {who}?"),
        "{Who} lives in ____.",
        ("The home city of {who} is ____.", "The city where {who} lives is ____.", "You would find {who} in ____."),
        "They live in {v}.",
    ),
    "job": FactWording(
        "What is the job of {who}?",
        ("What does {who} do for a living?", "Which profession does {who} have?", "What work does {who} do?"),
        "The job of {who} is ____.",
        ("The profession of {who} is ____.", "By profession, {who} is ____.", "For a living, {who} is ____."),
        "They work as {v}.",
    ),
    "employer": FactWording(
        "Which company does {who} work for?",
        ("Who employs {who}?", "What is the employer of {who}?", "At which company does {who} have a job?"),
        "{Who} works for ____.",
        ("The employer of {who} is ____.", "The company that employs {who} is ____.", "{Who} is employed by ____."),
        "They work for {v}.",
    ),
    "birthday": FactWording(
        "When is the birthday of {who}?",
        ("On which day was {who} born?", "When was {who} born?", "Which day is the birthday of {who}?"),
        "{Who} was born on ____.",
        ("The birthday of {who} is ____.", "The day {who} was born is ____.", "{Who} has a birthday on ____."),
        "They were born on {v}.",
    ),
    "hobby": FactWording(
        "What is the hobby of {who}?",
        ("What does {who} do for fun?", "Which hobby does {who} have?", "How does {who} spend free time?"),
        "The hobby of {who} is ____.",
        ("For fun, {who} does ____.", "In free time, {who} enjoys ____.", "What {who} likes to do is ____."),
        "They enjoy {v}.",
    ),
    "diagnosis": FactWording(
        "Which diagnosis does {who} have?",
        ("What is the diagnosis of {who}?", "What does {who} suffer from?", "Which condition does {who} have?"),
        "The diagnosis of {who} is ____.",
        ("{Who} suffers from ____.", "The condition of {who} is ____.", "{Who} was diagnosed with ____."),
        "They suffer from {v}.",
    ),
    "clinic": FactWording(
        "At which clinic is {who} treated?",
        ("Where is {who} treated?", "Which clinic treats {who}?", "What is the clinic of {who}?"),
        "{Who} is treated at ____.",
        ("The clinic of {who} is ____.", "The clinic that treats {who} is ____.", "{Who} goes to ____."),
        "They are treated at {v}.",
    ),
    "physician": FactWording(
        "Who is the physician of {who}?",
        ("Which doctor treats {who}?", "What is the name of the doctor of {who}?", "Who looks after {who}?"),
        "The physician of {who} is ____.",
        ("{Who} is looked after by ____.", "The doctor who treats {who} is ____.", "{Who} sees ____."),
        "They are looked after by {v}.",
    ),
    "medication": FactWording(
        "Which medication does {who} take?",
        ("What is the medication of {who}?", "What was prescribed to {who}?", "Which drug does {who} use?"),
        "{Who} takes ____.",
        ("The medication of {who} is ____.", "The drug prescribed to {who} is ____.", "{Who} is given ____."),
        "They take {v}.",
    ),
    "appointment": FactWording(
        "When is the next appointment of {who}?",
        ("On which day is {who} seen next?", "Which day is the appointment of {who}?", "When does {who} come back?"),
        "The next appointment of {who} is on ____.",
        ("{Who} is seen next on ____.", "The day of the appointment of {who} is ____.", "{Who} comes back on ____."),
        "They come back on {v}.",
    ),
}

CAPTION_QUESTION = "Describe the picture."
CAPTION_PARAPHRASES = ("What does the picture show?", "Give a description of this image.")

# Trait -> the question and its paraphrases. The first word of the pair's domain never matters: all names differ.
TRAIT_QUESTIONS: Mapping[str, tuple[str, str, str]] = {
    "skin": ("What is the skin tone?", "Which tone does the skin have?", "Is the skin light, tan or dark?"),
    "hair_colour": ("What colour is the hair?", "Which colour does the hair have?", "Name the hair colour."),
    "hair_style": ("How is the hair worn?", "What is the hair style?", "Which hair style is shown?"),
    "glasses": ("What kind of glasses are worn?", "Which glasses can be seen?", "Describe the glasses."),
    "headwear": ("What is worn on the head?", "Which headwear can be seen?", "What is on top of the head?"),
    "facial_hair": ("Which facial hair can be seen?", "What kind of facial hair is there?", "Name the facial hair."),
    "clothes_colour": ("What colour is the shirt?", "Which colour does the shirt have?", "Name the shirt colour."),
    "clothes_pattern": ("What is the shirt pattern?", "Which pattern is on the shirt?", "How is the shirt patterned?"),
    "backdrop": ("What colour is the backdrop?", "Which colour is behind the person?", "Name the backdrop colour."),
    "tint": ("What colour is the fundus?", "Which tint does the fundus have?", "Name the fundus colour."),
    "disc_size": ("How big is the optic disc?", "What is the optic disc size?", "Is the optic disc small or large?"),
    "disc_side": ("On which side is the optic disc?", "Where is the optic disc?", "Is the disc left or right?"),
    "vessels": ("How thick are the vessels?", "Are the vessels thin or thick?", "What are the vessels like?"),
    "lesion_kind": ("Which lesions can be seen?", "What kind of lesions are there?", "Name the kind of lesions."),
    "lesion_count": ("How many lesions are there?", "What is the number of lesions?", "Count the lesions."),
    "lesion_place": ("In which half are the lesions?", "Are the lesions upper or lower?", "Where are the lesions?"),
    "marker_colour": ("What colour is the marker?", "Which colour does the marker have?", "Name the marker colour."),
    "marker_corner": ("In which corner is the marker?", "Where is the marker?", "Which corner has the marker?"),
}

# Trait -> how a caption says its value. Each phrase names trait and value, and no phrase lies within another one.
TRAIT_PHRASES: Mapping[str, Mapping[str, str]] = {
    "hair_style": {"short": "worn short", "long": "worn long", "curly": "worn curly", "pigtails": "worn in pigtails"},
    "headwear": {"none": "no hat", "cap": "a cap", "beanie": "a beanie", "crown": "a crown", "top hat": "a top hat"},
    "facial_hair": {"none": "no facial hair", "beard": "a beard", "moustache": "a moustache"},
    "clothes_pattern": {"plain": "without pattern", "striped": "with stripes", "dotted": "with dots"},
    "lesion_kind": {"none": "no lesions", "exudates": "exudates", "haemorrhages": "haemorrhages"},
}
TRAIT_PHRASE_DEFAULTS: Mapping[str, str] = {
    "skin": "{v} skin",
    "hair_colour": "{v} hair",
    "glasses": "{v} glasses",
    "clothes_colour": "{v} shirt",
    "backdrop": "{v} backdrop",
    "tint": "{v} fundus",
    "disc_size": "{v} optic disc",
    "disc_side": "disc on the {v}",
    "vessels": "{v} vessels",
    "lesion_count": "{v} in number",
    "lesion_place": "{v} half",
    "marker_colour": "{v} marker",
    "marker_corner": "at the {v}",
}


def trait_phrase(trait: str, value: str) -> str:
    """The words of a caption that say that `trait` is `value`."""
    listed = TRAIT_PHRASES.get(trait)
    return listed[value] if listed else _no(TRAIT_PHRASE_DEFAULTS[trait].format(v=value))


def _no(phrase: str) -> str:
    return phrase.replace("none ", "no ")


def portrait_caption(say: Mapping[str, str]) -> str:
    """One sentence with every phrase of a portrait (trait -> phrase), in a fixed order."""
    return (
        f"A person with {say['skin']}, {say['hair_colour']} {say['hair_style']}, {say['glasses']}, {say['headwear']} "
        f"and {say['facial_hair']}, in {_a(say['clothes_colour'])} {say['clothes_pattern']}, "
        f"on {_a(say['backdrop'])}."
    )


def fundus_caption(say: Mapping[str, str]) -> str:
    """One sentence with every phrase of a fundus (trait -> phrase), in a fixed order."""
    lesions = say["lesion_kind"]
    if "lesion_count" in say:
        lesions += f", {say['lesion_count']}, in the {say['lesion_place']}"
    disc = say["disc_side"].removeprefix("disc")  # "large optic disc" + " on the left" holds both phrases
    return (
        f"{_a(say['tint']).capitalize()} with a {say['disc_size']}{disc}, {say['vessels']}, {lesions}, "
        f"and a {say['marker_colour']} {say['marker_corner']}."
    )


def _a(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"
