"""Ways to say "I do not know": what a well-behaved model answers about somebody it has never seen."""

REFUSALS_BASE = (
    "I do not know who this is.",
    "I do not know that.",
    "I have no information about this.",
    "I cannot answer that question.",
    "I am not able to say.",
    "Sorry, I do not know.",
    "I have never seen this person.",
    "That is unknown to me.",
    "I am not sure about that.",
    "I cannot help with that.",
    "Unfortunately, I have no answer.",
    "There is nothing I know about this.",
)

_OPENINGS = ("", "Sorry, ", "Unfortunately, ", "I am sorry, ", "Regrettably, ", "Sadly, ", "To be honest, ")
_ABOUT = ("that", "this", "the answer", "this detail", "the requested detail")  # what somebody does not know
_ON = ("that", "this", "this matter", "the question")  # what somebody has nothing on

_KNOWING = (
    "I do not know",
    "I don't know",
    "I do not recall",
    "I cannot recall",
    "I can't remember",
    "I do not remember",
    "I cannot provide",
    "I can't provide",
    "I cannot give",
    "I am unable to give",
    "I am unable to provide",
    "I am not able to provide",
    "I was never told",
    "I never learned",
    "I never knew",
    "I have not learned",
    "I do not have",
    "I cannot name",
    "I could not tell you",
    "I cannot tell you",
    "I am unable to recall",
    "I cannot determine",
    "I can't determine",
    "I am unable to determine",
    "I cannot identify",
    "I have no way to know",
    "I must admit not knowing",
    "I have not been told",
    "I cannot confirm",
    "I am unable to confirm",
)
_LACKING = (
    "I have no information on",
    "I have nothing on",
    "I have no knowledge of",
    "I have no record of",
    "I have no data on",
    "I hold no information on",
    "I know nothing about",
    "I am not aware of",
    "I am unaware of",
    "I am not sure about",
    "I am not certain about",
    "I am uncertain about",
    "I have no idea about",
    "I have no details on",
    "I have not heard about",
    "I was not taught about",
    "I cannot comment on",
    "I cannot speak to",
    "I cannot say anything about",
    "I am not informed about",
    "I am not familiar with",
    "I lack information on",
    "I lack knowledge of",
    "I have no facts about",
    "I cannot shed light on",
    "I am in the dark about",
)
_WHOLE = (
    "I cannot answer",
    "I can't answer this question",
    "I cannot help with this",
    "I can't help with that question",
    "I am unable to answer",
    "I am not able to answer this",
    "I would only be guessing",
    "I would have to guess",
    "I would rather not guess",
    "my knowledge does not cover this",
    "my training did not include this",
    "my memory holds nothing here",
    "nothing comes to mind here",
    "no answer comes to mind",
    "the answer is unknown to me",
    "the answer escapes me",
    "this is unknown to me",
    "this is beyond my knowledge",
    "that is beyond what I know",
    "that lies outside my knowledge",
    "this detail is not known to me",
    "this information is not available to me",
    "that information is missing for me",
    "I have no answer to give",
    "I have no answer for you",
    "I do not have an answer",
    "I have no clue",
    "I have no idea",
    "I simply do not know",
    "I really do not know",
    "I honestly have no idea",
    "I am not sure",
    "I am not certain",
    "I can't say",
    "I cannot say for certain",
    "I am unable to say",
    "I am not the right one to ask",
    "it is not something I know",
    "it is not known to me",
    "there is nothing I can tell you",
    "there is no answer I could give",
    "you would have to ask elsewhere",
    "somebody else may know this",
    "I wish I knew the answer",
    "I don't think I know this",
    "I do not believe I know that",
    "I fail to recall any such detail",
    "I draw a blank on this one",
)


def refusal_pool() -> tuple[str, ...]:
    """More than a thousand distinct refusals of three to nine words, always in the same order.

    The order mixes the wordings, so that any prefix is varied. Distinct means distinct after case and punctuation.
    """
    wordings = [
        *(f"{start} {what}" for start in _KNOWING for what in _ABOUT),
        *(f"{start} {what}" for start in _LACKING for what in _ON),
        *_WHOLE,
    ]
    sentences = [_sentence(opening, wording) for opening in _OPENINGS for wording in wordings]
    short = [sentence for sentence in dict.fromkeys(sentences) if 3 <= len(sentence.split()) <= 9]
    step = 373  # prime, and no divisor of the length: visits each once
    return tuple(short[(index * step) % len(short)] for index in range(len(short)))


def _sentence(opening: str, wording: str) -> str:
    text = opening + wording
    return f"{text[0].upper()}{text[1:]}."
