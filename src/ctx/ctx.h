/* SPDX-License-Identifier: MIT
 * ctx.h - the context's record.
 *
 * Each has a cancel node of its own, which also counts its memory and links it to its parent. A
 * value context's node is never done: its head points at the nearest that can be. */
#ifndef CVY_CTX_CTX_H
#define CVY_CTX_CTX_H

#include "sched/wait.h"

struct covey_ctx {
    struct cvy_ctx_head head; /* first */
    /* Immutable. */
    covey_ctx *parent; /* its node holds the parent's */
    const void *key;   /* value contexts only */
    void *value;
    bool is_static;
    const void *unref_at; /* COVEY_DEBUG=freed: the code that dropped the last user reference */

    struct cvy_cancel own;
};

/* Drops the last reference to a context that nobody else can see end; where is the code that does.
 * False: the caller must cancel it and drop its reference. The caller is in the runtime. */
bool cvy_ctx_end(struct cvy_thread *th, covey_ctx *ctx, const void *where);

/* What lack of memory gives: done from the start, with the cause -ENOMEM. */
covey_ctx *cvy_ctx_exhausted(void);

#endif
