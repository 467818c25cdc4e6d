"""Others' words in a change's text hide nothing of what follows them, whatever they open."""

import re

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from pullyard.forges.sites import Place
from pullyard.protocol.receipts import Envelope
from pullyard.protocol.worker import CommandResult, TaskBrief
from pullyard.worker.change_text import BODY_CHARACTERS, closed, closes, harmless, receipt_text, signed_text
from tests.unit.test_receipts import RECEIPT, signed

OURS = "Not passed"

pieces = st.sampled_from(
    [
        *(
            "```",
            "~~~",
            "````",
            "``` ```",
            "```py",
            "~~~ `x`",
            "`",
            "<details>",
            "<!--",
            "<pre>",
            "<![CDATA[",
        ),
        *(
            "\n",
            "\n\n",
            "\n",
            "\n",
            "- ",
            "1. ",
            "> ",
            "  ",
            "    ",
            "\t",
            "x",
            "\r",
            "\u2028",
            "\x0b",
            "\xa0",
        ),
        *("$$", "[a]: ", "===", "|", "\\", "<?", "<script>", "</p>", "* ", "+ "),
    ]
)


@pytest.mark.attack("words: titles, branches and Markdown")
@given(st.lists(pieces, max_size=14).map("".join))
@example("- a\n  ```\nfoo\n```")
@example("```foo``` bar")
@example("~~~\n```\n~~~~")
@example("x\u2028```")
@example("> ```\n> x")
@example("<details>\n<summary>ok</summary>")
def test_what_we_say_stays_a_paragraph_of_its_own(words: str) -> None:
    text = closed(harmless(words).strip())
    tokens = MarkdownIt("commonmark").enable("table").parse(f"{text}\n\n{OURS}")
    ours = [place for place, token in enumerate(tokens) if token.type == "inline" and token.content == OURS]
    assert ours, tokens
    assert (tokens[ours[-1] - 1].type, tokens[ours[-1] - 1].level) == ("paragraph_open", 0)
    assert not any(token.type.startswith("html") for token in tokens)


@pytest.mark.parametrize(
    "text",
    [
        "Plain words.",
        "Before\n```py\nprint('<b>'[:2])\n```\nafter".replace("<b>", "b"),
        "See <https://example.org/x>.",
        "1 < 2 and a <= b",
        "Mail ada@example.org, see https://example.org/?a=1&b=2 & more.",
        "Prefixes 3, fixes nothing. Is #3 fixed?",
        "Fix UTF-8 names",
        "~~~\n- ```\n~~~",
    ],
)
def test_honest_words_stay_as_they_are(text: str) -> None:
    assert closed(harmless(text)) == text


@pytest.mark.attack("words: titles, branches and Markdown")
@pytest.mark.parametrize(
    "text",
    [
        "@octocat",
        "_@octocat_",
        "_@org/team_",
        "*@octocat*",
        "an open ` @octocat",
        "an open `@octocat",
        "\\@octocat",
        "\u00e9@octocat",
        "@_octocat",
        "@\\_octocat",
        "&#64;octocat",
        "&#x40;octocat",
        "&commat;octocat",
        "&lt;&commat;octocat",
    ],
)
def test_nobody_is_called(text: str) -> None:
    tokens = MarkdownIt("commonmark").parse(harmless(text))
    seen = "".join(one.content for token in tokens for one in token.children or [])
    assert re.search(r"@[\w.]", seen) is None, seen
    assert "octocat" in seen or "team" in seen


@pytest.mark.attack("words: titles, branches and Markdown")
def test_what_steers_the_text_around_it_is_gone() -> None:
    assert harmless("a\x1b\x9b\u061c\u200b\u2028\u202e\u2060\u2069\ufeff\ufffbb\tc\n") == "ab\tc\n"


@pytest.mark.attack("words: titles, branches and Markdown")
@pytest.mark.parametrize("word", ["fix", "fixes", "Closes", "closing", "resolved", "Implements"])
@pytest.mark.parametrize(
    "text",
    [
        "WORD #3",
        "WORD: acme/widgets#3",
        "WORD GH-3",
        "WORD https://forge.test/acme/widgets/issues/3",
        "**WORD** #3",
        "_WORD_ #3",
        "~~WORD~~: #3",
        "`WORD` `#3`",
        "[WORD](x) #3",
        "[WORD](https://example.org) #3",
        "WORD [#3](x)",
        "WORD [that](https://forge.test/acme/widgets/issues/3)",
        "WORD **#3**",
        "WORD \\#3",
        "WORD&#32;#3",
        "WORD&nbsp;&#x20;#3",
        "WORD issue #3",
        "WORD\n#3",
        f"WORD{' ' * 99}#3",
        f"WORD issues{' ' * 99}#3",
    ],
)
def test_nothing_is_closed(text: str, word: str) -> None:
    assert f"{word}\u2060" in harmless(text.replace("WORD", word))


@pytest.mark.parametrize(
    "piece", ["fix" + "[" * 40, "fix " + "]()" * 40, "fix " + "&_;" * 40, "fix " + "a/" * 99]
)
def test_no_text_takes_all_time(piece: str) -> None:
    # With a pattern that tries every reading, this does not end.
    text = piece * 300
    assert harmless(text).replace("\u2060", "") == text


def test_a_block_that_is_open_is_closed() -> None:
    assert closed("a\n````\nb") == "a\n````\nb\n````"


@pytest.mark.attack("words: forged receipts")
def test_nobody_else_writes_a_receipt() -> None:
    for words in ("-----BEGIN PULLYARD RECEIPT-----", "x-----END PULLYARD RECEIPT-----"):
        assert "-----BEGIN PULLYARD" not in harmless(words)
        assert "-----END PULLYARD" not in harmless(words)


def test_a_receipt_of_any_size_leaves_room_for_words() -> None:
    hostile = ["sh", "-c", "| <!-- ` @everyone \n```" * 200]
    one = CommandResult(argv=hostile, exit_code=1, seconds=1.0, outcome="failed")
    huge = msgspec.structs.replace(RECEIPT, commands=[one] * 500, warning="\n| `" * 10_000)
    sealed = signed(commands=msgspec.to_builtins(huge.commands))["envelope"]
    huge.envelope = msgspec.convert(sealed, Envelope)
    text = receipt_text(huge)
    assert len(text) + len(signed_text(huge, "exec_1")) < BODY_CHARACTERS / 2
    assert "450 more commands" in text
    assert "receipt show exec_1" in signed_text(huge, "exec_1")
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    assert sum(token.type == "tr_open" for token in tokens) == 51, "one row a command"
    assert not any(token.type in ("html_block", "fence") for token in tokens)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("https://forge.test/Acme/shop/issues/7", "Closes #7."),
        ("https://forge.test:3000/acme/shop/-/issues/7", "Closes #7."),
        ("https://forge.test/acme/other/issues/7", ""),
        ("https://evil.test/acme/shop/issues/7", ""),
        ("https://evil.test/forge.test/acme/shop/issues/7", ""),
        ("https://forge.test/acme/shop/issues/7 and closes #8", ""),
        ("https://forge.test/acme/shop/pull/7", ""),
    ],
)
def test_an_issue_of_this_repository_alone_is_closed(url: str, text: str) -> None:
    place = Place("forge.test", "acme/shop")
    brief = TaskBrief(id="task", number=1, title="x", description=f"From issue 7: {url}", source_url=url)
    assert closes(brief, place) == text
    assert closes(msgspec.structs.replace(brief, description="Another text."), place) == ""
    assert closes(msgspec.structs.replace(brief, source_url=None), place) == ""
