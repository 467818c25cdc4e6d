"""The attack catalogue is whole: no row without a test, in no sandbox that it has to be tried in."""

from pathlib import Path

import pytest

from tests.attack_catalogue import BY_NAME, PLACES, ROWS
from tests.attack_report import FINDINGS
from tests.guards import GUARDS

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs/explanation/security.md"


def test_every_row_is_tried_wherever_it_has_to_be(request: pytest.FixtureRequest) -> None:
    if TESTS not in [Path(argument).resolve() for argument in request.config.args]:
        pytest.skip("Only a run of all tests knows them all.")
    tried = request.config.stash[FINDINGS].cells
    missing = [(row.name, place) for row in ROWS if not row.later for place in row.places]
    assert [cell for cell in missing if cell not in tried] == []
    assert [cell for cell in tried if BY_NAME[cell[0]].later] == [], "tried by now: no longer later"


def test_every_row_is_named_once_and_says_what_holds_it() -> None:
    assert len(BY_NAME) == len(ROWS)
    for row in ROWS:
        assert bool(row.defence) != bool(row.later), row.name
        assert set(row.places) <= set(PLACES), row.name


def test_the_page_on_security_lists_every_row() -> None:
    page = PAGE.read_text()
    assert [row.name for row in ROWS if not row.later and row.name.partition(": ")[2] not in page] == []


def test_every_guard_stands_where_it_would_be_taken_out() -> None:
    assert len({guard.name for guard in GUARDS}) == len(GUARDS)
    for guard in GUARDS:
        assert guard.removed(), guard.name
        assert [
            TESTS.parent / place for place in guard.tests.split() if not (TESTS.parent / place).exists()
        ] == []
