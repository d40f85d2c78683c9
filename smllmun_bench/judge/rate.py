"""Many answers, one judge: cached, several at a time, every one of them with a rating or a reason."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial

from smllmun_bench.judge.cache import Cache
from smllmun_bench.judge.prompts import Prompt, Request
from smllmun_bench.judge.protocol import Failure, Judge, JudgeFailed
from smllmun_bench.judge.ratings import parse_rating


@dataclass(frozen=True, slots=True)
class Question:
    """An answer to be judged, and what it was an answer to."""

    item_id: str
    question: str
    reference: str
    answer: str


@dataclass(frozen=True, slots=True)
class Rating:
    """`rating` on the prompt's scale, or None and the reason. `said` are the judge's words, if there were any."""

    item_id: str
    rating: int | None
    failure: Failure | None = None
    said: str = ""
    detail: str = ""


def rate(
    questions: Sequence[Question],
    prompt: Prompt,
    judge: Judge,
    cache: Cache | None = None,
    advance: Callable[[int], None] = lambda n: None,
) -> list[Rating]:
    """One Rating per question, in their order; what reads the same is asked once.

    `advance` hears how many questions an answer settles. Raises the judge's UserError as soon as no request can
    succeed.
    """
    requests = [prompt.ask(question=q.question, reference=q.reference, answer=q.answer) for q in questions]
    with ThreadPoolExecutor(max_workers=judge.parallel) as pool:
        jobs = {
            request: pool.submit(_settle, request, prompt, judge, cache, partial(advance, count))
            for request, count in Counter(requests).items()
        }
        try:
            wait(jobs.values(), return_when=FIRST_EXCEPTION)
        finally:
            for job in jobs.values():  # after an error or Ctrl-C the rest is not asked
                job.cancel()
    for job in jobs.values():
        if not job.cancelled() and (error := job.exception()) is not None:
            raise error
    settled = [jobs[request].result() for request in requests]
    return [
        Rating(question.item_id, one.rating, one.failure, one.said, one.detail)
        for question, one in zip(questions, settled, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Settled:
    rating: int | None
    failure: Failure | None
    said: str = ""
    detail: str = ""


def _settle(
    request: Request, prompt: Prompt, judge: Judge, cache: Cache | None, advance: Callable[[], None]
) -> _Settled:
    key = cache.key(prompt.digest, judge.identity, request) if cache else ""
    said = cache.get(key) if cache else None
    try:
        if said is None:
            said = judge.answer(request)
            if cache:
                cache.put(key, said)
    except JudgeFailed as failed:
        return _Settled(None, failed.failure, detail=failed.detail)
    finally:
        advance()
    rating = parse_rating(said, prompt.lowest, prompt.highest)
    return _Settled(rating, Failure.UNPARSABLE if rating is None else None, said)


def failures(ratings: Iterable[Rating]) -> dict[Failure, int]:
    """How many answers have no rating, by reason; reasons that did not occur are left out."""
    found = [rating.failure for rating in ratings if rating.failure is not None]
    return {failure: found.count(failure) for failure in Failure if failure in found}
