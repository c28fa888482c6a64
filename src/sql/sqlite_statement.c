/* SPDX-License-Identifier: MIT
 * sqlite_statement.c - runs one statement of SQLite: prepares, binds, steps a batch a hop.
 *
 * Whether a statement writes is known once it is prepared. If it does and another writes, the hop
 * returns for its turn and finds the statement prepared the next time. */
#include "sql/sqlite.h"

struct job {
    struct cvy_sqlite_conn *c;
    const struct cvy_sql_query *q;
    struct cvy_sql_result *r;
};

void cvy_sqlite_drop_statement(struct cvy_sqlite_conn *c)
{
    sqlite3_stmt *stmt = c->stmt;

    c->stmt = NULL;
    c->is_bound = c->has_rows = false;
    if (!stmt) {
        return;
    }
    if (c->is_kept) {
        (void)sqlite3_reset(stmt);
        (void)sqlite3_clear_bindings(stmt);
    } else {
        (void)sqlite3_finalize(stmt);
    }
}

/* A second statement, which would be passed over in silence? */
static bool has_more(struct cvy_sqlite_conn *c, const char *tail)
{
    sqlite3_stmt *more = NULL;
    bool is_empty = sqlite3_prepare_v2(c->db, tail, -1, &more, NULL) == SQLITE_OK && !more;

    (void)sqlite3_finalize(more);
    return !is_empty;
}

static int prepare(struct cvy_sqlite_conn *c, const char *sql)
{
    const char *tail;

    c->stmt = cvy_sql_cache_find(&c->cache, sql);
    c->is_kept = c->stmt != NULL;
    if (c->stmt) {
        return 0;
    }
    unsigned flags = c->cache.room > 0 ? SQLITE_PREPARE_PERSISTENT : 0;
    int rc = sqlite3_prepare_v3(c->db, sql, -1, flags, &c->stmt, &tail);
    if (rc != SQLITE_OK) {
        return cvy_sqlite_fail(c, rc);
    }
    if (*tail && has_more(c, tail)) {
        return covey_errorf(-EINVAL, "sqlite: one statement at a time (see covey_db_script)");
    }
    c->is_kept = c->stmt && cvy_sql_cache_keep(&c->cache, sql, c->stmt);
    return 0;
}

/* Whether it may run now: 0, CVY_SQLITE_WANTS_WRITER, a failure. */
static int check_writing(struct cvy_sqlite_conn *c)
{
    if (sqlite3_stmt_readonly(c->stmt)) {
        return 0;
    }
    if (c->base.is_in_tx && c->is_read_only) {
        return cvy_sqlite_refuse_write();
    }
    return cvy_sqlite_try_write(c) ? 0 : CVY_SQLITE_WANTS_WRITER;
}

/* After a statement: a transaction that its text began or ended is not ours to go on with. */
static int check_transaction(struct cvy_sqlite_conn *c)
{
    bool is_open = sqlite3_get_autocommit(c->db) == 0;

    if (is_open && !c->base.is_in_tx) {
        (void)sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
        return covey_errorf(-EINVAL, "sqlite: begin a transaction with covey_db_begin()");
    }
    if (!is_open && c->base.is_in_tx) {
        c->is_lost = true;
        return covey_errorf(-EINVAL, "sqlite: end a transaction with covey_db_commit()");
    }
    return 0;
}

static int set_columns(struct cvy_sqlite_conn *c, struct cvy_sql_result *r)
{
    size_t n = (size_t)sqlite3_column_count(c->stmt);
    bool is_set = r->names || cvy_sql_result_set_columns(r, n);

    for (size_t i = 0; is_set && i < n && !c->has_rows; i++) {
        is_set = cvy_sql_result_set_name(r, i, sqlite3_column_name(c->stmt, (int)i));
    }
    return is_set ? 0 : covey_errorf(-ENOMEM, "out of memory");
}

/* The statement has ended. */
static int conclude(struct cvy_sqlite_conn *c, struct cvy_sql_result *r)
{
    /* The count of changes is an earlier statement's if this one was not of the kind. */
    bool has_changed = sqlite3_total_changes64(c->db) != c->changes_before;

    r->affected = has_changed ? sqlite3_changes64(c->db) : 0;
    r->is_over = true;
    cvy_sqlite_drop_statement(c);
    return check_transaction(c);
}

