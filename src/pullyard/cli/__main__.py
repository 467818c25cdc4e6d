"""``python -m pullyard.cli``: how one of our processes starts another, whatever PATH says."""

from pullyard.cli.main import run

run()
