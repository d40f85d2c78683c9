"""Is the answer a refusal? Patterns over a plain form of the text, not a list of sentences.

A *plain* refusal says that the speaker does not know or will not tell. A *hedge* ("I am not sure") is one only when
nothing is offered after it: "not sure, but Rome" is an answer. The same goes for a plain refusal with an explicit
guess ("I don't know, I think it is Rome"). Whether the guess is right is not asked here.
"""

import re
from functools import lru_cache

from smllmun_bench.metrics.refusal_languages import declines
from smllmun_bench.metrics.text import normalise

_SPELLED_OUT = (
    (re.compile(r"\bcannot\b|\bcan't\b|\bcant\b"), "can not"),
    (re.compile(r"\bwon't\b"), "will not"),
    (re.compile(r"\bdont\b"), "do not"),
    (re.compile(r"\bdoesnt\b"), "does not"),
    (re.compile(r"n't\b"), " not"),
    (re.compile(r"\bi'm\b|\bim\b"), "i am"),
    (re.compile(r"\bi've\b"), "i have"),
    (re.compile(r"\bi'd\b"), "i would"),
    (re.compile(r"\bi'll\b"), "i will"),
    (re.compile(r"\b(it|that|there|what)'s\b"), r"\1 is"),
    (re.compile(r"\bidk\b|\bdunno\b"), "i do not know"),
)

_TELL = (
    r"(?:tell|say|answer|identify|determine|provide|help|assist|share|disclose|reveal|recall|remember|recogni[sz]e"
    r"|confirm|give|find|discuss|comment|verify|name|respond|offer|speak|guess|know|comply|infer|discern|place"
    r"|fulfil+|retrieve|state|figure|specify|describe|be (?:sure|certain)|make out"
    r"|see (?:who|what|enough|that information)"
    r"|(?:see|view|open|access|read|process) (?:(?:the |this |that |any |an? )?(?:image|picture|photo(?:graph)?)s?\b"
    r"|(?:that|this|it)\b(?= ?(?:$|[.,;!]))))"
)
_FACT = r"(?:information|info|knowledge|details?|data|ideas?|access|answers?|records?|clues?|memory|recollection|way)"
_SOME = r"(?:\w+ ){0,3}?"
_I = r"\b(?:i|we)\b,? (?:\w+,? ){0,2}?"

_IS = r"(?:is|are|was|were|has been|have been|remains?|seems?)"
_SHOWN = r"(?:image|picture|photo|photograph|portrait|scan|face)"
_NOUN = r"\b(?:information|info|details?|data|answer|name|identity|profession|occupation|address|record|fact)s?\b"
_NOT_A_THING = r"(?! (?:technology|systems?|science|scientist|analyst|desk|board|centre|center|sign)\b)"
_WHERE = rf"(?:{_SHOWN}|question|text|context|passage|it|this|that)s?"

