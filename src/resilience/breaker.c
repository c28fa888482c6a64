/* SPDX-License-Identifier: MIT
 * breaker.c - covey_breaker: options, changes of state, looks at it. The calls: breaker_call.c. */
#include "resilience/breaker.h"

#include <covey/time.h>

#include <stdlib.h>
#include <string.h>

/* ---- options ---- */

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
    if (*b->options.name && !o.is_unlisted) {
        covey_metrics_register(&b->source, &cvy_breaker_metrics, b->options.name, b);
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

/* ---- changes of state ---- */

void cvy_breaker_change_locked(covey_breaker *b, covey_breaker_state to, int64_t now,
                               struct cvy_told *told)
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
static int64_t enter_locked(covey_breaker *b, struct cvy_told *told)
{
    int64_t now = covey_now();
    struct cvy_ticket ticket;

    while (cvy_ticket_expire(&b->tickets, now - b->options.ticket_ns, &ticket)) {
        b->stats.expired++;
        /* Nobody speaks for this trial any more: its place is free for another. */
        b->trials -= b->state == COVEY_BREAKER_HALF_OPEN && ticket.generation == b->generation;
    }
    if (b->state == COVEY_BREAKER_OPEN && now >= b->open_until) {
        cvy_breaker_change_locked(b, COVEY_BREAKER_HALF_OPEN, now, told);
    }
    cvy_window_roll(&b->window, now);
    return now;
}

int64_t cvy_breaker_enter(covey_breaker *b, struct cvy_told *told)
{
    told->len = 0;
    covey_mutex_lock(&b->lock);
    return enter_locked(b, told);
}

void cvy_breaker_leave(covey_breaker *b, const struct cvy_told *told)
{
    covey_mutex_unlock(&b->lock);
    for (int i = 0; b->options.on_change && i < told->len; i++) {
        b->options.on_change(&told->changes[i], b->options.arg);
    }
}

/* ---- looks, and hands ---- */

covey_breaker_state covey_breaker_state_of(covey_breaker *b)
{
    struct cvy_told told;

    (void)cvy_breaker_enter(b, &told);
    covey_breaker_state state = b->state;
    cvy_breaker_leave(b, &told);
    return state;
}

int64_t covey_breaker_retry_in(covey_breaker *b)
{
    struct cvy_told told;
    int64_t now = cvy_breaker_enter(b, &told);
    int64_t left = b->state == COVEY_BREAKER_OPEN ? b->open_until - now : 0;

    cvy_breaker_leave(b, &told);
    return left;
}

void covey_breaker_stats_of(covey_breaker *b, covey_breaker_stats *stats)
{
    struct cvy_told told;

    (void)cvy_breaker_enter(b, &told);
    *stats = b->stats;
    stats->state = b->state;
    stats->generation = b->generation;
    stats->window_calls = b->window.calls;
    stats->window_failures = b->window.failures;
    stats->in_flight = b->tickets.out;
    cvy_breaker_leave(b, &told);
}

static void set_state(covey_breaker *b, covey_breaker_state state)
{
    struct cvy_told told;
    int64_t now = cvy_breaker_enter(b, &told);

    if (b->state != state) {
        cvy_breaker_change_locked(b, state, now, &told);
    }
    cvy_breaker_leave(b, &told);
}

void covey_breaker_trip(covey_breaker *b)
{
    set_state(b, COVEY_BREAKER_OPEN);
}

void covey_breaker_reset(covey_breaker *b)
{
    set_state(b, COVEY_BREAKER_CLOSED);
}
