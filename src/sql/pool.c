/* SPDX-License-Identifier: MIT
 * pool.c - see pool.h. */
#include "sql/pool.h"

#include <stdio.h>
#include <stdlib.h>

void cvy_sql_pool_ref(struct cvy_sql_pool *p)
{
    atomic_fetch_add_explicit(&p->references, 1, memory_order_relaxed);
}

void cvy_sql_pool_unref(struct cvy_sql_pool *p)
{
    /* Acquire, release: whatever others did with it happens before its end. */
    if (atomic_fetch_sub_explicit(&p->references, 1, memory_order_acq_rel) > 1) {
        return;
    }
    if (p->shared) {
        p->backend->unshare(p->shared);
    }
    covey_chan_unref(p->permits);
    covey_ctx_unref(p->life);
    free((char *)p->config.options.init);
    free((char *)p->config.options.name);
    free(p->config.target);
    free(p);
}

void cvy_sql_discard(struct cvy_sql_pool *p, struct cvy_sql_conn *c)
{
    p->backend->disconnect(c);
    covey_mutex_lock(&p->mutex);
    p->stats.open--;
    covey_mutex_unlock(&p->mutex);
}

bool cvy_sql_is_expired_locked(struct cvy_sql_pool *p, const struct cvy_sql_conn *c, int64_t now)
{
    const covey_db_options *o = &p->config.options;

    if (o->max_lifetime_ns > 0 && now - c->opened_at >= o->max_lifetime_ns) {
        p->stats.closed_lifetime++;
        return true;
    }
    if (o->max_idle_time_ns > 0 && now - c->idle_since >= o->max_idle_time_ns) {
        p->stats.closed_idle++;
        return true;
    }
    return false;
}

/* ---- taking ---- */

static const char *name_of(const struct cvy_sql_pool *p)
{
    return p->config.options.name ? p->config.options.name : p->backend->name;
}

struct permit_note {
    covey_wait_note note; /* first */
    const struct cvy_sql_pool *pool;
};

static void describe_permit(const covey_wait_note *note, char *out, size_t size)
{
    const struct cvy_sql_pool *p = ((const struct permit_note *)note)->pool;

    (void)snprintf(out, size, "%s: all %d are in use", name_of(p), p->config.options.max_open);
}

static int receive_permit(covey_ctx *ctx, struct cvy_sql_pool *p)
{
    struct permit_note n = {.note = {.what = "database connection",
                                     .describe = describe_permit,
                                     .object = p,
                                     .shares = (size_t)p->config.options.max_open},
                            .pool = p};

    covey_wait_note_begin(&n.note);
    int code = covey_chan_recv(ctx, p->permits, NULL);
    covey_wait_note_end(&n.note);
    return code;
}

static int wait_for_permit(covey_ctx *ctx, struct cvy_sql_pool *p)
{
    /* Not before those who wait: while one does, there is no permit to be had. */
    int code = covey_ctx_err(ctx) < 0 ? COVEY_EAGAIN : covey_chan_try_recv(p->permits, NULL);

    if (code == COVEY_EAGAIN) {
        int64_t since = covey_now();
        atomic_fetch_add_explicit(&p->waiting, 1, memory_order_relaxed);
        code = receive_permit(ctx, p);
        atomic_fetch_sub_explicit(&p->waiting, 1, memory_order_relaxed);
        covey_mutex_lock(&p->mutex);
        p->stats.waits++;
        p->stats.waited_ns += covey_now() - since;
        covey_mutex_unlock(&p->mutex);
        covey_histogram_add(&p->waits, covey_now() - since);
    }
    if (code == COVEY_ECLOSED) {
        return covey_errorf(code, "database is closed");
    }
    return code < 0 ? covey_wrapf(code, "wait for a connection") : 0;
}

static struct cvy_sql_conn *pop_idle(struct cvy_sql_pool *p, bool *is_expired)
{
    covey_mutex_lock(&p->mutex);
    struct cvy_sql_conn *c = p->idle;
    if (c) {
        p->idle = c->next;
        p->idle_count--;
        *is_expired = cvy_sql_is_expired_locked(p, c, covey_now());
    }
    covey_mutex_unlock(&p->mutex);
    return c;
}

static void push_idle_locked(struct cvy_sql_pool *p, struct cvy_sql_conn *c)
{
    c->next = p->idle;
    p->idle = c;
    p->idle_count++;
}

static bool is_well(covey_ctx *ctx, struct cvy_sql_pool *p, struct cvy_sql_conn *c)
{
    int64_t after = p->config.options.check_after_ns;
    bool is_asking = after >= 0 && covey_now() - c->idle_since >= after;

    return p->backend->is_usable(ctx, c, is_asking);
}

/* After is_well() said no: whether c was put back, since it was the context's end that kept it from
 * being asked. */
static bool put_back(covey_ctx *ctx, struct cvy_sql_pool *p, struct cvy_sql_conn *c)
{
    bool is_whole = covey_ctx_err(ctx) < 0 && !c->is_broken && p->backend->is_clean(c);

    covey_mutex_lock(&p->mutex);
    bool is_kept = is_whole && !p->is_closed;
    if (is_kept) {
        push_idle_locked(p, c);
    }
    p->stats.closed_broken += !is_whole;
    covey_mutex_unlock(&p->mutex);
    return is_kept;
}

