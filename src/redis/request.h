/* SPDX-License-Identifier: MIT
 * request.h - one or several commands on their way: what is sent, and what came of it.
 *
 * Held by its caller, by the link whose list it stands in, and by the writer while it writes it:
 * the last to let go frees it. So a caller may leave at any time; what it leaves is answered, and
 * dropped. A request ends once: the link sets the outcome under its mutex, and then lets the caller
 * go on. */
#ifndef CVY_REDIS_REQUEST_H
#define CVY_REDIS_REQUEST_H

#include "redis/reply.h"

#include <covey/sync.h>

#include <stdatomic.h>

struct cvy_redis_request {
    /* Immutable once it is queued. */
    size_t replies; /* that it will have */
    size_t len;     /* of bytes */
    bool is_batch;
    bool may_repeat;

    atomic_int holders; /* relaxed up, acq_rel down */
    covey_waitgroup ended;

    /* Guarded by the link's mutex until it has ended, then the caller's. */
    struct cvy_redis_request *next, *previous;
    bool is_queued, has_ended, is_left;  /* left: by its caller */
    int tries, sends;                    /* connections that could not be made; times sent */
    size_t missing;                      /* replies that have not come */
    struct cvy_redis_root *first, **end; /* those that have */
    int code;
    char *words; /* of code; NULL: none were kept */

    char bytes[];
};

/* First in, first out. */
struct cvy_redis_requests {
    struct cvy_redis_request *head, *tail;
};

/* For len bytes, which the caller fills in. Held once. NULL: out of memory. */
struct cvy_redis_request *cvy_redis_request_new(size_t len, size_t replies);
void cvy_redis_request_hold(struct cvy_redis_request *q);
void cvy_redis_request_drop(struct cvy_redis_request *q);
/* What a task that waits for it is said to wait for: its name and key. */
void cvy_redis_describe(const struct cvy_redis_request *q, char *out, size_t size);
/* Forgets the replies it has. */
void cvy_redis_request_rewind(struct cvy_redis_request *q);
/* Adds a reply, which it takes; true: it was the last. */
bool cvy_redis_request_add(struct cvy_redis_request *q, struct cvy_redis_root *root);
/* What its caller gets: the code with its words, or the reply. */
int cvy_redis_request_result(struct cvy_redis_request *q, struct cvy_redis_root **root);

void cvy_redis_requests_push(struct cvy_redis_requests *list, struct cvy_redis_request *q);
/* Puts all of front before those of list, and empties front. */
void cvy_redis_requests_unshift(struct cvy_redis_requests *list, struct cvy_redis_requests *front);
struct cvy_redis_request *cvy_redis_requests_pop(struct cvy_redis_requests *list);
void cvy_redis_requests_remove(struct cvy_redis_requests *list, struct cvy_redis_request *q);

#endif
