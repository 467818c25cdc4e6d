"""The pictures in docs/pictures are of all pages, and one page shows them."""

import pytest

pytest.importorskip("playwright", reason="playwright is not installed")
from tests import pictures


def test_every_page_has_a_picture_and_the_pictures_stay_small():
    pictures.check_list()
    assert pictures.DOCUMENT.read_text() == pictures.document(), "run 'make pictures'"
    assert sum(one.stat().st_size for one in pictures.PICTURES.iterdir()) <= pictures.MOST_BYTES


def test_a_page_without_a_picture_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pictures, "ALL", [one for one in pictures.ALL if one.route != "/tasks/$taskId"])
    with pytest.raises(SystemExit, match=r"no picture of /tasks/\$taskId: add a line"):
        pictures.check_list()
