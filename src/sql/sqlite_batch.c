/* SPDX-License-Identifier: MIT
 * sqlite_batch.c - a batch of statements of SQLite: one hop, within a transaction of its own or a
 * savepoint of the one that is open.
 *
 * A hop that meets a lock takes back what it has done and is run anew. */
#include "sql/sqlite.h"

struct batch {
    struct cvy_sqlite_conn *c;
    const covey_db_statement *list;
    size_t n;
    struct cvy_sql_result **results;
    bool was_in_tx;
};

static int run_all(covey_ctx *ctx, struct batch *b)
{
    int code = 0;

    for (size_t i = 0; code == 0 && i < b->n; i++) {
        const struct cvy_sql_query q = {b->list[i].sql, b->list[i].params, b->list[i].n};
        cvy_sql_result_restart(b->results[i]);
        code = cvy_sqlite_start_here(ctx, b->c, &q, b->results[i]);
        if (code < 0) {
            return covey_wrapf(code, "statement %zu of the batch", i + 1);
        }
    }
    return code;
}

/* Says nothing: the words of the failure stay. SQLite may have done it already. */
static void undo(struct batch *b)
{
    struct cvy_sqlite_conn *c = b->c;

    c->ctx = NULL;
    cvy_sqlite_drop_statement(c);
    (void)sqlite3_exec(c->db,
                       b->was_in_tx ? "ROLLBACK TO covey_batch; RELEASE covey_batch" : "ROLLBACK",
                       NULL, NULL, NULL);
}

static int batch_hop(covey_ctx *ctx, void *arg)
{
    struct batch *b = arg;
    struct cvy_sqlite_conn *c = b->c;
    const char *open = b->was_in_tx ? "SAVEPOINT covey_batch" : "BEGIN IMMEDIATE";
    const char *end = b->was_in_tx ? "RELEASE covey_batch" : "COMMIT";
    bool is_reading = b->was_in_tx && c->is_read_only;

    c->ctx = ctx;
    if (!is_reading && !cvy_sqlite_try_write(c)) {
        return CVY_SQLITE_WANTS_WRITER;
    }
    int code = cvy_sqlite_script(c, &open);
    if (code != 0) {
        return code;
    }
    c->base.is_in_tx = true; /* for each statement to find it so at its end */
    if (!b->was_in_tx) {
        c->is_read_only = c->is_lost = false;
    }
    code = run_all(ctx, b);
    code = code == 0 ? cvy_sqlite_script(c, &end) : code;
    if (code != 0) {
        undo(b);
    }
    c->base.is_in_tx = b->was_in_tx;
    return code;
}

int cvy_sqlite_batch(covey_ctx *ctx, struct cvy_sql_conn *conn, const covey_db_statement *list,
                     size_t n, struct cvy_sql_result **results)
{
    struct cvy_sqlite_conn *c = cvy_sqlite_conn_of(conn);
    struct batch b = {
        .c = c, .list = list, .n = n, .results = results, .was_in_tx = conn->is_in_tx};

    if (conn->is_in_tx && c->is_lost) {
        return covey_errorf(COVEY_EABORTED, "sqlite: the transaction has been rolled back");
    }
    int code = cvy_sqlite_run(ctx, c, batch_hop, &b);
    cvy_sqlite_settle(c);
    return code;
}
