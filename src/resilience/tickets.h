/* SPDX-License-Identifier: MIT
 * tickets.h - one-shot permits that expire: who may report the outcome of a call, and until when.
 *
 * A ticket is 0 for nobody, else a place in the table and a number that tells its holders apart:
 * what was taken back, or has expired, is not found again. All tickets live equally long, so the
 * oldest expires first. The owner of the table guards it by a lock. */
#ifndef CVY_RESILIENCE_TICKETS_H
#define CVY_RESILIENCE_TICKETS_H

#include <stdbool.h>
#include <stdint.h>

struct cvy_ticket {
    uint64_t id; /* 0: the place is free */
    uint64_t generation;
    int64_t issued_at;
    uint32_t next, previous; /* in order of issue; of a free place, next alone. 0: none */
};

/* Ready when zeroed. Place 0 is none. */
struct cvy_tickets {
    struct cvy_ticket *places;
    uint32_t room, used, out; /* places there, ever used, and now out */
    uint32_t free, oldest, newest;
    uint32_t serial;
};

void cvy_tickets_fini(struct cvy_tickets *t);
/* 0: out of memory. */
uint64_t cvy_ticket_issue(struct cvy_tickets *t, uint64_t generation, int64_t now);
/* False: it is not out. */
bool cvy_ticket_redeem(struct cvy_tickets *t, uint64_t id, struct cvy_ticket *ticket);
/* Takes back the oldest if it was issued at or before this time. */
bool cvy_ticket_expire(struct cvy_tickets *t, int64_t issued_by, struct cvy_ticket *ticket);

#endif
