#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# top_test.sh - covey top on examples/debugging/served.c: as text, and in a terminal that tmux plays:
# what it shows, its keys, another size, and that the terminal is as before when it ends.
set -uo pipefail

[[ -x $COVEY_COMMAND ]] || { echo "no covey command"; exit 77; }
folder=$(mktemp -d "${TMPDIR:-/tmp}/covey-top.XXXXXX")
socket=covey-top-$$
pid=
trap 'tmux -L "$socket" kill-server 2>/dev/null; [[ -z $pid ]] || kill -KILL "$pid" 2>/dev/null; rm -rf "$folder"' EXIT
cd "$folder" || exit 1
failed=0

"$COVEY_BUILD_DIR/examples/debugging/served" --ms 600000 >served.out 2>&1 &
pid=$!
while ! grep -q listening served.out; do
    kill -0 $pid || { cat served.out; exit 1; }
    sleep 0.05 # sleeps: until the program says where it listens
done
addr=$(sed -n 's/.*listening on //p' served.out)

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
has "as text: where tasks are" 'mutex at clerk \(served\.c:[0-9]+\)|sleep at clerk' once
"$COVEY_COMMAND" top unix://@covey-nobody-is-here >out 2>&1
[[ $? == 1 ]]
say $? "nobody there: a failure" out
"$COVEY_COMMAND" top ftp://x >out 2>&1
[[ $? == 2 ]]
say $? "no address: usage" out

command -v tmux >/dev/null || { echo "no tmux"; exit "$failed"; }
t() { tmux -L "$socket" "$@"; }

# shows WHAT REGEX - waits until the screen has it.
shows() {
    local i
    for ((i = 0; i < 200; i++)); do
        t capture-pane -p >screen 2>&1
        if grep -qE -- "$2" screen; then
            say 0 "$1"
            return
        fi
        sleep 0.05 # sleeps: between two looks at the screen
    done
    say 1 "$1: no $2" screen
}

# shows_not WHAT REGEX - waits until it has not.
shows_not() {
    local i
    for ((i = 0; i < 200; i++)); do
        t capture-pane -p >screen 2>&1
        if grep -q TASKS screen && ! grep -qE -- "$2" screen; then
            say 0 "$1"
            return
        fi
        sleep 0.05 # sleeps: between two looks at the screen
    done
    say 1 "$1: still $2" screen
}

# The lines that are drawn in reverse; tmux tells of it only where it changes.
reversed() {
    awk '{ while (match($0, /^\033\[[0-9;]*m/)) {
               is_reverse = substr($0, 1, RLENGTH) ~ /\[7m/ || (is_reverse && substr($0, 1, RLENGTH) !~ /\[(0|27)?m/)
               $0 = substr($0, RLENGTH + 1)
           } }
         is_reverse'
}

# cursor_on WHAT REGEX - waits until the selected row, which is drawn in reverse, has it.
cursor_on() {
    local i
    for ((i = 0; i < 200; i++)); do
        t capture-pane -pe 2>&1 | reversed >screen
        if grep -qE -- "$2" screen; then
            say 0 "$1"
            return
        fi
        sleep 0.05 # sleeps: between two looks at the screen
    done
    say 1 "$1: the cursor is not on $2" screen
}

# above WHAT A B - waits until the row of A stands above that of B.
above() {
    local i
    for ((i = 0; i < 200; i++)); do
        t capture-pane -p >screen 2>&1
        if grep -oE -- "[-+] ($2|$3) served" screen | head -n 1 | grep -q -- " $2 "; then
            say 0 "$1"
            return
        fi
        sleep 0.05 # sleeps: between two looks at the screen
    done
    say 1 "$1: $2 is not above $3" screen
}

t -f /dev/null new-session -d -x 130 -y 24 bash --norc || exit 1
t send-keys "PS1='prompt> '; stty -g >before; cd $folder; clear" Enter
t send-keys "$COVEY_COMMAND top --interval 100ms '$addr'; stty -g >after; cmp before after && echo same-\$((40 + 2))" Enter
shows "a kind is closed" '\+ customer served\.c'
shows "figures a second" '[1-9][0-9]* parks'
t send-keys / customer
shows "typing a filter" 'show only: customer_'
shows_not "others are hidden" 'clerk'
t send-keys Enter Down Down Right
shows "opened: its places" '\+ chan send at customer \(served\.c'
t send-keys Down Right
shows "opened: the stack" '  at covey_(chan_send|sleep) '
t send-keys Left
t send-keys Escape
shows "all again" 'clerk'
shows "sorted by tasks at first" 'by tasks'
above "most tasks first" customer counter
# Every key that moves, and its letter.
t send-keys Home
cursor_on "Home: the first row" 'shop served'
for keys in 'Down Up' 'j k' 'PageDown PageUp' 'End Home'; do
    read -r there back <<<"$keys"
    t send-keys "$there"
    cursor_on "$there" '[-+] (group|customer|counter|clerk|debug_|sleep at shop)'
    t send-keys "$back"
    cursor_on "$back" 'shop served'
done
# And every one that opens and closes.
t send-keys j j
cursor_on "on the customers" 'customer served'
for keys in 'Right Left' 'l h' '+ -' 'Enter Left'; do
    read -r open close <<<"$keys"
    t send-keys "$open"
    shows "$open opens" '\+ (chan send|sleep) at customer \(served\.c'
    t send-keys "$close"
    shows_not "$close closes" ' at customer \(served\.c'
done
t send-keys /
t send-keys clerkx BSpace
shows "a typed letter is taken back" 'show only: clerk_'
t send-keys Enter
shows_not "Enter keeps the filter" 'customer'
t send-keys Escape
shows "Escape shows all" 'customer'
t send-keys s s
shows "sorted by change" 'by change'
t send-keys s
shows "sorted by name" 'by name'
above "by the alphabet" counter customer
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
t capture-pane -p | head -n 3 >now
cmp -s paused now
say $? "paused: nothing changes" now
for ((i = 0; i < 200; i++)); do
    t send-keys Space
    t capture-pane -p | head -n 3 >now
    cmp -s paused now || break
    sleep 0.05 # sleeps: between two looks at the screen
done
! cmp -s paused now
say $? "Space asks all the same" now
t resize-window -x 60 -y 10
shows "drawn anew at another size" 'by oldest wait'
[[ $(grep -c . screen) -le 10 ]]
say $? "no more lines than there are" screen
t resize-window -x 130 -y 24
t send-keys p
kill -KILL $pid
wait $pid 2>/dev/null || true
pid=
shows "a program that has ended is told" 'refused|closed|reset'
t send-keys q
shows "the terminal is as before" 'same-42'
t send-keys "clear; $COVEY_COMMAND top '$addr'; echo ended-\$?" Enter
shows "one that is not there" 'refused'
t send-keys C-c
shows "^C ends it" 'ended-0'
exit "$failed"
