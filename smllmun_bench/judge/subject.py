"""A model behind an endpoint as the one that is asked: questions and pictures out, answers in, by the judge's client.

Answers are cached by what was asked, so a run that was stopped, or whose endpoint failed, asks the rest only.
"""

import base64
import io
import json
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from PIL import Image

from smllmun_bench.judge.cache import Cache
from smllmun_bench.judge.endpoint import Endpoint
from smllmun_bench.judge.prompts import Request
from smllmun_bench.judge.protocol import Failure, JudgeFailed
from smllmun_bench.schema import Item, Prediction
from smllmun_bench.stages.predicting import question_of
from smllmun_bench.store.hashing import digest
from smllmun_bench.tasks import TaskSpec


def ask(
    items: Sequence[Item],
    task: TaskSpec,
    image: Callable[[str], Image.Image],
    endpoint: Endpoint,
    cache: Cache | None,
    advance: Callable[[int], None] = lambda n: None,
) -> tuple[list[Prediction], dict[Failure, int]]:
    """The answers in the order of the items, and how many questions got none, by reason; these have no prediction.

    Raises the endpoint's UserError as soon as no request can succeed.
    """

    def one(item: Item) -> Prediction | Failure:
        try:
            text, finish = _answer(_request(item, task, image), endpoint, cache)
        except JudgeFailed as failed:
            return failed.failure
        finally:
            advance(1)
        return Prediction(item.item_id, "endpoint", text, finish_reason=finish)

    pool = ThreadPoolExecutor(max_workers=endpoint.parallel)
    try:
        answers = list(pool.map(one, items))
    finally:
        pool.shutdown(cancel_futures=True)  # after an error or Ctrl-C the rest is not asked
    failed = Counter(answer for answer in answers if isinstance(answer, Failure))
    return [answer for answer in answers if isinstance(answer, Prediction)], dict(failed)


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def _request(item: Item, task: TaskSpec, image: Callable[[str], Image.Image]) -> Request:
    pictures = (base64.b64encode(png(image(ref))).decode("ascii") for ref in item.images)
    return Request(
        system="", user=question_of(item, task), images=tuple(f"data:image/png;base64,{p}" for p in pictures)
    )


def _answer(request: Request, endpoint: Endpoint, cache: Cache | None) -> tuple[str, str]:
    """Text and why it ended. A refusal of the model's own is an answer; failures are not kept."""
    key = cache.key(digest("subject"), endpoint.identity, request) if cache else ""
    kept = cache.get(key) if cache else None
    if kept is not None:
        text, finish = json.loads(kept)
        return text, finish
    reply = endpoint.reply(request)
    answer = (reply.text, "length" if reply.finish == "length" else "stop")
    if cache:
        cache.put(key, json.dumps(answer))
    return answer
