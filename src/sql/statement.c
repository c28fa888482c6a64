/* SPDX-License-Identifier: MIT
 * statement.c - runs statements on a pool or a transaction (covey/db.h). */
#include "sql/rows.h"

#include <stdlib.h>

static int check(const covey_db *db, const char *sql, const covey_db_value *params, size_t n)
{
    if (!db || !sql || (!params && n > 0)) {
        return covey_errorf(-EINVAL, "no database, no statement or no parameters");
    }
    return 0;
}

int64_t covey_db_exec(covey_ctx *ctx, covey_db *db, const char *sql, const covey_db_value *params,
                      size_t n)
{
    struct cvy_sql_query q = {.sql = sql, .params = params, .n = n};
    struct cvy_sql_result result = {0};
    struct cvy_sql_conn *conn;
    int code = check(db, sql, params, n);

    code = code < 0 ? code : cvy_sql_take(ctx, db, &conn);
    if (code < 0) {
        return code;
    }
    covey_wait_note note;
    cvy_sql_note(&note, sql);
    code = conn->backend->start(ctx, conn, &q, &result);
    covey_wait_note_end(&note);
    cvy_sql_give(db, conn);
    int64_t affected = result.affected;
    cvy_sql_result_fini(&result);
    return code < 0 ? code : affected;
}

int covey_db_script(covey_ctx *ctx, covey_db *db, const char *sql)
{
    struct cvy_sql_conn *conn;
    int code = check(db, sql, NULL, 0);

    code = code < 0 ? code : cvy_sql_take(ctx, db, &conn);
    if (code < 0) {
        return code;
    }
    covey_wait_note note;
    cvy_sql_note(&note, sql);
    code = conn->backend->script(ctx, conn, sql);
    covey_wait_note_end(&note);
    cvy_sql_give(db, conn);
    return code;
}

/* With its statement started. Rows of a pool that are all here have given their connection back. */
static int open_rows(covey_ctx *ctx, covey_db *db, struct covey_rows **rows,
                     const struct cvy_sql_query *q, bool is_short)
{
    int code = check(db, q->sql, q->params, q->n);
    if (code < 0) {
        return code;
    }
    struct covey_rows *r = calloc(1, sizeof(*r));
    if (!r) {
        return covey_errorf(-ENOMEM, "out of memory");
    }
    r->db = db;
    r->result.wants_rows = true;
    r->result.is_short = is_short;
    code = cvy_sql_take(ctx, db, &r->conn);
    if (code < 0) {
        goto fail;
    }
    r->backend = r->conn->backend;
    covey_wait_note note;
    cvy_sql_note(&note, q->sql);
    code = r->backend->start(ctx, r->conn, q, &r->result);
    covey_wait_note_end(&note);
    if (code < 0) {
        cvy_sql_give(db, r->conn);
        goto fail;
    }
    if (db->conn) {
        db->rows = r;
    } else if (r->result.is_over) {
        cvy_sql_rows_detach(r);
    }
    *rows = r;
    return 0;
fail:
    cvy_sql_rows_free(r);
    return code;
}

int covey_db_query(covey_ctx *ctx, covey_db *db, covey_rows **rows, const char *sql,
                   const covey_db_value *params, size_t n)
{
    struct cvy_sql_query q = {.sql = sql, .params = params, .n = n};

    return open_rows(ctx, db, rows, &q, false);
}

int covey_db_query_row(covey_ctx *ctx, covey_db *db, covey_rows **row, const char *sql,
                       const covey_db_value *params, size_t n)
{
    struct cvy_sql_query q = {.sql = sql, .params = params, .n = n};
    struct covey_rows *r = NULL;
    int code = open_rows(ctx, db, &r, &q, true);

    if (code < 0) {
        return code;
    }
    cvy_sql_rows_detach(r);
    if (r->result.rows == 0) {
        cvy_sql_rows_free(r);
        return covey_errorf(COVEY_ENOROW, "no row");
    }
    r->result.rows = 1;
    r->next = 1;
    r->has_row = true;
    *row = r;
    return 0;
}
