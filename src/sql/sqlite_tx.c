/* SPDX-License-Identifier: MIT
 * sqlite_tx.c - scripts of SQLite, and transactions, which begin and end by one.
 *
 * What a text does to transactions is seen to: one that it leaves open is rolled back, one that it
 * ends is lost to who began it. */
#include "sql/sqlite.h"

struct script {
    struct cvy_sqlite_conn *c;
    const char *sql; /* what is left of it */
    bool is_reading;
};

static int script_hop(covey_ctx *ctx, void *arg)
{
    struct script *s = arg;

    s->c->ctx = ctx;
    if (!s->is_reading && !cvy_sqlite_try_write(s->c)) {
        return CVY_SQLITE_WANTS_WRITER;
    }
    return cvy_sqlite_script(s->c, &s->sql);
}

/* Ends what a script left open, or notes what it ended. */
static int clean_hop(covey_ctx *ctx, void *arg)
{
    struct cvy_sqlite_conn *c = arg;
    bool is_open = sqlite3_get_autocommit(c->db) == 0;

    (void)ctx;
    c->ctx = NULL;
    c->is_lost = c->base.is_in_tx && !is_open;
    if (is_open && !c->base.is_in_tx) {
        (void)sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
    }
    return 0;
}

int cvy_sqlite_run_script(covey_ctx *ctx, struct cvy_sql_conn *conn, const char *sql)
{
    struct cvy_sqlite_conn *c = cvy_sqlite_conn_of(conn);
    struct script s = {.c = c, .sql = sql, .is_reading = conn->is_in_tx && c->is_read_only};

    if (conn->is_in_tx && c->is_lost) {
        return covey_errorf(COVEY_EABORTED, "sqlite: the transaction has been rolled back");
    }
    int code = cvy_sqlite_run(ctx, c, script_hop, &s);
    if ((sqlite3_get_autocommit(c->db) == 0) != conn->is_in_tx) {
        cvy_sqlite_run_surely(clean_hop, c);
        if (code == 0) {
            code =
                covey_errorf(-EINVAL, "sqlite: the script left a transaction open, or ended one");
        }
    }
    cvy_sqlite_settle(c);
    return code;
}

int cvy_sqlite_begin(covey_ctx *ctx, struct cvy_sql_conn *conn, const covey_db_tx_options *opts)
{
    struct cvy_sqlite_conn *c = cvy_sqlite_conn_of(conn);
    /* Immediate: a transaction that first reads and then must wait to write would find its snapshot
     * passed by. */
    struct script s = {.c = c,
                       .sql = opts->read_only ? "BEGIN" : "BEGIN IMMEDIATE",
                       .is_reading = opts->read_only};
    int code = cvy_sqlite_run(ctx, c, script_hop, &s);

    if (code == 0) {
        conn->is_in_tx = true;
        c->is_read_only = opts->read_only;
        c->is_lost = false;
    }
    cvy_sqlite_settle(c);
    return code;
}

void cvy_sqlite_rollback(struct cvy_sql_conn *conn)
{
    struct cvy_sqlite_conn *c = cvy_sqlite_conn_of(conn);

    conn->is_in_tx = false;
    cvy_sqlite_run_surely(clean_hop, c);
    cvy_sqlite_settle(c);
}

int cvy_sqlite_commit(covey_ctx *ctx, struct cvy_sql_conn *conn)
{
    struct cvy_sqlite_conn *c = cvy_sqlite_conn_of(conn);
    struct script s = {.c = c, .sql = "COMMIT", .is_reading = true};
    int code;

    if (c->is_lost) {
        code = covey_errorf(COVEY_EABORTED, "sqlite: the transaction has been rolled back");
    } else {
        code = cvy_sqlite_run(ctx, c, script_hop, &s);
    }
    if (code < 0) {
        cvy_sqlite_rollback(conn);
        return code;
    }
    conn->is_in_tx = false;
    cvy_sqlite_settle(c);
    return 0;
}
