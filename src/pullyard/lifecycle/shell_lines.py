"""Which commands a shell line runs, where that can be told for certain; what can't be told is not guessed.

Understood: words, quotes and backslashes, and the operators ``;``, ``&&``, ``||``, ``|`` and newline.
Everything that could start a program in another way, or change which one is started, makes the line opaque:
expansions, redirections, groups, assignments, keywords, comments, background jobs, globs.
"""

from collections.abc import Iterator, Sequence

_OPAQUE = frozenset("$`<>(){}#!&~")
_GLOB = frozenset("*?[")
_KEYWORDS = """
    if then else elif fi for foreach while until do done end case esac in function select repeat time coproc
    [[ ]] - noglob nocorrect
"""
# They run what they are given, or change what a name stands for in the commands after them.
_BUILTINS = """
    eval exec command builtin source . trap alias unalias export set declare typeset local readonly let unset
    read mapfile readarray getopts printf hash enable shopt emulate autoload zmodload fc bind
"""
_NO_PROGRAMS = frozenset(_KEYWORDS.split() + _BUILTINS.split())
MAX_LINE_CHARACTERS = 20_000


class Opaque(Exception):
    """The line can't be taken apart for certain."""


def split_line(line: str) -> list[list[str]]:
    """The simple commands of ``line``, each as the words that its program is started with. Raises Opaque."""
    if len(line) > MAX_LINE_CHARACTERS or "\0" in line or "\r" in line:
        raise Opaque
    commands = [command for command in _commands(line) if command]
    if not commands:
        raise Opaque
    for command in commands:
        _check_program(command[0])
    return commands


def _check_program(name: str) -> None:
    if name in _NO_PROGRAMS or "=" in name:
        raise Opaque


def _commands(line: str) -> Iterator[list[str]]:
    words: list[str] = []
    place = 0
    while place < len(line):
        character = line[place]
        if character in " \t":
            place += 1
        elif character in ";\n|&":
            place = _after_operator(line, place)
            yield words
            words = []
        else:
            word, place = _word(line, place)
            words.append(word)
    yield words


def _after_operator(line: str, place: int) -> int:
    two = line[place : place + 2]
    if two in ("&&", "||"):
        return place + 2
    if line[place] == "&" or two in (";;", "|&", ";&"):
        raise Opaque
    return place + 1


def _word(line: str, place: int) -> tuple[str, int]:
    """One word with its quotes taken off, and where it ends."""
    parts: list[str] = []
    while place < len(line) and line[place] not in " \t\n;|&":
        character = line[place]
        if character == "'":
            end = _closing(line, place, "'")
            parts.append(line[place + 1 : end])
            place = end + 1
        elif character == '"':
            text, place = _double_quoted(line, place + 1)
            parts.append(text)
        elif character == "\\":
            parts.append(_escaped(line, place))
            place += 2
        elif character in _OPAQUE or character in _GLOB:
            raise Opaque
        else:
            parts.append(character)
            place += 1
    return "".join(parts), place


def _closing(line: str, place: int, quote: str) -> int:
    end = line.find(quote, place + 1)
    if end < 0:
        raise Opaque
    return end


def _escaped(line: str, place: int) -> str:
    """What a backslash outside of quotes protects; before a line's end it would join lines."""
    if place + 1 >= len(line) or line[place + 1] == "\n":
        raise Opaque
    return line[place + 1]


def _double_quoted(line: str, place: int) -> tuple[str, int]:
    parts: list[str] = []
    while place < len(line) and line[place] != '"':
        if line[place] in "$`!":
            raise Opaque
        if line[place] == "\\":
            if place + 1 >= len(line) or line[place + 1] == "\n":
                raise Opaque
            parts.append(line[place + 1] if line[place + 1] in '"\\$`' else line[place : place + 2])
            place += 2
        else:
            parts.append(line[place])
            place += 1
    if place >= len(line):
        raise Opaque
    return "".join(parts), place + 1


def shell_line(argv: Sequence[str]) -> str | None:
    """The line that ``argv`` hands to a shell with ``-c``; None where it is no such call.

    Raises Opaque for a shell that is called in another way: what it will run is not in its arguments.
    """
    if not argv or argv[0].rpartition("/")[2] not in SHELLS:
        return None
    if len(argv) > 2 and argv[1] in _LINE_FLAGS and not argv[2].startswith(("-", "+")):
        return argv[2]
    raise Opaque


SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh", "ksh", "mksh"})
_LINE_FLAGS = frozenset({"-c", "-ec", "-ce", "-euc", "-lc", "-lec", "-exc"})
