"""What every sandbox shows of the host: its programs, read-only, and a made-up ``/etc``."""

import os
from pathlib import Path
from typing import Any

SYSTEM_DIRECTORIES = ("/bin", "/lib", "/lib32", "/lib64", "/libx32", "/sbin")

# Public facts about the system that compilers, interpreters and TLS libraries look up.
HOST_ETC = (
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/crypto-policies",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/os-release",
    "/etc/pki/ca-trust",
    "/etc/pki/tls/certs",
    "/etc/protocols",
    "/etc/services",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
)

DEVICES = ("/dev/full", "/dev/null", "/dev/random", "/dev/tty", "/dev/urandom", "/dev/zero")
DEVICE_LINKS = {
    "/dev/fd": "/proc/self/fd",
    "/dev/ptmx": "pts/ptmx",
    "/dev/stderr": "/proc/self/fd/2",
    "/dev/stdin": "/proc/self/fd/0",
    "/dev/stdout": "/proc/self/fd/1",
}

MADE_UP_ETC = {
    "/etc/passwd": "root:x:0:0:root:/tmp:/bin/sh\nagent:x:1000:1000:agent:/tmp:/bin/sh\n",
    "/etc/group": "root:x:0:\nagent:x:1000:\n",
    "/etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\nservices: files\nprotocols: files\n",
    "/etc/resolv.conf": "",
}


def system_plan() -> dict[str, Any]:
    """The parts of a root directory: ``directories``, ``links``, ``files`` and ``binds`` by their place."""
    links, binds = {"/var/tmp": "../tmp", **DEVICE_LINKS}, {place: place for place in ("/usr", *DEVICES)}
    for place in SYSTEM_DIRECTORIES:
        if Path(place).is_symlink():
            links[place] = os.readlink(place)
        elif Path(place).is_dir():
            binds[place] = place
    binds |= {place: place for place in HOST_ETC if Path(place).exists()}
    return {
        "directories": ["/dev/pts", "/dev/shm", "/etc", "/proc", "/tmp", "/var", "/ws"],
        "links": links,
        "files": MADE_UP_ETC,
        "binds": binds,
    }
