/* SPDX-License-Identifier: MIT
 * singleflight.c - covey_singleflight: calls with the same key share one run of fn.
 *
 * A call is known, that is in the table, until fn has returned, it was forgotten, or its last
 * caller has left; who asks for the key while it is known joins it. fn runs in a detached task,
 * under a context that is cancelled when no caller is left. A call is held by each caller and by
 * its task; the last one frees it. It holds the flight, so that a task nobody waits for may outlive
 * that.
 *
 * It stands in group/ since it needs tasks and contexts both. */
#include "base/alloc.h"
#include "sched/wait.h"
#include "sync/table.h"

#include <covey/ctx.h>
#include <covey/debug.h>
#include <covey/error.h>
#include <covey/sync.h>
#include <covey/task.h>

#include <stdlib.h>
#include <string.h>

#undef errno
#undef covey_singleflight_do

struct covey_singleflight {
    /* Immutable. */
    covey_singleflight_options options;
    struct cvy_hash_seed seed;

    _Atomic size_t holds; /* the owner's and each call's */

    struct cvy_lock lock;   /* rank CVY_RANK_CHAN */
    struct cvy_table calls; /* known ones; guarded by lock */
};

struct call {
    /* Immutable from the start. */
    covey_singleflight *flight;
    covey_singleflight_fn *fn;
    void *arg;

    /* Guarded by the flight's lock. */
    struct cvy_entry *entry; /* NULL: not known any more */
    size_t holds, callers, callers_ever;
    covey_ctx *ctx; /* while fn runs; NULL before and after */
    bool is_done;
    struct cvy_node waiters;

    /* Written before is_done, immutable then; the result until callers is 0. */
    int code;
    char *words; /* owned; NULL: code has only its own */
    void *result;

    _Alignas(16) char copy[]; /* of the argument block */
};

/* ---- the record of a call ---- */

static void result_unref(covey_singleflight *f, void *result)
{
    if (f->options.result_unref && result) {
        f->options.result_unref(result);
    }
}

static void flight_unhold(covey_singleflight *f)
{
    /* Acq_rel: the other holders' work happens before the free. */
    if (atomic_fetch_sub_explicit(&f->holds, 1, memory_order_acq_rel) == 1) {
        cvy_table_fini(&f->calls);
        free(f);
    }
}

static struct call *call_new(covey_singleflight *f, const struct cvy_key *key,
                             covey_singleflight_fn *fn, void *arg, size_t copy_len)
{
    struct call *c = cvy_alloc_zeroed(sizeof(*c) + copy_len);
    struct cvy_entry *e = c ? cvy_entry_new(key) : NULL;

    if (!e) {
        free(c);
        return NULL;
    }
    c->flight = f;
    c->fn = fn;
    c->arg = arg;
    if (copy_len > 0) {
        memcpy(c->copy, arg, copy_len);
        c->arg = c->copy;
    }
    c->entry = e;
    c->holds = 1; /* its task's */
    cvy_list_init(&c->waiters);
    cvy_store_relaxed(&e->value, c);
    return c;
}

/* Never in the table. */
static void call_free(struct call *c)
{
    free(c->entry);
    free(c->words);
    free(c);
}

/* Drops a hold, and frees the call with the last one. */
static void call_unhold(struct call *c)
{
    covey_singleflight *f = c->flight;

    cvy_lock(&f->lock);
    bool is_last = --c->holds == 0;
    cvy_unlock(&f->lock);
    if (is_last) {
        call_free(c);
        flight_unhold(f);
    }
}

/* fn's reference goes when its run is over and no caller is left; the task may still be at its end.
 * What to release after the unlock, or NULL. */
static void *result_take_locked(struct call *c)
{
    void *result = c->is_done && c->callers == 0 ? c->result : NULL;

    if (result) {
        c->result = NULL;
    }
    return result;
}

static void call_forget_locked(struct call *c)
{
    if (c->entry) {
        cvy_table_remove_locked(&c->flight->calls, c->entry);
        free(c->entry);
        c->entry = NULL;
    }
}

static struct call *call_find_locked(covey_singleflight *f, const struct cvy_key *key)
{
    struct cvy_entry *e = cvy_table_find(&f->calls, key);
    return e ? cvy_load_relaxed(&e->value) : NULL;
}

/* ---- the task's side ---- */

