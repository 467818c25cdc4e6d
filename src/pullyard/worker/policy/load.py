"""Reads ``policy.toml`` strictly: whatever is not understood is an error that names its line."""

import difflib
import os
import re
import stat
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec

from pullyard.lifecycle.command_rules import RuleInvalid, read_rule
from pullyard.lifecycle.tool_routing import TOOLS
from pullyard.protocol.errors import RequestError
from pullyard.protocol.hosts import read_host, read_port
from pullyard.protocol.signed_tasks import SignatureRefused, read_public
from pullyard.worker.policy.model import (
    POLICY_FILE,
    UNSIGNED_ERRANDS,
    NetworkBounds,
    Policy,
    Rule,
    SandboxBounds,
    TextBounds,
    default_policy,
)
from pullyard.worker.policy.places import read_pattern

SYSTEM_FILE = Path("/etc/pullyard") / POLICY_FILE
MAX_BYTES = 1 << 20
MAX_RULES = 1000
_OTHERS_MAY_WRITE = 0o002
_AT = re.compile(r"(?P<what>.*?)(?: - at `(?P<key>key in )?\$(?P<path>[^`]*)`)?", re.DOTALL)
_TABLE = re.compile(r"\s*(\[\[?)\s*([^\]#]+?)\s*\]\]?\s*(#.*)?")
_NAME = r"(?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')"
_KEY = re.compile(rf"\s*({_NAME}(?:\s*\.\s*{_NAME})*)\s*=")
T = TypeVar("T")

Path_ = tuple[str | int, ...]


class PolicyInvalid(RequestError):
    """The file can't be used; the message names it, the line and what is wrong."""


def find_policy(named: Path | None, data_directory: Path) -> Path | None:
    """The file that holds: the one that is named, else the data directory's, else the system's.

    Raises PolicyInvalid where a named one is missing: a worker must not run without the rules it was given.
    """
    if named is not None:
        if not named.is_file():
            raise PolicyInvalid(f"The policy file {named} is not there: make it, or name another one.")
        return named
    return next((one for one in (data_directory / POLICY_FILE, SYSTEM_FILE) if is_there(one)), None)


def is_there(path: Path) -> bool:
    """Also a link that leads nowhere or a directory, which can't be read: no policy is passed over.

    Raises PolicyInvalid where the place can't be looked at.
    """
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise PolicyInvalid(f"The policy file {path} can't be looked at: {error.strerror}.") from error
    return True


def load_policy(path: Path | None, *, local_coordinator: bool) -> Policy:
    """``path`` None is the default policy. Raises PolicyInvalid."""
    if path is None:
        return default_policy(local_repositories=local_coordinator)
    try:
        # Without O_NONBLOCK a pipe in its place would keep the worker waiting for a writer.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            check_owner(os.fstat(file.fileno()), path)
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise PolicyInvalid(f"The policy file {path} can't be read: {error.strerror}.") from error
    return read_policy(content, str(path))


def check_owner(found: os.stat_result, path: Path) -> None:
    """Raises PolicyInvalid for what is no file, or one that others than the owner may have written."""
    if not stat.S_ISREG(found.st_mode):
        raise PolicyInvalid(f"{path} is no file: write the policy there, or take it away.")
    if found.st_mode & _OTHERS_MAY_WRITE:
        raise PolicyInvalid(f"Everybody may write {path}: take that away with 'chmod o-w'.")
    if found.st_uid not in (0, os.geteuid()):
        raise PolicyInvalid(f"{path} is another account's: give it to root or to the worker's with 'chown'.")


