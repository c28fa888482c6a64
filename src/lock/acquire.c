/* SPDX-License-Identifier: MIT
 * acquire.c - how a lease is acquired: attempts, each a round or two, with pauses between.
 *
 * An attempt that fails leaves nothing behind on a server that could be reached: it is released
 * everywhere, also where the answer was lost. */
#include "lock/lock.h"

#include <covey/ctx.h>
#include <covey/debug.h>
#include <covey/time.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* ---- one attempt ---- */

static void release_all(covey_redlock *rl, const covey_redlock_key *key)
{
    struct cvy_lock_round r = {.rl = rl, .key = key, .question = CVY_LOCK_RELEASE};
    covey_ctx *cleanup = covey_ctx_for_cleanup(NULL, rl->options.node_timeout_ns);

    cvy_lock_ask(cleanup, &r);
    covey_ctx_unref(cleanup);
}

/* Tells the greatest token to those of the majority that gave a lower one, so that the next lease
 * gets one greater still, whatever majority it has. */
static bool settle_token(covey_ctx *ctx, struct cvy_lock_round *acquired, uint64_t *token)
{
    struct cvy_lock_round told = {
        .rl = acquired->rl, .key = acquired->key, .question = CVY_LOCK_EXTEND};
    size_t same = 0;

    *token = 0;
    for (size_t i = 0; i < acquired->rl->n; i++) {
        const struct cvy_lock_answer *a = &acquired->answers[i];
        bool is_yes = a->has_come && a->code == 0;
        same = is_yes && a->token > *token ? 1 : same + (is_yes && a->token == *token);
        *token = is_yes && a->token > *token ? a->token : *token;
    }
    if (same >= acquired->rl->quorum) {
        return true;
    }
    told.token = *token;
    cvy_lock_ask(ctx, &told);
    return told.yes >= told.rl->quorum;
}

/* 0 and what was won, or why not; then nothing is left behind. */
static int attempt(covey_ctx *ctx, covey_redlock *rl, const covey_redlock_key *key, uint64_t *token,
                   int64_t *valid_until)
{
    struct cvy_lock_round r = {.rl = rl, .key = key, .question = CVY_LOCK_ACQUIRE};
    int64_t begun = covey_now();

    cvy_lock_ask(ctx, &r);
    *valid_until = cvy_lock_valid_until(rl, begun);
    if (r.yes >= rl->quorum && settle_token(ctx, &r, token) && covey_now() < *valid_until &&
        covey_ctx_err(ctx) == 0) {
        return 0;
    }
    int code = cvy_lock_refusal(ctx, &r);
    char words[256];
    (void)snprintf(words, sizeof(words), "%s", covey_errmsg());
    release_all(rl, key);
    return covey_errorf(code, "%s", words);
}

/* ---- leases ---- */

static void draw_value(char *value, size_t size)
{
    uint64_t bits[2] = {(uint64_t)covey_now(), (uint64_t)(uintptr_t)value};

    if (getrandom(bits, sizeof(bits), GRND_NONBLOCK) != sizeof(bits)) {
        bits[0] ^= (uint64_t)getpid() << 40; /* as good as can be had so early */
    }
    (void)snprintf(value, size, "%016llx%016llx", (unsigned long long)bits[0],
                   (unsigned long long)bits[1]);
}

/* What all leases of a name have in common: a number, for comparison alone. */
static const void *object_of(const covey_redlock *rl, const char *name)
{
    uint64_t hash = (uint64_t)(uintptr_t)rl;

    for (const char *c = name; *c; c++) {
        hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
    }
    return (const void *)(uintptr_t)hash;
}

static covey_lease *lease_new(covey_redlock *rl, const char *name)
{
    size_t len = strlen(name);
    covey_lease *l = calloc(1, sizeof(*l) + len + 1);

    if (l) {
        memcpy(l->name, name, len + 1);
        l->rl = rl;
        l->object = object_of(rl, name);
        l->key = (covey_redlock_key){.prefix = rl->options.prefix,
                                     .name = l->name,
                                     .value = l->value,
                                     .ttl_ns = rl->options.ttl_ns};
    }
    return l;
}

