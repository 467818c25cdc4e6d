"""Where a plain text occurs in a piece of a log, with or without regard to case. Linear in both."""


class Haystack:
    """Some bytes to look in. Where case is no matter, letters of every alphabet are taken as the same.

    Bytes that are no UTF-8 match nothing but themselves, and are in nobody's way.
    """

    def __init__(self, data: bytes, words: str, *, ignore_case: bool) -> None:
        self._plain = not ignore_case
        self._data = data
        self._needle = words.encode()
        if ignore_case:
            self._original = data.decode("utf-8", "surrogateescape")
            self._folded = fold(self._original)
            self._words = fold(words)
            # The same place, counted in bytes and in characters; it only moves forward.
            self._at_byte = self._at_character = 0

    def find(self, start: int) -> int:
        """The first byte of the next match at or after ``start``, which begins a character; -1 for none.

        ``start`` must not be smaller than the one before.
        """
        if self._plain:
            return self._data.find(self._needle, start)
        passed = self._data[self._at_byte : start]
        self._at_character += len(passed.decode("utf-8", "surrogateescape"))
        self._at_byte = start
        found = self._folded.find(self._words, self._at_character)
        if found < 0:
            return -1
        skipped = self._original[self._at_character : found]
        return start + len(skipped.encode("utf-8", "surrogateescape"))


def fold(text: str) -> str:
    """Lower case, character for character: the places in it are those in ``text``."""
    # The one capital whose lower case is two characters, and the letter that looks at its neighbours.
    return text.replace("\u0130", "i").lower().replace("\u03c2", "\u03c3")
