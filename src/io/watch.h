/* SPDX-License-Identifier: MIT
 * watch.h - what is kept of each descriptor number that was ever waited for by covey_wait_fd(): a
 * queue of waiters, and how the poller tells of it.
 *
 * Mostly by a one-shot, level-triggered registration for what its waiters wait for together. With
 * nobody waiting that is not trusted: the number may stand for another file by now. A number that
 * covey itself made, of covey_fd_watch(), has a lasting, edge-triggered one, and is no other file's
 * until covey_fd_unwatch(). Records live as long as the poller: a late event finds one.
 */
#ifndef CVY_IO_WATCH_H
#define CVY_IO_WATCH_H

#include "os/net.h"
#include "os/poll.h"
#include "sched/wait.h"

#define CVY_POLL_BOTH (CVY_POLL_IN | CVY_POLL_OUT)

struct cvy_watch {
    struct cvy_pollable once, always; /* immutable, as is fd: the two registrations */
    int fd;
    /* Bits of the lasting registration; 0: there is none. Written under lock, relaxed. */
    _Atomic uint32_t lasting;

    struct cvy_lock lock; /* rank CVY_RANK_FD; guards the rest */
    uint32_t armed; /* bits of the one-shot registration; holds only while there are waiters */
    /* A waiter stays until it leaves by itself, also when it was woken from here; so being in the
     * queue is being counted among those who wait for the poller. Its amount: CVY_POLL_* bits. */
    struct cvy_node waiters;

    /* With a lasting registration. No event will come for what is ready already, so: */
    uint32_t come;   /* bits of which an event has come that nobody was told of */
    uint32_t unsure; /* bits that somebody was told of, and may have used in part: ask the kernel */
    bool is_hung;    /* always unsure: there will be no other event */
};

/* The record of fd (>= 0), made on demand; NULL: out of memory or of numbers, and *code says so. */
struct cvy_watch *cvy_watch_get(int fd, int *code);
/* The same if there is one already. Both: the caller is in a runtime that was open when it looked;
 * the records go with it. */
struct cvy_watch *cvy_watch_find(int fd);

static inline bool cvy_watch_lasts(const struct cvy_watch *w)
{
    return cvy_load_relaxed(&w->lasting) != 0;
}

/* With a lasting registration: which of bits are ready, or may be since an event has come; 0: the
 * next event will tell; a code. Who is told has to look, and asks again when it has. */
int cvy_watch_ready_locked(struct cvy_watch *w, uint32_t bits);
/* The queue is about to be entered for bits: the registration is made to tell of them. 0 or a code.
 */
int cvy_watch_enter_locked(struct cvy_watch *w, struct cvy_waiter *wr, uint32_t bits);

/* The poller ends: no event will come any more, and nobody waits. */
void cvy_watch_close(struct cvy_poll *p);

#endif
