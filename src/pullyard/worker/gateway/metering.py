"""Counts an answer's tokens from its bytes, in whatever frames they come."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import msgspec

from pullyard.worker.gateway.prices import Tokens

HELD_BYTES = 8 << 20
"""Of a line, a frame or a whole answer, to be read; longer ones are counted by their size."""
CHARACTERS_PER_TOKEN = 3
MOST_TOKENS = 1 << 40


@dataclass
class Counted:
    """What an answer has told so far. None was not told."""

    model: str
    input: int | None = None
    """Without what came from a cache or went into one."""
    output: int | None = None
    """With the tokens of reasoning."""
    cache_read: int | None = None
    cache_write: int | None = None
    cache_write_1h: int | None = None
    """A part of ``cache_write``."""
    characters: int = 0
    """Of the model's words that were seen."""
    complete: bool = False
    """The output is counted to its end."""
    failed: int | None = None
    """The status of an error within the answer."""

    def take_input(self, whole: int | None, cached: int | None, written: int | None = None) -> None:
        """Where a provider's count of the prompt includes those of its cache."""
        if whole is not None:
            self.cache_read = min(count(cached), count(whole))
            self.cache_write = min(count(written), count(whole) - self.cache_read)
            self.input = count(whole) - self.cache_read - self.cache_write


class Frames(Protocol):
    skipped_bytes: int
    """Of frames that were too long to be held."""

    def feed(self, data: bytes) -> Iterator[bytes]: ...

    def end(self) -> Iterator[bytes]: ...


class Whole:
    """An answer in one piece."""

    def __init__(self) -> None:
        self.skipped_bytes = 0
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._held += data
        self.skipped_bytes += max(0, len(self._held) - HELD_BYTES)
        del self._held[HELD_BYTES:]
        yield from ()

    def end(self) -> Iterator[bytes]:
        if not self.skipped_bytes:
            yield bytes(self._held)


class Events:
    """The data of server-sent events, each a line, as all providers send them."""

    def __init__(self) -> None:
        self.skipped_bytes = 0
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._held += data
        end = self._held.rfind(b"\n") + 1
        if end:
            whole = bytes(self._held[:end])
            del self._held[:end]
            yield from (line[5:] for line in whole.split(b"\n") if line.startswith(b"data:"))
        if len(self._held) > HELD_BYTES:
            self.skipped_bytes += len(self._held)
            self._held.clear()

    def end(self) -> Iterator[bytes]:
        yield from ()


Reader = Callable[[bytes, Counted], None]
"""Takes one frame into account. Raises msgspec.DecodeError or RecursionError for what it can't read."""


class AnswerMeter:
    """See ``provider.Meter``."""

    def __init__(
        self, model: str, request_bytes: int, frames: Frames, read: Reader, *, answer_names: bool = True
    ) -> None:
        """``answer_names`` False keeps the model's name, where answers have none that prices go by."""
        self._counted = Counted(model)
        self._named = None if answer_names else model
        self._request_bytes = request_bytes
        self._frames = frames
        self._read = read
        self._bytes = 0

    @property
    def model(self) -> str:
        return self._named or self._counted.model

    @property
    def failed(self) -> int | None:
        return self._counted.failed

    def feed(self, data: bytes) -> None:
        self._bytes += len(data)
        for frame in self._frames.feed(data):
            self._understand(frame)

    def _understand(self, frame: bytes) -> None:
        try:
            self._read(frame, self._counted)
        except (msgspec.DecodeError, RecursionError):
            self._counted.characters += len(frame)

    def tokens(self, unheard: Tokens | None = None) -> Tokens:
        for frame in self._frames.end():
            self._understand(frame)
        told = self._counted
        prompt, output = count(told.input), count(told.output)
        if told.input is None:
            prompt = unheard.prompt if unheard else self._request_bytes // CHARACTERS_PER_TOKEN + 1
        if not told.complete:
            words = told.characters + self._frames.skipped_bytes
            seen = self._bytes if told.output is None and not told.characters else words
            output = max(output, seen // CHARACTERS_PER_TOKEN, unheard.output if unheard else 0)
        written = count(told.cache_write)
        for_an_hour = min(written, count(told.cache_write_1h))
        return Tokens(
            input=prompt,
            cache_read=count(told.cache_read),
            cache_write_5m=written - for_an_hour,
            cache_write_1h=for_an_hour,
            output=output,
        )


def meter_of(
    model: str, request_bytes: int, content_type: str, *, event: Reader, whole: Reader
) -> AnswerMeter:
    """By what the answer is: ``event`` reads one of a stream, ``whole`` all of it."""
    if is_stream(content_type):
        return AnswerMeter(model, request_bytes, Events(), event)
    return AnswerMeter(model, request_bytes, Whole(), whole)


def count(value: int | None) -> int:
    return min(max(value or 0, 0), MOST_TOKENS)


def is_stream(content_type: str) -> bool:
    return content_type.startswith("text/event-stream")