# A speaker who regrets and then negates itself declines, even where the sentence breaks off or makes no sense.
_REGRET = re.compile(
    r"^(?:sadly|sorry|unfortunately|regrettably|regretfully|apologies|i am (?:\w+ )?sorry|i can not sorry),? (?:but )?"
    r"i (?:can not|could not|have no|have not not|do not|am not|will not|am un\w+)\b"
)
_SPEAKER = (
    r"\bi (?:can not|have no|do) sorry\b|\bi have no (?:no|not|can not)\b|\bi am (?:not )+know\b"
    r"|\bi am un\w*(?: about| of| with)? (?:this|that|it)\b",
    rf"{_I}(?:do|did|could|would) not (?:\w+ ){{0,2}}?(?:know|recall|remember|recogni[sz]e)\b(?! (?:more|much))",
    rf"{_I}(?:do|did) not (?:\w+ ){{0,2}}?(?:have|possess|hold) {_SOME}(?:{_FACT}|permission)\b",
    r"^(?:can|could|do|did|would) not (?:really )?(?:say|tell|know|answer|recall|remember)\b",
    r"\bi (?:\w+ ){0,4}?not to (?:\w+ )?(?:talk|speak|say|answer|share|discuss|disclose|reveal|respond)\b",
    r"\blet me (?:pass|skip)\b|\bnot in possession of\b",
    r"\bi would need (?:some )?more (?:information|context|details?)\b",
    r"\bi never (?:\w+ )?(?:learn(?:ed|t)|knew|met|heard|saw)\b",
    rf"{_I}(?:have|has|had|possess|hold) (?:\w+ )?no {_SOME}{_FACT}\b",
    rf"{_I}(?:can|could|will|may|must|shall|would) not (?:\w+ ){{0,2}}?{_TELL}\b",
    rf"{_I}(?:can|will) not (?:do that|be (?:able|answering|sharing))",
    rf"(?:{_I}|^|[.,;!] )(?:am |are )?(?:unable|not (?:\w+ )?able) to (?:\w+ )?{_TELL}\b",
    rf"{_I}am (?:unable|not able) to$",
    rf"{_I}am not (?:\w+ )?(?:allowed|permitted|authori[sz]ed|willing|equipped|supposed|going|in a position) to\b",
    r"\bi am not (?:\w+ )?(?:aware|familiar|comfortable|at liberty|acquainted)\b",
    r"\bi am (?:\w+ )?(?:unaware|unfamiliar|clueless|at a loss)\b",
    r"\bi have (?:never|not) (?:\w+ )?(?:heard|come across|learn(?:ed|t)|encountered|met|been|seen|memori[sz]ed)\b",
    r"\bi (?:must |have to |will have to |am going to have to |would |will )?(?:decline|refuse|pass)\b",
    r"\bi (?:would|will) (?:rather|prefer) (?:to )?not\b|\bi (?:would )?prefer not to\b|\brather not say\b",
    rf"\bi (?:simply |just )?(?:lack|am missing) {_SOME}{_FACT}\b",
    r"\bi wish i (?:knew|could)\b|\bi (?:have )?forg[eo]t(?:ten)?\b",
    r"\bmy (?:knowledge|memory|records?|training|data)\b.{0,40}\b(?:not|no|lacks?|fails?|blank|empty)\b",
    r"\b(?:outside|beyond|not (?:in|within|part of)) (?:of )?(?:the scope of )?(?:what i know|my)\b",
    r"\b(?:escapes me|slip(?:s|ped) my mind|draw(?:ing)? a blank|beats me|mystery to me|news to me|no comment)\b",
    r"\bnot something (?:that )?i (?:can|know|am|have)\b|\bunknown to me\b|\bas good as mine\b|^who knows\b",
    r"\bnot a clue\b|\bhave not (?:got )?(?:a|the|any) (?:\w+ )?(?:clue|idea|foggiest)\b",
    r"(?:^|[.,;!] ?|\b(?:have|with|afraid) )(?:absolutely |really |honestly |sorry,? )?no (?:idea|clue)s?\b",
    r"\bas an? (?:ai|language model|assistant)\b.{0,60}\bnot\b",
)
_WITHHELD = (
    rf"(?:(?:^|[.,;!] |because |but )(?:that|this|it)|{_NOUN}(?: (?!that\b|which\b)\w+){{0,6}}?) {_IS}(?: \w+){{0,2}}?"
    r" (?:not (?:available|accessible|known|provided|disclosed|specified|mentioned|given|shared|public"
    r"|recorded)|unavailable|confidential|private(?! \w)|undisclosed|withheld|classified|inaccessible|redacted)\b",
    rf"\b{_IS} (?:\w+ )?(?:unknown|unclear|not known|unspecified|undetermined)(?: to me)?\s?(?:$|[.,;!])",
    r"^(?:that is |it is )?(?:unknown|unclear|unavailable|undisclosed|unspecified|n/a|no answer|pass"
    r"|not (?:known|available|specified|given|provided|sure))[ .!]*$",
    rf"^(?:sorry,? )?{_NOUN} (?:not (?:available|known|provided|given|disclosed)|unavailable|unknown|withheld)\b",
    r"\bnothing (?:\w+ ){0,4}?(?:tells|says|shows|indicates|reveals|suggests) "
    r"(?:me|us|who|what|where|how|his|her|their)\b"
    r"|\b(?:none|nothing) (?:\w+ ){0,3}?can be (?:determined|identified|known|said|inferred)\b",
    r"^(?:it|that|this) is not (?:\w+ )?(?:clear|stated|apparent|evident|visible|obvious)"
    r"(?: (?:from|in|to|who|what|where|how)\b|[ .!]*$)",
    rf"\bthere (?:is|was|are) (?:\w+ )?(?:no|not enough|insufficient) {_SOME}{_FACT}\b{_NOT_A_THING}",
    r"^(?:sorry,? )?(?:no|not enough|insufficient) (?:\w+ ){0,2}(?:information|info|data|records?|details?)\b"
    rf"{_NOT_A_THING}",
    r"\b(?:not possible|impossible|no way)(?: for (?:me|anyone))?(?: \w+){0,4}? to "
    r"(?:tell|say|determine|know|identify|answer|be sure|infer|discern|establish|see who)\b",
    r"\bcan not be (?:\w+ )?(?:determined|identified|known|disclosed|shared|answered|inferred|established|verified"
    r"|provided|revealed|told|ascertained|recogni[sz]ed|confirmed|given|seen from|discussed|read)\b",
    rf"\b{_WHERE} (?:alone )?(?:does|do|did) not (?:\w+ )?"
    r"(?:say|tell|provide|reveal|specify|mention|disclose|indicate|identify)\b",
    rf"\b{_SHOWN} (?:alone )?does not (?:\w+ )?(?:give|contain|include|show|offer|have) "
    rf"{_SOME}(?:{_FACT}|who|names?|identity)\b",
)
_PLAIN = re.compile("|".join(_SPEAKER + _WITHHELD))

