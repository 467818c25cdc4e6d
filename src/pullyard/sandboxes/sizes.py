"""Sizes as people say them."""

UNITS = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def told_size(size_bytes: int) -> str:
    """The largest unit that leaves no fraction, or one digit of it: ``4 GiB``, ``1.5 GiB``."""
    for unit, name in UNITS:
        if size_bytes >= unit:
            return f"{size_bytes / unit:.1f}".removesuffix(".0") + f" {name}"
    return f"{size_bytes} bytes"
