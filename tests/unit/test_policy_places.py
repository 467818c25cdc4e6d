"""A repository has one address that rules are written for; other spellings of it don't slip past them."""

import pytest

from pullyard.protocol.errors import RequestError
from pullyard.worker.policy.places import read_pattern, read_place


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("https://Forge.example/team/app.git", "https://forge.example/team/app"),
        ("git@forge.example:team/app.git", "ssh://forge.example/team/app"),
        ("https://forge.example/a%20b/%C3%BC.git", "https://forge.example/a%20b/%C3%BC"),
        ("https://forge.example/~user/c++", "https://forge.example/~user/c++"),
    ],
)
def test_an_address_as_a_forge_shows_it_is_taken(url: str, text: str) -> None:
    place = read_place(url)
    assert place.text == text
    assert read_pattern(url).fits(place)


@pytest.mark.parametrize(
    "path",
    [
        "team/%2e%2e/app",
        "team%2Fapp",
        "te%61m/app",
        "%c3%bc/app",
        "team/%252e%252e/app",
        "team%5C..%5Capp",
        "team%00/app",
        "team//app",
        "team/./app",
        "%zz/app",
        "team/app%",
    ],
)
def test_a_second_spelling_is_refused(path: str) -> None:
    with pytest.raises(RequestError, match=r"unusual|address|repository"):
        read_place(f"https://forge.example/{path}")
