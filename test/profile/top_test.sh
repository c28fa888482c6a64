#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# top_test.sh - covey top on examples/debugging/served.c: as text, and in a terminal that tmux plays:
# what it shows, its keys, another size, and that the terminal is as before when it ends.
# shellcheck disable=SC2317 # waits() calls what looks
set -uo pipefail

[[ -x $COVEY_COMMAND ]] || { echo "no covey command"; exit 77; }
folder=$(mktemp -d "${TMPDIR:-/tmp}/covey-top.XXXXXX")
socket=covey-top-$$
pid=
trap 'tmux -L "$socket" kill-server 2>/dev/null; [[ -z $pid ]] || kill -KILL "$pid" 2>/dev/null; rm -rf "$folder"' EXIT
cd "$folder" || exit 1
# shellcheck source=test/profile/served.sh
source "$COVEY_SOURCE_DIR/test/profile/served.sh"
failed=0

start_served served.out

say() {
    if [[ $1 == 0 ]]; then
        echo "ok: $2"
    else
        echo "FAILED: $2"
        sed 's/^/# /' "$3"
        failed=1
    fi
}

# has WHAT REGEX FILE
has() {
    grep -qE -- "$2" "$3"
    say $? "$1" "$3"
}

"$COVEY_COMMAND" top "$addr" </dev/null >once
has "as text: figures of the process" '^covey top - unix://@covey-served-.* pid [0-9]+' once
has "as text: a kind below its group" '^ +40 +- .* - customer served\.c:[0-9]+$' once
has "as text: groups below groups" '^ +3 +- .* {10}. clerk served\.c:[0-9]+$' once
has "as text: where tasks are" '(mutex|sleep) at (take_money|clerk) \(served\.c:[0-9]+\)' once
"$COVEY_COMMAND" top unix://@covey-nobody-is-here >out 2>&1
[[ $? == 1 ]]
say $? "nobody there: a failure" out
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("here.sock")'
for path in here.sock ./here.sock; do
    "$COVEY_COMMAND" top $path >out 2>&1
    has "a socket in this folder: $path" 'unix:///.*/here\.sock: .*refused' out
done
"$COVEY_COMMAND" top ftp://x >out 2>&1
[[ $? == 2 ]]
say $? "no address: usage" out

command -v tmux >/dev/null || { echo "no tmux"; exit "$failed"; }
t() { tmux -L "$socket" "$@"; }

# waits WHAT LOOK... - until LOOK, which leaves what it has seen in screen, finds what it looks for.
waits() {
    local i what=$1
    shift
    for ((i = 0; i < 200 * COVEY_TEST_TIMEOUT; i++)); do
        if "$@"; then
            say 0 "$what"
            return
        fi
        sleep 0.05 # sleeps: between two looks at the screen
    done
    say 1 "$what: not so: $*" screen
}

is_on_screen() {
    t capture-pane -p >screen 2>&1
    grep -qE -- "$1" screen
}

is_gone() {
    ! is_on_screen "$1" && grep -q TASKS screen
}

shows() { waits "$1" is_on_screen "$2"; }
shows_not() { waits "$1" is_gone "$2"; }

# The lines that are drawn in reverse; tmux tells of it only where it changes.
reversed() {
    awk '{ while (match($0, /^\033\[[0-9;]*m/)) {
               is_reverse = substr($0, 1, RLENGTH) ~ /\[(0;)?7m/ || (is_reverse && substr($0, 1, RLENGTH) !~ /\[(0|27)?m/)
               $0 = substr($0, RLENGTH + 1)
           } }
         is_reverse'
}

# The selected row is drawn in reverse.
is_selected() {
    t capture-pane -pe 2>&1 | reversed >screen
    grep -qE -- "$1" screen
}

# The last one above the foot.
is_last_selected() {
    local last selected
    t capture-pane -pe >screen 2>&1
    last=$(sed 's/\x1b\[[0-9;]*m//g' screen | grep -E '^ +[0-9]+ ' | tail -n 1)
    selected=$(reversed <screen | sed 's/\x1b\[[0-9;]*m//g' | grep -E '^ +[0-9]+ ')
    [[ -n $last && $last == "$selected" ]]
}

# The row of the first stands above that of the second.
is_above() {
    t capture-pane -p >screen 2>&1
    grep -oE -- "[-+] ($1|$2) served" screen | head -n 1 | grep -q -- " $1 "
}

is_changed() {
    t capture-pane -p >screen 2>&1
    head -n 3 screen >now
    ! cmp -s paused now
}

