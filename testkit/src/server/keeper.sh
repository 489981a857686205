# Starts one command and outlives whoever started it: it reads words from a pipe that the test
# process holds, and when that pipe ends, however that process ended, it stops the command and
# removes the folders. It is in a process group of its own and deaf to the signals of a terminal.
#
# Arguments: the log file, three folders to remove (each may be empty), then the command, if any.
trap '' HUP INT TERM QUIT
log=$1 folder=$2 sockets=$3 partial=$4
shift 4

# Standard output is the lifeline: the command and its children inherit it, this shell lets go of
# it, so that whoever reads it sees its end when the last of them is gone.
child=
if [ $# -gt 0 ]; then
    (
        trap - HUP INT TERM QUIT
        exec "$@"
    ) </dev/null 2>>"$log" &
    child=$!
fi
echo "$child"
exec >/dev/null

# Each backend leads a session of its own, so no process group holds them all.
kill_all() {
    children=$(cat "/proc/$child/task/$child/children" 2>/dev/null || pgrep -P "$child")
    kill -s KILL $child $children
}

status=0
leave=
while read -r word; do
    case $word in
    gone)
        wait "$child"
        status=$?
        child=
        ;;
    leave) leave=yes ;;
    KILL) kill_all ;;
    *) kill -s "$word" "$child" ;;
    esac
done

if [ -n "$child" ]; then
    kill -s QUIT "$child"
    kill -s CONT "$child"
    (
        sleep 1
        sleep 1
        sleep 1
        kill_all
    ) </dev/null &
    timer=$!
    wait "$child"
    status=$?
    kill -s KILL "$timer"
fi

if [ -z "$leave" ]; then
    # A killed server leaves its System V segment behind; line 7 of its file names it.
    segment=$(sed -n '7s/.* //p' "$folder/data/postmaster.pid" 2>/dev/null)
    [ -z "$segment" ] || ipcrm -m "$segment"
    # A dying process may still write: try again while something is left.
    tries=0
    until rm -rf "$folder" "$sockets" "$partial" || [ $tries -ge 40 ]; do
        tries=$((tries + 1))
        sleep 0.1
    done
fi
exit "$status"
