/* SPDX-License-Identifier: MIT
 * pool.h - the connections of a database: who may have one, and which are kept.
 *
 * A permit for each connection that may be in use lies in a channel: who waits for one does so in
 * order of arrival, under its context, and hears of the close. A connection is made only when none
 * is idle, by who has a permit, so there are never more than max_open. Idle ones are used last in,
 * first out, so that those too many for the load grow old and can go.
 *
 * A call holds a reference from before it waits until its connection is back. */
#ifndef CVY_SQL_POOL_H
#define CVY_SQL_POOL_H

#include "sql/backend.h"
#include "sql/metrics.h"

#include <stdatomic.h>

struct covey_db {
    /* Immutable. */
    struct cvy_sql_pool *pool;
    struct cvy_sql_conn *conn; /* a transaction's; NULL: this is the pool's handle */

    /* Of a transaction; used by one task at a time, but for the flag: who sets it uses conn. */
    atomic_bool is_busy;     /* acquire, release */
    bool is_deferred;        /* its task's end will see to it */
    bool has_ended;          /* only its memory is left, for that end */
    struct covey_rows *rows; /* open */
};

struct cvy_sql_pool {
    /* Immutable. */
    struct covey_db handle;
    struct cvy_sql_config config;
    const struct cvy_sql_backend *backend;
    void *shared;
    covey_chan *permits;
    covey_ctx *life; /* done once it is closed */

    atomic_int references; /* the handle's, and each call's: relaxed up, acq_rel down */
    atomic_int waiting;    /* relaxed: a figure */
    covey_histogram waits; /* of those that had to */
    covey_metrics_source source;

    covey_mutex mutex; /* guards the rest */
    struct cvy_sql_conn *idle;
    bool is_closed, has_reaper;
    covey_db_stats stats; /* idle, in_use and waiting apart */
    int idle_count, in_use;
};

/* A connection that works, for the caller alone, and a reference to the pool. May switch. */
int cvy_sql_pool_get(covey_ctx *ctx, struct cvy_sql_pool *p, struct cvy_sql_conn **conn);
/* Gives it back, or closes it: broken, not clean, too old, too many. May switch. */
void cvy_sql_pool_put(struct cvy_sql_pool *p, struct cvy_sql_conn *conn);

/* The connection for a call on db. -EBUSY: its transaction's is in use. */
int cvy_sql_take(covey_ctx *ctx, covey_db *db, struct cvy_sql_conn **conn);
void cvy_sql_give(covey_db *db, struct cvy_sql_conn *conn);

/* What a task waits for in a call of the back end, for dumps, which show the statement;
 * covey_wait_note_end(). */
static inline void cvy_sql_note(covey_wait_note *note, const char *sql)
{
    *note = (covey_wait_note){.what = "query", .text = sql};
    covey_wait_note_begin(note);
}

/* Starts the task that closes idle connections that grow old, if there is work for it. */
void cvy_sql_reaper_start(struct cvy_sql_pool *p);
/* Whether an idle connection is past its time, at time now; counts it. The mutex is held. */
bool cvy_sql_is_expired_locked(struct cvy_sql_pool *p, const struct cvy_sql_conn *c, int64_t now);
void cvy_sql_pool_ref(struct cvy_sql_pool *p);
void cvy_sql_pool_unref(struct cvy_sql_pool *p);
/* Closes a connection that is in no list. May switch. */
void cvy_sql_discard(struct cvy_sql_pool *p, struct cvy_sql_conn *c);

#endif
