"""Modules that exported folders carry with them: written for readers who do not have this package."""

from pathlib import Path


def source(name: str) -> str:
    """The text of a template, as it goes into an exported folder."""
    return (Path(__file__).parent / f"{name}.py").read_text(encoding="utf-8")
