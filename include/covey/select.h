/* SPDX-License-Identifier: MIT
 * covey/select.h - waits for the first of several operations and does exactly that one. After Go's
 * select statement, extended to descriptors, contexts, timers and groups. */
#ifndef COVEY_SELECT_H
#define COVEY_SELECT_H

#include <covey/defs.h>

COVEY_BEGIN

struct covey_waitable; /* how a kind of object is waited for; covey's own */

/* One case. Make it with the macros below; it can be assigned, and kept in an array. */
typedef struct covey_case {
    const struct covey_waitable *kind;
    void *object;
    void *elem;
    bool *ok;
    int64_t number; /* a descriptor, or nanoseconds */
} covey_case;

COVEY_API extern const struct covey_waitable covey_waitable_recv, covey_waitable_send,
    covey_waitable_done, covey_waitable_readable, covey_waitable_writable, covey_waitable_joined,
    covey_waitable_after, covey_waitable_default;

/* elem is not const: compilers take a pointer to const for one that is only read, and would warn of
 * a variable that is yet to be received into. */
static inline covey_case covey_case_make(const struct covey_waitable *kind, const void *object,
                                         void *elem, bool *ok, int64_t number)
{
    covey_case c;
    c.kind = kind;
    c.object = (void *)object;
    c.elem = elem;
    c.ok = ok;
    c.number = number;
    return c;
}

/* Receives into *elem (NULL drops). On a closed, drained channel the case is ready; *ok is false
 * then and *elem zeroed. A case on a NULL channel never runs. */
#define COVEY_RECV(ch, elem) covey_case_make(&covey_waitable_recv, (ch), (elem), NULL, 0)
#define COVEY_RECV_OK(ch, elem, ok) covey_case_make(&covey_waitable_recv, (ch), (elem), (ok), 0)
/* Sends *elem. On a closed channel the case is ready: *ok is false, and plain COVEY_SEND makes
 * covey_select return COVEY_ECLOSED. */
#define COVEY_SEND(ch, elem)                                                                       \
    covey_case_make(&covey_waitable_send, (ch), (void *)(const void *)(elem), NULL, 0)
#define COVEY_SEND_OK(ch, elem, ok)                                                                \
    covey_case_make(&covey_waitable_send, (ch), (void *)(const void *)(elem), (ok), 0)
/* Ready when ctx is done. COVEY_DONE(NULL) never is. */
#define COVEY_DONE(ctx) covey_case_make(&covey_waitable_done, (ctx), NULL, NULL, 0)
/* Ready when the descriptor can be read or written without blocking, or has failed. At most one of
 * each a descriptor in one select. */
#define COVEY_READABLE(fd) covey_case_make(&covey_waitable_readable, NULL, NULL, NULL, (fd))
#define COVEY_WRITABLE(fd) covey_case_make(&covey_waitable_writable, NULL, NULL, NULL, (fd))
/* Ready when no task of the group is alive (a NULL group has none). The group must still be waited
 * for. */
#define COVEY_JOINED(group) covey_case_make(&covey_waitable_joined, (group), NULL, NULL, 0)
/* Runs if nothing else did within ns; of several the shortest runs; with ns <= 0 only if nothing is
 * ready now. No timer object. */
#define COVEY_AFTER(ns) covey_case_make(&covey_waitable_after, NULL, NULL, NULL, (ns))
/* Runs if nothing is ready now. */
#define COVEY_DEFAULT covey_case_make(&covey_waitable_default, NULL, NULL, NULL, 0)

/* Returns the index of the case that ran; every case counts. Several ready: a uniform choice.
 * Variables and flags of the cases that did not run are left alone. May switch, unless there is a
 * COVEY_DEFAULT. COVEY_ECANCELED, COVEY_EDEADLINE: ctx is done and no case ran. COVEY_ECLOSED: see
 * COVEY_SEND. -ENOMEM; -EBADF and other codes of a descriptor that cannot be watched. n may be 0:
 * waits for ctx. At most 1024 cases: -EINVAL. The array is not changed. */
COVEY_API int covey_select_n(covey_ctx *ctx, const covey_case *cases, size_t n);

#ifndef __cplusplus
#define covey_select(ctx, ...)                                                                     \
    covey_select_n((ctx), (const covey_case[]){__VA_ARGS__},                                       \
                   sizeof((const covey_case[]){__VA_ARGS__}) / sizeof(covey_case))
#endif

COVEY_END

#ifdef __cplusplus
template <class... Cases> inline int covey_select(covey_ctx *ctx, const Cases &...cases)
{
    const covey_case list[] = {cases...};
    return covey_select_n(ctx, list, sizeof...(cases));
}
#endif
#endif
