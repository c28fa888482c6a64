/* SPDX-License-Identifier: MIT
 * budget.c - covey_retry_budget: retries as a share of first tries, for all callers of a target.
 *
 * A token bucket that calls fill more than time does: while a target answers, nearly every retry
 * is granted; once most calls fail, the load on it is at most 1 + per_call times the calls. */
#include <covey/retry.h>
#include <covey/sync.h>
#include <covey/time.h>

#include <stdlib.h>

struct covey_retry_budget {
    /* Immutable. */
    covey_retry_budget_options options; /* the defaults filled in */

    /* Guarded by lock. */
    covey_mutex lock;
    double tokens; /* 0 to options.burst */
    int64_t filled_at;
    uint64_t calls, granted, refused;
};

covey_retry_budget *covey_retry_budget_new(const covey_retry_budget_options *opts)
{
    covey_retry_budget_options o = opts ? *opts : (covey_retry_budget_options){0};

    if (!(o.per_call >= 0 && o.per_second >= 0 && o.burst >= 0)) {
        return NULL;
    }
    covey_retry_budget *budget = calloc(1, sizeof(*budget));
    if (!budget) {
        return NULL;
    }
    o.per_call = o.per_call > 0 ? o.per_call : COVEY_RETRY_BUDGET_RATIO;
    o.burst = o.burst > 0 ? o.burst : COVEY_RETRY_BUDGET_BURST;
    budget->options = o;
    budget->tokens = o.burst;
    budget->filled_at = covey_now();
    return budget;
}

void covey_retry_budget_free(covey_retry_budget *budget)
{
    free(budget);
}

static void add_locked(covey_retry_budget *budget, double tokens)
{
    int64_t now = covey_now();

    tokens += (double)(now - budget->filled_at) / (double)COVEY_SEC * budget->options.per_second;
    budget->filled_at = now;
    budget->tokens += tokens;
    if (budget->tokens > budget->options.burst) {
        budget->tokens = budget->options.burst;
    }
}

void covey_retry_budget_call(covey_retry_budget *budget)
{
    covey_mutex_lock(&budget->lock);
    add_locked(budget, budget->options.per_call);
    budget->calls++;
    covey_mutex_unlock(&budget->lock);
}

bool covey_retry_budget_take(covey_retry_budget *budget)
{
    covey_mutex_lock(&budget->lock);
    add_locked(budget, 0);
    /* Ten tenths sum up to a hair less than a whole. */
    bool granted = budget->tokens + 1e-6 >= 1;
    if (granted) {
        budget->tokens = budget->tokens > 1 ? budget->tokens - 1 : 0;
        budget->granted++;
    } else {
        budget->refused++;
    }
    covey_mutex_unlock(&budget->lock);
    return granted;
}

void covey_retry_budget_stats_of(covey_retry_budget *budget, covey_retry_budget_stats *stats)
{
    covey_mutex_lock(&budget->lock);
    add_locked(budget, 0);
    *stats = (covey_retry_budget_stats){
        .tokens = budget->tokens,
        .calls = budget->calls,
        .granted = budget->granted,
        .refused = budget->refused,
    };
    covey_mutex_unlock(&budget->lock);
}
