/* SPDX-License-Identifier: MIT
 * chan.pml - src/chan/chan.c: send, receive and close on a channel of capacity 1, with cancellation.
 *
 * Two senders of one value each, two receivers, one close, and two contexts' ends that may claim any
 * open wait at any time. A section under the channel's lock is one step: nothing but a claim could
 * change meanwhile, which is the same as if it had changed before. Shown: a value whose send said 0 is
 * received once or still buffered, one whose send failed never is; "closed" is told only when the
 * buffer is drained; the close wakes whoever waits; nobody returns while it stands in a queue; waiters
 * stand only where the head of chan.c says.
 *
 * BROKEN_close_forgets: close wakes receivers only
 * BROKEN_no_drain: a receive tells "closed" before it looks into the buffer
 * BROKEN_no_claim: a value is given to a waiting receiver without claiming it
 * BROKEN_early_look: send looks at is_closed before it takes the lock
 * BROKEN_stay: a cancelled wait does not leave the queue
 * BROKEN_lost: a receive takes a waiting sender's value and drops the buffered one */
#define SENDERS 2
#define TASKS 4 /* senders first, then receivers */
#define NOBODY 255
mtype = { CLOSED, OPEN, TAKEN, TAKEN_CTX };
mtype = { NONE, OK, IS_CLOSED, CANCELED };

bit is_closed, is_full; /* a buffer of one */
byte buffer;
chan senders = [2] of { byte };
chan receivers = [2] of { byte };

mtype claim[TASKS] = CLOSED;
mtype result[TASKS] = NONE; /* the waiter's: written by who claims */
byte elem[TASKS];           /* where a receive wants its value; values are 1.. */
bit wake[TASKS];
byte ended;
mtype sent[SENDERS] = NONE;
bit got[SENDERS + 1];

/* cvy_waitq_claim(); inside atomic */
inline claim_first(q, w)
{
    w = NOBODY;
    do
    :: w == NOBODY && nempty(q) ->
        q ? w;
        if
        :: claim[w] == OPEN -> claim[w] = TAKEN
        :: else -> w = NOBODY
        fi
    :: else -> break
    od
}

/* cvy_wait_in(): claim and waiter are in place, the lock is free. */
inline wait_in(q)
{
    wake[me] == 1;
    if
    :: claim[me] == TAKEN_CTX ->
        result[me] = CANCELED;
#ifndef BROKEN_stay
        atomic { if :: q ?? [eval(me)] -> q ?? eval(me) :: else fi }
#endif
    :: else
    fi;
    claim[me] = CLOSED;
    assert(!(q ?? [eval(me)]))
}

/* The invariants of the file's head, at the end of a section. */
inline check()
{
    assert(!(senders ?? [0] && claim[0] == OPEN || senders ?? [1] && claim[1] == OPEN) ||
           is_full && !is_closed);
    assert(!(receivers ?? [2] && claim[2] == OPEN || receivers ?? [3] && claim[3] == OPEN) ||
           !is_full && !is_closed)
}

proctype sender(byte me)
{
    byte w = NOBODY;
    mtype code = NONE;

#ifdef BROKEN_early_look
    if :: is_closed -> code = IS_CLOSED :: else fi;
#endif
    atomic { /* send_locked() */
        if
#ifdef BROKEN_early_look
        :: code == IS_CLOSED
#else
        :: is_closed -> code = IS_CLOSED
#endif
        :: else ->
#ifdef BROKEN_no_claim
            if
            :: nempty(receivers) ->
                receivers ? w;
                if :: claim[w] == OPEN -> claim[w] = TAKEN :: else fi
            :: else
            fi;
#else
            claim_first(receivers, w);
#endif
            if
            :: w != NOBODY -> elem[w] = me + 1; result[w] = OK; code = OK
            :: w == NOBODY && !is_full -> buffer = me + 1; is_full = 1; code = OK
            :: else -> claim[me] = OPEN; senders ! me
            fi
        fi;
        check()
    };
    if
    :: code == NONE -> wait_in(senders); code = result[me]
    :: else
    fi;
    if :: w != NOBODY -> wake[w] = 1 :: else fi;
    atomic { sent[me] = code; ended++ }
}

proctype receiver(byte me)
{
    byte w = NOBODY, value;
    mtype code = NONE;

    atomic { /* recv_locked() */
        if
#ifdef BROKEN_no_drain
        :: is_closed -> code = IS_CLOSED
#endif
        :: is_full ->
            value = buffer;
            claim_first(senders, w);
            if
            :: w != NOBODY ->
#ifdef BROKEN_lost
                value = w + 1;
                is_full = 0;
#else
                buffer = w + 1; /* buffer_replace() */
#endif
                result[w] = OK
            :: else -> is_full = 0
            fi;
            code = OK
        :: !is_full ->
            claim_first(senders, w);
            if
            :: w != NOBODY -> value = w + 1; result[w] = OK; code = OK
            :: w == NOBODY && is_closed -> code = IS_CLOSED
            :: else -> claim[me] = OPEN; receivers ! me
            fi
        fi;
        check();
        assert(code != IS_CLOSED || is_closed && !is_full)
    };
    if
    :: code == NONE -> wait_in(receivers); code = result[me]; value = elem[me]
    :: else
    fi;
    if :: w != NOBODY -> wake[w] = 1 :: else fi;
    assert(code != NONE);
    atomic {
        if
        :: code == OK -> assert(value != 0 && !got[value]); got[value] = 1
        :: else
        fi;
        ended++
    }
}

/* close_and_collect(), then cvy_ready_all(). */
proctype closer()
{
    byte w, i;
    bit woken[TASKS];

    atomic {
        is_closed = 1;
        do
        :: claim_first(receivers, w);
            if :: w == NOBODY -> break :: else -> result[w] = IS_CLOSED; woken[w] = 1 fi
        od;
#ifndef BROKEN_close_forgets
        do
        :: claim_first(senders, w);
            if :: w == NOBODY -> break :: else -> result[w] = IS_CLOSED; woken[w] = 1 fi
        od;
#endif
        check()
    };
    atomic {
        for (i : 0 .. TASKS - 1) {
            if :: woken[i] -> wake[i] = 1; woken[i] = 0 :: else fi
        }
    }
}

/* The ends of two contexts. */
active proctype canceler()
{
    byte w, ends;

end:
    atomic {
        ends < 2 && (claim[0] == OPEN || claim[1] == OPEN || claim[2] == OPEN || claim[3] == OPEN);
        if
        :: claim[0] == OPEN -> w = 0
        :: claim[1] == OPEN -> w = 1
        :: claim[2] == OPEN -> w = 2
        :: claim[3] == OPEN -> w = 3
        fi;
        claim[w] = TAKEN_CTX;
        ends++
    };
    wake[w] = 1;
    goto end
}

init
{
    atomic { run sender(0); run sender(1); run receiver(2); run receiver(3); run closer() };
    /* What was sent is somewhere, what was not is nowhere. */
    ended == TASKS;
    assert(got[1] + (is_full && buffer == 1) == (sent[0] == OK));
    assert(got[2] + (is_full && buffer == 2) == (sent[1] == OK))
}
