# The git work of one task with plain git: refresh the mirror, check out, write a file, commit, check the
# commit out cleanly as verification does, compute the diff and its counts, and push.
# Arguments: mirror, repository, scratch directory, branch.
set -eu
mirror=$1 repository=$2 place=$3 branch=$4
export GIT_DIR="$mirror"
git fetch -q --prune "$repository" '+refs/heads/main:refs/heads/main'
git worktree add -q --detach "$place/work" main
(
    cd "$place/work" && unset GIT_DIR
    date +%s%N >made-by-the-agent
    git add -A
    git commit -q -m 'No-op'
)
commit=$(git --git-dir="$mirror/worktrees/work" rev-parse HEAD)
git worktree add -q --detach "$place/verify" "$commit"
git diff --raw --numstat main "$commit" >"$place/counts"
git diff main "$commit" >"$place/diff"
git push -q "$repository" "$commit:refs/heads/$branch"
git worktree remove --force "$place/work"
git worktree remove --force "$place/verify"
