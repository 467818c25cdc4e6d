"""A root directory for test images, as a tar: the host's own shell, small programs, git and Python."""

import io
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

PROGRAMS = (
    *("sh", "bash", "env", "cat", "ls", "mkdir", "mkfifo", "mknod", "mount", "mv", "cp", "rm", "rmdir"),
    *("touch", "chmod", "chown", "id", "head", "tail", "tr", "wc", "sleep", "sort", "uniq", "true", "false"),
    *(
        "test",
        "expr",
        "printf",
        "grep",
        "sed",
        "find",
        "xargs",
        "unshare",
        "setpriv",
        "setsid",
        "nproc",
        "pwd",
    ),
    *("dd", "date", "stat", "ln", "df", "uname", "sync", "cut", "seq", "tar", "tee", "basename", "dirname"),
    *("readlink", "realpath", "mktemp", "sha256sum", "od", "kill", "git", "python3", "timeout"),
)
TREES = ("/usr/lib/git-core", "/usr/share/git-core/templates", "/usr/lib/python3.*")
C_LIBRARY = ("librt.so.1", "libdl.so.2", "libpthread.so.0", "libm.so.6")
LEFT_OUT = re.compile(
    r"__pycache__|\.pyc$|/(test|tests|idlelib|tkinter|ensurepip|lib2to3|pydoc_data|dist-packages|config-3)\b"
    r"|_dbm|_gdbm|_sqlite3|_curses|_codecs_|_test|readline|/nis\.|_crypt|turtle|distutils|config-3"
    r"|git-core/(scalar|git-(remote-|http-|imap-|daemon|shell|instaweb|cvs|svn|p4|sh-i18n--))"
)
LINKS = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}
DIRECTORIES = ("dev", "etc", "proc", "root", "run", "sys", "tmp", "usr/sbin", "var/tmp")
FILES: Mapping[str, str] = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
    "etc/group": "root:x:0:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}


@cache
def base_root(extra: Iterable[str] = ()) -> bytes:
    """``extra`` are further programs of the host by name."""
    programs = [found for name in (*PROGRAMS, *extra) if (found := shutil.which(name, path="/usr/bin:/bin"))]
    files = {*map(Path, programs), *trees(), *c_library()}
    files |= set(libraries(file.resolve() for file in files if file.suffix in {"", ".so"}))
    files |= {file.resolve() for file in files}
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for name in DIRECTORIES:
            tar.addfile(entry(name, tarfile.DIRTYPE, 0o1777 if name.endswith("tmp") else 0o755))
        for name, target in LINKS.items():
            tar.addfile(entry(name, tarfile.SYMTYPE, 0o777, target))
        for name, text in FILES.items():
            add_file(tar, name, text.encode())
        for name, file in sorted({merged(file): file for file in files}.items()):
            tar.add(file, name, recursive=False)
    return content.getvalue()


def trees() -> Iterator[Path]:
    for pattern in TREES:
        for tree in Path("/").glob(pattern[1:]):
            yield from (
                path for path in tree.rglob("*") if not LEFT_OUT.search(str(path)) and not path.is_dir()
            )


def c_library() -> Iterator[Path]:
    """Its parts that no program here needs, and that one brought along may need."""
    for name in C_LIBRARY:
        yield from Path("/usr/lib").glob(f"*-linux-gnu/{name}")


def libraries(programs: Iterable[Path]) -> Iterator[Path]:
    said = subprocess.run(["ldd", *map(str, programs)], capture_output=True, text=True, check=False).stdout
    for place in {*re.findall(r"(/\S+) \(0x", said)}:
        yield Path(place)


def merged(path: Path) -> str:
    """Where a file lies whose host may or may not have merged /bin and /lib into /usr."""
    name = str(path)[1:]
    return name if name.startswith("usr/") else f"usr/{name}"


def entry(name: str, kind: bytes, mode: int, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.linkname = kind, mode, target
    return info


def add_file(tar: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    info = entry(name, tarfile.REGTYPE, mode)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))