t -f /dev/null new-session -d -x 130 -y 24 bash --norc || exit 1
t send-keys "PS1='prompt> '; stty -g >before; cd $folder; clear" Enter
t send-keys "$COVEY_COMMAND top --interval 100ms '$addr'; stty -g >after; cmp before after && echo same-\$((40 + 2))" Enter
shows "a kind is closed" '\+ customer served\.c'
shows "figures a second" '[1-9][0-9]* parks'
t send-keys / customer
shows "typing a filter" 'show only: customer_'
shows_not "others are hidden" 'clerk served'
t send-keys Enter Down Down Right
shows "opened: its places" '\+ chan send at customer \(served\.c'
t send-keys Down Right
shows "opened: the stack" '  at covey_(chan_send|sleep) '
t send-keys Left
t send-keys Escape
shows "all again" 'clerk served'
shows "sorted by tasks at first" 'by tasks'
waits "most tasks first" is_above customer counter
# Every key that moves, and its letter.
t send-keys Home
waits "Home: the first row" is_selected 'shop served'
for keys in 'Down Up' 'j k' 'PageDown PageUp' 'End Home'; do
    read -r there back <<<"$keys"
    t send-keys "$there"
    waits "$there" is_selected '[-+] (group|customer|counter|clerk|debug_|sleep at shop)'
    t send-keys "$back"
    waits "$back" is_selected 'shop served'
done
# And every one that opens and closes.
t send-keys j j
waits "on the customers" is_selected 'customer served'
shows "where most wait is told above all" '^most wait: [0-9]+% chan send at customer \(served\.c:[0-9]+\), up to [0-9]+ms'
for keys in 'Right Left' 'l h' '+ -' 'Enter Left'; do
    read -r open close <<<"$keys"
    t send-keys "$open"
    shows "$open opens" '\+ (chan send|sleep) at customer \(served\.c'
    t send-keys "$close"
    shows_not "$close closes" '\+ (chan send|sleep) at customer \(served\.c'
done
t send-keys /
t send-keys clerkx BSpace
shows "a typed letter is taken back" 'show only: clerk_'
t send-keys Enter
shows_not "Enter keeps the filter" 'customer served'
t send-keys Escape
shows "Escape shows all" 'customer served'
t send-keys s s
shows "sorted by change" 'by change'
t send-keys s
shows "sorted by name" 'by name'
waits "by the alphabet" is_above counter customer
t send-keys s s
shows "sorted by the oldest wait" 'by oldest wait'
t send-keys '?'
shows "help" 'write a dump of all tasks'
t send-keys x d
shows "a dump is written" 'all tasks are in covey-dump-[0-9]+-1\.txt'
has "with what covey_dump says" '"clerk"' covey-dump-*.txt
t send-keys p
shows "paused" 'paused'
t capture-pane -p | head -n 3 >paused
sleep 0.3 # sleeps: three times as long as it takes to ask
! is_changed
say $? "paused: nothing changes" screen
t send-keys Space
waits "Space asks all the same" is_changed
t resize-window -x 60 -y 10
shows "drawn anew at another size" 'by oldest wait'
[[ $(grep -c . screen) -le 10 ]]
say $? "no more lines than there are" screen
# The widths at which figures go, so that names stay.
t resize-window -x 20 -y 5
shows "twenty columns" '^   TASKS WHO AND WH>'
shows "and names in them" '^      [0-9]+  ?- '
t resize-window -x 80 -y 24
shows "eighty columns" 'TASKS   OLDEST  MOSTLY IN             WHO AND WHERE'
shows "the whole place" '\+ clerk served\.c:[0-9]+$'
t resize-window -x 300 -y 80
shows "three hundred columns" 'TASKS  CHANGE    RUN  READY   OLDEST'
t resize-window -x 130 -y 24
t send-keys p
# Left goes up where there is nothing to close.
t send-keys End
waits "at the end" is_last_selected
for i in {1..9}; do
    t send-keys Left
done
waits "Left, in the end to the first row" is_selected 'shop served'
t send-keys Right
# As a job of its shell.
t send-keys C-z
shows "^Z stops it, with the terminal as it was" '^\[1\]\+ +Stopped'
t send-keys "stty -g >stopped; cmp before stopped && echo stopped-\$((40 + 2)); fg" Enter
shows "fg goes on" 'TASKS .* OLDEST'
shows_not "all of the screen is drawn" 'Stopped'
t send-keys / x
shows "keys are keys again" 'show only: x_'
t send-keys Escape
# A program that stands still, as in a debugger.
kill -STOP $pid
shows "no answer is told" 'no answer for [0-9]+ s; this is [0-9]+ s old'
t send-keys '?'
shows "keys are heard meanwhile" 'write a dump of all tasks'
t send-keys x
shows "and again" 'no answer for'
t capture-pane -p | head -n 3 >paused
t send-keys p '?'
shows "paused without an answer" 'write a dump of all tasks'
kill -CONT $pid
t send-keys x
shows "it answers again" 'by oldest wait, paused'
! is_changed
say $? "what was asked for before the pause is not shown" screen
t send-keys p
shows_not "it goes on" 'paused'
kill -KILL $pid
wait $pid 2>/dev/null || true
pid=
shows "a program that has ended is told" '(refused|closed|reset).*; this is [0-9]+ s old'
t send-keys q
shows "the terminal is as before" 'same-42'
shows "and was while it was stopped" 'stopped-42'
t send-keys "clear; $COVEY_COMMAND top '$addr'; echo ended-\$?" Enter
shows "one that is not there" 'refused'
t send-keys C-c
shows "^C ends it" 'ended-0'
# begin_server NAME - NAME.py, at the socket "@covey-NAME-$$", until it listens.
begin_server() {
    python3 "$1.py" "covey-$1-$$" >"$1.out" &
    pid=$!
    while ! grep -q listening "$1.out"; do
        kill -0 $pid || exit 1
        sleep 0.05 # sleeps: until it listens
    done
}
# Names that are meant for the terminal, and others; and the program comes back while it is watched.
cat >names.py <<'EOF'
import json, socket, sys
names = ["esc\x1b[2J\x1b]0;owned\x07", "c1\x9b2J", "turn\u202e", "\u0448\u0438\u0440\u043e\u043a\u043e", "\u6f22\u5b57", "e\u0301"]
def places(pid, started):
    sites = {"started": {"file": "n.c", "line": 1}, "state": "waiting", "wait": "read", "stack": []}
    return json.dumps({"pid": pid, "workers": 1, "stats": {"tasks_started": started, "parks": started},
                       "places": [dict(sites, name=n, tasks=9 - i) for i, n in enumerate(names)]}).encode()
