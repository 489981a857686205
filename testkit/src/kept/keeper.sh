# Starts one command and outlives whoever started it: it reads words from a pipe that the test
# process holds, and when that pipe ends, however that process ended, it stops the command and
# removes the folders. It is in a process group of its own and deaf to the signals of a terminal.
#
# Arguments: the log file, three folders to remove (each may be empty), the signal that ends the
# command, the seconds it then has before it is killed, and the command, if any.
trap '' HUP INT TERM QUIT
log=$1 folder=$2 sockets=$3 partial=$4 ending=$5 patience=$6
shift 6

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

# A process and all that descend from it. Each backend leads a session of its own, so no process
# group holds them all.
family() {
    echo "$1"
    for descendant in $(cat "/proc/$1/task/$1/children" 2>/dev/null || pgrep -P "$1"); do
        family "$descendant"
    done
}

# Whoever is killed can't remove its POSIX shared memory; what it has mapped tells the names.
kill_all() {
    members=$(family "$child")
    shared=$(for member in $members; do
        sed -n 's|.* \(/dev/shm/PostgreSQL\.[0-9]*\).*|\1|p' "/proc/$member/maps" 2>/dev/null
    done)
    kill -s KILL $members
    rm -f $shared
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
    kill -s "$ending" "$child"
    kill -s CONT "$child"
    (
        while [ "$patience" -gt 0 ]; do
            sleep 1
            patience=$((patience - 1))
        done
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
