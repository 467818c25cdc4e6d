"""Ways out of a sandbox, each tried for real. A script that exits 0 got out; 127 means it couldn't be tried.

Scripts are given, in this order: the path of a secret file of the host, the id of a witness process of the
host, the two halves of a word in that process's arguments, and the number of an open port of the host.
"""

from collections.abc import Mapping

ESCAPES: Mapping[str, str] = {
    "read-host-file": 'read -r line <"$1"',
    "read-shadow-file": "read -r line </etc/shadow",
    "host-environment": "env | grep -q -v -E '^(PATH|HOME|LANG|PWD|SHLVL|OLDPWD|_)='",
    "inherited-descriptors": """
        for fd in /proc/$$/fd/*; do
            # Looking at the directory opens it for a moment; what is gone by now was that.
            case ${fd##*/} in 0 | 1 | 2) ;; *) [ ! -e "$fd" ] || exit 0 ;; esac
        done
        exit 1""",
    "see-host-processes": """
        for file in /proc/[0-9]*/cmdline; do
            case $(tr '\\0' ' ' <"$file" 2>/dev/null) in *"$3$4"*) exit 0 ;; esac
        done
        exit 1""",
    "write-system": ": >/usr/.pullyard-probe || : >/.pullyard-probe || : >/etc/.pullyard-probe",
    "write-devices": ": >/dev/.pullyard-probe",
    "write-kernel-settings": "echo probe >/proc/sys/kernel/hostname || echo h >/proc/sysrq-trigger",
    "host-network": "tail -n +3 /proc/net/dev | grep -q -v '^ *lo:'",
    "mount": "mount -t tmpfs none /tmp || mount --bind /ws /tmp",
    "user-namespace": "unshare --user true",
    "network-namespace": "unshare --net true",
    "become-root": "setpriv --reuid 0 true || setpriv --reuid 2 true || exit 1",
    "capabilities": "grep -E '^Cap(Eff|Prm|Bnd|Inh|Amb)' /proc/self/status | grep -q -v 0000000000000000",
    "gain-privileges": "! grep -q '^NoNewPrivs:.*1$' /proc/self/status",
    "unfiltered-calls": "! grep -q '^Seccomp:.*2$' /proc/self/status",
    "device-nodes": "mknod /tmp/probe b 7 0 || test -e /dev/mem || test -e /dev/kmsg || test -e /dev/fuse",
    "unbounded-memory-files": """
        head -c 4194304 /dev/zero >/tmp/fill && exit 0
        head -c 4194304 /dev/zero >/dev/shm/fill""",
}

# The host itself looks whether these got out: what the scripts report is not asked.
WITNESSED: Mapping[str, str] = {
    "signal-host-process": 'kill -KILL "$2" || kill -KILL -1',
    "host-loopback": 'bash -c ": </dev/tcp/127.0.0.1/$5"',
    "surviving-daemon": "setsid sleep 600 &",
}
