/* SPDX-License-Identifier: MIT
 * batch_test.c - batches: results in order, all or nothing, and cancelled in the middle. */
#include "database.h"

#include <covey/db.h>

#define CREATE "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)"
#define INSERT "INSERT INTO t VALUES ($1, $2)"

DB_TEST(results_come_in_the_order_of_the_statements)
{
    covey_db_value one[] = {covey_db_int(1), covey_db_text("a")};
    covey_db_value two[] = {covey_db_int(2), covey_db_null()};
    covey_db_statement list[] = {{CREATE, NONE},
                                 {INSERT, one, 2},
                                 {INSERT, two, 2},
                                 {"UPDATE t SET name = 'b'", NONE},
                                 {"SELECT id, name FROM t ORDER BY id", NONE}};
    covey_rows *rows[5];

    OK(covey_db_batch(ctx, db, list, 5, rows));
    CHECK_EQ(covey_rows_affected(rows[0]), 0);
    CHECK_EQ(covey_rows_affected(rows[1]), 1);
    CHECK_EQ(covey_rows_affected(rows[3]), 2);
    CHECK_EQ(covey_rows_next(ctx, rows[3]), 0);
    for (int i = 1; i <= 2; i++) {
        CHECK_EQ(covey_rows_next(ctx, rows[4]), 1);
        CHECK_EQ(covey_rows_int(rows[4], 0), i);
        CHECK_STR(covey_rows_text(rows[4], 1, NULL), "b");
    }
    CHECK_STR(covey_rows_name(rows[4], 1), "name");
    CHECK_EQ(covey_rows_next(ctx, rows[4]), 0);
    for (int i = 0; i < 5; i++) {
        OK(covey_rows_close(rows[i]));
    }
    OK(covey_db_batch(ctx, db, NULL, 0, NULL));
    CHECK_EQ(covey_db_batch(ctx, db, NULL, 1, NULL), -EINVAL);
}

DB_TEST(a_failure_in_a_batch_takes_back_all_and_names_the_statement)
{
    covey_db_value one[] = {covey_db_int(1), covey_db_text("a")};
    covey_db_statement list[] = {{INSERT, one, 2}, {"SELECT 1", NONE}, {INSERT, one, 2}};
    covey_rows *rows[3] = {NULL};

    OK(covey_db_exec(ctx, db, CREATE, NONE));
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(covey_db_batch(ctx, db, list, 3, rows), COVEY_ECONSTRAINT);
        CHECK(strstr(covey_errmsg(), "statement 3 of the batch: "));
        CHECK(!rows[0]);
        CHECK_EQ(ask(ctx, db, "SELECT count(*) FROM t"), 0);
        OK(covey_db_exec(ctx, db, INSERT, one, 2)); /* prepared from now on */
        OK(covey_db_exec(ctx, db, "DELETE FROM t", NONE));
    }
    list[2] = (covey_db_statement){"SELEC 1", NONE};
    CHECK_EQ(covey_db_batch(ctx, db, list, 3, NULL), COVEY_ESQL);
    CHECK_EQ(ask(ctx, db, "SELECT count(*) FROM t"), 0);
}

DB_TEST(a_batch_in_a_transaction_ends_with_it)
{
    covey_db_value one[] = {covey_db_int(1), covey_db_text("a")};
    covey_db_value two[] = {covey_db_int(2), covey_db_text("b")};
    covey_db_statement good[] = {{INSERT, one, 2}, {INSERT, two, 2}};
    covey_db_statement bad[] = {{"DELETE FROM t", NONE}, {INSERT, one, 2}, {INSERT, one, 2}};
    covey_db *tx;

    OK(covey_db_exec(ctx, db, CREATE, NONE));
    OK(covey_db_begin(ctx, db, &tx, NULL));
    OK(covey_db_batch(ctx, tx, good, 2, NULL));
    covey_db_rollback(tx);
    CHECK_EQ(ask(ctx, db, "SELECT count(*) FROM t"), 0);
    OK(covey_db_begin(ctx, db, &tx, NULL));
    OK(covey_db_batch(ctx, tx, good, 2, NULL));
    CHECK_EQ(covey_db_batch(ctx, tx, bad, 3, NULL), COVEY_ECONSTRAINT);
    CHECK_EQ(covey_db_commit(ctx, tx), t->is_postgres ? COVEY_EABORTED : 0);
    CHECK_EQ(ask(ctx, db, "SELECT count(*) FROM t"), t->is_postgres ? 0 : 2);
}

