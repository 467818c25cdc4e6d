# Keeps Postgres running, and ends it when the pipe on standard input closes: it closes however the process
# that holds its other end came to its end. A line in the pipe says that Postgres is up and is to be started
# again should it die. Usage: supervise.sh SERVER ARGUMENT...
asked=0
keep=
server=
# The request is repeated: a server that has only just started may not hear the first one. At last the server
# is to drop everything; what was committed is in its log.
stop() {
    asked=$((asked + 1))
    [ -n "$server" ] || return 0
    if [ "$asked" -gt 20 ]; then kill -QUIT "$server"; else kill -INT "$server"; fi 2>/dev/null
}
trap stop TERM
trap 'keep=yes' USR1
exec 3<&0 </dev/null
(
    trap - TERM USR1
    read -r _ <&3 && kill -USR1 $$ && read -r _ <&3
    while kill -TERM $$ 2>/dev/null; do sleep 1; done
) &
watcher=$!
exec 3<&-
status=0
while [ "$asked" = 0 ]; do
    "$@" &
    server=$!
    [ "$asked" = 0 ] || stop
    # A signal ends the wait before the server has ended.
    while wait "$server"; status=$?; kill -0 "$server" 2>/dev/null; do :; done
    server=
    [ -n "$keep" ] || break
    [ "$asked" != 0 ] || sleep 1
done
kill "$watcher" 2>/dev/null
wait "$watcher"
exit "$status"
