/* SPDX-License-Identifier: MIT
 * breaker.c - covey_breaker: closed, open, half-open.
 *
 * Each change of state begins a generation. A ticket remembers its own, and counts only while that
 * lasts: so the window holds outcomes of this closed period alone, and the row of successes and the
 * number of trials under way those of this half-open one. Nothing runs in the background: the end
 * of a sleep and the expiry of tickets are seen by whoever comes next.
 *
 * A change is noted under the lock and told after it: `told` carries it out of the locked part. */
#include "resilience/tickets.h"
#include "resilience/window.h"

#include <covey/breaker.h>
#include <covey/metrics.h>
#include <covey/sync.h>
#include <covey/time.h>

#include <stdlib.h>
#include <string.h>

struct covey_breaker {
    /* Immutable. */
    covey_breaker_options options; /* the defaults filled in; name is owned */

    /* Guarded by lock. */
    covey_mutex lock;
    covey_breaker_state state;
    uint64_t generation;
    int64_t open_until;         /* while open */
    int trials, row;            /* while half-open: calls under way, successes in a row */
    struct cvy_window window;   /* while closed */
    struct cvy_tickets tickets; /* of all generations */
    covey_breaker_stats stats;  /* the counters alone */

    covey_metrics_source source; /* the registry's; registered if it has a name */
};

/* ---- metrics -----------------------------------------------------------------------------------
 */

static const covey_metric metrics[] = {
    {"covey_breaker_state", "0 closed, 1 open, 2 half-open.", NULL, true, 0},
    {"covey_breaker_in_flight_calls", "Calls let through that have no outcome yet.", NULL, true, 0},
    {"covey_breaker_calls_total", "Calls, by outcome.", "outcome=\"succeeded\"", false, 0},
    {"covey_breaker_calls_total", NULL, "outcome=\"failed\"", false, 0},
    {"covey_breaker_calls_total", NULL, "outcome=\"ignored\"", false, 0},
    {"covey_breaker_calls_total", NULL, "outcome=\"refused\"", false, 0},
    {"covey_breaker_slow_calls_total", "Failed calls that were slow successes.", NULL, false, 0},
    {"covey_breaker_opened_total", "Times it opened.", NULL, false, 0},
};

/* Looks only: a change of state would be told to the user from within covey_metrics_write(). */
static void read_metrics(void *object, int64_t *values)
{
    covey_breaker *b = object;

    covey_mutex_lock(&b->lock);
    const covey_breaker_stats *s = &b->stats;
    bool is_over = b->state == COVEY_BREAKER_OPEN && covey_now() >= b->open_until;
    *values++ = is_over ? COVEY_BREAKER_HALF_OPEN : b->state;
    *values++ = b->tickets.out;
    *values++ = (int64_t)s->succeeded;
    *values++ = (int64_t)s->failed;
    *values++ = (int64_t)s->ignored;
    *values++ = (int64_t)s->refused;
    *values++ = (int64_t)s->slow;
    *values = (int64_t)s->opened;
    covey_mutex_unlock(&b->lock);
}

static const covey_metrics_kind breakers = {"breaker", metrics, sizeof(metrics) / sizeof(*metrics),
                                            read_metrics};

/* ---- options -----------------------------------------------------------------------------------
 */

static void use_defaults(covey_breaker_options *o)
{
    o->name = o->name ? o->name : "";
    o->failure_percent = o->failure_percent ? o->failure_percent : COVEY_BREAKER_FAILURE_PERCENT;
    o->min_calls = o->min_calls ? o->min_calls : COVEY_BREAKER_MIN_CALLS;
    o->window_ns = o->window_ns ? o->window_ns : COVEY_BREAKER_WINDOW_NS;
    o->open_ns = o->open_ns ? o->open_ns : COVEY_BREAKER_OPEN_NS;
    o->close_after = o->close_after ? o->close_after : COVEY_BREAKER_CLOSE_AFTER;
    o->trials = o->trials ? o->trials : COVEY_BREAKER_TRIALS;
    o->ticket_ns = o->ticket_ns ? o->ticket_ns : COVEY_BREAKER_TICKET_NS;
}

static bool is_in_range(const covey_breaker_options *o)
{
    return o->failure_percent > 0 && o->failure_percent < 100 && o->min_calls > 0 &&
           o->window_ns >= COVEY_US && o->open_ns > 0 && o->close_after > 0 && o->trials > 0 &&
           o->slow_ns >= 0 && o->ticket_ns > 0;
}

