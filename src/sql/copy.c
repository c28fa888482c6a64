/* SPDX-License-Identifier: MIT
 * copy.c - covey_db_copy_in() and covey_db_copy_out() (covey/db.h). */
#include "sql/pool.h"

static int take(covey_ctx *ctx, covey_db *db, const char *sql, bool has_end,
                struct cvy_sql_conn **conn)
{
    if (!db || !sql || !has_end) {
        return covey_errorf(-EINVAL, "no database, no statement or nothing to copy from or to");
    }
    if (!db->pool->backend->copy_in) {
        return covey_errorf(-ENOTSUP, "%s: has no COPY", db->pool->backend->name);
    }
    return cvy_sql_take(ctx, db, conn);
}

int64_t covey_db_copy_in(covey_ctx *ctx, covey_db *db, const char *sql,
                         covey_db_copy_source *source, void *arg)
{
    struct cvy_sql_conn *conn;
    int64_t n = take(ctx, db, sql, source != NULL, &conn);

    if (n == 0) {
        covey_wait_note note;
        cvy_sql_note(&note, sql);
        n = conn->backend->copy_in(ctx, conn, sql, source, arg);
        covey_wait_note_end(&note);
        cvy_sql_give(db, conn);
    }
    return n;
}

int64_t covey_db_copy_out(covey_ctx *ctx, covey_db *db, const char *sql, covey_db_copy_sink *sink,
                          void *arg)
{
    struct cvy_sql_conn *conn;
    int64_t n = take(ctx, db, sql, sink != NULL, &conn);

    if (n == 0) {
        covey_wait_note note;
        cvy_sql_note(&note, sql);
        n = conn->backend->copy_out(ctx, conn, sql, sink, arg);
        covey_wait_note_end(&note);
        cvy_sql_give(db, conn);
    }
    return n;
}
