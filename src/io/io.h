/* SPDX-License-Identifier: MIT
 * io.h - what the parts of io/ share: how a wait for the poller is announced, and its end. */
#ifndef CVY_IO_IO_H
#define CVY_IO_IO_H

#include "os/poll.h"
#include "sched/worker.h"

/* While something is watched the scheduler looks at the poller, and does not conclude that nothing
 * can wake its tasks. Relaxed: a worker that goes idle after it takes the scheduler's lock in
 * between. */
static inline void cvy_io_watch_begin(struct cvy_runtime *rt)
{
    atomic_fetch_add_explicit(&rt->fd_waiters, 1, memory_order_relaxed);
}

static inline void cvy_io_watch_end(struct cvy_runtime *rt)
{
    atomic_fetch_sub_explicit(&rt->fd_waiters, 1, memory_order_relaxed);
}

/* Around every wait that only the poller can end. Begin it only if the runtime is open
 * (cvy_runtime_open()), with the same entry into it: a plain thread's wait holds the runtime's end
 * up, which ends it. */
static inline void cvy_io_wait_begin(struct cvy_task *t, struct cvy_runtime *rt)
{
    cvy_io_watch_begin(rt);
    if (cvy_unlikely(t->is_foreign)) {
        struct cvy_thread *th = CVY_CONTAINER_OF(t, struct cvy_thread, self);
        atomic_fetch_add_explicit(&th->needs_runtime, CVY_NEED, memory_order_relaxed);
    }
}

static inline void cvy_io_wait_end(struct cvy_task *t, struct cvy_runtime *rt)
{
    cvy_io_watch_end(rt);
    if (cvy_unlikely(t->is_foreign)) {
        struct cvy_thread *th = CVY_CONTAINER_OF(t, struct cvy_thread, self);
        /* Release: our use of rt, to cvy_foreign_release(). While that is at the claim of this
         * wait, the next wait must not begin. */
        atomic_fetch_sub_explicit(&th->needs_runtime, CVY_NEED, memory_order_release);
        while (cvy_load_acquire(&th->needs_runtime) & CVY_NEED_ASKED) {
            cvy_cpu_relax();
        }
    }
}

/* Before, or right after, the first registration with p: its end will be told to all parts. */
void cvy_io_attach(struct cvy_poll *p);

#endif
