/* SPDX-License-Identifier: MIT
 * poll.h - the poller's contract; one implementation per system (poll_epoll.c).
 *
 * Persistent registrations are edge-triggered; one-shot ones are level-triggered and disarmed by
 * their first event. The two are independent: a descriptor may have
 * one of each. Each carries a pollable, whose on_events is called by whoever runs cvy_poll_wait,
 * with CVY_POLL_* bits. */
#ifndef CVY_OS_POLL_H
#define CVY_OS_POLL_H

#include "base/atomic.h"

#define CVY_POLL_IN 1u
#define CVY_POLL_OUT 2u
#define CVY_POLL_HUP 4u /* the peer will send no more, or an error: sticky, with IN and OUT set */

struct cvy_wakelist;

struct cvy_pollable {
    /* Must not block; collects the tasks it wakes in list. */
    void (*on_events)(struct cvy_pollable *self, uint32_t events, struct cvy_wakelist *list);
};

struct cvy_poll {
    int epoll_fd, wake_fd;
    int oneshot_fd; /* an epoll inside the other, for one-shot registrations */
    /* Told by cvy_poll_detach() that all registrations are gone and that no event will come any
     * more; set by who registers. Release, acquire. */
    void (*_Atomic on_detach)(struct cvy_poll *p);
};

/* 0 or a negative code. */
int cvy_poll_open(struct cvy_poll *p);
/* Nobody is in cvy_poll_wait(), or will be. Plain threads may still try to wake it. */
void cvy_poll_detach(struct cvy_poll *p);
/* Gives its descriptors back: nobody knows it any more. */
void cvy_poll_close(struct cvy_poll *p);
/* A persistent registration, for both directions or for reading alone (events: CVY_POLL_IN).
 * -EEXIST: it is registered. -EPERM: it cannot be polled. */
int cvy_poll_add(struct cvy_poll *p, int fd, uint32_t events, struct cvy_pollable *who);
/* For other directions from now on; what is ready already comes as an event. */
int cvy_poll_change(struct cvy_poll *p, int fd, uint32_t events, struct cvy_pollable *who);
/* Arms, or arms again, a one-shot registration; what is ready already comes as an event. */
int cvy_poll_arm(struct cvy_poll *p, int fd, uint32_t events, struct cvy_pollable *who);
/* Ends a persistent registration; must come before the descriptor is closed. Events already fetched
 * may still be delivered: the pollable must stay readable until the current round of waits is over.
 */
void cvy_poll_remove(struct cvy_poll *p, int fd);
/* Waits up to timeout_ns (< 0: no limit, 0: looks), delivers events; how many. */
int cvy_poll_wait(struct cvy_poll *p, int64_t timeout_ns, struct cvy_wakelist *list);
/* Makes one current or coming cvy_poll_wait return. Any thread, signal handlers too. */
void cvy_poll_wake(struct cvy_poll *p);

#endif
