/* SPDX-License-Identifier: MIT
 * statement_test.c - values, rows, parameters and failures, on both databases. */
#include "database.h"

#include <covey/db.h>

#include <math.h>

/* ---- values ---- */

static covey_rows *echo(covey_ctx *ctx, struct database_test *t, covey_db *db, const char *type,
                        covey_db_value v)
{
    char sql[128];
    covey_rows *row;

    snprintf(sql, sizeof(sql), t->is_postgres ? "SELECT CAST($1 AS %s)" : "SELECT $1", type);
    OK(covey_db_query_row(ctx, db, &row, sql, COVEY_DB_PARAMS(v)));
    CHECK_EQ(covey_rows_columns(row), 1);
    return row;
}

DB_TEST(integers_of_64_bits_come_back)
{
    const int64_t numbers[] = {0, 1, -1, INT32_MAX, INT64_MAX, INT64_MIN, INT64_C(1) << 53};

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        covey_rows *row = echo(ctx, t, db, "bigint", covey_db_int(numbers[i]));
        CHECK_EQ(covey_rows_int(row, 0), numbers[i]);
        OK(covey_rows_close(row));
    }
}

DB_TEST(doubles_come_back_to_the_bit)
{
    const double numbers[] = {0.0, -0.0, 0.1, -1.0 / 3, 1e308, 5e-324, INFINITY, -INFINITY, 1e16};

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        covey_rows *row = echo(ctx, t, db, "float8", covey_db_double(numbers[i]));
        double read = covey_rows_double(row, 0);
        CHECK(memcmp(&read, &numbers[i], sizeof(read)) == 0);
        OK(covey_rows_close(row));
    }
}

DB_TEST(booleans_come_back)
{
    for (int i = 0; i < 2; i++) {
        covey_rows *row = echo(ctx, t, db, "boolean", covey_db_bool(i));
        CHECK_EQ(covey_rows_bool(row, 0), i);
        OK(covey_rows_close(row));
    }
}

DB_TEST(texts_come_back_with_their_length)
{
    const char *const texts[] = {"",           "x",  "Gr\xc3\xbc\xc3\x9f dich \xf0\x9f\x98\x80",
                                 "'; DROP --", "12", "2026-11-27",
                                 "true"};
    size_t len;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        covey_rows *row = echo(ctx, t, db, "text", covey_db_text(texts[i]));
        CHECK_EQ(covey_rows_value(row, 0)->type, COVEY_DB_TEXT);
        CHECK_STR(covey_rows_text(row, 0, &len), texts[i]);
        CHECK_EQ(len, strlen(texts[i]));
        OK(covey_rows_close(row));
    }
}

DB_TEST(blobs_come_back_with_their_zeros)
{
    char bytes[70000];
    size_t len;

    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (char)i;
    }
    const size_t sizes[] = {0, 1, 256, sizeof(bytes)};
    for (size_t i = 0; i < 4; i++) {
        covey_rows *row = echo(ctx, t, db, "bytea", covey_db_blob(bytes, sizes[i]));
        const void *read = covey_rows_blob(row, 0, &len);
        CHECK_EQ(len, sizes[i]);
        CHECK(memcmp(read, bytes, len) == 0);
        OK(covey_rows_close(row));
    }
}

DB_TEST(times_come_back_to_the_microsecond)
{
    const int64_t times[] = {0,
                             1,
                             -1,
                             INT64_C(1795788300250000),   /* 2026-11-27 14:05:00.25 */
                             INT64_C(951782400000000),    /* 2000-02-29 */
                             INT64_C(-62135596800000000), /* the year 1 */
                             INT64_C(253402300799999999), /* the end of 9999 */
                             INT64_MAX,
                             INT64_MIN};

    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        covey_rows *row = echo(ctx, t, db, "timestamptz", covey_db_time(times[i]));
        CHECK_EQ(covey_rows_time(row, 0), times[i]);
        OK(covey_rows_close(row));
    }
}

DB_TEST(numerics_keep_every_digit)
{
    const char *const numbers[] = {"0", "-12.50", "123456789012345678901234567890.123456789",
                                   "0.00000000000000000001"};

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        covey_rows *row = echo(ctx, t, db, "numeric", covey_db_numeric(numbers[i]));
        CHECK_STR(covey_rows_numeric(row, 0, NULL), numbers[i]);
        OK(covey_rows_close(row));
    }
    covey_rows *row = echo(ctx, t, db, "bigint", covey_db_int(-7));
    CHECK_STR(covey_rows_numeric(row, 0, NULL), "-7");
    OK(covey_rows_close(row));
}

