/* SPDX-License-Identifier: MIT
 * sqlite.h - what the files of the SQLite back end share.
 *
 * SQLite is called on blocking threads only, by one at a time a connection, a batch of rows a hop.
 * A hop never waits: it returns a code that says what for, and the task waits under its context,
 * then hops again. So no thread is held by a lock, and the writers of this process take turns in
 * order. */
#ifndef CVY_SQL_SQLITE_H
#define CVY_SQL_SQLITE_H

#include "sql/backend.h"
#include "sql/cache.h"

#include <sqlite3.h>

/* What a hop may return besides 0 and failures. */
#define CVY_SQLITE_WANTS_WRITER 1 /* its turn to write */
#define CVY_SQLITE_IS_LOCKED 2    /* another process's lock */

struct cvy_sqlite_shared {
    const struct cvy_sql_config *config;
    covey_sem *writer; /* one permit */
};

struct cvy_sqlite_conn {
    struct cvy_sql_conn base;
    struct cvy_sqlite_shared *shared; /* immutable */
    sqlite3 *db;
    struct cvy_sql_cache cache;
    covey_ctx *ctx; /* of the present hop: ends it */
    bool holds_writer;
    uint64_t writing; /* for whom: covey_hold_begin(); 0: not told */

    /* Of the transaction. */
    bool is_read_only;
    bool is_lost; /* SQLite rolled it back by itself */

    /* Of the statement under way. */
    sqlite3_stmt *stmt;
    bool is_kept; /* in the cache */
    bool is_bound, has_rows;
    int64_t changes_before;
};

/* Runs a hop until it needs nothing more. */
int cvy_sqlite_run(covey_ctx *ctx, struct cvy_sqlite_conn *c, covey_fn *hop, void *arg);
/* Runs one that does not fail and cannot be put off. */
void cvy_sqlite_run_surely(covey_fn *hop, void *arg);
/* In a hop: whether the connection may write now. */
bool cvy_sqlite_try_write(struct cvy_sqlite_conn *c);
/* Lets the next writer on if this one is done; else tells whose turn it is. */
void cvy_sqlite_settle(struct cvy_sqlite_conn *c);
/* In a hop: the code of what SQLite said, with its words; may be CVY_SQLITE_IS_LOCKED. */
int cvy_sqlite_fail(struct cvy_sqlite_conn *c, int rc);
/* COVEY_ESQL, with its words. */
int cvy_sqlite_refuse_write(void);
/* In a hop: runs what stands in *sql, statement by statement; *sql moves behind what is done. */
int cvy_sqlite_script(struct cvy_sqlite_conn *c, const char **sql);

int cvy_sqlite_bind(struct cvy_sqlite_conn *c, const struct cvy_sql_query *q, bool is_borrowed);
/* False: out of memory. */
bool cvy_sqlite_read_row(sqlite3_stmt *stmt, struct cvy_sql_result *r);

/* The back end's functions. */
int cvy_sqlite_start(covey_ctx *ctx, struct cvy_sql_conn *conn, const struct cvy_sql_query *q,
                     struct cvy_sql_result *r);
int cvy_sqlite_fetch(covey_ctx *ctx, struct cvy_sql_conn *conn, struct cvy_sql_result *r);
void cvy_sqlite_finish(struct cvy_sql_conn *conn);
int cvy_sqlite_run_script(covey_ctx *ctx, struct cvy_sql_conn *conn, const char *sql);
int cvy_sqlite_begin(covey_ctx *ctx, struct cvy_sql_conn *conn, const covey_db_tx_options *opts);
int cvy_sqlite_commit(covey_ctx *ctx, struct cvy_sql_conn *conn);
void cvy_sqlite_rollback(struct cvy_sql_conn *conn);
int cvy_sqlite_batch(covey_ctx *ctx, struct cvy_sql_conn *conn, const covey_db_statement *list,
                     size_t n, struct cvy_sql_result **results);
/* In a hop: starts a statement and reads until its end or until r is full; may be
 * CVY_SQLITE_IS_LOCKED or CVY_SQLITE_WANTS_WRITER. */
int cvy_sqlite_start_here(covey_ctx *ctx, struct cvy_sqlite_conn *c, const struct cvy_sql_query *q,
                          struct cvy_sql_result *r);
/* In a hop, or before its first: gives up the statement under way. */
void cvy_sqlite_drop_statement(struct cvy_sqlite_conn *c);

static inline struct cvy_sqlite_conn *cvy_sqlite_conn_of(struct cvy_sql_conn *conn)
{
    return (struct cvy_sqlite_conn *)conn; /* its first member */
}

#endif
