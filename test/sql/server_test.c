/* SPDX-License-Identifier: MIT
 * server_test.c - what only PostgreSQL has: a server that goes away, backends that are terminated,
 * columns of many types, isolation that fails. */
#include "database.h"

#include <covey/db.h>
#include <signal.h>

/* ---- types ---- */

PG_TEST(columns_are_read_by_the_type_the_server_names)
{
    covey_rows *r;

    OK(covey_db_query_row(
        ctx, db, &r,
        "SELECT 1::int2, 2::int4, true, 1.5::float4, '2026-11-27'::date, "
        "'2026-11-27 14:05:00.25+02'::timestamptz, '2026-11-27 14:05:00'::timestamp, "
        "'44-03-15 12:00:00 BC'::timestamp, 'infinity'::timestamptz, "
        "'6f1e7dc2-0c44-4a51-9f0c-2c6a2a1b0c0d'::uuid, ARRAY[1,2], '{\"a\": 1}'::jsonb, "
        "'x'::varchar, NULL::int4, '\\x00ff'::bytea, 'NaN'::numeric",
        NONE));
    CHECK_EQ(covey_rows_int(r, 0), 1);
    CHECK_EQ(covey_rows_int(r, 1), 2);
    CHECK(covey_rows_bool(r, 2));
    CHECK(covey_rows_double(r, 3) == 1.5);
    CHECK_EQ(covey_rows_time(r, 4), INT64_C(1795737600000000));
    CHECK_EQ(covey_rows_time(r, 5), INT64_C(1795781100250000));
    CHECK_EQ(covey_rows_time(r, 6), INT64_C(1795788300000000));
    CHECK_EQ(covey_rows_time(r, 7), INT64_C(-63517780800000000));
    CHECK_EQ(covey_rows_time(r, 8), INT64_MAX);
    CHECK_STR(covey_rows_text(r, 9, NULL), "6f1e7dc2-0c44-4a51-9f0c-2c6a2a1b0c0d");
    CHECK_STR(covey_rows_text(r, 10, NULL), "{1,2}");
    CHECK_STR(covey_rows_text(r, 11, NULL), "{\"a\": 1}");
    CHECK_STR(covey_rows_text(r, 12, NULL), "x");
    CHECK(covey_rows_is_null(r, 13));
    CHECK_EQ(((const unsigned char *)covey_rows_blob(r, 14, NULL))[1], 255);
    CHECK_STR(covey_rows_numeric(r, 15, NULL), "NaN");
    OK(covey_rows_close(r));
}

PG_TEST(a_text_is_taken_for_what_the_statement_wants)
{
    OK(covey_db_exec(ctx, db, "CREATE TABLE t (id uuid, day date, data jsonb, small int2)", NONE));
    OK(covey_db_exec(ctx, db, "INSERT INTO t VALUES ($1, $2, $3, $4)",
                     COVEY_DB_PARAMS(covey_db_text("6f1e7dc2-0c44-4a51-9f0c-2c6a2a1b0c0d"),
                                     covey_db_text("2026-11-27"), covey_db_text("{}"),
                                     covey_db_int(7))));
    CHECK_EQ(ask(ctx, db, "SELECT count(*) FROM t WHERE day = '2026-11-27' AND small = 7"), 1);
    CHECK_EQ(covey_db_exec(ctx, db, "INSERT INTO t (id) VALUES ($1)",
                           COVEY_DB_PARAMS(covey_db_text("no uuid"))),
             COVEY_ESQL);
    CHECK_EQ(covey_db_exec(ctx, db, "SELECT CAST($1 AS TEXT)",
                           COVEY_DB_PARAMS(covey_db_data(COVEY_DB_TEXT, "a\0b", 3))),
             -EINVAL);
}

PG_TEST(copy_by_text_is_refused)
{
    covey_rows *rows;

    CHECK(covey_db_exec(ctx, db, "COPY (SELECT 1) TO STDOUT", NONE) < 0);
    CHECK(covey_db_query(ctx, db, &rows, "COPY (SELECT 1) TO STDOUT", NONE) < 0);
    CHECK(covey_db_script(ctx, db, "COPY (SELECT 1) TO STDOUT") < 0);
    CHECK_EQ(ask(ctx, db, "SELECT 5"), 5);
}

/* ---- transactions ---- */

PG_TEST(a_failed_statement_aborts_its_transaction)
{
    covey_db *tx;

    OK(covey_db_exec(ctx, db, "CREATE TABLE t (id INTEGER)", NONE));
    OK(covey_db_begin(ctx, db, &tx, NULL));
    OK(covey_db_exec(ctx, tx, "INSERT INTO t VALUES (1)", NONE));
    CHECK_EQ(covey_db_exec(ctx, tx, "SELEC 1", NONE), COVEY_ESQL);
    CHECK_EQ(covey_db_exec(ctx, tx, "INSERT INTO t VALUES (2)", NONE), COVEY_EABORTED);
    CHECK_EQ(covey_db_commit(ctx, tx), COVEY_EABORTED);
    CHECK_EQ(ask(ctx, db, "SELECT count(*) FROM t"), 0);
    OK(covey_db_begin(ctx, db, &tx, NULL));
    OK(covey_db_exec(ctx, tx, "INSERT INTO t VALUES (1)", NONE));
    OK(covey_db_exec(ctx, tx, "SAVEPOINT a", NONE));
    CHECK_EQ(covey_db_exec(ctx, tx, "SELEC 1", NONE), COVEY_ESQL);
    OK(covey_db_exec(ctx, tx, "ROLLBACK TO a", NONE));
    OK(covey_db_commit(ctx, tx));
    CHECK_EQ(ask(ctx, db, "SELECT count(*) FROM t"), 1);
}

