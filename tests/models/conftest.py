"""Questions of every shape."""

import pytest

from smllmun_bench.models.vlm import Query


@pytest.fixture(scope="session")
def mixed() -> list[tuple[Query, str]]:
    """With and without images, several on one image, short and long ones."""
    long = " ".join(["What is the job of the person in the picture, and where?"] * 6)
    return [
        (Query("What is the job of Ada Lind?"), "pilot"),
        (Query("Who is shown?", ("p1",)), "a tailor from far away"),
        (Query("What is the job of the person in the picture?", ("p1",)), "nurse"),
        (Query("Who is shown?", ("p2",)), "judge"),
        (Query(long, ("p1",)), "miner"),
        (Query(long), "singer and farmer " * 30),
        (Query("Who is shown?", ("p3",)), "x"),
        (Query("Who?"), "baker"),
    ]
