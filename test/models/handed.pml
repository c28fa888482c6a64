/* SPDX-License-Identifier: MIT
 * handed.pml - src/sched/worker.c: thread_sleep() in wait_for_worker(): a thread is handed a worker
 * while a late wake from its former life, for a sleep that is over, still comes in.
 *
 * Stores of the sleeper pass through a store buffer that its later loads overtake, as on aarch64 (x86
 * would drain it at the exchange of handed). Shown: the thread takes up the worker.
 *
 * BROKEN_store: the wake is taken by a look and a store, so that the store may undo a wake that came
 *   in between, after the look at handed */
bit wake, handed, has_worker;
bit pending; /* wake = 0, not yet seen by others */

active proctype store_buffer()
{
end:
    do
    :: atomic { pending -> wake = 0; pending = 0 }
    od
}

active proctype sleeper()
{
    bit seen;

    do /* wait_for_worker() */
    :: atomic { handed -> handed = 0; has_worker = 1 };
        break
    :: !handed -> /* thread_sleep() */
#ifdef BROKEN_store
        !pending && wake == 1;
        pending = 1
#else
        atomic { wake == 1 -> wake = 0 }
#endif
    od
}

/* give_away(), cvy_worker_give(): both are releases. */
active proctype giver()
{
    handed = 1;
    wake = 1
}

/* cvy_kick() wakes after it gave the lock back: the thread may be elsewhere by then. */
active proctype late_kicker()
{
    wake = 1
}