DB_TEST(null_is_no_value_of_any_type)
{
    covey_rows *row = echo(ctx, t, db, "text", covey_db_null());

    CHECK(covey_rows_is_null(row, 0));
    CHECK_EQ(covey_rows_value(row, 0)->type, COVEY_DB_NULL);
    OK(covey_rows_close(row));
    row = echo(ctx, t, db, "text", covey_db_text(NULL));
    CHECK(covey_rows_is_null(row, 0));
    CHECK(!covey_rows_text(row, 0, NULL));
    CHECK_EQ(covey_rows_close(row), COVEY_ETYPE);
    CHECK(strstr(covey_errmsg(), "NULL read as a text"));
}

DB_TEST(a_value_is_not_read_as_another_type)
{
    covey_rows *rows;

    OK(covey_db_query(ctx, db, &rows, "SELECT 'x' AS name UNION ALL SELECT 'y'", NONE));
    CHECK_EQ(covey_rows_next(ctx, rows), 1);
    CHECK_EQ(covey_rows_int(rows, 0), 0);
    CHECK_EQ(covey_rows_next(ctx, rows), COVEY_ETYPE);
    CHECK_EQ(covey_rows_close(rows), COVEY_ETYPE);
    CHECK_STR(covey_errmsg(), "column 0 (name): a text read as an integer");
    CHECK_EQ(ask(ctx, db, "SELECT 5"), 5);
}

DB_TEST(a_column_that_is_not_there_is_einval)
{
    covey_rows *row;

    OK(covey_db_query_row(ctx, db, &row, "SELECT 1", NONE));
    CHECK(!covey_rows_value(row, 1));
    CHECK(!covey_rows_name(row, 1));
    CHECK_EQ(covey_rows_int(row, 1), 0);
    CHECK_EQ(covey_rows_close(row), -EINVAL);
}

/* ---- rows ---- */

static void fill(covey_ctx *ctx, covey_db *db, int n)
{
    OK(covey_db_exec(ctx, db, "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)", NONE));
    int64_t added = covey_db_exec(ctx, db,
                                  "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                                  "WHERE i < CAST($1 AS INTEGER)) "
                                  "INSERT INTO t SELECT i, 'name ' || i FROM n",
                                  COVEY_DB_PARAMS(covey_db_int(n)));
    CHECK_EQ(added, n);
}

DB_TEST(ten_thousand_rows_come_in_order)
{
    covey_rows *rows;
    char name[32];
    int code, n = 0;

    fill(ctx, db, 10000);
    OK(covey_db_query(ctx, db, &rows, "SELECT id, name FROM t ORDER BY id", NONE));
    CHECK_EQ(covey_rows_columns(rows), 2);
    CHECK_STR(covey_rows_name(rows, 0), "id");
    CHECK_STR(covey_rows_name(rows, 1), "name");
    while ((code = covey_rows_next(ctx, rows)) > 0) {
        snprintf(name, sizeof(name), "name %d", ++n);
        CHECK_EQ(covey_rows_int(rows, 0), n);
        CHECK_STR(covey_rows_text(rows, 1, NULL), name);
    }
    CHECK_EQ(code, 0);
    CHECK_EQ(covey_rows_next(ctx, rows), 0);
    OK(covey_rows_close(rows));
    CHECK_EQ(n, 10000);
}

DB_TEST(rows_that_are_closed_early_leave_the_connection_well)
{
    covey_db_stats stats;

    fill(ctx, db, 10000);
    for (int i = 0; i < 20; i++) {
        covey_rows *rows;
        OK(covey_db_query(ctx, db, &rows, "SELECT a.id FROM t a, t b", NONE));
        for (int n = 0; n < 5 * i; n++) {
            CHECK_EQ(covey_rows_next(ctx, rows), 1);
        }
        OK(covey_rows_close(rows));
        CHECK_EQ(ask(ctx, db, "SELECT 7"), 7);
    }
    covey_db_stats_get(db, &stats);
    CHECK_EQ(stats.opened, 1);
}

