/* SPDX-License-Identifier: MIT
 * ctx.c - contexts (covey/ctx.h), on the cancel tree of sched/. */
#include "ctx/ctx.h"

#include "os/freed.h"

#include <stdlib.h>

#undef covey_ctx_with_timeout
#undef covey_ctx_with_deadline
#undef covey_ctx_for_cleanup

static covey_ctx background = {.is_static = true};

static covey_ctx exhausted = {
    .head.cancel = &exhausted.own,
    .is_static = true,
    .own = {.deadline = CVY_NEVER,
            .done = COVEY_ECANCELED,
            .cause = -ENOMEM,
            .holds = 1,
            .settled = 1,
            .lock = CVY_LOCK_INIT(CVY_RANK_CANCEL)},
};

covey_ctx *cvy_ctx_exhausted(void)
{
    return &exhausted;
}

covey_ctx *covey_ctx_background(void)
{
    return &background;
}

static void ctx_free(struct cvy_cancel *c)
{
    covey_ctx *ctx = CVY_CONTAINER_OF(c, struct covey_ctx, own);

    if (c->done_free) {
        c->done_free(c);
    }
    if (!cvy_knob(CVY_KNOB_FREED)) {
        cvy_cell_free(ctx, sizeof(*ctx));
        return;
    }
    /* Every check of it finds it done and looks closer; its lock stays locked. */
    ctx->head.cancel = c;
    cvy_store_release(&c->done, COVEY_ECANCELED);
    cvy_lock_for_good(&c->lock);
    cvy_freed_keep(ctx, sizeof(*ctx), "context", ctx->unref_at);
}

/* A context below parent, not yet cancellable. NULL: out of memory. */
static covey_ctx *ctx_new(covey_ctx *parent)
{
    covey_ctx *ctx = cvy_cell_alloc(sizeof(*ctx));

    if (!ctx) {
        return NULL;
    }
    ctx->parent = parent;
    ctx->own.parent = parent && !parent->is_static ? &parent->own : NULL;
    ctx->own.free_fn = ctx_free;
    ctx->own.deadline = CVY_NEVER;
    cvy_cancel_init(&ctx->own);
    return ctx;
}

/* A cancellable one whose end follows that of above. */
static covey_ctx *cancellable_new(covey_ctx *parent, struct cvy_cancel *above, int64_t at_ns,
                                  int64_t timeout_ns, const covey_site *site)
{
    covey_ctx *ctx = ctx_new(parent);

    if (!ctx) {
        return &exhausted;
    }
    ctx->head.cancel = &ctx->own;
    ctx->own.above = above;
    ctx->own.deadline = at_ns;
    ctx->own.timeout_ns = timeout_ns;
    ctx->own.site = site;
    struct cvy_thread *th = cvy_enter();
    cvy_cancel_attach(&ctx->own, th);
    cvy_leave(th);
    return ctx;
}

covey_ctx *covey_ctx_with_cancel(covey_ctx *parent)
{
    return cancellable_new(parent, cvy_ctx_cancel_of(parent), CVY_NEVER, 0, NULL);
}

covey_ctx *covey_ctx_with_timeout_at(const covey_site *site, covey_ctx *parent, int64_t ns)
{
    return cancellable_new(parent, cvy_ctx_cancel_of(parent), cvy_time_after(ns), ns, site);
}

covey_ctx *covey_ctx_with_timeout(covey_ctx *parent, int64_t ns)
{
    return covey_ctx_with_timeout_at(NULL, parent, ns);
}

covey_ctx *covey_ctx_with_deadline_at(const covey_site *site, covey_ctx *parent, int64_t at_ns)
{
    return cancellable_new(parent, cvy_ctx_cancel_of(parent),
                           at_ns == CVY_NEVER ? CVY_NEVER - 1 : at_ns, 0, site);
}

covey_ctx *covey_ctx_with_deadline(covey_ctx *parent, int64_t at_ns)
{
    return covey_ctx_with_deadline_at(NULL, parent, at_ns);
}

covey_ctx *covey_ctx_for_cleanup_at(const covey_site *site, covey_ctx *parent, int64_t ns)
{
    return cancellable_new(parent, NULL, cvy_time_after(ns), ns, site);
}

covey_ctx *covey_ctx_for_cleanup(covey_ctx *parent, int64_t ns)
{
    return covey_ctx_for_cleanup_at(NULL, parent, ns);
}

