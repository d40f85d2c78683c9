"""A folder in the upstream layout: the one that is named, or the files of a hub data set at one commit.

What comes from the hub is fetched file by file into the hub's own cache and then read as a local folder, so that both
ways give the same items. A branch name is resolved to its commit first, and the commit is what is read.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from smllmun_bench.errors import UserError

_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Hub:
    """A data set on the hub; `aliases` are other ids under which the same files are known."""

    repo: str
    patterns: tuple[str, ...] = ("**",)
    aliases: tuple[str, ...] = ()


def locate(path: Path | None, hub: Hub | None, *, revision: str = "main", needed: Sequence[str] = ()) -> Path:
    """The folder to read. Without a path the hub is asked, which needs `--online` unless it is in the cache.

    `needed` narrows what is fetched. Raises UserError where there is no such folder, or nothing can be fetched.
    """
    if path is not None:
        folder = path.expanduser()
        if not folder.is_dir():
            raise UserError("there is no such folder", where=str(folder), fix="the folder that holds upstream's files")
        return folder
    if hub is None:
        raise UserError("this data set is not on the hub", fix="--data DIR, a folder in upstream's layout")
    return _fetched(hub, revision, tuple(needed) or hub.patterns)


def _fetched(hub: Hub, revision: str, patterns: tuple[str, ...]) -> Path:
    from huggingface_hub import HfApi, constants, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    # The error of whichever HTTP library this version of the client uses.
    transport: type[Exception] = HfHubHTTPError.__bases__[0]

    try:
        commit = revision
        if not _COMMIT.fullmatch(revision) and not constants.HF_HUB_OFFLINE:
            commit = str(HfApi().dataset_info(hub.repo, revision=revision).sha)
        folder = snapshot_download(
            hub.repo,
            repo_type="dataset",
            revision=commit,
            allow_patterns=[*patterns, "README.md"],
            local_files_only=constants.HF_HUB_OFFLINE,
        )
    except (OSError, ValueError, transport) as error:  # not cached, a bad name, no network
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(
            f"the data set {hub.repo!r} is not on this machine and cannot be fetched: {first}",
            where=f"https://huggingface.co/datasets/{hub.repo} at {revision}",
            fix="--data DIR with upstream's files, or `smllmun-bench run --online`, which keeps them on this machine",
        ) from error
    return Path(folder)