DB_TEST(a_query_for_one_row_gives_the_first_or_enorow)
{
    covey_rows *row;

    fill(ctx, db, 5000);
    CHECK_EQ(ask(ctx, db, "SELECT id FROM t ORDER BY id"), 1);
    CHECK_EQ(ask(ctx, db, "SELECT a.id FROM t a, t b WHERE a.id = 3"), 3);
    CHECK_EQ(covey_db_query_row(ctx, db, &row, "SELECT id FROM t WHERE id < 0", NONE),
             COVEY_ENOROW);
    CHECK_STR(covey_errmsg(), "no row");
}

DB_TEST(an_empty_result_has_columns)
{
    covey_rows *rows;

    fill(ctx, db, 1);
    OK(covey_db_query(ctx, db, &rows, "SELECT id, name FROM t WHERE id < 0", NONE));
    CHECK_EQ(covey_rows_columns(rows), 2);
    CHECK_STR(covey_rows_name(rows, 1), "name");
    CHECK_EQ(covey_rows_next(ctx, rows), 0);
    OK(covey_rows_close(rows));
}

/* ---- statements ---- */

DB_TEST(exec_counts_the_rows_it_changed)
{
    fill(ctx, db, 10);
    CHECK_EQ(covey_db_exec(ctx, db, "UPDATE t SET name = 'x' WHERE id <= 3", NONE), 3);
    CHECK_EQ(covey_db_exec(ctx, db, "CREATE TABLE u (id INTEGER)", NONE), 0);
    CHECK_EQ(covey_db_exec(ctx, db, "SELECT * FROM t", NONE), 0);
    CHECK_EQ(covey_db_exec(ctx, db, "DELETE FROM t WHERE name = $1",
                           COVEY_DB_PARAMS(covey_db_text("x"))),
             3);
    CHECK_EQ(covey_db_exec(ctx, db, "DELETE FROM t WHERE id < 0", NONE), 0);
    CHECK_EQ(covey_db_exec(ctx, db, "-- nothing", NONE), 0);
    CHECK_EQ(ask(ctx, db, "INSERT INTO t VALUES (99, 'x') RETURNING id"), 99);
}

DB_TEST(placeholders_are_by_number)
{
    covey_rows *row;

    OK(covey_db_query_row(ctx, db, &row,
                          "SELECT CAST($2 AS TEXT), CAST($1 AS TEXT), CAST($2 AS TEXT)",
                          COVEY_DB_PARAMS(covey_db_text("first"), covey_db_text("second"))));
    CHECK_STR(covey_rows_text(row, 0, NULL), "second");
    CHECK_STR(covey_rows_text(row, 1, NULL), "first");
    CHECK_STR(covey_rows_text(row, 2, NULL), "second");
    OK(covey_rows_close(row));
}

DB_TEST(failures_have_codes_and_the_databases_words)
{
    const struct {
        const char *sql;
        int code;
        const char *words;
    } cases[] = {
        {"SELEC 1", COVEY_ESQL, "syntax error"},
        {"SELECT * FROM absent", COVEY_ESQL, "absent"},
        {"INSERT INTO t VALUES (1, 'again')", COVEY_ECONSTRAINT, NULL},
        {"INSERT INTO t VALUES (2, NULL)", 1, NULL},
    };

    fill(ctx, db, 1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CHECK_EQ(covey_db_exec(ctx, db, cases[i].sql, NONE), cases[i].code);
        if (cases[i].words) {
            CHECK(strstr(covey_errmsg(), cases[i].words));
        }
    }
    CHECK_EQ(covey_db_exec(ctx, db, "INSERT INTO t VALUES (1, 'again')", NONE), COVEY_ECONSTRAINT);
    CHECK(strstr(covey_errmsg(), t->is_postgres ? "(23505)" : "UNIQUE"));
    CHECK_EQ(ask(ctx, db, "SELECT count(*) FROM t"), 2);
}

DB_TEST(parameters_must_be_as_many_as_the_placeholders)
{
    covey_rows *rows;
    int few = covey_db_query(ctx, db, &rows, "SELECT CAST($1 AS TEXT), CAST($2 AS TEXT)",
                             COVEY_DB_PARAMS(covey_db_text("x")));
    CHECK(few == -EINVAL || few == COVEY_ESQL);
    int many = covey_db_query(ctx, db, &rows, "SELECT 1", COVEY_DB_PARAMS(covey_db_int(1)));
    if (many == 0 && t->is_postgres) { /* it declares them, and lets them be */
        OK(covey_rows_close(rows));
    } else {
        CHECK_EQ(many, -EINVAL);
    }
    CHECK_EQ(covey_db_exec(ctx, db, NULL, NONE), -EINVAL);
    CHECK_EQ(covey_db_exec(ctx, db, "SELECT $1", NULL, 1), -EINVAL);
}

