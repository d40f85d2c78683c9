"""What judges said, on disk, by the content of the question: prompt, judge and text. A failure is never kept."""

import json
from collections.abc import Mapping
from pathlib import Path

from smllmun_bench.judge.prompts import Request
from smllmun_bench.store.atomic import atomic_write
from smllmun_bench.store.hashing import digest


class Cache:
    """One small JSON file per answer; a damaged one is asked for again."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def key(self, prompt_digest: str, identity: Mapping[str, str | int | float], request: Request) -> str:
        return digest({"prompt": prompt_digest, "judge": dict(identity), "request": request.model_dump()})

    def get(self, key: str) -> str | None:
        try:
            kept = json.loads(self._path(key).read_bytes())
        except (FileNotFoundError, ValueError, RecursionError):
            return None
        return kept["answer"] if isinstance(kept, dict) and isinstance(kept.get("answer"), str) else None

    def put(self, key: str, answer: str) -> None:
        atomic_write(self._path(key), json.dumps({"answer": answer}, ensure_ascii=True))

    def _path(self, key: str) -> Path:
        return self._root / key[:2] / f"{key}.json"