/* fn's outcome, for all callers; takes words and result. */
static void finish(struct call *c, int code, char *words, void *result)
{
    struct cvy_wakelist list = {0};
    struct cvy_thread *th = cvy_enter();

    cvy_lock(&c->flight->lock);
    call_forget_locked(c);
    c->ctx = NULL;
    c->code = code;
    c->words = words;
    c->result = result;
    c->is_done = true;
    for (struct cvy_waiter *w; (w = cvy_waitq_claim(&c->waiters)) != NULL;) {
        cvy_wakelist_add(&list, w->task);
    }
    void *unwanted = result_take_locked(c);
    cvy_unlock(&c->flight->lock);
    cvy_ready_all(th, &list);
    cvy_leave(th);
    result_unref(c->flight, unwanted);
}

/* Runs fn under ctx, which is cancelled if nobody waits any more. */
static void run_under(covey_ctx *ctx, struct call *c)
{
    void *result = NULL;
    char *words = NULL;

    cvy_lock(&c->flight->lock);
    c->ctx = ctx;
    bool is_left = c->callers == 0;
    cvy_unlock(&c->flight->lock);
    if (is_left) {
        /* fn runs all the same: it may own what its argument points to. */
        covey_ctx_cancel(ctx);
    }
    uint64_t holder = covey_hold_begin(c);
    int code = c->fn(ctx, c->arg, &result);
    covey_hold_end(c, holder);
    if (code < 0) {
        result = NULL;
        words = covey_errcode() == code ? cvy_strdup(covey_errmsg()) : NULL;
    }
    finish(c, code, words, result);
}

static int run_call(covey_ctx *root, void *arg)
{
    struct call *c = arg;
    covey_ctx *ctx = covey_ctx_with_cancel(root);

    if (cvy_ctx_is_exhausted(ctx)) {
        finish(c, -ENOMEM, NULL, NULL);
    } else {
        run_under(ctx, c);
    }
    covey_ctx_unref(ctx);
    call_unhold(c);
    return 0;
}

/* ---- the caller's side ---- */

struct request {
    const covey_site *site;
    covey_ctx *ctx;
    covey_singleflight *flight;
    const char *key;
    covey_singleflight_fn *fn;
    void *arg;
    size_t copy_len;
};

/* The known call of the key, or a new one, with a hold for the caller; NULL: out of memory. */
static struct call *join(const struct request *r, bool *is_new)
{
    covey_singleflight *f = r->flight;
    struct cvy_key key = cvy_key_of(&f->seed, r->key, strlen(r->key));
    struct call *spare = NULL;

    cvy_lock(&f->lock);
    struct call *c = call_find_locked(f, &key);
    if (!c) {
        cvy_unlock(&f->lock);
        spare = call_new(f, &key, r->fn, r->arg, r->copy_len);
        if (!spare) {
            return NULL;
        }
        cvy_lock(&f->lock);
        c = call_find_locked(f, &key);
    }
    *is_new = !c;
    if (*is_new) {
        c = spare;
        spare = NULL;
        cvy_table_insert_locked(&f->calls, c->entry);
        /* Relaxed: the owner's hold is there. */
        atomic_fetch_add_explicit(&f->holds, 1, memory_order_relaxed);
    }
    c->holds++;
    c->callers++;
    c->callers_ever++;
    cvy_unlock(&f->lock);
    if (spare) {
        call_free(spare);
    }
    return c;
}

static void start(const struct request *r, struct call *c)
{
    int code = covey_go_at(r->site, NULL, run_call, c);

    if (code < 0) {
        /* Others may have joined: they fail with us. */
        finish(c, code, cvy_strdup(covey_errmsg()), NULL);
        /* The task's hold; the caller's is there. */
        cvy_lock(&c->flight->lock);
        c->holds--;
        cvy_unlock(&c->flight->lock);
    }
}

/* Waits for the call's end. 0, or the error of the caller's context. */
static int await_end(struct call *c, covey_ctx *ctx)
{
    struct cvy_thread *th = cvy_enter();
    struct cvy_waiter wr = {0};
    int code = 0;

    cvy_lock(&c->flight->lock);
    if (c->is_done) {
        cvy_unlock(&c->flight->lock);
    } else {
        code = cvy_wait_in(&th, ctx, &c->flight->lock, &c->waiters, &wr, CVY_WAIT_SINGLEFLIGHT,
                           c->flight);
    }
    cvy_leave(th);
    return code;
}