PG_TEST(an_update_past_a_snapshot_is_eserial)
{
    covey_db_tx_options opts = {.isolation = COVEY_DB_REPEATABLE_READ};
    covey_db *one, *two;

    OK(covey_db_exec(ctx, db, "CREATE TABLE t (id INTEGER)", NONE));
    OK(covey_db_exec(ctx, db, "INSERT INTO t VALUES (1)", NONE));
    OK(covey_db_begin(ctx, db, &one, &opts));
    OK(covey_db_begin(ctx, db, &two, &opts));
    CHECK_EQ(ask(ctx, one, "SELECT id FROM t"), 1);
    CHECK_EQ(ask(ctx, two, "SELECT id FROM t"), 1);
    OK(covey_db_exec(ctx, one, "UPDATE t SET id = 2", NONE));
    OK(covey_db_commit(ctx, one));
    CHECK_EQ(covey_db_exec(ctx, two, "UPDATE t SET id = 3", NONE), COVEY_ESERIAL);
    CHECK(strstr(covey_errmsg(), "(40001)"));
    covey_db_rollback(two);
}

PG_TEST(a_constraint_that_is_deferred_fails_the_commit)
{
    covey_db *tx;

    OK(covey_db_exec(ctx, db, "CREATE TABLE t (id INTEGER UNIQUE DEFERRABLE INITIALLY DEFERRED)",
                     NONE));
    CHECK_EQ(covey_db_exec(ctx, db, "INSERT INTO t VALUES (1), (1)", NONE), COVEY_ECONSTRAINT);
    OK(covey_db_begin(ctx, db, &tx, NULL));
    OK(covey_db_exec(ctx, tx, "INSERT INTO t VALUES (1), (1)", NONE));
    CHECK_EQ(covey_db_commit(ctx, tx), COVEY_ECONSTRAINT);
    CHECK_EQ(ask(ctx, db, "SELECT count(*) FROM t"), 0);
}

/* ---- connections that end ---- */

struct victim {
    covey_db *db;
    covey_chan *pid;
    int64_t code;
};

static int run_for_ever(covey_ctx *ctx, void *arg)
{
    struct victim *v = arg;
    covey_db *tx;

    OK(covey_db_begin(ctx, v->db, &tx, NULL));
    int64_t pid = ask(ctx, tx, "SELECT pg_backend_pid()");
    OK(covey_chan_send(ctx, v->pid, &pid));
    v->code = covey_db_exec(ctx, tx, ENDLESS, NONE);
    covey_db_rollback(tx);
    return 0;
}

PG_TEST(a_terminated_backend_is_econnreset_and_replaced)
{
    struct victim v = {.db = db, .pid = covey_chan_new(sizeof(int64_t), 1)};
    covey_group *g = covey_group_new(ctx);
    covey_db_stats stats;
    int64_t pid;

    GO(g, run_for_ever, &v);
    OK(covey_chan_recv(ctx, v.pid, &pid));
    OK(covey_db_exec(ctx, db, "SELECT pg_terminate_backend(CAST($1 AS int4))",
                     COVEY_DB_PARAMS(covey_db_int(pid))));
    JOIN(g);
    CHECK_EQ(v.code, -ECONNRESET);
    covey_db_stats_get(db, &stats);
    CHECK_EQ(stats.closed_broken, 1);
    CHECK_EQ(ask(ctx, db, "SELECT 5"), 5);
    covey_chan_unref(v.pid);
}

/* libpq closes its socket in the middle of a call, and others get the number. */
static int wait_for_pipe(covey_ctx *ctx, void *arg)
{
    CHECK_EQ(covey_wait_fd(ctx, *(int *)arg, COVEY_FD_READ), COVEY_FD_READ);
    return 0;
}

PG_TEST(the_socket_of_a_lost_connection_can_be_anothers_before_it_is_closed)
{
    enum { PIPES = 8 };
    covey_group *g = covey_group_new(ctx);
    int pipes[PIPES][2];
    covey_db *tx;

    OK(covey_db_begin(ctx, db, &tx, NULL));
    int64_t pid = ask(ctx, tx, "SELECT pg_backend_pid()");
    OK(covey_db_exec(ctx, db, "SELECT pg_terminate_backend(CAST($1 AS int4), 5000)",
                     COVEY_DB_PARAMS(covey_db_int(pid))));
    CHECK_EQ(covey_db_exec(ctx, tx, "SELECT 1", NONE), -ECONNRESET);
    for (int i = 0; i < PIPES; i++) {
        CHECK_EQ(pipe(pipes[i]), 0);
        go_waiting(g, "waiter", wait_for_pipe, &pipes[i][0]);
    }
    covey_db_rollback(tx);
    CHECK_EQ(ask(ctx, db, "SELECT 5"), 5);
    for (int i = 0; i < PIPES; i++) {
        CHECK_EQ(write(pipes[i][1], "x", 1), 1);
    }
    JOIN(g);
    for (int i = 0; i < PIPES; i++) {
        (void)close(pipes[i][0]);
        (void)close(pipes[i][1]);
    }
}

