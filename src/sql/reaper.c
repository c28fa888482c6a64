/* SPDX-License-Identifier: MIT
 * reaper.c - closes idle connections that grew too old, while nobody uses the pool.
 *
 * A task of the root group, there only while there are idle connections whose time is limited.
 * Others take them last in, first out, so the oldest stand at the end of the list. */
#include "sql/pool.h"

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Takes out what is past its time; *next is when to look again. Ends the reaper if nothing is left.
 */
static struct cvy_sql_conn *take_expired(struct cvy_sql_pool *p, int64_t *next)
{
    const covey_db_options *o = &p->config.options;
    struct cvy_sql_conn *expired = NULL, **link = &p->idle;
    int64_t now = covey_now();

    *next = INT64_MAX;
    covey_mutex_lock(&p->mutex);
    while (*link) {
        struct cvy_sql_conn *c = *link;
        if (cvy_sql_is_expired_locked(p, c, now)) {
            *link = c->next;
            c->next = expired;
            expired = c;
            p->idle_count--;
            continue;
        }
        if (o->max_lifetime_ns > 0) {
            *next = earlier(*next, c->opened_at + o->max_lifetime_ns);
        }
        if (o->max_idle_time_ns > 0) {
            *next = earlier(*next, c->idle_since + o->max_idle_time_ns);
        }
        link = &c->next;
    }
    p->has_reaper = p->idle != NULL && !p->is_closed;
    covey_mutex_unlock(&p->mutex);
    return expired;
}

static int reap(covey_ctx *ctx, void *arg)
{
    struct cvy_sql_pool *p = arg;
    bool is_over = false;
    int64_t next;

    while (!is_over) {
        struct cvy_sql_conn *c = take_expired(p, &next);
        is_over = next == INT64_MAX;
        while (c) {
            struct cvy_sql_conn *following = c->next;
            cvy_sql_discard(p, c);
            c = following;
        }
        if (!is_over &&
            covey_select(ctx, COVEY_DONE(p->life), COVEY_AFTER(next - covey_now())) < 0) {
            covey_mutex_lock(&p->mutex);
            p->has_reaper = false;
            covey_mutex_unlock(&p->mutex);
            is_over = true;
        }
    }
    cvy_sql_pool_unref(p);
    return 0;
}

void cvy_sql_reaper_start(struct cvy_sql_pool *p)
{
    const covey_db_options *o = &p->config.options;
    bool is_wanted = false;

    if (o->max_lifetime_ns <= 0 && o->max_idle_time_ns <= 0) {
        return;
    }
    covey_mutex_lock(&p->mutex);
    if (!p->has_reaper && p->idle && !p->is_closed) {
        is_wanted = p->has_reaper = true;
    }
    covey_mutex_unlock(&p->mutex);
    if (!is_wanted) {
        return;
    }
    cvy_sql_pool_ref(p);
    if (covey_go(reap, p) < 0) { /* no runtime: then who takes a connection looks at its age */
        covey_mutex_lock(&p->mutex);
        p->has_reaper = false;
        covey_mutex_unlock(&p->mutex);
        cvy_sql_pool_unref(p);
    }
}
