/* SPDX-License-Identifier: MIT
 * io.h - what the parts of io/ share: how a wait for the poller is announced, and its end. */
#ifndef CVY_IO_IO_H
#define CVY_IO_IO_H

#include "os/poll.h"
#include "sched/worker.h"

/* Around every wait that only the poller can end: while there is one the scheduler looks at the
 * poller, and does not conclude that nothing can wake its tasks. Relaxed: a worker that goes idle
 * after it takes the scheduler's lock in between. */
static inline void cvy_io_wait_begin(struct cvy_runtime *rt)
{
    atomic_fetch_add_explicit(&rt->fd_waiters, 1, memory_order_relaxed);
}

static inline void cvy_io_wait_end(struct cvy_runtime *rt)
{
    atomic_fetch_sub_explicit(&rt->fd_waiters, 1, memory_order_relaxed);
}

/* Before, or right after, the first registration with p: its end will be told to all parts. */
void cvy_io_attach(struct cvy_poll *p);

#endif
