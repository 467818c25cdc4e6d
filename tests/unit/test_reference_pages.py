"""The generated parts of docs/reference say what the code does now."""

import re
from pathlib import Path

import pytest
from scripts.reference_pages import PARTS, REFERENCE, filled, stale_pages

DOCS = REFERENCE.parent
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")


def test_every_page_is_current():
    assert [path.name for path, _ in stale_pages()] == []


@pytest.mark.parametrize("name", PARTS)
def test_every_part_stands_on_a_page(name):
    pages = [path for path in REFERENCE.glob("*.md") if f"<!-- generated: {name} -->" in path.read_text()]
    assert len(pages) == 1


def test_a_stale_part_is_noticed():
    page = "Before.\n<!-- generated: reasons -->\nold words\n<!-- end of reasons -->\nAfter.\n"
    current = filled(page)
    assert current.startswith("Before.\n")
    assert "`lease_expired`" in current
    assert "old words" not in current


def pages_for_readers() -> list[Path]:
    top = DOCS.parent
    return [*(top / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")), *DOCS.rglob("*.md")]


@pytest.mark.parametrize("page", pages_for_readers(), ids=lambda page: page.name)
def test_every_link_leads_to_a_file(page):
    dead = [target for target in LINK.findall(page.read_text()) if not (page.parent / target).exists()]
    assert dead == []
