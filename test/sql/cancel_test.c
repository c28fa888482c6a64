/* SPDX-License-Identifier: MIT
 * cancel_test.c - contexts that end in the middle of statements: stopped in the database, without
 * effect, and the pool whole afterwards. */
#include "database.h"

#include <covey/db.h>

static void check_whole(covey_ctx *ctx, struct database_test *t, covey_db *db)
{
    covey_db_stats stats;

    covey_db_stats_get(db, &stats);
    CHECK_EQ(stats.in_use, 0);
    CHECK_EQ(stats.waiting, 0);
    CHECK_EQ(stats.closed_broken, 0);
    CHECK_EQ(ask(ctx, db, "SELECT 5"), 5);
    if (t->is_postgres) {
        CHECK_EQ(ask(ctx, db,
                     "SELECT count(*) FROM pg_stat_activity WHERE state <> 'idle' AND "
                     "pid <> pg_backend_pid() AND backend_type = 'client backend'"),
                 0);
    }
}

DB_TEST(a_deadline_stops_a_statement_in_the_database)
{
    covey_ctx *limited = covey_ctx_with_timeout(ctx, 50 * COVEY_MS);
    covey_rows *row;

    CHECK_EQ(covey_db_query_row(limited, db, &row, ENDLESS, NONE), COVEY_EDEADLINE);
    CHECK(strstr(covey_errmsg(), "deadline exceeded (50 ms, set at cancel_test.c:"));
    check_whole(ctx, t, db);
    covey_ctx_unref(limited);
}

struct query {
    covey_db *db;
    const char *sql;
    int64_t code;
};

static int run_query(covey_ctx *ctx, void *arg)
{
    struct query *q = arg;

    q->code = covey_db_exec(ctx, q->db, q->sql, NONE);
    return 0;
}

/* Started, and running in the database for certain where that can be seen. */
static void go_running(covey_ctx *ctx, struct database_test *t, covey_group *g, struct query *q)
{
    go_waiting(g, "query", run_query, q);
    while (t->is_postgres && ask(ctx, q->db,
                                 "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND "
                                 "query LIKE '%RECURSIVE%' AND pid <> pg_backend_pid()") == 0) {
        covey_yield();
    }
}

DB_TEST(a_cancellation_stops_a_statement_in_the_database)
{
    for (int i = 0; i < 5; i++) {
        covey_group *g = covey_group_new(ctx);
        struct query q = {.db = db, .sql = ENDLESS};

        go_running(ctx, t, g, &q);
        while (!dump_says(", awaiting query \"WITH RECURSIVE t(n) AS")) {
            covey_yield();
        }
        covey_group_cancel(g, 0);
        JOIN(g);
        CHECK_EQ(q.code, COVEY_ECANCELED);
        check_whole(ctx, t, db);
    }
}

DB_TEST(a_cancelled_write_has_no_effect)
{
    covey_group *g = covey_group_new(ctx);
    struct query q = {.db = db,
                      .sql = "INSERT INTO t SELECT n FROM (WITH RECURSIVE r(n) AS (SELECT 1 UNION "
                             "ALL SELECT n + 1 FROM r) SELECT n FROM r LIMIT 1000000000) x"};

    OK(covey_db_exec(ctx, db, "CREATE TABLE t (id INTEGER)", NONE));
    go_running(ctx, t, g, &q);
    covey_group_cancel(g, 0);
    JOIN(g);
    CHECK_EQ(q.code, COVEY_ECANCELED);
    CHECK_EQ(ask(ctx, db, "SELECT count(*) FROM t"), 0);
    check_whole(ctx, t, db);
    CHECK_EQ(covey_db_exec(ctx, db, "INSERT INTO t VALUES (1)", NONE), 1);
}

DB_TEST(rows_can_be_cancelled_between_two)
{
    covey_ctx *limited = covey_ctx_with_cancel(ctx);
    covey_rows *rows;
    int code, n = 0;

    OK(covey_db_query(limited, db, &rows, ENDLESS_ROWS, NONE));
    while ((code = covey_rows_next(limited, rows)) > 0) {
        if (++n == 1000) {
            covey_ctx_cancel(limited);
        }
    }
    CHECK_EQ(n, 1000);
    CHECK_EQ(code, COVEY_ECANCELED);
    CHECK_EQ(covey_rows_close(rows), COVEY_ECANCELED);
    check_whole(ctx, t, db);
    covey_ctx_unref(limited);
}

DB_TEST(the_first_failure_of_a_group_stops_the_others_in_the_database)
{
    covey_group *g = covey_group_new(ctx);
    struct query slow[4];

    for (int i = 0; i < 4; i++) {
        slow[i] = (struct query){.db = db, .sql = ENDLESS};
        go_running(ctx, t, g, &slow[i]);
    }
    covey_group_cancel(g, -EBADF);
    JOIN(g);
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(slow[i].code, COVEY_ECANCELED);
    }
    check_whole(ctx, t, db);
}

/* ---- many at once, at any time ---- */

struct storm {
    covey_db *db;
    atomic_int stopped, done;
};

static uint32_t draw(uint64_t *state, uint32_t n)
{
    *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (uint32_t)(*state >> 33) % n;
}

static int be_stopped_at_random(covey_ctx *ctx, void *arg)
{
    struct storm *s = arg;
    uint64_t state = covey_task_id();

    for (int i = 0; i < 15; i++) {
        int64_t time = (int64_t)draw(&state, 4000) * COVEY_US;
        covey_ctx *limited = covey_ctx_with_timeout(ctx, time);
        int64_t code = covey_db_exec(
            limited, s->db, draw(&state, 3) == 0 ? ENDLESS : "UPDATE t SET n = n + 1 WHERE id = 1",
            NONE);
        if (code == 1) {
            atomic_fetch_add(&s->done, 1);
        } else {
            if (code != COVEY_EDEADLINE) {
                fprintf(stderr, "# %lld: %s\n", (long long)code, covey_errmsg());
            }
            CHECK_EQ(code, COVEY_EDEADLINE);
            atomic_fetch_add(&s->stopped, 1);
        }
        covey_ctx_unref(limited);
    }
    return 0;
}

DB_TEST_WITH(statements_stopped_at_any_time_took_effect_or_did_not, .max_open = 5)
{
    struct storm s = {.db = db};
    covey_group *g = covey_group_new(ctx);
    covey_db_stats stats;

    OK(covey_db_script(ctx, db,
                       "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER); "
                       "INSERT INTO t VALUES (1, 0)"));
    for (int i = 0; i < 20; i++) {
        GO(g, be_stopped_at_random, &s);
    }
    JOIN(g);
    CHECK_EQ(atomic_load(&s.done) + atomic_load(&s.stopped), 300);
    CHECK_EQ(ask(ctx, db, "SELECT n FROM t"), atomic_load(&s.done));
    covey_db_stats_get(db, &stats);
    CHECK_EQ(stats.in_use, 0);
    fprintf(stderr, "# %d done, %d stopped, %llu connections made\n", atomic_load(&s.done),
            atomic_load(&s.stopped), (unsigned long long)stats.opened);
}