covey_breaker *covey_breaker_new(const covey_breaker_options *opts)
{
    covey_breaker_options o = opts ? *opts : (covey_breaker_options){0};

    use_defaults(&o);
    covey_breaker *b = is_in_range(&o) ? calloc(1, sizeof(*b)) : NULL;
    if (!b) {
        return NULL;
    }
    b->options = o;
    b->options.name = strdup(o.name);
    if (!b->options.name) {
        free(b);
        return NULL;
    }
    b->window.bucket_ns = (o.window_ns + COVEY_BREAKER_BUCKETS - 1) / COVEY_BREAKER_BUCKETS;
    if (o.name[0]) {
        covey_metrics_register(&b->source, &breakers, b->options.name, b);
    }
    return b;
}

void covey_breaker_free(covey_breaker *b)
{
    if (b) {
        covey_metrics_unregister(&b->source);
        cvy_tickets_fini(&b->tickets);
        free((char *)b->options.name);
        free(b);
    }
}

const char *covey_breaker_state_name(covey_breaker_state state)
{
    static const char *const names[] = {"closed", "open", "half-open"};
    return (size_t)state < sizeof(names) / sizeof(names[0]) ? names[state] : "unknown";
}

/* ---- changes of state --------------------------------------------------------------------------
 */

/* At most two in one step: a sleep that ends, and what the call does then. */
struct told {
    covey_breaker_change changes[2];
    int len;
};

static void change_locked(covey_breaker *b, covey_breaker_state to, int64_t now, struct told *told)
{
    told->changes[told->len++] = (covey_breaker_change){
        .name = b->options.name,
        .from = b->state,
        .to = to,
        .generation = ++b->generation,
        .at_ns = now,
        .calls = b->window.calls,
        .failures = b->window.failures,
    };
    b->state = to;
    b->trials = b->row = 0;
    cvy_window_clear(&b->window);
    if (to == COVEY_BREAKER_OPEN) {
        b->open_until = now + b->options.open_ns;
        b->stats.opened++;
    }
}

/* What time alone has brought about. Each call here begins with it. */
static int64_t enter_locked(covey_breaker *b, struct told *told)
{
    int64_t now = covey_now();
    struct cvy_ticket ticket;

    while (cvy_ticket_expire(&b->tickets, now - b->options.ticket_ns, &ticket)) {
        b->stats.expired++;
        /* Nobody speaks for this trial any more: its place is free for another. */
        b->trials -= b->state == COVEY_BREAKER_HALF_OPEN && ticket.generation == b->generation;
    }
    if (b->state == COVEY_BREAKER_OPEN && now >= b->open_until) {
        change_locked(b, COVEY_BREAKER_HALF_OPEN, now, told);
    }
    cvy_window_roll(&b->window, now);
    return now;
}

static int64_t enter(covey_breaker *b, struct told *told)
{
    told->len = 0;
    covey_mutex_lock(&b->lock);
    return enter_locked(b, told);
}

static void leave(covey_breaker *b, const struct told *told)
{
    covey_mutex_unlock(&b->lock);
    for (int i = 0; b->options.on_change && i < told->len; i++) {
        b->options.on_change(&told->changes[i], b->options.arg);
    }
}

/* ---- calls -------------------------------------------------------------------------------------
 */

static int allow_locked(covey_breaker *b, int64_t now, uint64_t *ticket)
{
    bool is_trial = b->state == COVEY_BREAKER_HALF_OPEN;

    if (b->state == COVEY_BREAKER_OPEN || (is_trial && b->trials >= b->options.trials)) {
        b->stats.refused++;
        return COVEY_EOPEN;
    }
    uint64_t id = cvy_ticket_issue(&b->tickets, b->generation, now);
    if (!id) {
        return -ENOMEM;
    }
    b->trials += is_trial;
    b->stats.allowed++;
    *ticket = id;
    return 0;
}

int covey_breaker_allow(covey_breaker *b, uint64_t *ticket)
{
    struct told told;
    int64_t now = enter(b, &told);
    int err = allow_locked(b, now, ticket);

    leave(b, &told);
    if (err == 0) {
        return 0;
    }
    return b->options.name[0] ? covey_errorf(err, "%s: %s", b->options.name, covey_strerror(err))
                              : covey_errorf(err, "%s", covey_strerror(err));
}

