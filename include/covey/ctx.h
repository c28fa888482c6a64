/* SPDX-License-Identifier: MIT
 * covey/ctx.h - contexts: cancellation, deadlines and values, from parent to child. After Go's
 * package context (go.dev/pkg/context).
 *
 * Whatever can block for long takes a context first and returns COVEY_ECANCELED or COVEY_EDEADLINE
 * when it is done. NULL means "cannot be cancelled". A call whose context is already done returns
 * its error and has no effect, even if it could complete at once; when an operation and the end of
 * its context come together while it waits, one of the two happened and the other did not.
 *
 * A context is shared: it has references that users hold (covey_ctx_ref, and one for its maker).
 * When the last of them goes, a cancellable context is cancelled; children's holds do not count.
 * Each covey_ctx_with_* returns an owned reference that covey_ctx_unref() must drop, and needs only
 * to be given a parent that is alive during the call; a NULL parent is the background context.
 *
 * Lack of memory gives a context that is already done, with the cause -ENOMEM: never NULL, which
 * would mean the opposite. Any thread may call everything here; nothing here switches tasks. */
#ifndef COVEY_CTX_H
#define COVEY_CTX_H

#include <covey/defs.h>

COVEY_BEGIN

/* Never done, no values. Not counted: ref and unref of it do nothing. */
COVEY_API covey_ctx *covey_ctx_background(void);

COVEY_API covey_ctx *covey_ctx_with_cancel(covey_ctx *parent);
/* Done with COVEY_EDEADLINE ns from now; at once if ns <= 0. An earlier deadline of the parent's
 * stays in force. The message reads "deadline exceeded (5 s, set at shop.c:42)"; of one that an
 * option of covey's set, "(5 s, set by covey_backoff.try_ns)". It holds in every runtime. Between
 * two, plain threads that wait under it, or for it (COVEY_DONE), or ask for covey_ctx_err(), see to
 * it; what hangs on its end (covey_ctx_done()) then comes only with that. */
COVEY_API covey_ctx *covey_ctx_with_timeout(covey_ctx *parent, int64_t ns);
COVEY_API covey_ctx *covey_ctx_with_timeout_at(const covey_site *site, covey_ctx *parent,
                                               int64_t ns);
/* The same at a time on covey_now()'s clock. */
COVEY_API covey_ctx *covey_ctx_with_deadline(covey_ctx *parent, int64_t at_ns);
COVEY_API covey_ctx *covey_ctx_with_deadline_at(const covey_site *site, covey_ctx *parent,
                                                int64_t at_ns);
/* Carries value under key; keys are compared by address. value is borrowed as long as the context
 * or a descendant lives. */
COVEY_API covey_ctx *covey_ctx_with_value(covey_ctx *parent, const void *key, void *value);
/* Keeps the values, drops cancellation and deadline: for clean-up that must finish. */
COVEY_API covey_ctx *covey_ctx_without_cancel(covey_ctx *parent);
/* without_cancel plus a deadline of its own: goodbyes, rollbacks. */
COVEY_API covey_ctx *covey_ctx_for_cleanup(covey_ctx *parent, int64_t ns);
COVEY_API covey_ctx *covey_ctx_for_cleanup_at(const covey_site *site, covey_ctx *parent,
                                              int64_t ns);
/* signal.NotifyContext: cancelled when the process receives one of the n signals, with the cause
 * -EINTR. While it lives those signals have no other effect; the last one restores what was there.
 * A second arrival of the same signal, once every such context is done, has the earlier effect. A
 * call without a runtime is fatal. A signal that cannot be caught, or too few descriptors: a
 * context that is done, with the cause -EINVAL or -EMFILE. */
COVEY_API covey_ctx *covey_ctx_with_signals(covey_ctx *parent, const int *signals, size_t n);

#define covey_ctx_with_timeout(parent, ns)                                                         \
    covey_ctx_with_timeout_at(COVEY_SITE("timeout"), (parent), (ns))
#define covey_ctx_with_deadline(parent, at_ns)                                                     \
    covey_ctx_with_deadline_at(COVEY_SITE("deadline"), (parent), (at_ns))
#define covey_ctx_for_cleanup(parent, ns)                                                          \
    covey_ctx_for_cleanup_at(COVEY_SITE("cleanup"), (parent), (ns))

/* Ends ctx and all its descendants with COVEY_ECANCELED. The first cause stays; later calls do
 * nothing. A context that cannot be cancelled (background, without_cancel; NULL) is left alone; a
 * value context cancels the nearest cancellable context that it was made from. */
COVEY_API void covey_ctx_cancel(covey_ctx *ctx);
/* With a negative code as the cause; 0 is as covey_ctx_cancel(). */
COVEY_API void covey_ctx_cancel_cause(covey_ctx *ctx, int cause);

/* 0 while it is not done, then COVEY_ECANCELED or COVEY_EDEADLINE. NULL: 0. */
COVEY_API int covey_ctx_err(covey_ctx *ctx);
/* The cause given, else covey_ctx_err(). */
COVEY_API int covey_ctx_cause(covey_ctx *ctx);
/* A channel that is closed when ctx is done; ctx's own (do not unref or close it). NULL: ctx can
 * never be done, or out of memory. COVEY_DONE(ctx) in a select needs no channel and is cheaper. */
COVEY_API covey_chan *covey_ctx_done(covey_ctx *ctx);
/* Whether there is a deadline, its own or inherited; writes it if at_ns is not NULL. */
COVEY_API bool covey_ctx_deadline(covey_ctx *ctx, int64_t *at_ns);
/* The value under key of the nearest context that has one, else NULL. */
COVEY_API void *covey_ctx_value(covey_ctx *ctx, const void *key);

/* context.AfterFunc: once ctx is done, fn(root context, arg) runs in a task of its own in the root
 * group; so does what waits for the root context, before covey_run() returns. Returns an owned
 * handle for covey_stop_call(), or NULL: out of memory, or no runtime is up. */
typedef struct covey_stop covey_stop;
COVEY_API covey_stop *covey_ctx_after_func(covey_ctx *ctx, covey_fn *fn, void *arg);
/* True: fn was not started, and will not be: this kept it from running, or ctx ended when no
 * runtime was left. False: fn was started (or has ended), or s is NULL. Frees s either way. */
COVEY_API bool covey_stop_call(covey_stop *s);

COVEY_API covey_ctx *covey_ctx_ref(covey_ctx *ctx);
/* NULL is allowed. */
COVEY_API void covey_ctx_unref(covey_ctx *ctx);

COVEY_END
#endif