static int make_one(covey_ctx *ctx, struct cvy_sql_pool *p, struct cvy_sql_conn **conn)
{
    covey_ctx *limited = covey_ctx_with_timeout(ctx, p->config.options.connect_timeout_ns);
    covey_wait_note note = {.what = "new database connection", .text = name_of(p)};
    covey_wait_note_begin(&note);
    int code = p->backend->connect(limited, p->shared, conn);
    covey_wait_note_end(&note);

    if (code == COVEY_EDEADLINE && covey_ctx_err(ctx) == 0) {
        code = covey_errorf(-ETIMEDOUT, "%s: no connection in time", p->backend->name);
    }
    covey_ctx_unref(limited);
    if (code == 0) {
        (*conn)->opened_at = covey_now();
        covey_mutex_lock(&p->mutex);
        p->stats.open++;
        p->stats.opened++;
        covey_mutex_unlock(&p->mutex);
    }
    return code;
}

/* With a permit. */
static int find_or_make(covey_ctx *ctx, struct cvy_sql_pool *p, struct cvy_sql_conn **conn)
{
    struct cvy_sql_conn *c;
    bool is_expired = false;

    while ((c = pop_idle(p, &is_expired)) != NULL) {
        if (!is_expired && is_well(ctx, p, c)) {
            *conn = c;
            return 0;
        }
        if (!is_expired && put_back(ctx, p, c)) {
            break; /* and what follows says so */
        }
        cvy_sql_discard(p, c);
    }
    return make_one(ctx, p, conn);
}

int cvy_sql_pool_get(covey_ctx *ctx, struct cvy_sql_pool *p, struct cvy_sql_conn **conn)
{
    cvy_sql_pool_ref(p);
    int code = wait_for_permit(ctx, p);
    if (code < 0) {
        goto fail;
    }
    covey_mutex_lock(&p->mutex);
    bool is_closed = p->is_closed;
    p->in_use += !is_closed;
    covey_mutex_unlock(&p->mutex);
    if (is_closed) {
        code = covey_errorf(COVEY_ECLOSED, "database is closed");
        goto fail;
    }
    code = find_or_make(ctx, p, conn);
    if (code == 0) {
        (*conn)->holder = covey_hold_begin(p);
        return 0;
    }
    covey_mutex_lock(&p->mutex);
    p->in_use--;
    covey_mutex_unlock(&p->mutex);
    (void)covey_chan_try_send(p->permits, NULL);
fail:
    cvy_sql_pool_unref(p);
    return code;
}

/* ---- giving back ---- */

/* Whether c was kept. */
static bool keep(struct cvy_sql_pool *p, struct cvy_sql_conn *c, bool is_good)
{
    bool is_kept = false;

    covey_mutex_lock(&p->mutex);
    if (!is_good) {
        p->stats.closed_broken++;
    } else if (!p->is_closed) {
        c->idle_since = covey_now();
        if (!cvy_sql_is_expired_locked(p, c, c->idle_since)) {
            is_kept = p->idle_count < p->config.options.max_idle;
            p->stats.closed_idle += !is_kept;
        }
    }
    if (is_kept) {
        push_idle_locked(p, c);
    }
    covey_mutex_unlock(&p->mutex);
    return is_kept;
}

void cvy_sql_pool_put(struct cvy_sql_pool *p, struct cvy_sql_conn *conn)
{
    bool is_good = !conn->is_broken && p->backend->is_clean(conn);

    covey_hold_end(p, conn->holder);

    if (!keep(p, conn, is_good)) {
        cvy_sql_discard(p, conn);
    }
    covey_mutex_lock(&p->mutex);
    p->in_use--;
    bool is_closed = p->is_closed;
    covey_mutex_unlock(&p->mutex);
    if (!is_closed) { /* a failure to send would take the place of the caller's message */
        (void)covey_chan_try_send(p->permits, NULL);
    }
    cvy_sql_reaper_start(p);
    cvy_sql_pool_unref(p);
}

int cvy_sql_take(covey_ctx *ctx, covey_db *db, struct cvy_sql_conn **conn)
{
    if (!db->conn) {
        return cvy_sql_pool_get(ctx, db->pool, conn);
    }
    /* Acquire: pairs with the release of who used it last. */
    if (atomic_exchange_explicit(&db->is_busy, true, memory_order_acquire)) {
        return covey_errorf(-EBUSY, "%s: the transaction is in use, or has open rows",
                            db->pool->backend->name);
    }
    *conn = db->conn;
    return 0;
}

void cvy_sql_give(covey_db *db, struct cvy_sql_conn *conn)
{
    if (db->conn) {
        atomic_store_explicit(&db->is_busy, false, memory_order_release);
    } else {
        cvy_sql_pool_put(db->pool, conn);
    }
}

void covey_db_stats_get(covey_db *db, covey_db_stats *out)
{
    struct cvy_sql_pool *p = db->pool;

    covey_mutex_lock(&p->mutex);
    *out = p->stats;
    out->idle = p->idle_count;
    out->in_use = p->in_use;
    covey_mutex_unlock(&p->mutex);
    out->max_open = p->config.options.max_open;
    out->waiting = atomic_load_explicit(&p->waiting, memory_order_relaxed);
}
