"""zstd frames: what a worker may send, and the bytes of those that are kept."""

import threading

import zstandard

from pullyard.protocol.errors import RemoteFailure, RequestError

MAX_FRAME_BYTES = 1024 * 1024
MAX_WINDOW_BYTES = 8 * 1024 * 1024
THREAD_BYTES = 64 * 1024
"""What expands to more is expanded in a thread: a hop costs as much as some 50 KiB, and a megabyte on the
event loop is felt by everybody."""


class _Decompressors(threading.local):
    """One a thread, as none may be used by two at once; to make one takes longer than to expand a frame."""

    def __init__(self) -> None:
        self.own = zstandard.ZstdDecompressor()


_DECOMPRESSORS = _Decompressors()


def check_frame(frame: bytes) -> int:
    """How many bytes the frame says that it holds. Raises RequestError where it says too much or nothing.

    The frame must tell its size, so that no more memory is ever taken than what it may have.
    """
    try:
        facts = zstandard.get_frame_parameters(frame)
    except zstandard.ZstdError as error:
        raise RequestError("This is not one whole zstd frame.", code="frame-broken") from error
    if not 0 < facts.content_size <= MAX_FRAME_BYTES or facts.window_size > MAX_WINDOW_BYTES:
        raise RequestError(
            f"A log frame tells its size and expands to 1 to {MAX_FRAME_BYTES} bytes.",
            code="frame-size",
            status=413 if facts.content_size else 422,
        )
    return facts.content_size


def expand(frame: bytes, size_bytes: int) -> bytes:
    """The bytes of exactly one frame that ``check_frame`` has passed. Raises RequestError for a torn one."""
    try:
        data = _DECOMPRESSORS.own.decompress(
            frame, max_output_size=size_bytes, read_across_frames=False, allow_extra_data=False
        )
    except zstandard.ZstdError as error:
        raise RequestError("This is not one whole zstd frame.", code="frame-broken") from error
    if len(data) != size_bytes:
        raise RequestError("This is not one whole zstd frame.", code="frame-broken")
    return data


def expand_kept(frame: bytes, size_bytes: int) -> bytes:
    """The bytes of a frame out of the store. Raises RemoteFailure where it is not what was put there."""
    try:
        # An object is out of our hands: its frame must not decide how much memory is taken.
        if zstandard.get_frame_parameters(frame).content_size == size_bytes:
            data = _DECOMPRESSORS.own.decompress(frame, max_output_size=size_bytes)
            if len(data) == size_bytes:
                return data
    except zstandard.ZstdError as error:
        raise damaged() from error
    raise damaged()


def damaged() -> RemoteFailure:
    return RemoteFailure(
        "What is stored of this log is damaged: bring its object or the database back from a backup.",
        retryable=False,
        code="log-damaged",
    )