struct acquiring {
    covey_lease *lease;
    bool is_once;
    int tries;
};

/* A try of covey_retry(). */
static int try_once(covey_ctx *ctx, void *arg)
{
    struct acquiring *a = arg;
    covey_lease *l = a->lease;
    covey_redlock_node *node = l->rl->nodes[0];
    int64_t valid_until = 0;

    a->tries++;
    /* One for each attempt: what is left of an earlier one on the way may still arrive. */
    draw_value(l->value, sizeof(l->value));
    int code = attempt(ctx, l->rl, &l->key, &l->token, &valid_until);
    if (code == COVEY_EAGAIN && !a->is_once && l->rl->n == 1 && node->ops->wait) {
        code = node->ops->wait(ctx, node, &l->key);
        /* With our turn come, in our name: asked again it says yes, and gives the token. */
        code = code < 0 ? code : attempt(ctx, l->rl, &l->key, &l->token, &valid_until);
    }
    atomic_store_explicit(&l->valid_until, valid_until, memory_order_release);
    return code == COVEY_EAGAIN || code == -ENOTCONN ? code : COVEY_PERMANENT(code);
}

/* covey_retry() ends with what the last try said, also for want of time for another. */
static int try_all(covey_ctx *ctx, struct acquiring *a)
{
    const covey_backoff *policy = &a->lease->rl->options.retry;
    int64_t at;

    int code = covey_retry(ctx, policy, try_once, a);
    if (code < 0 && covey_ctx_err(ctx) < 0) {
        return covey_wrapf(covey_sleep(ctx, 0), "lease %s", a->lease->name);
    }
    if ((code == COVEY_EAGAIN || code == -ENOTCONN) && a->tries < policy->max_tries &&
        covey_ctx_deadline(ctx, &at)) {
        return covey_errorf(COVEY_EDEADLINE, "no time before the deadline: %s", covey_errmsg());
    }
    return code;
}

static int acquire(covey_ctx *ctx, covey_redlock *rl, const char *name, covey_lease **lease,
                   bool is_once)
{
    int code = covey_sleep(ctx, 0); /* the words of a context that is done */
    if (code < 0) {
        return code;
    }
    covey_lease *l = lease_new(rl, name);
    if (!l) {
        return covey_errorf(-ENOMEM, "out of memory");
    }
    struct acquiring a = {.lease = l, .is_once = is_once};
    covey_wait_note note = {.what = "lease", .text = l->name, .object = l->object};
    covey_wait_note_begin(&note);
    code = is_once ? covey_plain_code(try_once(ctx, &a)) : try_all(ctx, &a);
    covey_wait_note_end(&note);
    if (code < 0) {
        free(l);
        return code;
    }
    l->ctx = covey_ctx_with_cancel(ctx);
    l->stop = covey_ctx_with_cancel(NULL);
    l->last = rl->options.max_ns > 0 ? covey_now() + rl->options.max_ns : INT64_MAX;
    /* A context that is done at once is one for which there was no memory. */
    bool has_all = covey_ctx_err(l->stop) == 0 && covey_ctx_cause(l->ctx) != -ENOMEM;
    l->holder = covey_hold_begin(l->object);
    code = has_all ? cvy_lease_keep(l) : -ENOMEM;
    if (code < 0) {
        covey_hold_end(l->object, l->holder);
        release_all(rl, &l->key);
        covey_ctx_unref(l->ctx);
        covey_ctx_unref(l->stop);
        free(l);
        return covey_errorf(code, "lease %s: %s", name, covey_strerror(code));
    }
    *lease = l;
    return 0;
}

int covey_redlock_acquire(covey_ctx *ctx, covey_redlock *rl, const char *name, covey_lease **lease)
{
    return acquire(ctx, rl, name, lease, false);
}

int covey_redlock_try_acquire(covey_ctx *ctx, covey_redlock *rl, const char *name,
                              covey_lease **lease)
{
    return acquire(ctx, rl, name, lease, true);
}
