"""Does a model understand a way of asking at all? Asked of the people it may know; silence about the others means
nothing where it does not."""

from collections.abc import Sequence

from smllmun_bench.attacks.base import Ask, NotApplicable, Try


def check_understood(ask: Ask, plain: Sequence[Try], otherwise: Sequence[Try], *, least: float, what: str) -> None:
    """Raise NotApplicable unless `otherwise` brings out at least the share `least` of what `plain` does.

    Both are about retained people. A model that knows nothing about them when asked plainly cannot be checked.
    """
    known = sum(ask(plain)) if plain else 0.0
    if known <= 0:
        raise NotApplicable(f"{what}: nothing is known about retained people, so it cannot be checked")
    found = sum(ask(otherwise))
    if found < least * known:
        raise NotApplicable(
            f"{what}: asked so, {found:.3g} of {known:.3g} known facts about retained people come back, "
            f"fewer than {least:g} of them"
        )