static covey_outcome classify(const covey_breaker *b, int code)
{
    code = covey_plain_code(code);
    if (b->options.classify) {
        return b->options.classify(code, b->options.arg);
    }
    if (code == COVEY_ECANCELED) {
        return COVEY_OUTCOME_IGNORED;
    }
    return code >= 0 ? COVEY_OUTCOME_SUCCESS : COVEY_OUTCOME_FAILURE;
}

static void count_closed_locked(covey_breaker *b, bool failed, int64_t now, struct told *told)
{
    const struct cvy_window *w = &b->window;

    cvy_window_count(&b->window, now, failed);
    if (w->calls >= (uint32_t)b->options.min_calls &&
        w->failures * UINT64_C(100) > w->calls * (uint64_t)b->options.failure_percent) {
        change_locked(b, COVEY_BREAKER_OPEN, now, told);
    }
}

static void count_half_open_locked(covey_breaker *b, bool failed, int64_t now, struct told *told)
{
    if (failed) {
        change_locked(b, COVEY_BREAKER_OPEN, now, told);
    } else if (++b->row >= b->options.close_after) {
        change_locked(b, COVEY_BREAKER_CLOSED, now, told);
    }
}

static void count_locked(covey_breaker *b, covey_outcome outcome, int64_t took_ns, int64_t now,
                         struct told *told)
{
    bool is_slow =
        outcome == COVEY_OUTCOME_SUCCESS && b->options.slow_ns > 0 && took_ns > b->options.slow_ns;
    bool failed = is_slow || outcome == COVEY_OUTCOME_FAILURE;
    bool is_trial = b->state == COVEY_BREAKER_HALF_OPEN;

    b->trials -= is_trial;
    if (outcome == COVEY_OUTCOME_IGNORED) {
        b->stats.ignored++;
        return;
    }
    b->stats.slow += is_slow;
    b->stats.failed += failed;
    b->stats.succeeded += !failed;
    if (is_trial) {
        count_half_open_locked(b, failed, now, told);
    } else {
        count_closed_locked(b, failed, now, told);
    }
}

void covey_breaker_report(covey_breaker *b, uint64_t id, int code)
{
    covey_outcome outcome = classify(b, code); /* the user's, so before the lock */
    struct cvy_ticket ticket;
    struct told told;
    int64_t now = enter(b, &told);

    /* Of this generation: the state is the one in which it was issued. */
    if (cvy_ticket_redeem(&b->tickets, id, &ticket) && ticket.generation == b->generation) {
        count_locked(b, outcome, now - ticket.issued_at, now, &told);
    } else {
        b->stats.discarded++;
    }
    leave(b, &told);
}

int covey_breaker_do(covey_ctx *ctx, covey_breaker *b, covey_fn *fn, void *arg)
{
    uint64_t ticket;
    int err = covey_sleep(ctx, 0); /* the words of a context that is done */

    if (err == 0) {
        err = covey_breaker_allow(b, &ticket);
    }
    if (err < 0) {
        return err;
    }
    int code = fn(ctx, arg);
    covey_breaker_report(b, ticket, code);
    return code;
}

/* ---- looks, and hands --------------------------------------------------------------------------
 */

covey_breaker_state covey_breaker_state_of(covey_breaker *b)
{
    struct told told;

    (void)enter(b, &told);
    covey_breaker_state state = b->state;
    leave(b, &told);
    return state;
}

int64_t covey_breaker_retry_in(covey_breaker *b)
{
    struct told told;
    int64_t now = enter(b, &told);
    int64_t left = b->state == COVEY_BREAKER_OPEN ? b->open_until - now : 0;

    leave(b, &told);
    return left;
}

void covey_breaker_stats_of(covey_breaker *b, covey_breaker_stats *stats)
{
    struct told told;

    (void)enter(b, &told);
    *stats = b->stats;
    stats->state = b->state;
    stats->generation = b->generation;
    stats->window_calls = b->window.calls;
    stats->window_failures = b->window.failures;
    stats->in_flight = b->tickets.out;
    leave(b, &told);
}

static void set_state(covey_breaker *b, covey_breaker_state state)
{
    struct told told;
    int64_t now = enter(b, &told);

    if (b->state != state) {
        change_locked(b, state, now, &told);
    }
    leave(b, &told);
}

void covey_breaker_trip(covey_breaker *b)
{
    set_state(b, COVEY_BREAKER_OPEN);
}

void covey_breaker_reset(covey_breaker *b)
{
    set_state(b, COVEY_BREAKER_CLOSED);
}
