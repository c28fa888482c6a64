/* SPDX-License-Identifier: MIT
 * timer.pml - src/sched/worker.c, timer.c: a timer is added while others go to sleep.
 *
 * Two workers, each with a wheel of at most one timer, one of which waits in the poller when both are
 * idle; a plain thread adds to the first one's wheel. Time passes only when nobody can do anything
 * else, and jumps to the end of the poller's time-out. Shown: each timer fires, and at its time.
 *
 * BROKEN_no_second_look: the poller does not look at the timers after it announced its deadline
 * BROKEN_no_hurry: who goes to sleep on its futex does not compare its timer with the poller's deadline
 * BROKEN_no_foreign_hurry: nor does a plain thread that adds one
 * BROKEN_late_deadline: the deadline is announced after the second look */
#include "lock.pmh"
#define NEVER 9
#define NONE 255

bit rt_lock;
byte next[2] = NEVER;       /* timers.next of each wheel */
byte poll_deadline;         /* 0: nobody is in the poller */
byte poller = NONE;
bit event;
byte now = 1;
byte busy = 3;              /* who can still do something without time passing */
byte added, fired;

/* next_timer() */
inline next_timer(at)
{
    at = next[0];
    if :: next[1] < at -> at = next[1] :: else fi
}

/* cvy_poller_hurry() */
inline hurry(at)
{
    deadline = poll_deadline;
    if :: deadline != 0 && at < deadline -> event = 1 :: else fi
}

/* run_timers(): what is due on all wheels */
inline run_timers()
{
    d_step {
        if :: next[0] <= now -> assert(next[0] == now); next[0] = NEVER; fired++ :: else fi;
        if :: next[1] <= now -> assert(next[1] == now); next[1] = NEVER; fired++ :: else fi
    }
}

proctype worker(byte me; byte at)
{
    byte deadline, again, mine;
    bit is_poller, is_expired;

    if /* a task adds a timer, and parks */
    :: me == 1 -> atomic { next[1] = at; added++ }
    :: else
    fi;
find_work:
    next_timer(again);
    if :: again <= now -> run_timers() :: else fi;
    lock(rt_lock); /* idle() */
    is_poller = poller == NONE;
    if :: is_poller -> poller = me :: else fi;
    unlock(rt_lock);
    if
    :: is_poller -> /* idle_in_poller() */
        next_timer(deadline);
#ifndef BROKEN_late_deadline
        poll_deadline = deadline;
#endif
#ifndef BROKEN_no_second_look
        next_timer(again);
        if :: again < deadline -> deadline = again :: else fi;
#endif
#ifdef BROKEN_late_deadline
        poll_deadline = deadline;
#endif
        if
        :: deadline <= now
        :: else ->
            busy--;
            if
            :: atomic { event -> event = 0; busy++ }
            :: atomic { !event && busy == 0 && deadline != NEVER ->
                   now = deadline;
                   busy++
               }
            :: !event && busy == 0 && deadline == NEVER -> goto stop
            fi
        fi;
        poll_deadline = 0;
        lock(rt_lock);
        poller = NONE;
        unlock(rt_lock);
        goto find_work
    :: else ->
#ifndef BROKEN_no_hurry
        mine = next[me];
        hurry(mine);
#endif
        busy-- /* on its futex: nobody brings work here */
    fi;
stop:
    skip
}

/* cvy_timer_add() without a worker */
proctype outsider(byte at)
{
    byte deadline;

    atomic { next[0] = at; added++ };
#ifndef BROKEN_no_foreign_hurry
    hurry(at);
#endif
    busy--
}

init
{
    atomic {
        if
        :: run worker(1, 2); run outsider(3)
        :: run worker(1, 3); run outsider(2)
        fi;
        run worker(0, NEVER)
    };
    busy == 0 && _nr_pr == 1;
    assert(fired == 2)
}
