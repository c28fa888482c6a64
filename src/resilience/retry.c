/* SPDX-License-Identifier: MIT
 * retry.c - covey_retry: tries with pauses between them.
 *
 * The tries run in the caller, so there is nothing to join and no lock to hold. Each sees a child
 * of the caller's context that carries a cvy_attempt, by which it leaves its hint. Whether there
 * will be another try is decided before the pause: a caller never sleeps just to be told that its
 * time is over. */
#include "resilience/attempt.h"

#include <covey/debug.h>
#include <covey/retry.h>
#include <covey/task.h>
#include <covey/time.h>

#include <stdio.h>

#define WORDS_MAX 200

static const char attempt_key; /* its address is the key */

covey_ctx *cvy_attempt_ctx(covey_ctx *ctx, struct cvy_attempt *attempt)
{
    return covey_ctx_with_value(ctx, &attempt_key, attempt);
}

int cvy_attempt_code(int code)
{
    int plain = covey_plain_code(code);

    return plain != code && covey_errcode() == code ? covey_errorf(plain, "%s", covey_errmsg())
                                                    : plain;
}

void covey_retry_after(covey_ctx *ctx, int64_t ns)
{
    struct cvy_attempt *attempt = covey_ctx_value(ctx, &attempt_key);

    if (!attempt) {
        return;
    }
    int64_t seen = atomic_load_explicit(&attempt->after_ns, memory_order_relaxed);
    while (seen < ns &&
           !atomic_compare_exchange_weak_explicit(&attempt->after_ns, &seen, ns,
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
}

int covey_retry_attempt(covey_ctx *ctx)
{
    const struct cvy_attempt *attempt = covey_ctx_value(ctx, &attempt_key);
    return attempt ? attempt->number : 0;
}

/* ---- the policy ---- */

static covey_backoff with_defaults(const covey_backoff *policy)
{
    covey_backoff p = policy ? *policy : (covey_backoff){0};

    p.base_ns = p.base_ns ? p.base_ns : COVEY_RETRY_BASE_NS;
    p.cap_ns = p.cap_ns ? p.cap_ns : COVEY_RETRY_CAP_NS;
    p.factor = p.factor != 0 ? p.factor : COVEY_RETRY_FACTOR;
    p.max_tries = p.max_tries ? p.max_tries : COVEY_RETRY_TRIES;
    p.max_elapsed_ns = p.max_elapsed_ns ? p.max_elapsed_ns : COVEY_RETRY_FOREVER;
    return p;
}

static bool is_in_range(const covey_backoff *p)
{
    return p->base_ns > 0 && p->cap_ns > 0 && p->factor >= 1 && p->max_tries > 0 &&
           p->max_elapsed_ns > 0 && p->try_ns >= 0;
}

static int64_t pause_ns(const covey_backoff *p, int attempt, uint64_t random)
{
    /* In floating point nothing overflows; beyond this bound the jitter is as good as none. */
    const double bound_max = 1e18;
    double bound = (double)p->base_ns;

    for (int i = 1; i < attempt && bound < bound_max; i++) {
        double next = bound * p->factor;
        if (next == bound) {
            break; /* a factor of 1 */
        }
        bound = next;
    }
    bound = bound < bound_max ? bound : bound_max;
    int64_t drawn = (int64_t)(bound * ((double)(random >> 11) * 0x1p-53));
    return drawn < p->cap_ns ? drawn : p->cap_ns;
}

int64_t covey_backoff_pause(const covey_backoff *policy, int attempt, uint64_t random)
{
    covey_backoff p = with_defaults(policy);
    return pause_ns(&p, attempt, random);
}

/* splitmix64 over who asks and when: callers that failed together come back apart, and a test run
 * with its virtual clock repeats. */
static uint64_t random_bits(int attempt)
{
    uint64_t x = (uint64_t)covey_now() + UINT64_C(0x9E3779B97F4A7C15) * covey_task_id() +
                 UINT64_C(0xD1B54A32D192ED03) * (uint64_t)attempt;

    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    return x ^ (x >> 31);
}

/* ---- the loop ---- */

struct retrying {
    const covey_backoff *policy;
    covey_ctx *ctx; /* the caller's; done or not decides */
    int64_t last_start;
    struct cvy_attempt attempt;
};

static int64_t last_start_of(covey_ctx *ctx, const covey_backoff *p)
{
    int64_t now = covey_now(), at = INT64_MAX;

    if (covey_ctx_deadline(ctx, &at)) {
        at--; /* a try that starts at the deadline starts too late */
    }
    return p->max_elapsed_ns < at - now ? now + p->max_elapsed_ns : at;
}

static int try_once(covey_ctx *ctx, const covey_backoff *p, covey_fn *fn, void *arg)
{
    if (p->try_ns == 0) {
        return fn(ctx, arg);
    }
    static const covey_site site = {"try", "covey_backoff.try_ns", 0};
    covey_ctx *timed = covey_ctx_with_timeout_at(&site, ctx, p->try_ns);
    int code = fn(timed, arg);
    covey_ctx_unref(timed);
    return code;
}

/* Whether another try follows, and after how long. The budget comes last: it is asked only for
 * tries that would be made. */
static bool plan_next(struct retrying *r, int code, int64_t *wait_ns)
{
    const covey_backoff *p = r->policy;
    int number = r->attempt.number;

    if (covey_is_permanent(code) || number >= p->max_tries || covey_ctx_err(r->ctx) < 0 ||
        (p->is_worth && !p->is_worth(code, p->arg))) {
        return false;
    }
    int64_t hint = atomic_load_explicit(&r->attempt.after_ns, memory_order_relaxed);
    int64_t pause = pause_ns(p, number, random_bits(number));
    *wait_ns = pause > hint ? pause : hint;
    return *wait_ns <= r->last_start - covey_now() &&
           (!p->budget || covey_retry_budget_take(p->budget));
}

static int give_up(int code, int tries)
{
    code = cvy_attempt_code(code);
    return tries > 1 ? covey_wrapf(code, "after %d tries", tries) : code;
}

static int retry_loop(covey_ctx *ctx, struct retrying *r, covey_fn *fn, void *arg)
{
    const covey_backoff *p = r->policy;

    for (r->attempt.number = 1;; r->attempt.number++) {
        int64_t wait_ns;
        int code = try_once(ctx, p, fn, arg);

        if (code >= 0) {
            return code;
        }
        if (!plan_next(r, code, &wait_ns)) {
            return give_up(code, r->attempt.number);
        }
        if (p->on_retry) {
            p->on_retry(&(covey_retry_event){r->attempt.number, code, wait_ns}, p->arg);
        }
        atomic_store_explicit(&r->attempt.after_ns, 0, memory_order_relaxed);
        char words[WORDS_MAX]; /* of this failure: the sleep may have its own */
        (void)snprintf(words, sizeof(words), "%s",
                       covey_errcode() == code ? covey_errmsg() : covey_strerror(code));
        covey_wait_note note = {.what = "another try", .text = words};
        covey_wait_note_begin(&note);
        int err = covey_sleep(r->ctx, wait_ns);
        covey_wait_note_end(&note);
        if (err < 0) {
            return covey_wrapf(err, "after %d %s, the last: %s", r->attempt.number,
                               r->attempt.number == 1 ? "try" : "tries", words);
        }
    }
}

int covey_retry(covey_ctx *ctx, const covey_backoff *policy, covey_fn *fn, void *arg)
{
    covey_backoff p = with_defaults(policy);
    struct retrying r = {.policy = &p, .ctx = ctx};

    if (!is_in_range(&p)) {
        return covey_errorf(-EINVAL, "retry: a policy out of range");
    }
    int err = covey_sleep(ctx, 0); /* the words of a context that is done */
    if (err < 0) {
        return err;
    }
    covey_ctx *tries = cvy_attempt_ctx(ctx, &r.attempt);
    if (covey_ctx_err(tries) < 0 && covey_ctx_err(ctx) == 0) {
        covey_ctx_unref(tries);
        return covey_errorf(-ENOMEM, "retry");
    }
    r.last_start = last_start_of(ctx, &p);
    if (p.budget) {
        covey_retry_budget_call(p.budget);
    }
    err = retry_loop(tries, &r, fn, arg);
    covey_ctx_unref(tries);
    return err;
}
