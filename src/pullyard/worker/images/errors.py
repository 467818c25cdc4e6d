"""Why there is no image for an execution."""

from pullyard.lifecycle.reasons import Reason
from pullyard.worker.failures import PhaseFailed


class ImageRefused(PhaseFailed):
    """The repository's own files ask for something that a sandbox can't be made of: its owner mends it."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.SETUP_FAILED, message)


def one_line(text: str) -> str:
    """Words of an engine, in which a repository's may be, as a part of a sentence."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text[:2000]).split())[:300]
