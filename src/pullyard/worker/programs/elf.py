"""Reads a little of 64-bit ELF files, within bounds: they may have been made by anybody, and are not run."""

import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

INTERPRETER = 3
_LOAD, _DYNAMIC = 1, 2
_NEEDED, _STRINGS = 1, 5
_MOST_HEADERS = 256
_MOST_BYTES = 1 << 20
"""Of a dynamic section, and of one segment's text."""
_NAME = re.compile(rb"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,199}")


class NoElf(ValueError):
    """It is no 64-bit ELF file, or none that makes sense."""


def segments(file: BinaryIO) -> list[tuple[int, int, int, int]]:
    """Kind, place in the file, address, and bytes in the file, of each. Raises NoElf."""
    head = _read(file, 0, 64)
    if head[:6] != b"\x7fELF\x02\x01":
        raise NoElf
    (offset,) = struct.unpack_from("<Q", head, 0x20)
    size, count = struct.unpack_from("<HH", head, 0x36)
    if size < 56 or count > _MOST_HEADERS:
        raise NoElf
    found: list[tuple[int, int, int, int]] = []
    for number in range(count):
        kind, _, place, address, _, length = struct.unpack("<IIQQQQ", _read(file, offset + number * size, 40))
        found.append((kind, place, address, length))
    return found


def interpreter_of(program: Path) -> str | None:
    """The loader that it names; None where it is linked statically. Raises NoElf, OSError."""
    with program.open("rb") as file:
        for kind, place, _, length in segments(file):
            if kind == INTERPRETER:
                return _read(file, place, min(length, 4096)).rstrip(b"\0").decode(errors="replace")
    return None


def needed_by(program: Path) -> set[str]:
    """The plain names of the libraries that it is linked with; none of what is no ELF file."""
    try:
        with program.open("rb") as file:
            return {name.decode() for name in _needed(file) if _NAME.fullmatch(name)}
    except (NoElf, OSError):
        return set()


def _needed(file: BinaryIO) -> Iterator[bytes]:
    found = segments(file)
    for kind, place, _, length in found:
        if kind != _DYNAMIC:
            continue
        content = _read(file, place, min(length, _MOST_BYTES) // 16 * 16)
        entries = list(struct.iter_unpack("<qQ", content))
        starts = [value for tag, value in entries if tag == _STRINGS]
        if not starts:
            return
        strings = _text(file, found, starts[0])
        for tag, value in entries:
            if tag == _NEEDED and value < len(strings):
                yield strings[value : value + 256].split(b"\0", 1)[0]


def _text(file: BinaryIO, found: list[tuple[int, int, int, int]], address: int) -> bytes:
    """What is loaded at the address, to the end of its segment."""
    for kind, place, begin, length in found:
        if kind == _LOAD and begin <= address < begin + length:
            within = address - begin
            file.seek(min(place + within, 1 << 62))
            return file.read(min(length - within, _MOST_BYTES))
    raise NoElf


def _read(file: BinaryIO, place: int, count: int) -> bytes:
    file.seek(min(place, 1 << 62))
    content = file.read(count)
    if len(content) != count:
        raise NoElf
    return content
