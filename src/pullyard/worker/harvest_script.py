"""What runs inside the sandbox to read the working copy, with a git directory made there and then."""

SCRIPT = r"""
set -u
objects=$1 format=$2 work=$3
home=$(mktemp -d) || exit 3
trap 'rm -rf "$home"' EXIT
export HOME="$home" GIT_DIR="$home/git" GIT_WORK_TREE="$work" LC_ALL=C
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_ATTR_NOSYSTEM=1 GIT_LFS_SKIP_SMUDGE=1
mkdir -p "$GIT_DIR/objects/info" "$GIT_DIR/objects/pack" "$GIT_DIR/refs"
printf 'ref: refs/heads/main\n' >"$GIT_DIR/HEAD"
printf '%s\n' "$objects" >"$GIT_DIR/objects/info/alternates"
{
    printf '[core]\n\tbare = false\n\tcheckStat = minimal\n\ttrustctime = false\n\tfsmonitor = false\n'
    printf '\thooksPath = /dev/null\n\texcludesFile = /dev/null\n\tattributesFile = /dev/null\n'
    printf '\tprotectHFS = true\n\tprotectNTFS = true\n\tcompression = 1\n[gc]\n\tauto = 0\n'
    if [ "$format" = sha256 ]; then
        printf '[core]\n\trepositoryformatversion = 1\n[extensions]\n\tobjectFormat = sha256\n'
    fi
} >"$GIT_DIR/config"
cat >"$GIT_DIR/index"
[ -x "$work" ] && [ -r "$work" ] || chmod u+rwx "$work"
cd "$work" || exit 3
add() { git add -A -- . >/dev/null 2>"$home/said"; }
if ! add || grep -q 'Permission denied' "$home/said"; then
    find . -name .git -prune -o -type d ! -perm -700 -exec chmod u+rwx {} \; \
        -o -type f ! -perm -400 -exec chmod u+r {} \; \
        -o \( -type p -o -type s \) -exec rm -f {} \; 2>/dev/null
    add || { head -c 8192 "$home/said" >&2; exit 4; }
fi
tree=$(git write-tree 2>"$home/said") || { head -c 8192 "$home/said" >&2; exit 4; }
cd "$GIT_DIR/objects" || exit 3
set -- ??/*
[ "$1" = '??/*' ] && set --
printf 'pullyard-tree %s %s\n' "$tree" "$#" >&2
for object; do printf '%s\n' "${object%/*}${object#*/}"; done |
    git pack-objects -q --stdout --delta-base-offset --threads=1 2>/dev/null
"""
