/* SPDX-License-Identifier: MIT
 * cancel.h - the tree of what can be cancelled: the part of a context that waits must know.
 *
 * done goes from 0 to an error once, under lock, and is read without. A parent holds nothing of its
 * children; a child holds its parent, and leaves its list when it is cancelled. */
#ifndef CVY_SCHED_CANCEL_H
#define CVY_SCHED_CANCEL_H

#include "base/list.h"
#include "os/lock.h"
#include "sched/task.h"
#include "sched/timer.h"

#include <covey/ctx.h>
#include <covey/error.h>

struct cvy_cancel_hook; /* called once when it is done */
typedef void cvy_hook_fn(struct cvy_cancel_hook *h, struct cvy_wakelist *list);
struct cvy_cancel_hook {
    struct cvy_node node; /* guarded by the cancel's lock */
    cvy_hook_fn *fn;      /* without locks, in the runtime; must not switch */
};

struct cvy_cancel {
    /* Immutable from the start. */
    struct cvy_cancel *parent; /* held: keeps values and the way up alive; may be NULL */
    struct cvy_cancel *above;  /* the nearest that can be done, whose end ends this; or NULL */
    int64_t deadline;          /* CVY_NEVER: none of its own or inherited */
    const covey_site *site;    /* who set the deadline */
    int64_t timeout_ns;        /* what was asked for; 0: a time, not a span */
    void (*free_fn)(struct cvy_cancel *c);

    /* Holds keep the memory; users' references keep it from being cancelled. */
    _Atomic uint32_t holds, users;

    /* Release under lock after cause; acquire by readers. */
    _Atomic int done;
    int cause; /* written before done */
    /* 1 once the hooks were called, so that the done channel is closed. Release, acquire. */
    _Atomic uint32_t settled;

    struct cvy_lock lock; /* rank CVY_RANK_CANCEL; guards the lists */
    struct cvy_node waiters;
    struct cvy_node hooks;
    struct cvy_node children; /* by sibling */
    struct cvy_node sibling;  /* guarded by the lock of above */
    struct cvy_cancel *next;  /* in the list of one cancellation */

    struct cvy_timer timer; /* armed, or waiting for a runtime: holds c */
    bool is_untimed;        /* its node stands in the list of untimed.c, whose lock guards it */

    /* The channel of covey_ctx_done(), made on demand by chan/. Written once under lock. */
    struct covey_chan *_Atomic done_chan;
    void (*done_free)(struct cvy_cancel *c);
    struct cvy_cancel_hook done_hook;
};

/* covey/error.h makes errno a task's; nobody above os/ reads it. */
#undef errno

/* How covey_ctx begins, for those below ctx/. */
struct cvy_ctx_head {
    struct cvy_cancel *cancel; /* NULL: can never be done */
};

static inline struct cvy_cancel *cvy_ctx_cancel_of(covey_ctx *ctx)
{
    return ctx ? ((struct cvy_ctx_head *)ctx)->cancel : NULL;
}

static inline bool cvy_cancel_is_done(struct cvy_cancel *c)
{
    return cvy_load_acquire(&c->done) != 0;
}

/* Whether ctx is what lack of memory gives. */
static inline bool cvy_ctx_is_exhausted(covey_ctx *ctx)
{
    struct cvy_cancel *c = cvy_ctx_cancel_of(ctx);
    return c && !c->free_fn;
}

/* One hold and one user reference; holds the parent. The caller has set parent, above and free_fn.
 */
void cvy_cancel_init(struct cvy_cancel *c);
/* Makes it one that can be done: enters the list of above, or is done at once if that is. The
 * caller has set deadline (CVY_NEVER: none), site and timeout_ns. */
void cvy_cancel_attach(struct cvy_cancel *c, struct cvy_thread *th);
void cvy_cancel_hold(struct cvy_cancel *c);
void cvy_cancel_unhold(struct cvy_cancel *c);
/* True: the caller's was the last hold, and nobody is left who could see c done; it is gone. Else
 * the caller still holds it, and must cancel it now: it has left the list of above. */
bool cvy_cancel_end(struct cvy_thread *th, struct cvy_cancel *c);
/* Ends c and all below it; the first call wins. The tasks to wake are collected. */
void cvy_cancel_fire(struct cvy_cancel *c, int err, int cause, struct cvy_wakelist *list);
/* Its deadline has passed: ends the context that set it. From a plain thread, for which no
 * runtime's timer may do it. The caller is not in the runtime. */
void cvy_cancel_expire(struct cvy_cancel *c);
/* False: it is done already and the hook was not entered. */
bool cvy_cancel_hook_add(struct cvy_cancel *c, struct cvy_cancel_hook *h);
/* False: it was called, or is about to be. */
bool cvy_cancel_hook_remove(struct cvy_cancel *c, struct cvy_cancel_hook *h);

/* untimed.c; the caller is in the runtime, or no runtime is up. */
/* c's timer, which is not armed, is to be when a runtime starts; its hold passes over. */
void cvy_untimed_add(struct cvy_cancel *c, struct cvy_thread *th);
/* True: it stood there, and its hold is the caller's. */
bool cvy_untimed_remove(struct cvy_cancel *c);
/* The runtime is up: all become its timers. */
void cvy_untimed_adopt(struct cvy_thread *th);

/* Takes a task's sticky registration back, if it has one. */
void cvy_cancel_unregister_slow(struct cvy_task *t);
static inline void cvy_cancel_unregister(struct cvy_task *t)
{
    if (t->registered) {
        cvy_cancel_unregister_slow(t);
    }
}

#endif
