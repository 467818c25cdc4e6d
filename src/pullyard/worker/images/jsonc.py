"""JSON as editors write it: with comments, trailing commas and a byte order mark."""

import json
import re
from typing import Any

_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\Z)|//[^\n]*|/\*.*?(?:\*/|\Z)', re.DOTALL)
_COMMAS = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\Z)|,(?=\s*[}\]])', re.DOTALL)


class NotJson(Exception):
    """The message says where and why."""


def read_jsonc(content: bytes) -> Any:
    """Raises NotJson; its line numbers are those of the file."""
    try:
        text = content.decode("utf-8-sig")
        return json.loads(_COMMAS.sub(_without_comma, _TOKENS.sub(_without_comment, text)))
    except UnicodeDecodeError as error:
        raise NotJson("it is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise NotJson(f"line {error.lineno}: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise NotJson("it holds a number or a depth that nobody needs") from error


def _without_comment(token: re.Match[str]) -> str:
    found = token[0]
    # The lines stay, so that a message names the right one.
    return found if found.startswith('"') else " " + "\n" * found.count("\n")


def _without_comma(token: re.Match[str]) -> str:
    return token[0] if token[0].startswith('"') else ""
