/* SPDX-License-Identifier: MIT
 * inbox.h - orders for a driver: many tasks push nodes, one driver takes them all at once.
 *
 * A stack behind one word, which also says that the driver sleeps, or that it has ended. So a push
 * to a busy driver is one compare-and-swap, and only the push that finds it asleep has to wake it.
 */
#ifndef CVY_HTTP_INBOX_H
#define CVY_HTTP_INBOX_H

#include <covey/error.h>

#include <stdatomic.h>

struct cvy_http_node {
    struct cvy_http_node *next; /* valid between push and take */
};

struct cvy_http_inbox {
    /* Atomic: the newest node, NULL, or one of two marks of inbox.c. Push releases to take. */
    _Atomic(struct cvy_http_node *) head;
};

/* Empty and awake. Nobody may push meanwhile. */
void cvy_http_inbox_open(struct cvy_http_inbox *in);
/* Any task. 0; 1: the driver sleeps and the caller must wake it; COVEY_ECLOSED: node was not taken.
 * A node stands in one inbox at most once. */
int cvy_http_inbox_push(struct cvy_http_inbox *in, struct cvy_http_node *node);

/* The driver alone. */
/* All nodes, oldest first; the driver counts as awake. */
struct cvy_http_node *cvy_http_inbox_take(struct cvy_http_inbox *in);
/* Announces sleep. False: there are nodes. */
bool cvy_http_inbox_sleep(struct cvy_http_inbox *in);
/* The last take: every later push fails. */
struct cvy_http_node *cvy_http_inbox_close(struct cvy_http_inbox *in);

#endif
