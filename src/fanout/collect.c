/* SPDX-License-Identifier: MIT
 * collect.c - the task that brings results home: counts them, follows the policy, hands them over.
 *
 * Whether a job has ended is told by `ids`: what is not in it has ended, or is no job of this
 * fan-out's (its submit failed, after all), and a result of it is dropped. */
#include "fanout/fanout.h"

#include <stdlib.h>
#include <string.h>

enum { BATCH = 32 };

void cvy_fanout_fail_locked(struct covey_fanout *f, int code, const char *words)
{
    if (f->code == 0) {
        f->code = code;
        f->words = strdup(words);
    }
}

void cvy_fanout_settle_locked(struct covey_fanout *f, size_t n)
{
    f->open -= n;
    if (f->is_closed && f->open == 0) {
        covey_ctx_cancel(f->life);
    }
}

static void count_locked(struct covey_fanout *f, const covey_fanout_result *r)
{
    covey_fanout_stats *s = &f->stats;
    uint64_t *const by_end[] = {&s->done, &s->failed, &s->dead, &s->canceled, &s->lost};

    (*by_end[r->end])++;
    s->attempts += (uint64_t)r->attempts;
    s->failures += (uint64_t)r->failures;
    s->crashes += (uint64_t)r->crashes;
}

/* What the policy makes of it: whether the rest is cancelled. */
static bool judge_locked(struct covey_fanout *f, const covey_fanout_result *r)
{
    if (r->end == COVEY_FANOUT_DONE) {
        f->is_won = f->options.policy == COVEY_FIRST_SUCCESS;
        return f->is_won;
    }
    if (r->end == COVEY_FANOUT_CANCELED) {
        return false;
    }
    (void)covey_errorf(r->code, "job %llu \"%s\": %s", (unsigned long long)r->id, r->name,
                       r->message);
    cvy_fanout_fail_locked(f, r->code, covey_errmsg());
    return cvy_fanout_is_strict(f);
}

/* Takes r. */
static void hand_over(struct covey_fanout *f, covey_fanout_result *r)
{
    if (f->results && (covey_chan_try_send(f->results, &r) == 0 ||
                       covey_chan_send(f->reading, f->results, &r) == 0)) {
        return;
    }
    covey_fanout_result_free(r);
    covey_mutex_lock(&f->lock);
    f->stats.dropped += f->results != NULL;
    covey_mutex_unlock(&f->lock);
}

/* Takes r. */
static void bring_home(struct covey_fanout *f, covey_fanout_result *r)
{
    void *submitted_at;

    covey_mutex_lock(&f->lock);
    bool is_ours = covey_map_load_and_delete(f->ids, &r->id, sizeof(r->id), &submitted_at);
    bool is_over = false;
    if (is_ours) {
        count_locked(f, r);
        covey_histogram_add(&f->times, covey_now() - (int64_t)(uintptr_t)submitted_at);
        is_over = judge_locked(f, r);
    }
    covey_mutex_unlock(&f->lock);
    if (!is_ours) {
        covey_fanout_result_free(r);
        return;
    }
    if (is_over) {
        cvy_fanout_cancel(f, r->code < 0 ? r->code : 0);
    }
    hand_over(f, r);
    (void)covey_chan_try_send(f->permits, NULL);
    covey_mutex_lock(&f->lock);
    cvy_fanout_settle_locked(f, 1);
    covey_mutex_unlock(&f->lock);
}

static bool find_one(const void *key, size_t len, void *value, void *arg)
{
    (void)value;
    memcpy(arg, key, len);
    return false;
}

/* Those that the engine has lost end here. */
static void bring_home_the_lost(struct covey_fanout *f)
{
    covey_fanout_result lost = {
        .end = COVEY_FANOUT_LOST,
        .code = COVEY_ELOST,
        .message = "the engine has lost it",
    };

    while (covey_map_len(f->ids) > 0) {
        covey_map_range(f->ids, find_one, &lost.id);
        covey_fanout_result *r = covey_fanout_result_new(&lost);
        if (r) {
            bring_home(f, r);
        } else {
            (void)covey_sleep(NULL, cvy_fanout_pause(f->engine));
        }
    }
}

int cvy_fanout_collect(covey_ctx *ctx, void *arg)
{
    struct covey_fanout *f = arg;
    covey_fanout_result *batch[BATCH];

    while (covey_ctx_err(ctx) == 0) {
        int n = f->engine->ops->collect(ctx, f->engine, f->group, batch, BATCH);
        for (int i = 0; i < n; i++) {
            bring_home(f, batch[i]);
        }
        if (n == COVEY_ELOST) {
            cvy_fanout_lose(f);
        } else if (n < 0) {
            (void)covey_sleep(ctx, cvy_fanout_pause(f->engine));
        }
    }
    bring_home_the_lost(f);
    if (f->results) {
        (void)covey_chan_close(f->results);
    }
    return 0;
}