covey_ctx *covey_ctx_with_value(covey_ctx *parent, const void *key, void *value)
{
    covey_ctx *ctx = ctx_new(parent);

    if (!ctx) {
        return &exhausted;
    }
    ctx->head.cancel = cvy_ctx_cancel_of(parent);
    ctx->key = key;
    ctx->value = value;
    return ctx;
}

covey_ctx *covey_ctx_without_cancel(covey_ctx *parent)
{
    covey_ctx *ctx = ctx_new(parent);
    return ctx ? ctx : &exhausted;
}

static void fire(struct cvy_cancel *c, int cause)
{
    struct cvy_wakelist list = {0};
    struct cvy_thread *th = cvy_enter();

    cvy_cancel_fire(c, COVEY_ECANCELED, cause, &list);
    cvy_ready_all(th, &list);
    cvy_leave(th);
}

void covey_ctx_cancel_cause(covey_ctx *ctx, int cause)
{
    struct cvy_cancel *c = cvy_ctx_cancel_of(ctx);

    if (c && !cvy_cancel_is_done(c)) {
        fire(c, cause < 0 ? cause : 0);
    }
}

void covey_ctx_cancel(covey_ctx *ctx)
{
    covey_ctx_cancel_cause(ctx, 0);
}

int covey_ctx_err(covey_ctx *ctx)
{
    cvy_test_point();
    struct cvy_cancel *c = cvy_ctx_cancel_of(ctx);
    int err = c ? cvy_load_acquire(&c->done) : 0;

    if (err) {
        cvy_freed_check(c);
    }
    if (cvy_unlikely(!err && c && c->deadline != CVY_NEVER && !cvy_runtime_get() &&
                     c->deadline <= cvy_clock_now())) {
        cvy_cancel_expire(c);
        err = cvy_load_acquire(&c->done);
    }
    /* Who sees the error also finds the done channel closed; its closer is on the way, and calls
     * no user code. */
    while (err && cvy_load_relaxed(&c->done_chan) && !cvy_load_acquire(&c->settled)) {
        cvy_futex_wait(&c->settled, 0, 20 * COVEY_US);
    }
    return err;
}

int covey_ctx_cause(covey_ctx *ctx)
{
    struct cvy_cancel *c = cvy_ctx_cancel_of(ctx);
    return c && cvy_cancel_is_done(c) ? c->cause : 0;
}

bool covey_ctx_deadline(covey_ctx *ctx, int64_t *at_ns)
{
    struct cvy_cancel *c = cvy_ctx_cancel_of(ctx);

    if (!c || c->deadline == CVY_NEVER) {
        return false;
    }
    if (at_ns) {
        *at_ns = c->deadline;
    }
    return true;
}

void *covey_ctx_value(covey_ctx *ctx, const void *key)
{
    cvy_freed_check(ctx);
    for (; ctx; ctx = ctx->parent) {
        if (ctx->key == key && key) {
            return ctx->value;
        }
    }
    return NULL;
}

covey_ctx *covey_ctx_ref(covey_ctx *ctx)
{
    if (ctx && !ctx->is_static) {
        cvy_freed_check(ctx);
        cvy_cancel_hold(&ctx->own);
        atomic_fetch_add_explicit(&ctx->own.users, 1, memory_order_relaxed);
    }
    return ctx;
}

void covey_ctx_unref(covey_ctx *ctx)
{
    if (!ctx || ctx->is_static) {
        return;
    }
    cvy_freed_check(ctx);
    /* Acq_rel: other users' work under the context happens before its end. */
    uint32_t users = atomic_fetch_sub_explicit(&ctx->own.users, 1, memory_order_acq_rel);
    COVEY_REQUIRE(users > 0, "unref of a context that has no reference left");
    if (users == 1 && cvy_knob(CVY_KNOB_FREED)) {
        ctx->unref_at = __builtin_return_address(0);
    }
    if (users == 1 && ctx->head.cancel == &ctx->own && !cvy_cancel_is_done(&ctx->own)) {
        fire(&ctx->own, 0);
    }
    cvy_cancel_unhold(&ctx->own);
}

bool cvy_ctx_end(struct cvy_thread *th, covey_ctx *ctx, const void *where)
{
    if (cvy_knob(CVY_KNOB_FREED)) {
        ctx->unref_at = where;
    }
    return cvy_cancel_end(th, &ctx->own);
}
