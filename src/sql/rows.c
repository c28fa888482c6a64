/* SPDX-License-Identifier: MIT
 * rows.c - goes through a statement's rows (covey/db.h). */
#include "sql/rows.h"

#include <stdio.h>
#include <stdlib.h>

/* Keeps this task's message as the rows' first failure. */
static int fail(struct covey_rows *r, int code)
{
    if (r->code == 0) {
        r->code = code;
        (void)snprintf(r->words, sizeof(r->words), "%s", covey_errmsg());
    }
    r->has_row = false;
    return code;
}

void cvy_sql_rows_detach(struct covey_rows *r)
{
    struct cvy_sql_conn *conn = r->conn;

    if (!conn) {
        return;
    }
    if (!r->result.is_over) {
        r->backend->finish(conn);
        r->result.is_over = true;
    }
    r->conn = NULL;
    if (r->db->conn) {
        r->db->rows = NULL;
    }
    cvy_sql_give(r->db, conn);
}

void cvy_sql_rows_cut(struct covey_rows *r)
{
    if (!r->result.is_over) {
        (void)fail(r, covey_errorf(COVEY_ECLOSED, "the transaction of these rows has ended"));
    }
    cvy_sql_rows_detach(r);
}

void cvy_sql_rows_free(struct covey_rows *r)
{
    cvy_sql_result_fini(&r->result);
    free(r);
}

int covey_rows_next(covey_ctx *ctx, covey_rows *r)
{
    int code = r->code;

    if (code < 0) {
        return covey_errorf(code, "%s", r->words);
    }
    if (covey_ctx_err(ctx) < 0) {
        return fail(r, covey_wrapf(covey_select(ctx, COVEY_DEFAULT), "query"));
    }
    if (r->next == r->result.rows && !r->result.is_over) {
        r->next = 0;
        covey_wait_note note = {.what = "rows of a query"};
        covey_wait_note_begin(&note);
        code = r->backend->fetch(ctx, r->conn, &r->result);
        covey_wait_note_end(&note);
        if (code < 0) {
            r->result.is_over = true;
            (void)fail(r, code);
            cvy_sql_rows_detach(r);
            return covey_errorf(code, "%s", r->words);
        }
    }
    r->has_row = r->next < r->result.rows;
    if (r->has_row) {
        r->next++;
    }
    /* A transaction's stay open until they have been read, so that it does not depend on their
     * number whether another statement may come between. */
    if (r->result.is_over && (!r->has_row || (r->conn && !r->db->conn))) {
        cvy_sql_rows_detach(r);
    }
    return r->has_row ? 1 : 0;
}

int covey_rows_close(covey_rows *r)
{
    if (!r) {
        return 0;
    }
    cvy_sql_rows_detach(r);
    int code = r->code < 0 ? covey_errorf(r->code, "%s", r->words) : 0;
    cvy_sql_rows_free(r);
    return code;
}

int64_t covey_rows_affected(const covey_rows *r)
{
    return r->result.affected;
}

size_t covey_rows_columns(const covey_rows *r)
{
    return r->result.columns;
}

const char *covey_rows_name(const covey_rows *r, size_t column)
{
    return column < r->result.columns ? r->result.names[column] : NULL;
}

const covey_db_value *covey_rows_value(const covey_rows *r, size_t column)
{
    if (!r->has_row || column >= r->result.columns) {
        return NULL;
    }
    return &r->result.values[(r->next - 1) * r->result.columns + column];
}

bool covey_rows_is_null(const covey_rows *r, size_t column)
{
    const covey_db_value *v = covey_rows_value(r, column);

    return !v || v->type == COVEY_DB_NULL;
}
