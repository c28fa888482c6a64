/* SPDX-License-Identifier: MIT
 * peek.pml - src/chan/select.c, chan.c: COVEY_DEFAULT against sends, takes and closes that go on.
 *
 * Two channels: the buffered one has a value; at the unbuffered one a sender waits, or none. A select
 * with a default looks at both, in any order, first each alone (was_empty(), or a try under its lock),
 * then at both under their locks. Meanwhile the unbuffered one is closed, and thereafter somebody takes
 * the other's value: at every moment there is something to receive. Shown: the default never runs. Nor
 * does that of a second select, at the unbuffered channel alone, which takes no locks for it.
 *
 * BROKEN_one_by_one: the default runs after each case was looked at alone
 * BROKEN_closed_first: a peek looks at closed before it looks for senders */
#include "lock.pmh"

bit has_value = 1;   /* in the buffered channel */
bit has_sender;      /* in the unbuffered one's queue */
bit is_closed;       /* the unbuffered one */
bit lock_0, lock_1;

inline peek_unbuffered(result)
{
#ifdef BROKEN_closed_first
    if :: is_closed -> result = 1 :: else -> result = has_sender fi
#else
    if :: has_sender -> result = 1 :: else -> result = is_closed fi
#endif
}

/* try_now(): after a peek that found something, a look under the lock. */
inline try_unbuffered(result)
{
    peek_unbuffered(result);
    if
    :: result ->
        lock(lock_1);
        result = has_sender || is_closed;
        unlock(lock_1)
    :: else
    fi
}

inline try_buffered(result)
{
    lock(lock_0);
    result = has_value;
    unlock(lock_0)
}

proctype of_both()
{
    bit a, b;

    if
    :: true -> try_buffered(a); if :: !a -> try_unbuffered(b) :: else fi
    :: true -> try_unbuffered(b); if :: !b -> try_buffered(a) :: else fi
    fi;
    if
    :: a || b -> goto out
    :: else
    fi;
#ifndef BROKEN_one_by_one
    lock(lock_0);
    lock(lock_1);
    a = has_value || has_sender || is_closed;
    unlock(lock_1);
    unlock(lock_0);
#endif
    assert(a || b);
out:
    skip
}

proctype of_one()
{
    bit b;

    try_unbuffered(b);
    assert(b)
}

proctype others()
{
    lock(lock_1); /* covey_chan_close() */
    is_closed = 1;
    has_sender = 0;
    unlock(lock_1);
    lock(lock_0);
    has_value = 0;
    unlock(lock_0)
}

init
{
    atomic {
        if
        :: has_sender = 1; run of_one()
        :: skip
        fi;
        run of_both();
        run others()
    }
}
