/* SPDX-License-Identifier: MIT
 * batch.c - covey_db_batch() (covey/db.h): several statements at once, all or nothing. */
#include "sql/rows.h"

#include <stdlib.h>

/* The rows of each statement, and beside them where the back end puts them. */
struct batch {
    size_t n;
    struct covey_rows **rows;
    struct cvy_sql_result **results;
};

static void drop(struct batch *b)
{
    for (size_t i = 0; b->rows && i < b->n; i++) {
        if (b->rows[i]) {
            cvy_sql_rows_free(b->rows[i]);
        }
    }
}

static int check(const covey_db *db, const covey_db_statement *list, size_t n)
{
    bool is_good = db && list;

    for (size_t i = 0; is_good && i < n; i++) {
        is_good = list[i].sql && (list[i].params || list[i].n == 0);
    }
    return is_good ? 0
                   : covey_errorf(-EINVAL, "no database, no statement or no parameters in a batch");
}

static int make(struct batch *b, covey_db *db, bool wants_rows)
{
    b->rows = calloc(b->n, sizeof(struct covey_rows *));
    b->results = calloc(b->n, sizeof(struct cvy_sql_result *));
    for (size_t i = 0; i < b->n; i++) {
        struct covey_rows *r = b->rows && b->results ? calloc(1, sizeof(*r)) : NULL;
        if (!r) {
            return covey_errorf(-ENOMEM, "out of memory");
        }
        r->db = db;
        r->backend = db->pool->backend;
        r->result.wants_rows = wants_rows;
        r->result.is_whole = true;
        b->rows[i] = r;
        b->results[i] = &r->result;
    }
    return 0;
}

int covey_db_batch(covey_ctx *ctx, covey_db *db, const covey_db_statement *list, size_t n,
                   covey_rows **rows)
{
    struct batch b = {.n = n};
    struct cvy_sql_conn *conn;
    int code = n == 0 ? 0 : check(db, list, n);

    if (code < 0 || n == 0) {
        return code;
    }
    code = make(&b, db, rows != NULL);
    code = code < 0 ? code : cvy_sql_take(ctx, db, &conn);
    if (code == 0) {
        covey_wait_note note;
        cvy_sql_note(&note, list[0].sql);
        code = conn->backend->batch(ctx, conn, list, n, b.results);
        covey_wait_note_end(&note);
        cvy_sql_give(db, conn);
    }
    if (code == 0 && rows) {
        for (size_t i = 0; i < n; i++) {
            b.rows[i]->result.is_over = true;
            rows[i] = b.rows[i];
        }
    } else {
        drop(&b);
    }
    free(b.rows);
    free(b.results);
    return code;
}
