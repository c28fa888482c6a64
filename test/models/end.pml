/* SPDX-License-Identifier: MIT
 * end.pml - src/sched/cancel.c: the end of a group's context, which goes without being cancelled if
 * nobody else holds it, against the end of the context above, which finds it in its list.
 *
 * Another task may hold a reference, and drop it at any time. Shown: the memory is freed once and
 * nobody touches it then; who holds a reference when the group's wait has returned finds it done.
 *
 * BROKEN_stay: it does not leave the list of above before it looks at the holds
 * BROKEN_no_lock: it takes the lock of above only if it still stands in its list
 * BROKEN_no_look: it does not look at the holds */
#include "lock.pmh"

bit above_lock, lock_word;
bit in_list = 1;    /* in the children of above */
byte holds = 1;     /* the group's */
bit done, is_freed, has_waited;
byte frees;

inline touch()
{
    assert(!is_freed)
}

inline release()
{
    touch();
    is_freed = 1;
    frees++
}

inline leave_above()
{
    lock(above_lock);
    touch();
    in_list = 0;
    unlock(above_lock)
}

inline unhold()
{
    atomic { touch(); holds--; was_last = holds == 0 };
    if
    :: was_last -> leave_above(); release()
    :: else
    fi
}

inline mark_done()
{
    lock(lock_word);
    touch();
    done = 1;
    unlock(lock_word)
}

/* covey_group_wait(): cvy_cancel_end(), or else cancel and unref. */
proctype ender()
{
    bit was_last, is_alone;

#ifndef BROKEN_stay
#ifdef BROKEN_no_lock
    if
    :: in_list -> leave_above()
    :: else
    fi;
#else
    leave_above();
#endif
#endif
    touch();
    is_alone = holds == 1;
#ifdef BROKEN_no_look
    is_alone = 1;
#endif
    if
    :: is_alone -> release()
    :: else ->
        mark_done();
        unhold()
    fi;
    has_waited = 1
}

/* cvy_cancel_fire() of above. */
proctype above()
{
    bit was_last, is_held;

    lock(above_lock);
    if
    :: in_list ->
        in_list = 0;
        atomic {
            touch(); /* try_hold() */
            is_held = holds > 0;
            if :: is_held -> holds++ :: else fi
        }
    :: else
    fi;
    unlock(above_lock);
    if
    :: is_held -> mark_done(); unhold()
    :: else
    fi
}

/* Got its reference from the group's context while the group was open. */
proctype keeper()
{
    bit was_last;

    if
    :: has_waited -> touch(); assert(done); unhold()
    :: unhold()
    fi
}

init
{
    atomic {
        if
        :: holds = 2; run keeper()
        :: skip
        fi;
        run ender();
        run above()
    };
    _nr_pr == 1 -> assert(frees == 1)
}
