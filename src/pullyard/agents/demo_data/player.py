"""Plays a recorded session in the current directory: says, edits and runs; prints JSON lines.

It runs inside the sandbox with whatever Python is there, so it needs the standard library only.
"""

import json
import subprocess
import sys
import threading
from pathlib import Path

OUTPUT_LIMIT = 8000
DOES_NOT_FIT = 3


def tell(**event):
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def run(argv):
    ended = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return ended.stdout.decode(errors="replace").strip()[-OUTPUT_LIMIT:], ended.returncode != 0


def read(path):
    return Path(path).read_text(encoding="utf-8").strip()[:OUTPUT_LIMIT], False


def edit(path, old, new):
    text = Path(path).read_text(encoding="utf-8")
    if text.count(old) != 1:
        raise LookupError(path + " does not hold the text that the recording replaces.")
    Path(path).write_text(text.replace(old, new), encoding="utf-8")
    return "Replaced 1 passage in " + path, False


TOOLS = {"run": run, "read": read, "edit": edit}


def play(step, number):
    if step["do"] == "say":
        tell(do="say", text=step["text"])
        return
    given = step["input"]
    shown = " ".join(given["argv"]) if step["do"] == "run" else given["path"]
    tell(do="call", call=number, tool=step["do"], input=given, shown=shown)
    try:
        text, failed = TOOLS[step["do"]](**given)
    except (OSError, LookupError) as error:
        tell(do="result", call=number, text=str(error), failed=True)
        sys.exit(DOES_NOT_FIT)
    tell(do="result", call=number, text=text, failed=failed)


def main(recording, pace):
    never = threading.Event()
    steps = Path(recording).read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(steps):
        step = json.loads(line)
        never.wait(step.get("pause", 0) * pace)
        play(step, number)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
