/* SPDX-License-Identifier: MIT
 * request.c - see request.h. */
#include "redis/request.h"

#include <stdlib.h>

struct cvy_redis_request *cvy_redis_request_new(size_t len, size_t replies)
{
    struct cvy_redis_request *q = len <= SIZE_MAX - sizeof(*q) ? malloc(sizeof(*q) + len) : NULL;

    if (!q) {
        return NULL;
    }
    *q = (struct cvy_redis_request){.replies = replies, .len = len, .missing = replies};
    atomic_init(&q->holders, 1);
    q->end = &q->first;
    covey_waitgroup_add(&q->ended, 1);
    return q;
}

void cvy_redis_request_hold(struct cvy_redis_request *q)
{
    atomic_fetch_add_explicit(&q->holders, 1, memory_order_relaxed);
}

static void forget_replies(struct cvy_redis_request *q)
{
    while (q->first) {
        struct cvy_redis_root *root = q->first;
        q->first = root->next;
        cvy_redis_root_free(root);
    }
    q->end = &q->first;
}

void cvy_redis_request_drop(struct cvy_redis_request *q)
{
    /* Acquire, release: whatever others did with it happens before its end. */
    if (atomic_fetch_sub_explicit(&q->holders, 1, memory_order_acq_rel) > 1) {
        return;
    }
    forget_replies(q);
    free(q->words);
    free(q);
}

void cvy_redis_request_rewind(struct cvy_redis_request *q)
{
    forget_replies(q);
    q->missing = q->replies;
}

bool cvy_redis_request_add(struct cvy_redis_request *q, struct cvy_redis_root *root)
{
    root->next = NULL;
    *q->end = root;
    q->end = &root->next;
    return --q->missing == 0;
}

int cvy_redis_request_result(struct cvy_redis_request *q, struct cvy_redis_root **root)
{
    if (q->code < 0) {
        return q->words ? covey_errorf(q->code, "%s", q->words)
                        : covey_errorf(q->code, "redis: %s", covey_strerror(q->code));
    }
    *root = q->first;
    q->first = NULL;
    q->end = &q->first;
    if (q->is_batch) {
        *root = cvy_redis_root_gather(*root, q->replies);
        return *root ? 0 : covey_errorf(-ENOMEM, "out of memory");
    }
    int code = cvy_redis_refusal(&(*root)->reply);
    if (code < 0) {
        cvy_redis_root_free(*root);
    }
    return code;
}

void cvy_redis_requests_push(struct cvy_redis_requests *list, struct cvy_redis_request *q)
{
    q->next = NULL;
    q->previous = list->tail;
    *(list->tail ? &list->tail->next : &list->head) = q;
    list->tail = q;
}

void cvy_redis_requests_unshift(struct cvy_redis_requests *list, struct cvy_redis_requests *front)
{
    if (front->head) {
        front->tail->next = list->head;
        *(list->head ? &list->head->previous : &list->tail) = front->tail;
        list->head = front->head;
        *front = (struct cvy_redis_requests){0};
    }
}

void cvy_redis_requests_remove(struct cvy_redis_requests *list, struct cvy_redis_request *q)
{
    *(q->previous ? &q->previous->next : &list->head) = q->next;
    *(q->next ? &q->next->previous : &list->tail) = q->previous;
    q->next = q->previous = NULL;
}

struct cvy_redis_request *cvy_redis_requests_pop(struct cvy_redis_requests *list)
{
    struct cvy_redis_request *q = list->head;

    if (q) {
        cvy_redis_requests_remove(list, q);
    }
    return q;
}
