"""Fails where a source file is longer than the style allows: a long file asks for another design."""

import sys
from pathlib import Path

LIMIT_LINES = 600


def main() -> int:
    long = []
    for path in sorted([*Path("src").rglob("*.py"), *Path("tests").rglob("*.py")]):
        lines = len(path.read_text().splitlines())
        if lines > LIMIT_LINES:
            long.append(f"{path}: {lines} lines, {LIMIT_LINES} allowed")
    sys.stderr.write("".join(f"{line}\n" for line in long))
    return 1 if long else 0


if __name__ == "__main__":
    sys.exit(main())