def read_policy(content: bytes, source: str) -> Policy:
    """Raises PolicyInvalid for anything but a policy."""
    if len(content) > MAX_BYTES:
        raise PolicyInvalid(f"{source} is longer than {MAX_BYTES >> 20} MiB.")
    try:
        text = content.decode()
        document = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise PolicyInvalid(f"{source} is not UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        raise PolicyInvalid(f"{source} is not TOML: {error}.") from error
    except (RecursionError, ValueError) as error:
        raise PolicyInvalid(f"{source} can't be read: {str(error)[:200]}.") from error
    return _Reader(text, source).policy(document)


class _Reader:
    def __init__(self, text: str, source: str) -> None:
        self._lines = text.split("\n")
        self._source = source

    def policy(self, document: dict[str, Any]) -> Policy:
        for key in document:
            if key not in ("default", "repository"):
                raise self._fault((key,), f"unknown key {key!r}: write [default] or [[repository]]")
        default, tables = document.get("default", {}), document.get("repository", [])
        if not isinstance(default, dict):
            raise self._fault(("default",), "write it as a table, [default]")
        if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
            raise self._fault(("repository",), "write it as [[repository]], with two brackets")
        if len(tables) > MAX_RULES:
            raise self._fault(("repository", MAX_RULES), f"there are more than {MAX_RULES} rules")
        if "match" in default:
            raise self._fault(("default", "match"), "it belongs to a [[repository]]")
        shared = cast(dict[str, Any], default)
        self._rule({**shared, "match": ["*"]}, ("default",))
        for number, table in enumerate(tables):
            self._rule(table, ("repository", number))
        return Policy(tuple(self._merged(shared, one) for one in tables), self._source)

    def _rule(self, table: dict[str, Any], at: Path_) -> Rule:
        """Checks one table as it stands in the file, so that a fault has its place."""
        try:
            rule = msgspec.convert(table, Rule)
        except msgspec.ValidationError as error:
            raise self._of_msgspec(str(error), at) from error
        if not rule.match:
            raise self._fault((*at, "match"), "name at least one repository")
        self._all(rule.match, (*at, "match"), read_pattern)
        self._all(rule.commands, (*at, "commands"), read_rule)
        self._all(rule.signed_by, (*at, "signed_by"), read_public)
        self._all(rule.network.hosts, (*at, "network", "hosts"), _check_place)
        self._all(rule.ssh_hosts, (*at, "ssh_hosts"), _check_host)
        self._all(list(rule.tools), (*at, "tools"), _check_tool)
        if rule.budget_micros is not None and rule.budget_micros < 0:
            raise self._fault((*at, "budget_micros"), "write 0 or more")
        for name in ("cpus", "memory_bytes", "disk_bytes", "inodes", "processes"):
            bound = getattr(rule.sandbox, name)
            if bound is not None and not 0 < bound < 1 << 53:
                raise self._fault((*at, "sandbox", name), "write a number above 0")
        return rule

    def _all(self, values: Sequence[str], at: Path_, check: Callable[[str], object]) -> None:
        for value in values:
            try:
                check(value)
            except (RequestError, RuleInvalid, SignatureRefused) as error:
                raise self._fault(at, str(error).rstrip("."), value) from error

    def _merged(self, default: Mapping[str, Any], table: Mapping[str, Any]) -> Rule:
        """A key that the rule has takes the place of the default's; tables are merged key by key."""
        merged = {**default, **table}
        for name in ("sandbox", "network", "text"):
            merged[name] = {**default.get(name, {}), **table.get(name, {})}
        if merged.get("signed_by"):
            merged.setdefault("errands", UNSIGNED_ERRANDS)
        return msgspec.convert(merged, Rule)

    def _of_msgspec(self, message: str, at: Path_) -> PolicyInvalid:
        found = _AT.fullmatch(message)
        assert found is not None
        inner = re.findall(r"\.([A-Za-z0-9_-]+)|\[(\d+)\]", found["path"] or "")
        path: Path_ = (*at, *(name or int(number) for name, number in inner))
        if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", found["what"]):
            return self._fault((*path, unknown[1]), f"unknown key {unknown[1][:60]!r}{likely(unknown[1])}")
        if missing := re.fullmatch(r"Object missing required field `(.*)`", found["what"]):
            return self._fault(path, f"{missing[1]} is missing")
        return self._fault(path, found["what"][:1].lower() + found["what"][1:200].replace("`", "'"))

    def _fault(self, path: Path_, what: str, value: str = "") -> PolicyInvalid:
        line = line_of(self._lines, path, value)
        place = f"line {line}" if line else "its content"
        named = ".".join(str(part) for part in path if isinstance(part, str))
        return PolicyInvalid(f"{self._source}, {place}: {named[:100]}: {what}.", code="invalid-policy")


def line_of(lines: Sequence[str], path: Path_, value: str = "") -> int | None:
    """Where a key or its table begins, or ``value`` in its list, from 1 on; None where nobody can tell."""
    best = nearest_key(lines, path)
    if best is None or not value:
        return best
    ends = next((number for number, *_ in keys_of(lines) if number > best), len(lines) + 1)
    return next((number for number in range(best, ends) if value in lines[number - 1]), best)


def nearest_key(lines: Sequence[str], path: Path_) -> int | None:
    """The line of the key that shares most of ``path``, the first one where several do."""
    names = [part for part in path if isinstance(part, str)]
    wanted = next((part for part in path if isinstance(part, int)), None)
    best, depth = None, 0
    for number, here, rule in keys_of(lines):
        if wanted is not None and names[0] == "repository" and rule != wanted:
            continue
        shared = min(len(here), len(names))
        if shared > depth and here[:shared] == names[:shared]:
            best, depth = number, shared
    return best


def keys_of(lines: Sequence[str]) -> Iterator[tuple[int, list[str], int]]:
    """Each line that begins a table or a key: its number, the whole key, and the [[repository]] it is in."""
    table: list[str] = []
    rule = -1
    for number, line in enumerate(lines, 1):
        if found := _TABLE.fullmatch(line):
            table = words_of(found[2])
            rule += found[1] == "[[" and table == ["repository"]
            yield number, table, rule
        elif found := _KEY.match(line):
            yield number, [*table, *words_of(found[1])], rule


def words_of(key: str) -> list[str]:
    return [word.strip("\"'") for word in re.findall(_NAME, key)]


def _check_host(text: str) -> None:
    name = text.removeprefix("*.")
    if text != "*" and read_host(name) is None:
        raise RequestError(f"{text[:80]!r} is no host: write a name, '*.' and the end of one, or '*'.")


def _check_place(text: str) -> None:
    host, colon, port = text.partition(":")
    _check_host(host)
    if colon and read_port(port) is None:
        raise RequestError(f"{text[:80]!r} has no port behind its colon: write a number up to 65535.")


def _check_tool(name: str) -> None:
    if name not in TOOLS:
        raise RequestError(f"There is no tool {name[:60]!r}: choose one of {', '.join(TOOLS)}.")


def likely(unknown: str) -> str:
    """The key that was perhaps meant, as the end of a sentence; else nothing."""
    tables = (Rule, SandboxBounds, NetworkBounds, TextBounds)
    known = [name for table in tables for name in table.__struct_fields__]
    close = difflib.get_close_matches(unknown[:60], known, n=1)
    return f": {close[0]!r} is perhaps meant" if close else ""