PG_TEST_WITH(idle_connections_that_ended_are_found_at_checkout, .max_open = 4)
{
    covey_db *tx[4];

    for (int i = 0; i < 4; i++) {
        OK(covey_db_begin(ctx, db, &tx[i], NULL));
    }
    for (int i = 0; i < 4; i++) {
        covey_db_rollback(tx[i]);
    }
    OK(covey_db_exec(ctx, db,
                     "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE pid <> "
                     "pg_backend_pid() AND backend_type = 'client backend'",
                     NONE));
    for (int i = 0; i < 4; i++) {
        OK(covey_db_begin(ctx, db, &tx[i], NULL));
    }
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(ask(ctx, tx[i], "SELECT 5"), 5);
        covey_db_rollback(tx[i]);
    }
}

PG_TEST(a_statement_stopped_by_somebody_else_is_eintr)
{
    struct victim v = {.db = db, .pid = covey_chan_new(sizeof(int64_t), 1)};
    covey_group *g = covey_group_new(ctx);
    int64_t pid;

    GO(g, run_for_ever, &v);
    OK(covey_chan_recv(ctx, v.pid, &pid));
    while (ask(ctx, db,
               "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query "
               "LIKE 'WITH%'") == 0) {
        covey_yield();
    }
    OK(covey_db_exec(ctx, db, "SELECT pg_cancel_backend(CAST($1 AS int4))",
                     COVEY_DB_PARAMS(covey_db_int(pid))));
    JOIN(g);
    CHECK_EQ(v.code, -EINTR);
    covey_chan_unref(v.pid);
}

struct worker {
    covey_db *db;
    atomic_int committed, unknown, refused;
    atomic_bool is_over;
};

static int insert_until_over(covey_ctx *ctx, void *arg)
{
    struct worker *w = arg;

    while (!atomic_load(&w->is_over)) {
        int64_t code = covey_db_exec(ctx, w->db, "INSERT INTO t VALUES (1)", NONE);
        if (code == 1) {
            atomic_fetch_add(&w->committed, 1);
        } else if (code == -ECONNRESET) {
            atomic_fetch_add(&w->unknown, 1);
        } else {
            CHECK_EQ(code, -ENOTCONN);
            atomic_fetch_add(&w->refused, 1);
            OK(covey_sleep(ctx, 20 * COVEY_MS)); /* sleeps: the server starts anew */
        }
    }
    return 0;
}

/* A backend that is killed makes the server end all its connections and recover. */
PG_TEST_WITH(a_server_that_crashes_loses_nothing_that_was_committed, .max_open = 6)
{
    struct worker w = {.db = db};
    struct victim v = {.db = db, .pid = covey_chan_new(sizeof(int64_t), 1)};
    covey_group *g = covey_group_new(ctx), *other = covey_group_new(ctx);
    int64_t pid;

    OK(covey_db_exec(ctx, db, "CREATE TABLE t (id INTEGER)", NONE));
    GO(other, run_for_ever, &v);
    OK(covey_chan_recv(ctx, v.pid, &pid));
    for (int i = 0; i < 5; i++) {
        GO(g, insert_until_over, &w);
    }
    while (atomic_load(&w.committed) < 100) {
        covey_yield();
    }
    CHECK_EQ(kill((pid_t)pid, SIGKILL), 0);
    JOIN(other);
    CHECK_EQ(v.code, -ECONNRESET);
    while (atomic_load(&w.unknown) + atomic_load(&w.refused) == 0) {
        covey_yield();
    }
    int before = atomic_load(&w.committed);
    while (atomic_load(&w.committed) < before + 100) {
        covey_yield();
    }
    atomic_store(&w.is_over, true);
    JOIN(g);
    covey_rows *row;
    int code;
    while ((code = covey_db_query_row(ctx, db, &row, "SELECT count(*) FROM t", NONE)) < 0) {
        CHECK(code == -ECONNRESET || code == -ENOTCONN);
        OK(covey_sleep(ctx, 20 * COVEY_MS)); /* sleeps: the server starts anew */
    }
    int64_t found = covey_rows_int(row, 0);
    OK(covey_rows_close(row));
    fprintf(stderr, "# %d committed, %d unknown, %lld found\n", atomic_load(&w.committed),
            atomic_load(&w.unknown), (long long)found);
    CHECK(found >= atomic_load(&w.committed));
    CHECK(found <= atomic_load(&w.committed) + atomic_load(&w.unknown));
    covey_chan_unref(v.pid);
}
