/* SPDX-License-Identifier: MIT
 * link.h - one connection that any number of tasks share, made again when it is lost.
 *
 * Two lists: queued, what is to be sent, and sent, what waits for its reply, in the order in which
 * it was sent. A task of the link makes the connection when something is queued, moves requests
 * from one list to the other and writes them, many at a time; a second one, there while the
 * connection is, reads and ends them. A request is in the sent list before its first byte is
 * written, and leaves it with its last reply or the connection: so replies never shift.
 *
 * Nothing is written or waited for with the mutex held. */
#ifndef CVY_REDIS_LINK_H
#define CVY_REDIS_LINK_H

#include "redis/request.h"

struct cvy_redis_client;

struct cvy_redis_link {
    /* Immutable. */
    struct cvy_redis_client *client;
    covey_chan *wake; /* capacity 1: for the link's task */

    covey_waitgroup reader; /* there is one */

    covey_mutex mutex; /* guards the rest */
    struct cvy_redis_requests queued, sent;
    struct cvy_redis_wire *wire; /* NULL: no connection */
    bool is_asleep;              /* the link's task: whoever queues must wake it */
    bool is_dead;                /* the connection; code and words say why */
    bool has_ended;              /* nothing is queued any more */
    int code;
    char *words;
    int64_t heard_at; /* something came, or was sent after nothing was awaited */
};

/* The link's task: arg is the link; holds the client. */
int cvy_redis_link_run(covey_ctx *ctx, void *arg);
/* Queues q, which it then holds too. COVEY_ECLOSED: the link has ended. May switch. */
int cvy_redis_link_queue(struct cvy_redis_link *l, struct cvy_redis_request *q);
/* The caller of q leaves. True: it has no effect, or is left to itself; false: it has ended. */
bool cvy_redis_link_leave(struct cvy_redis_link *l, struct cvy_redis_request *q);
/* Gives up a connection that owes replies and was not heard of since then. May switch. */
void cvy_redis_link_watch(struct cvy_redis_link *l, int64_t since);

#endif
