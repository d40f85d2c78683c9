"""Every attack has its card, every card its attack, and every setting is named in it."""

from pathlib import Path

import pytest

from smllmun_bench import attacks

FOLDER = Path(__file__).parents[2] / "docs" / "attacks"


def test_every_card_has_its_attack() -> None:
    cards = sorted(path.stem for path in FOLDER.glob("*.md") if path.stem != "README")
    assert cards == sorted(attacks.CATALOGUE.files())


@pytest.mark.parametrize("name", sorted(attacks.CATALOGUE.files()))
def test_a_card_names_every_setting(name: str) -> None:
    text = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {name}\n")
    assert [key for key in attacks.get(name).config.model_fields if f"`{key}`" not in text] == []