/* The caller gives up; the last one takes the call with it. */
static void leave(struct call *c)
{
    covey_ctx *ctx = NULL;

    cvy_lock(&c->flight->lock);
    if (--c->callers == 0 && !c->is_done) {
        /* Who comes now must not join what is about to be cancelled. */
        call_forget_locked(c);
        ctx = covey_ctx_ref(c->ctx);
    }
    void *unwanted = result_take_locked(c);
    cvy_unlock(&c->flight->lock);
    if (ctx) {
        covey_ctx_cancel(ctx);
        covey_ctx_unref(ctx);
    }
    result_unref(c->flight, unwanted);
    call_unhold(c);
}

/* Hands the outcome of a finished call to one caller. */
static int deliver(struct call *c, void **result, bool *shared)
{
    covey_singleflight *f = c->flight;
    int code = c->code;

    if (code < 0) {
        code = c->words ? covey_errorf(code, "%s", c->words) : cvy_fail(cvy_task_self(), code);
    } else if (result) {
        if (f->options.result_ref && c->result) {
            f->options.result_ref(c->result);
        }
        *result = c->result;
    }
    cvy_lock(&f->lock);
    if (shared) {
        *shared = c->callers_ever > 1;
    }
    c->callers--;
    void *delivered = result_take_locked(c);
    cvy_unlock(&f->lock);
    result_unref(f, delivered);
    call_unhold(c);
    return code;
}

static int fly(const struct request *r, void **result, bool *shared)
{
    struct cvy_task *self = cvy_task_self();
    bool is_new;

    int code = cvy_ctx_check(self, r->ctx);
    if (code < 0) {
        return code;
    }
    struct call *c = join(r, &is_new);
    if (!c) {
        return cvy_fail(self, -ENOMEM);
    }
    if (is_new) {
        start(r, c);
    }
    covey_wait_note note = {.what = "call", .text = r->key, .object = c};
    covey_wait_note_begin(&note);
    code = await_end(c, r->ctx);
    covey_wait_note_end(&note);
    if (code < 0) {
        leave(c);
        return code;
    }
    return deliver(c, result, shared);
}

int covey_singleflight_do_at(const covey_site *site, covey_ctx *ctx, covey_singleflight *f,
                             const char *key, covey_singleflight_fn *fn, void *arg, void **result,
                             bool *shared)
{
    struct request r = {site, ctx, f, key, fn, arg, 0};
    return fly(&r, result, shared);
}

int covey_singleflight_do(covey_ctx *ctx, covey_singleflight *f, const char *key,
                          covey_singleflight_fn *fn, void *arg, void **result, bool *shared)
{
    return covey_singleflight_do_at(NULL, ctx, f, key, fn, arg, result, shared);
}

int covey_singleflight_do_copy(covey_ctx *ctx, covey_singleflight *f, const char *key,
                               covey_singleflight_fn *fn, const void *arg, size_t len,
                               void **result, bool *shared)
{
    static const covey_site site = {"singleflight", "covey_singleflight_do_copy", 0};
    struct request r = {&site, ctx, f, key, fn, (void *)arg, len};
    return fly(&r, result, shared);
}

void covey_singleflight_forget(covey_singleflight *f, const char *key)
{
    struct cvy_key k = cvy_key_of(&f->seed, key, strlen(key));

    cvy_lock(&f->lock);
    struct call *c = call_find_locked(f, &k);
    if (c) {
        call_forget_locked(c);
    }
    cvy_unlock(&f->lock);
}

covey_singleflight *covey_singleflight_new_with(const covey_singleflight_options *opts)
{
    covey_singleflight_options o = opts ? *opts : (covey_singleflight_options){0};
    covey_singleflight *f = !o.result_ref == !o.result_unref ? cvy_alloc_zeroed(sizeof(*f)) : NULL;

    if (f) {
        f->options = o;
        f->seed = cvy_table_seed();
        cvy_store_relaxed(&f->holds, 1);
        cvy_lock_init(&f->lock, CVY_RANK_CHAN);
        cvy_table_init(&f->calls);
    }
    return f;
}

covey_singleflight *covey_singleflight_new(void)
{
    return covey_singleflight_new_with(NULL);
}

void covey_singleflight_free(covey_singleflight *f)
{
    if (f) {
        flight_unhold(f);
    }
}