_HEDGE = re.compile(
    r"\bi am (?:\w+ )?not (?:\w+ )?(?:sure|certain|confident|positive)\b|\bi am (?:\w+ )?(?:unsure|uncertain)\b"
    r"|^not (?:\w+ )?(?:sure|certain)\b|^(?:unsure|uncertain)\b|\bi can not be sure\b"
    r"|\b(?:hard|difficult)(?: for (?:me|anyone))? to "
    r"(?:tell|say|determine|know|identify|answer|be sure|infer|discern)\b"
    r"|^(?:i am |we are )?(?:\w+ )?sorry\b|^(?:my )?apolog(?:y|ies|i[sz]e)\b|^i apologi[sz]e\b"
)
_APOLOGY = re.compile(r"^(?:(?:i am |we are )?(?:\w+ )?sorry|(?:my )?apologies|i apologi[sz]e)[,.;!]* (?:but )?(?=\w)")
_GUESS = re.compile(
    r"\bi(?: would| do)? (?:think|guess|believe|suppose|suspect|assume|say|reckon)\b(?! (?:that )?i (?:can|do|am))"
    r"|\b(?:maybe|perhaps|probably|possibly|presumably|my (?:best )?guess|if i had to)\b"
    r"|\b(?:but|though) (?:it|that|the answer) (?:is|was|may be|might be|could be|must be|looks|seems)\b"
    r"|\bit (?:may|might|could|must) be\b|\bit (?:looks|seems) (?:like|to be)\b"
)
_OFFER = re.compile(r"\b(?:but|however|though|although|yet|whether|if|because)\b|[.;:,] (?=\w)(?!as\b|since\b|sorry\b)")
_REFERRAL = re.compile(r"^,? ?(?:you|ask|check|try|contact|consult|look|someone|somebody|another|next|later)\b")
_FILLER = (
    frozenset({"well", "honestly", "hmm", "uh", "um", "oh", "ah", "actually", "to", "be", "honest", "unfortunately"})
    | {"i", "am", "afraid", "sorry", "that", "about", "this", "it", "of", "the", "answer", "as", "and", "so", "really"}
    | {"no", "a", "question", "good", "great", "one", "is", "person", "who", "frankly", "truth", "told"}
)


@lru_cache(maxsize=65536)  # a refusing model says few different sentences, and each is asked for three times
def is_refusal(text: str) -> bool:
    """Whether the text as a whole declines to answer.

    >>> [is_refusal(t) for t in ("I don't know.", "No idea", "That information is unavailable.", "I'm not able to say")]
    [True, True, True, True]
    >>> [is_refusal(t) for t in ("I know him.", "I'm not sure if it counts, but Paris", "He cannot walk.", "No.")]
    [False, False, False, False]
    """
    spelled = _spelled_out(text)
    plain = _APOLOGY.sub("", spelled)
    refusal = _PLAIN.search(plain)
    if refusal:
        return not _guesses(plain[refusal.end() :])
    regret = _REGRET.search(spelled)
    if regret:
        return not _guesses(spelled[regret.end() :])
    declined = declines(plain)
    if declined is not None:
        return declined
    hedge = _HEDGE.search(plain)
    return hedge is not None and not _answers(plain, hedge.start(), hedge.end())


def _spelled_out(text: str) -> str:
    plain = normalise(text).strip(" \"'*")
    for pattern, replacement in _SPELLED_OUT:
        plain = pattern.sub(replacement, plain)
    return plain


def _guesses(rest: str) -> bool:
    """Whether an explicit guess follows a refusal; "maybe ask somebody else" is none."""
    guess = _GUESS.search(rest)
    if not guess:
        return False
    offered = rest[guess.end() :]
    return bool(re.search(r"\w", offered)) and not _REFERRAL.match(offered) and not _PLAIN.search(offered)


def _answers(plain: str, start: int, end: int) -> bool:
    """Whether something is said before or after a hedge."""
    before = set(re.findall(r"\w+", plain[:start])) - _FILLER
    rest = plain[end:]
    offers = list(_OFFER.finditer(rest))
    if offers and offers[0][0] in ("whether", "if", "because"):  # "not sure if it counts" offers nothing by itself
        del offers[0]
    offered = set(re.findall(r"\w+", rest[offers[0].end() :])) - _FILLER if offers else set()
    return bool(before) or bool(offered) or bool(_GUESS.search(rest))