DB_TEST(one_statement_at_a_time_but_in_a_script)
{
    int64_t code =
        covey_db_exec(ctx, db, "CREATE TABLE a (x INTEGER); CREATE TABLE b (x INTEGER)", NONE);
    CHECK(code == -EINVAL || code == COVEY_ESQL);
    OK(covey_db_exec(ctx, db, "CREATE TABLE c (x INTEGER); -- that is all", NONE));
    OK(covey_db_script(ctx, db,
                       "CREATE TABLE a (x INTEGER); INSERT INTO a VALUES (1); SELECT * FROM a;\n"
                       "-- and\nINSERT INTO a VALUES (2)"));
    CHECK_EQ(ask(ctx, db, "SELECT count(*) FROM a"), 2);
    CHECK_EQ(covey_db_script(ctx, db, "INSERT INTO a VALUES (3); SELEC 1"), COVEY_ESQL);
    CHECK_EQ(ask(ctx, db, "SELECT count(*) FROM a"), t->is_postgres ? 2 : 3);
}

DB_TEST_WITH(more_statements_than_are_kept_still_run, .max_open = 1, .max_statements = 4)
{
    char sql[64];

    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 30; i++) {
            snprintf(sql, sizeof(sql), "SELECT %d", i % (round == 0 ? 30 : 5));
            CHECK_EQ(ask(ctx, db, sql), i % (round == 0 ? 30 : 5));
        }
    }
    if (t->is_postgres) {
        CHECK(ask(ctx, db, "SELECT count(*) FROM pg_prepared_statements") <= 4);
    }
}

DB_TEST_WITH(without_kept_statements_they_run_too, .max_statements = -1)
{
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(ask(ctx, db, "SELECT 5"), 5);
    }
}

DB_TEST_WITH(a_kept_statement_survives_a_change_of_its_table, .max_open = 1)
{
    covey_rows *row;

    fill(ctx, db, 3);
    for (int i = 0; i < 2; i++) {
        OK(covey_db_query_row(ctx, db, &row, "SELECT * FROM t WHERE id = 1", NONE));
        CHECK_EQ(covey_rows_columns(row), 2);
        OK(covey_rows_close(row));
    }
    OK(covey_db_exec(ctx, db, "ALTER TABLE t ADD COLUMN more INTEGER", NONE));
    OK(covey_db_query_row(ctx, db, &row, "SELECT * FROM t WHERE id = 1", NONE));
    CHECK_EQ(covey_rows_columns(row), 3);
    OK(covey_rows_close(row));
}

DB_TEST(a_done_context_runs_nothing)
{
    covey_ctx *done = covey_ctx_with_cancel(ctx);
    covey_rows *rows;

    fill(ctx, db, 2);
    OK(covey_db_query(ctx, db, &rows, "SELECT id FROM t", NONE));
    covey_ctx_cancel(done);
    CHECK_EQ(covey_db_exec(done, db, "DELETE FROM t", NONE), COVEY_ECANCELED);
    CHECK_EQ(covey_rows_next(done, rows), COVEY_ECANCELED);
    CHECK_EQ(covey_rows_close(rows), COVEY_ECANCELED);
    CHECK_EQ(ask(ctx, db, "SELECT count(*) FROM t"), 2);
    covey_ctx_unref(done);
}

TEST(urls_that_are_none_are_einval)
{
    covey_db *db;

    CHECK_EQ(covey_db_open(NULL, &db, NULL, NULL), -EINVAL);
    CHECK_EQ(covey_db_open(NULL, &db, "", NULL), -EINVAL);
    CHECK_EQ(covey_db_open(NULL, &db, "mysql://x", NULL), -EINVAL);
    CHECK_EQ(covey_db_open(NULL, &db, "postgres://x?nonsense=1", NULL), -EINVAL);
    CHECK_EQ(covey_db_open(NULL, &db, "sqlite::memory:", &(covey_db_options){.max_open = -1}),
             -EINVAL);
    covey_db_close(NULL);
}