static int step(struct cvy_sqlite_conn *c, struct cvy_sql_result *r)
{
    bool stops_early = r->is_short && sqlite3_stmt_readonly(c->stmt);

    for (;;) {
        int rc = sqlite3_step(c->stmt);
        if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
            int code = cvy_sqlite_fail(c, rc);
            (void)sqlite3_reset(c->stmt);
            return code;
        }
        if (r->wants_rows && (!r->names || !c->has_rows) && set_columns(c, r) < 0) {
            return -ENOMEM;
        }
        if (rc == SQLITE_DONE) {
            return conclude(c, r);
        }
        c->has_rows = true;
        if (!r->wants_rows || (r->is_short && r->rows > 0)) {
            continue;
        }
        if (!cvy_sqlite_read_row(c->stmt, r)) {
            return covey_errorf(-ENOMEM, "out of memory");
        }
        if (stops_early) {
            return conclude(c, r);
        }
        if (!r->is_short && cvy_sql_result_is_full(r)) {
            return 0;
        }
    }
}

/* Ends a statement that failed. SQLite may have rolled back the transaction with it. */
static int fail(struct cvy_sqlite_conn *c, int code)
{
    cvy_sqlite_drop_statement(c);
    if (c->base.is_in_tx && sqlite3_get_autocommit(c->db) != 0) {
        c->is_lost = true;
    }
    return code;
}

static int start_hop(covey_ctx *ctx, void *arg)
{
    struct job *j = arg;
    struct cvy_sqlite_conn *c = j->c;
    int code = 0;

    c->ctx = ctx;
    if (!c->stmt) {
        code = prepare(c, j->q->sql);
        if (code == 0 && !c->stmt) { /* nothing but a comment */
            j->r->is_over = true;
            return 0;
        }
    }
    if (code == 0) {
        code = check_writing(c);
    }
    if (code == 0 && !c->is_bound) {
        code = cvy_sqlite_bind(c, j->q, !j->r->wants_rows);
        c->is_bound = code == 0;
        c->changes_before = sqlite3_total_changes64(c->db);
    }
    if (code == 0) {
        code = step(c, j->r);
    }
    return code < 0 ? fail(c, code) : code;
}

int cvy_sqlite_start_here(covey_ctx *ctx, struct cvy_sqlite_conn *c, const struct cvy_sql_query *q,
                          struct cvy_sql_result *r)
{
    struct job j = {.c = c, .q = q, .r = r};

    return start_hop(ctx, &j);
}

static int fetch_hop(covey_ctx *ctx, void *arg)
{
    struct job *j = arg;

    j->c->ctx = ctx;
    int code = step(j->c, j->r);
    return code < 0 ? fail(j->c, code) : code;
}

static int finish_hop(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    cvy_sqlite_drop_statement(arg);
    return 0;
}

int cvy_sqlite_start(covey_ctx *ctx, struct cvy_sql_conn *conn, const struct cvy_sql_query *q,
                     struct cvy_sql_result *r)
{
    struct cvy_sqlite_conn *c = cvy_sqlite_conn_of(conn);
    struct job j = {.c = c, .q = q, .r = r};

    if (conn->is_in_tx && c->is_lost) {
        return covey_errorf(COVEY_EABORTED, "sqlite: the transaction has been rolled back");
    }
    int code = cvy_sqlite_run(ctx, c, start_hop, &j);
    if (code < 0) {
        cvy_sqlite_drop_statement(c); /* prepared, if it ended while it waited */
    }
    cvy_sqlite_settle(c);
    return code;
}

int cvy_sqlite_fetch(covey_ctx *ctx, struct cvy_sql_conn *conn, struct cvy_sql_result *r)
{
    struct cvy_sqlite_conn *c = cvy_sqlite_conn_of(conn);
    struct job j = {.c = c, .r = r};

    cvy_sql_result_clear(r);
    int code = cvy_sqlite_run(ctx, c, fetch_hop, &j);
    if (code < 0) {
        cvy_sqlite_finish(conn);
    }
    cvy_sqlite_settle(c);
    return code;
}

void cvy_sqlite_finish(struct cvy_sql_conn *conn)
{
    struct cvy_sqlite_conn *c = cvy_sqlite_conn_of(conn);

    if (c->stmt) {
        cvy_sqlite_run_surely(finish_hop, c);
    }
    cvy_sqlite_settle(c);
}
