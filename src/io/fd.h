/* SPDX-License-Identifier: MIT
 * fd.h - descriptors that tasks wait for: readiness, turns, and a close that waits for nobody.
 *
 * A call on a descriptor enters it (which holds it, and may take the turn of one way), tries the
 * system call while the ready bit of that way is set, and else waits. The last to leave after a
 * close gives the descriptor back to the kernel.
 *
 * Records stay readable as long as the poller they were registered with: an event that was fetched
 * before its descriptor was closed may still be delivered, then to whoever has the record now. It
 * does no harm: ready bits are hints, which the next system call corrects. */
#ifndef CVY_IO_FD_H
#define CVY_IO_FD_H

#include "os/net.h"
#include "os/poll.h"
#include "sched/wait.h"

/* What is waited for. The first two have turns; a hang-up is waited for beside them. */
enum cvy_way { CVY_WAY_IN, CVY_WAY_OUT, CVY_WAY_HUP };
#define CVY_WAYS 2
#define CVY_WAITS 3
#define CVY_POLL_OF(way) (CVY_POLL_IN << (way))

struct cvy_fd {
    struct cvy_pollable pollable; /* immutable as long as the record */

    /* CVY_POLL_* bits below CVY_FD_EVENT, and above a count of events. A bit is set by the poller
     * (and at the start) and cleared by a call that found nothing more to be had, only if no event
     * has come since it loaded the word: see cvy_fd_clear(). */
    _Atomic uint64_t ready;

    /* Who is inside, and the turns:
     *   CLOSED          set once: calls inside end, and none begins
     *   GIVEN           the handle was given up, once
     *   HELD(way)       somebody has the turn; set on an open descriptor, or passed on
     *   WANTED(way)     turns[way] may have waiters; set under lock while HELD, cleared under lock
     *   n * USER        calls inside, and one for the handle until it is given up
     * CLOSED without users: the record is about to be free. */
    _Atomic uint32_t use;

    struct cvy_lock lock;       /* rank CVY_RANK_FD; guards the queues below */
    int fd;                     /* immutable from open to free */
    uint8_t reasons[CVY_WAITS]; /* enum cvy_reason of its waits; immutable from open to free */
    /* The poller it is registered with. Written under the pool's lock; acquire, release. */
    struct cvy_poll *_Atomic home;
    struct cvy_node waiters[CVY_WAITS]; /* for readiness */
    struct cvy_node turns[CVY_WAYS];    /* for their turn, first come first served */
    struct cvy_node in_pool;            /* guarded by the pool's lock: registered, or free */
    void (*on_free)(struct cvy_fd *f);  /* immutable from open; frees what the owner added */
};

#define CVY_FD_EVENT UINT64_C(8)

#define CVY_FD_CLOSED 1u
#define CVY_FD_HELD(way) (2u << (way))
#define CVY_FD_WANTED(way) (8u << (way))
#define CVY_FD_GIVEN 32u
#define CVY_FD_USER 64u

/* Owners extend the record: struct { struct cvy_fd fd; ... }, at most this large. */
/* In debug builds the lock has its rank. */
#define CVY_FD_RECORD_SIZE (CVY_DEBUG ? 256 : 192)

/* A record for fd, which it takes (-1: of nothing, for the turns alone), with these ready bits to
 * begin with; what is beyond struct cvy_fd is zero. NULL: out of memory, fd is still the caller's.
 */
struct cvy_fd *cvy_fd_new(int fd, uint32_t ready, void (*on_free)(struct cvy_fd *f));
/* Wakes all with COVEY_ECLOSED, and nobody enters any more. The handle stays, unless bits has
 * CVY_FD_GIVEN: then cvy_fd_leave() must follow. */
void cvy_fd_end(struct cvy_thread *th, struct cvy_fd *f, uint32_t bits);
/* Ends it and gives the handle up. */
void cvy_fd_close(struct cvy_thread *th, struct cvy_fd *f);

/* Into a call: 0 or COVEY_ECLOSED. */
int cvy_fd_enter(struct cvy_fd *f);
/* Whether it was the last, after whom f is gone. */
bool cvy_fd_leave(struct cvy_fd *f);
/* The turn of one way if it is free: 0; COVEY_EAGAIN or COVEY_ECLOSED, without a message. */
int cvy_fd_try_turn(struct cvy_fd *f, enum cvy_way way);
/* The same with the turn of one way (not HUP), for which it may wait (and switch). The context's
 * error too.
 */
int cvy_fd_enter_turn(struct cvy_thread **thp, struct cvy_fd *f, enum cvy_way way, covey_ctx *ctx);
void cvy_fd_leave_turn(struct cvy_thread *th, struct cvy_fd *f, enum cvy_way way);

/* Inside a call: waits until the bit of that way is set. COVEY_ECLOSED; the context's error; what
 * the poller says of the descriptor. May switch. Failures have their message. */
int cvy_fd_wait(struct cvy_thread **thp, struct cvy_fd *f, enum cvy_way way, covey_ctx *ctx);
/* Registers it ahead of the first wait. */
int cvy_fd_register(struct cvy_fd *f);

static inline bool cvy_fd_is_closed(const struct cvy_fd *f)
{
    return cvy_load_relaxed(&f->use) & CVY_FD_CLOSED;
}

/* Clears bits, unless an event has come since ready was seen: then that counts. */
static inline void cvy_fd_clear(struct cvy_fd *f, uint64_t seen, uint64_t bits)
{
    uint64_t now = seen;

    /* Relaxed: the bits carry no data; the kernel orders what they tell of. */
    while ((now ^ seen) < CVY_FD_EVENT) {
        if (atomic_compare_exchange_weak_explicit(&f->ready, &now, now & ~bits,
                                                  memory_order_relaxed, memory_order_relaxed)) {
            return;
        }
    }
}

/* From the first registration on, told by the poller's end: frees the free records and forgets
 * where the others were registered. */
void cvy_fd_pool_close(struct cvy_poll *p);

#endif
