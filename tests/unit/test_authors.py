"""Co-authors come from a coordinator that may be anybody's: none becomes more than its own line."""

import pytest

from pullyard.lifecycle.authors import MOST_CO_AUTHORS, trailers_of

ADA = "Ada <ada@example.com>"


@pytest.mark.parametrize(
    "hostile",
    [
        "Ada <a@b.c>\nPullyard-Fence: 99",
        "Ada\nPullyard-Fence: 99 <a@b.c>",
        "Ada\r\nX: y <a@b.c>",
        "Ada\u2028X: y <a@b.c>",
        "A\u202eda <a@b.c>",
        "Ada <a@b.c> <d@e.f>",
        "Ada <a@b.c\n>",
        "@everyone <a@b.c>",
        "Ada",
        "",
        f"{'A' * 101} <a@b.c>",
    ],
)
def test_what_is_no_co_author_is_left_out(hostile: str) -> None:
    assert trailers_of(["codex"], [hostile, ADA]) == f"Pullyard-Agent: codex\nCo-authored-by: {ADA}"


def test_there_are_only_so_many() -> None:
    assert trailers_of([], [ADA] * 50).count("Co-authored-by") == MOST_CO_AUTHORS
