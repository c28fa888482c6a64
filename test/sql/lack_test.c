/* SPDX-License-Identifier: MIT
 * lack_test.c - every allocation of libcovey-sql fails once: a scenario is run with the n-th one
 * failing, for n = 1, 2, ... until none did. Each run must end well or with the code of a lack, and
 * leave no connection in use, no descriptor and, under ASan, no byte. */
#include "database.h"
#include "lack.h"

#include <covey/db.h>

/* COVEY_EAGAIN: no thread for a call that blocks. */
static bool is_lack(int code)
{
    return code == -ENOMEM || code == COVEY_EAGAIN;
}

/* A bit of everything on an open database. */
static int use(covey_ctx *ctx, covey_db *db)
{
    const covey_db_value row[] = {covey_db_int(7), covey_db_text("another")};
    const covey_db_statement list[] = {{"INSERT INTO t VALUES ($1, $2)", row, 2},
                                       {"SELECT name FROM t", NULL, 0}};
    covey_rows *rows = NULL, *both[2];
    covey_db *tx = NULL;
    char bytes[9000] = {0};
    int code = 0;

    TRY(covey_db_script(ctx, db, "DROP TABLE IF EXISTS t; CREATE TABLE t (id INTEGER, name TEXT)"));
    TRY(covey_db_begin(ctx, db, &tx, NULL));
    for (int i = 0; i < 40; i++) {
        TRY(covey_db_exec(
            ctx, tx, "INSERT INTO t VALUES ($1, $2)",
            COVEY_DB_PARAMS(covey_db_int(i), covey_db_text("a name of some length"))));
    }
    TRY(covey_db_query(ctx, tx, &rows, "SELECT a.id, b.name FROM t a, t b", NONE));
    while ((code = covey_rows_next(ctx, rows)) > 0) {
        (void)covey_rows_numeric(rows, 0, NULL);
    }
    TRY(code);
    TRY(covey_rows_close(rows));
    rows = NULL;
    code = covey_db_commit(ctx, tx);
    tx = NULL;
    TRY(code);
    TRY(covey_db_batch(ctx, db, list, 2, both));
    CHECK_EQ(covey_rows_affected(both[0]), 1);
    TRY(covey_rows_close(both[0]));
    TRY(covey_rows_close(both[1]));
    TRY(covey_db_query_row(ctx, db, &rows, "SELECT length($1)",
                           COVEY_DB_PARAMS(covey_db_blob(bytes, sizeof(bytes)))));
    CHECK_EQ(covey_rows_int(rows, 0), sizeof(bytes));
out:
    if (rows) {
        int closed = covey_rows_close(rows);
        code = code < 0 ? code : closed;
    }
    covey_db_rollback(tx);
    return code;
}

static int attempt(covey_ctx *ctx, const struct database_test *t)
{
    covey_db_options opts = {.max_open = 2, .init = "SELECT 1", .max_idle_time_ns = COVEY_SEC};
    covey_db_stats stats;
    covey_db *db;
    int code = covey_db_open(ctx, &db, t->url, &opts);

    if (code < 0) {
        return code;
    }
    code = use(ctx, db);
    covey_db_stats_get(db, &stats);
    CHECK_EQ(stats.in_use, 0);
    covey_db_close(db);
    return code;
}

static int sweep(covey_ctx *ctx, void *arg)
{
    const struct database_test *t = arg;
    int n = 0;

    while (lack_next(&n)) {
        atomic_store(&countdown, n);
        int code = attempt(ctx, t);
        atomic_store(&countdown, 0);
        if (code != 0 && !is_lack(code)) {
            fprintf(stderr, "# allocation %d: %d: %s\n", n, code, covey_errmsg());
        }
        CHECK(code == 0 || is_lack(code));
    }
    CHECK(n > 10);
    return 0;
}

static void sweep_on(bool is_postgres)
{
    struct database_test t = {.is_postgres = is_postgres};
    int fds = count_fds();

    if (!WITH_WRAPPED_HEAP) {
        SKIP("the library is linked dynamically");
    }
    database_place(&t);
    CHECK_EQ(covey_run(sweep, &t), 0);
    CHECK_EQ(count_fds(), fds);
    database_remove(&t);
}

TEST(each_allocation_fails_once_sqlite)
{
    sweep_on(false);
}

TEST(each_allocation_fails_once_postgres)
{
    sweep_on(true);
}
