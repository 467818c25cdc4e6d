"""Search a log piece by piece: plain bytes in, matches out, no more memory than a piece and its edges."""

from dataclasses import dataclass

from pullyard.coordinator.logs.haystack import Haystack
from pullyard.protocol.logs import LogMatch

EDGE_BYTES = 16 * 1024
"""Kept on both sides of where the search is, for context and for matches over the end of a piece."""
SHOWN_BYTES = 1000
"""Of one line, of the match or of its context."""
LEAD_BYTES = 200
"""Shown before the match in a line that is longer."""


@dataclass(frozen=True)
class Wish:
    words: str
    """No line end in it."""
    ignore_case: bool = False
    context: int = 0
    """Lines to show before and after each match."""
    limit: int = 50


class Scan:
    """Fed with the log in order, from ``offset`` on; ``line`` is the number of the line that holds it and
    ``line_start`` that line's offset. Bytes before ``begin`` are context only.

    ``next`` is the offset that everything before was searched to. One match a line is told: its first.
    """

    def __init__(self, wish: Wish, *, offset: int, line: int, line_start: int, begin: int) -> None:
        self._wish = wish
        self._base = offset
        self._line = line
        self._line_start = line_start
        self._data = b""
        self._last = False
        self.next = begin
        self.matches: list[LogMatch] = []

    @property
    def full(self) -> bool:
        return len(self.matches) >= self._wish.limit

    @property
    def told_line(self) -> int:
        """The line of the last match; the search may have stopped within it."""
        return self.matches[-1].line if self.matches else 0

    def feed(self, data: bytes, *, last: bool) -> None:
        """``last`` says that no more follows: matches near the end are only looked for then."""
        self._data += data
        self._last = last
        until = len(self._data) if last else self._character(len(self._data) - EDGE_BYTES)
        begin = self.next - self._base
        if begin < until:
            self._search(self._character(begin), until)
        self._forget()

    def _character(self, place: int) -> int:
        """``place``, or as little before it as it takes not to cut a character."""
        for _ in range(3):
            if place > 0 and self._data[place] & 0xC0 == 0x80:
                place -= 1
        return place

    def _search(self, begin: int, until: int) -> None:
        haystack = Haystack(self._data, self._wish.words, ignore_case=self._wish.ignore_case)
        line, counted = self._line, 0
        while not self.full:
            found = haystack.find(begin)
            if not 0 <= found < until:
                self.next = self._base + until
                return
            line += self._data.count(b"\n", counted, found)
            counted = found
            end = self._data.find(b"\n", found)
            if line != self.told_line:
                self._tell(line, found, end)
            # The rest of the line is told with it, also the part that is yet to come.
            begin = len(self._data) if end < 0 else end + 1
            self.next = self._base + begin
            if begin >= until:
                return

    def _tell(self, line: int, found: int, end: int) -> None:
        newline = self._data.rfind(b"\n", 0, found)
        begin = newline + 1
        start = self._line_start if newline < 0 else self._base + begin
        complete = (newline >= 0 or start == self._base) and (end >= 0 or self._last)
        stop = len(self._data) if end < 0 else end
        if complete and stop - begin <= SHOWN_BYTES:
            text, truncated = shown(self._data[begin:stop]), False
        else:
            lead = max(begin, found - LEAD_BYTES)
            text, truncated = shown(self._data[lead:stop]), True
        self.matches.append(
            LogMatch(
                line=line,
                offset=start,
                match_offset=self._base + found,
                text=text,
                truncated=truncated,
                before=self._before(begin),
                after=[] if end < 0 else self._after(end + 1),
            )
        )

    def _before(self, begin: int) -> list[str]:
        if begin == 0 or not self._wish.context:
            return []
        low = max(0, begin - EDGE_BYTES)
        pieces = self._data[low : begin - 1].split(b"\n")
        whole = self._data[low - 1 : low] == b"\n" if low else self._line_start == self._base
        return [shown(piece) for piece in pieces[0 if whole else 1 :][-self._wish.context :]]

    def _after(self, begin: int) -> list[str]:
        if not self._wish.context:
            return []
        high = begin + EDGE_BYTES
        *pieces, rest = self._data[begin:high].split(b"\n")
        # What the edge cuts off is shown where it makes no difference, and at the log's end it is a line.
        if (rest and self._last and high >= len(self._data)) or len(rest) >= SHOWN_BYTES:
            pieces.append(rest)
        return [shown(piece) for piece in pieces[: self._wish.context]]

    def _forget(self) -> None:
        """Keep what is still to be searched, and an edge before it."""
        cut = min(self.next - self._base, len(self._data)) - EDGE_BYTES
        if cut <= 0:
            return
        ends = self._data.count(b"\n", 0, cut)
        if ends:
            self._line += ends
            self._line_start = self._base + self._data.rfind(b"\n", 0, cut) + 1
        self._data = self._data[cut:]
        self._base += cut


def shown(data: bytes) -> str:
    return data[:SHOWN_BYTES].decode(errors="replace")
