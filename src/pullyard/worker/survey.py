"""What can be told of a repository by its files' names alone, read from a commit."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pullyard.git.program import Git

LISTING_BYTES = 16 << 20
SHOWN_LANGUAGES = 5
INSTRUCTIONS = ("AGENTS.md", "CLAUDE.md", "CONTRIBUTING.md")
"""What agents are told to read first."""

LANGUAGES = {
    ".py": "Python",
    ".js": "JavaScript",
    ".jsx": "JavaScript",
    ".mjs": "JavaScript",
    ".ts": "TypeScript",
    ".tsx": "TypeScript",
    ".go": "Go",
    ".rs": "Rust",
    ".java": "Java",
    ".kt": "Kotlin",
    ".scala": "Scala",
    ".c": "C",
    ".h": "C",
    ".cc": "C++",
    ".cpp": "C++",
    ".hpp": "C++",
    ".cs": "C#",
    ".rb": "Ruby",
    ".php": "PHP",
    ".swift": "Swift",
    ".ex": "Elixir",
    ".exs": "Elixir",
    ".erl": "Erlang",
    ".hs": "Haskell",
    ".lua": "Lua",
    ".zig": "Zig",
    ".dart": "Dart",
    ".sh": "Shell",
    ".sql": "SQL",
    ".tf": "Terraform",
    ".vue": "Vue",
    ".svelte": "Svelte",
}


@dataclass(frozen=True)
class Survey:
    files: int
    """As many as fit into the listing that is read."""
    languages: tuple[tuple[str, int], ...]
    """The most used ones with their numbers of files."""
    instructions: tuple[str, ...]


async def survey(git: Git, mirror: Path, commit: str, top: Sequence[str]) -> Survey:
    """``top`` are the entries at the top of the commit's tree."""
    words = ("ls-tree", "-r", "-z", "--name-only", commit)
    listed = await git.run(*words, git_dir=mirror, limit_bytes=LISTING_BYTES)
    names = [name.decode("utf-8", "replace") for name in listed.stdout.split(b"\0") if name]
    counts = Counter(
        language for name in names if (language := LANGUAGES.get(PurePosixPath(name).suffix.lower()))
    )
    return Survey(
        files=len(names),
        languages=tuple(counts.most_common(SHOWN_LANGUAGES)),
        instructions=tuple(name for name in INSTRUCTIONS if name in top),
    )
