/* SPDX-License-Identifier: MIT
 * guard.c - see guard.h. */
#include "http/guard.h"

#include <stdlib.h>
#include <string.h>

#define HOSTS_MAX 4096u           /* then those that are quiet are forgotten */
#define QUIET_NS (60 * COVEY_SEC) /* not used for so long */
#define NAME_MAX_LEN 320u

/* ---- one host ---- */

static void ref(void *value)
{
    struct cvy_http_guard *guard = value;

    (void)atomic_fetch_add_explicit(&guard->refs, 1, memory_order_relaxed);
}

void cvy_http_guard_unref(struct cvy_http_guard *guard)
{
    /* Release and acquire: who frees it sees what all others did with it. */
    if (guard && atomic_fetch_sub_explicit(&guard->refs, 1, memory_order_acq_rel) == 1) {
        covey_breaker_free(guard->breaker);
        covey_limiter_free(guard->limiter);
        covey_retry_budget_free(guard->budget);
        free(guard);
    }
}

static void unref(void *value)
{
    cvy_http_guard_unref(value);
}

static struct cvy_http_guard *make(const struct cvy_http_guards *g, const char *name)
{
    covey_breaker_options breaker = g->breaker;
    size_t size = strlen(name) + 1;
    struct cvy_http_guard *guard = calloc(1, sizeof(*guard) + size);

    if (!guard) {
        return NULL;
    }
    atomic_store_explicit(&guard->refs, 1, memory_order_relaxed);
    memcpy(guard->name, name, size);
    breaker.name = guard->name;
    breaker.is_unlisted = g->client_name[0] == '\0';
    guard->breaker = g->has_breaker ? covey_breaker_new(&breaker) : NULL;
    guard->limiter = g->burst > 0 ? covey_limiter_new(g->per_second, g->burst) : NULL;
    if (guard->limiter && g->client_name[0]) {
        (void)covey_limiter_set_name(guard->limiter, name); /* out of memory: it is not shown */
    }
    guard->budget = covey_retry_budget_new(&g->budget);
    if ((g->has_breaker && !guard->breaker) || (g->burst > 0 && !guard->limiter) ||
        !guard->budget) {
        cvy_http_guard_unref(guard);
        return NULL;
    }
    return guard;
}

int cvy_http_guard_enter(covey_ctx *ctx, struct cvy_http_guard *guard, uint64_t *ticket)
{
    /* Nobody waits for his turn to be refused. */
    bool is_open = guard->breaker && covey_breaker_retry_in(guard->breaker) > 0;

    if (guard->limiter && !is_open) {
        int code = covey_limiter_wait(ctx, guard->limiter, 1);
        if (code < 0) {
            return covey_wrapf(code, "limit of %s", guard->name);
        }
    }
    return guard->breaker ? covey_breaker_allow(guard->breaker, ticket) : 0;
}

/* Failures that say nothing about the host. */
static bool is_local(int code)
{
    return code == -EINVAL || code == -ENOMEM || code == -EMFILE || code == -ENFILE ||
           code == COVEY_ETOOLARGE || code == COVEY_ECANCELED;
}

void cvy_http_guard_leave(struct cvy_http_guard *guard, uint64_t ticket, int code, int status,
                          bool is_callers)
{
    if (!guard->breaker) {
        return;
    }
    if (code < 0 && (is_callers || is_local(code))) {
        code = COVEY_ECANCELED; /* which a breaker ignores */
    } else if (code == 0 && status >= 500) {
        code = -EREMOTEIO;
    }
    covey_breaker_report(guard->breaker, ticket, code);
}

/* ---- all of a client's ---- */

static bool is_in_range(const struct cvy_http_guards *g)
{
    covey_breaker_options trial = g->breaker;

    trial.is_unlisted = true;
    covey_breaker *breaker = g->has_breaker ? covey_breaker_new(&trial) : NULL;
    covey_limiter *limiter = g->burst > 0 ? covey_limiter_new(g->per_second, g->burst) : NULL;
    covey_retry_budget *budget = covey_retry_budget_new(&g->budget);
    bool fits = budget && (breaker || !g->has_breaker) && (limiter || g->burst <= 0) &&
                g->burst >= 0 && (g->per_second == 0 || g->burst > 0) &&
                g->hedge.max_attempts >= 0 && g->hedge.max_attempts <= COVEY_HTTP_HEDGES_MAX;

    covey_breaker_free(breaker);
    covey_limiter_free(limiter);
    covey_retry_budget_free(budget);
    return fits;
}