DB_TEST(a_large_batch_goes_both_ways)
{
    enum { N = 3000 };
    covey_db_statement *list = calloc(N, sizeof(*list));
    covey_rows **rows = calloc(N, sizeof(*rows));
    char *text = calloc(1, 1001);

    CHECK(list && rows && text);
    memset(text, 'x', 1000);
    covey_db_value param[] = {covey_db_text(text)};
    for (int i = 0; i < N; i++) {
        list[i] = (covey_db_statement){"SELECT CAST($1 AS TEXT)", param, 1};
    }
    OK(covey_db_batch(ctx, db, list, N, rows));
    for (int i = 0; i < N; i++) {
        CHECK_EQ(covey_rows_next(ctx, rows[i]), 1);
        CHECK_STR(covey_rows_text(rows[i], 0, NULL), text);
        OK(covey_rows_close(rows[i]));
    }
    free(list);
    free((void *)rows);
    free(text);
}

DB_TEST(all_rows_of_a_batch_are_there_without_a_connection)
{
    covey_db_statement list[] = {
        {"WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 1000) "
         "SELECT n FROM r",
         NONE}};
    covey_db_stats stats;
    covey_rows *rows[1];

    OK(covey_db_batch(ctx, db, list, 1, rows));
    covey_db_stats_get(db, &stats);
    CHECK_EQ(stats.in_use, 0);
    for (int i = 1; i <= 1000; i++) {
        CHECK_EQ(covey_rows_next(ctx, rows[0]), 1);
        CHECK_EQ(covey_rows_int(rows[0], 0), i);
    }
    CHECK_EQ(covey_rows_next(ctx, rows[0]), 0);
    OK(covey_rows_close(rows[0]));
}

DB_TEST(a_deadline_in_a_batch_takes_back_all)
{
    covey_db_value one[] = {covey_db_int(1), covey_db_text("a")};
    covey_db_statement list[] = {{INSERT, one, 2}, {ENDLESS, NONE}, {"SELECT 1", NONE}};

    OK(covey_db_exec(ctx, db, CREATE, NONE));
    covey_ctx *limited = covey_ctx_with_timeout(ctx, 50 * COVEY_MS);
    CHECK_EQ(covey_db_batch(limited, db, list, 3, NULL), COVEY_EDEADLINE);
    CHECK_EQ(covey_db_batch(limited, db, list, 1, NULL), COVEY_EDEADLINE);
    covey_ctx_unref(limited);
    CHECK_EQ(ask(ctx, db, "SELECT count(*) FROM t"), 0);
    OK(covey_db_batch(ctx, db, list, 1, NULL));
    CHECK_EQ(ask(ctx, db, "SELECT count(*) FROM t"), 1);
}

PG_TEST(a_constraint_that_is_deferred_fails_the_batch)
{
    covey_db_statement list[] = {{"INSERT INTO t VALUES (1)", NONE},
                                 {"INSERT INTO t VALUES (1)", NONE}};

    OK(covey_db_exec(ctx, db, "CREATE TABLE t (id INTEGER UNIQUE DEFERRABLE INITIALLY DEFERRED)",
                     NONE));
    CHECK_EQ(covey_db_batch(ctx, db, list, 2, NULL), COVEY_ECONSTRAINT);
    CHECK_EQ(ask(ctx, db, "SELECT count(*) FROM t"), 0);
    OK(covey_db_batch(ctx, db, list, 1, NULL));
}

DB_TEST(what_does_not_belong_in_a_batch_is_refused)
{
    covey_db_statement list[] = {{"SELECT 1", NONE}, {"COPY (SELECT 1) TO STDOUT", NONE}};

    CHECK(covey_db_batch(ctx, db, list, 2, NULL) < 0);
    CHECK_EQ(ask(ctx, db, "SELECT 5"), 5);
}

DB_TEST(a_batch_outlives_a_change_of_its_table)
{
    covey_db_statement list[] = {{"SELECT * FROM t", NONE}};
    covey_rows *rows[1];

    OK(covey_db_exec(ctx, db, CREATE, NONE));
    OK(covey_db_exec(ctx, db, "SELECT * FROM t", NONE));
    OK(covey_db_exec(ctx, db, "ALTER TABLE t ADD COLUMN more TEXT", NONE));
    OK(covey_db_batch(ctx, db, list, 1, rows));
    CHECK_EQ(covey_rows_columns(rows[0]), 3);
    OK(covey_rows_close(rows[0]));
}