s = socket.socket(socket.AF_UNIX)
s.bind("\0" + sys.argv[1])
s.listen()
print("listening", flush=True)
for asked in range(10**9):
    c, _ = s.accept()
    c.recv(4096)
    body = places(1, 1000000 if asked < 3 else asked)
    c.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + body)
    c.close()
EOF
begin_server names
"$COVEY_COMMAND" top "unix://@covey-names-$$" >once </dev/null
has "in a file: no escape comes through" 'esc\?\[2J\?\]0;owned\? n\.c:1$' once
has "in a file: any language" '^ .* широко n\.c:1$' once
t send-keys "clear; LC_ALL=C.UTF-8 $COVEY_COMMAND top --interval 100ms unix://@covey-names-$$; echo ended-\$?" Enter
shows "no escape of a name is obeyed" '\+ esc\?\[2J\?\]0;owned\? n\.c:1$'
shows "nor one in one character, nor another direction" '\+ c1\?2J n\.c:1$'
shows "any language" '\+ 漢字 n\.c:1$'
shows "a program that has come back is another" 'a second: [0-9]+ started'
! grep -q 'second: -' screen
say $? "whose figures do not go back" screen
t send-keys q
shows "q ends it" 'ended-0'
kill -KILL $pid
wait $pid 2>/dev/null || true
pid=
# A server that keeps the connection, whose answers are of the kind that is in how, and so many rows.
cat >kinds.py <<'EOF'
import json, socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind("\0" + sys.argv[1])
s.listen()
print("listening", flush=True)
kept = []
while True:
    c, _ = s.accept()
    request = c.recv(4096)
    with open("request", "wb") as f:
        f.write(request)
    how, rows = open("how").read().split()
    places = [{"name": f"kind-{i}", "tasks": 100 - i, "state": "running"} for i in range(int(rows))]
    body = json.dumps({"pid": 1, "workers": 1, "places": places}).encode()
    if how == "chunked":
        head, body = b"transfer-encoding: chunked", b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    else:
        head = b"CONTENT-LENGTH:%d" % (len(body) + (how == "cut"))
    answer = b"HTTP/1.1 200 OK\r\nX: y\r\n" + head + b"\r\n\r\n" + body
    try:
        for part in answer[:20], answer[20:90], answer[90:]:
            c.sendall(part)
    except OSError: # who has read enough may be gone
        pass
    kept += [c] if how != "cut" else []
    c = None
EOF
# Whole at once: the server may be reading it.
answers() {
    echo "$@" >how.next
    mv how.next how
}
answers kept 40
begin_server kinds
"$COVEY_COMMAND" top "unix://@covey-kinds-$$" >once 2>&1 </dev/null
has "a server that keeps the connection: the answer ends where its length says" '100 .* kind-0 ?$' once
has "it is asked not to" '^Connection: close' request
answers chunked 1
"$COVEY_COMMAND" top "unix://@covey-kinds-$$" >once 2>&1 </dev/null
has "an answer in chunks is refused, and told" 'Transfer-Encoding: chunked is not understood' once
answers cut 1
"$COVEY_COMMAND" top "unix://@covey-kinds-$$" >once 2>&1 </dev/null
has "an answer that was cut off is told" 'the answer was cut off' once
answers kept 40
t send-keys "clear; $COVEY_COMMAND top --interval 100ms unix://@covey-kinds-$$; echo ended-\$?" Enter
shows "more rows than there is room for" ' kind-9$'
t send-keys End
shows "at the last one" ' kind-39$'
answers kept 5
shows "when most of them are gone, those that are left are seen" ' kind-0$'
t send-keys q
shows "q ends it again" 'ended-0'
kill -KILL $pid
wait $pid 2>/dev/null || true
pid=
t send-keys "clear; TERM=dumb $COVEY_COMMAND top unix://@covey-nobody; echo ended-\$?" Enter
shows "a terminal that cannot be drawn on: once, as text" '^covey top: dial .*refused'
shows "and its status" 'ended-1'
exit "$failed"