static void copy_options(struct cvy_http_guards *g, const covey_http_guards *options)
{
    g->is_set = true;
    if (options->retry) {
        g->has_retry = true;
        g->retry = *options->retry;
    }
    if (options->budget) {
        g->budget = *options->budget;
    }
    if (options->hedge) {
        g->has_hedge = true;
        g->hedge = *options->hedge;
    }
    if (options->breaker) {
        g->has_breaker = true;
        g->breaker = *options->breaker;
        g->breaker.name = NULL;
    }
    g->per_second = options->per_second;
    g->burst = options->burst;
}

int cvy_http_guards_init(struct cvy_http_guards *g, const covey_http_guards *options,
                         const char *client_name)
{
    const covey_map_options counted = {.value_ref = ref, .value_unref = unref};

    if (!options) {
        return 0;
    }
    g->client_name = client_name;
    g->sweep_len = HOSTS_MAX;
    copy_options(g, options);
    if (!is_in_range(g)) {
        return -EINVAL;
    }
    g->hosts = covey_map_new(&counted);
    return g->hosts ? 0 : -ENOMEM;
}

void cvy_http_guards_fini(struct cvy_http_guards *g)
{
    covey_map_free(g->hosts);
}

static bool forget_if_quiet(const void *key, size_t len, void *value, void *arg)
{
    struct cvy_http_guards *g = arg;
    struct cvy_http_guard *guard = value;
    int64_t quiet = covey_now() - atomic_load_explicit(&guard->used_at, memory_order_relaxed);
    bool has_news =
        guard->breaker && covey_breaker_state_of(guard->breaker) != COVEY_BREAKER_CLOSED;

    if (quiet > QUIET_NS && !has_news &&
        !atomic_load_explicit(&guard->is_pinned, memory_order_relaxed)) {
        (void)covey_map_compare_and_delete(g->hosts, key, len, guard);
    }
    return true;
}

/* Looks again only once there are twice as many as are left. Without the mutex: a breaker may tell
 * the user that it is half-open now. */
static void sweep(struct cvy_http_guards *g)
{
    size_t len = covey_map_len(g->hosts);
    size_t due = atomic_load_explicit(&g->sweep_len, memory_order_relaxed);

    /* Who changes it sweeps, alone; relaxed: it guards nothing. */
    if (len < due ||
        !atomic_compare_exchange_strong_explicit(&g->sweep_len, &due, SIZE_MAX,
                                                 memory_order_relaxed, memory_order_relaxed)) {
        return;
    }
    covey_map_range(g->hosts, forget_if_quiet, g);
    len = 2 * covey_map_len(g->hosts);
    atomic_store_explicit(&g->sweep_len, len > HOSTS_MAX ? len : HOSTS_MAX, memory_order_relaxed);
}

/* A guard that was not there. With the mutex, so that there are never two of a host. */
static struct cvy_http_guard *add_locked(struct cvy_http_guards *g, const char *key, size_t len)
{
    char name[2 * NAME_MAX_LEN];

    (void)snprintf(name, sizeof(name), "%.300s%s%s", g->client_name, g->client_name[0] ? "/" : "",
                   key);
    struct cvy_http_guard *guard = make(g, name);
    if (!guard) {
        return NULL;
    }
    atomic_store_explicit(&guard->used_at, covey_now(), memory_order_relaxed);
    ref(guard); /* the map's */
    if (covey_map_store(g->hosts, key, len, guard) < 0) {
        cvy_http_guard_unref(guard);
        cvy_http_guard_unref(guard);
        return NULL;
    }
    return guard;
}

struct cvy_http_guard *cvy_http_guards_find(struct cvy_http_guards *g,
                                            const struct cvy_http_location *l)
{
    char key[NAME_MAX_LEN];
    void *found = NULL;
    size_t len = cvy_http_location_key(l, key, sizeof(key));

    if (!covey_map_load(g->hosts, key, len, &found)) {
        covey_mutex_lock(&g->mutex);
        if (!covey_map_load(g->hosts, key, len, &found)) {
            found = add_locked(g, key, len);
        }
        covey_mutex_unlock(&g->mutex);
        sweep(g);
    }
    struct cvy_http_guard *guard = found;
    if (guard) {
        atomic_store_explicit(&guard->used_at, covey_now(), memory_order_relaxed);
    }
    return guard;
}
