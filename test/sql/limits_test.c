/* SPDX-License-Identifier: MIT
 * limits_test.c - values at their edges, large ones in bounded memory; what a PostgreSQL server is
 * found by and says beside its results. */
#include "database.h"

#include <covey/db.h>

#define BLOB_SIZE ((size_t)(WITH_ASAN || WITH_TSAN ? 2 : 16) << 20)
/* Of the blob's size: what one way there and back may hold at once. libpq has it in its buffer, as
 * text of twice the size, when a row ends; the buffer doubles as it grows. */
#define COPIES_MAX 10

/* ---- values ---- */

DB_TEST(a_numeric_of_a_thousand_digits_stays_exact)
{
    char digits[1003], *p = digits;
    covey_rows *r;
    size_t len;

    *p++ = '-';
    for (int i = 0; i < 1000; i++) {
        *p++ = (char)('1' + i % 9);
        if (i == 499) {
            *p++ = '.';
        }
    }
    *p = '\0';
    OK(covey_db_exec(
        ctx, db, t->is_postgres ? "CREATE TABLE n (v NUMERIC)" : "CREATE TABLE n (v TEXT)", NONE));
    CHECK_EQ(covey_db_exec(ctx, db, "INSERT INTO n VALUES ($1)",
                           COVEY_DB_PARAMS(covey_db_numeric(digits))),
             1);
    OK(covey_db_query_row(ctx, db, &r, "SELECT v FROM n", NONE));
    CHECK_STR(covey_rows_numeric(r, 0, &len), digits);
    CHECK_EQ(len, strlen(digits));
    OK(covey_rows_close(r));
}

/* A text with a NUL in it comes back whole, or is refused: it is never cut. */
DB_TEST(a_nul_in_a_text_is_kept_or_refused)
{
    covey_rows *r = NULL;
    size_t len = 0;
    int code = covey_db_query_row(ctx, db, &r, "SELECT CAST($1 AS TEXT)",
                                  COVEY_DB_PARAMS(covey_db_data(COVEY_DB_TEXT, "a\0b", 3)));

    if (t->is_postgres) {
        CHECK_EQ(code, -EINVAL);
        return;
    }
    OK(code);
    CHECK(memcmp(covey_rows_text(r, 0, &len), "a\0b", 4) == 0);
    CHECK_EQ(len, 3);
    OK(covey_rows_close(r));
}

/* The most memory the process had since reset_peak(), in bytes. */
static size_t peak(void)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[128];
    size_t kb = 0;

    CHECK(f);
    while (fgets(line, sizeof(line), f) && sscanf(line, "VmHWM: %zu kB", &kb) != 1) {
    }
    (void)fclose(f);
    return kb << 10;
}

static void reset_peak(void)
{
    FILE *f = fopen("/proc/self/clear_refs", "w");

    CHECK(f && fputs("5", f) >= 0);
    (void)fclose(f);
}

DB_TEST_WITH(large_blobs_come_back_whole_in_bounded_memory, .max_open = 1)
{
    unsigned char *data = malloc(BLOB_SIZE);
    size_t len, before;
    covey_rows *r;

    CHECK(data);
    for (size_t i = 0; i < BLOB_SIZE; i++) {
        data[i] = (unsigned char)(i * 2654435761u >> 24);
    }
    reset_peak();
    before = peak();
    for (int i = 0; i < 3; i++) { /* nothing adds up */
        OK(covey_db_query_row(ctx, db, &r, "SELECT $1",
                              COVEY_DB_PARAMS(covey_db_blob(data, BLOB_SIZE))));
        const void *back = covey_rows_blob(r, 0, &len);
        CHECK_EQ(len, BLOB_SIZE);
        CHECK(memcmp(back, data, len) == 0);
        OK(covey_rows_close(r));
    }
    size_t held = peak() - before;
    fprintf(stderr, "# at most %.1f times its size\n", (double)held / (double)BLOB_SIZE);
    if (!WITH_ASAN && !WITH_TSAN) {
        CHECK(held < COPIES_MAX * BLOB_SIZE);
    }
    free(data);
}

/* ---- PostgreSQL's ---- */

PG_TEST_WITH(a_session_in_another_zone_gives_the_same_times,
             .init = "SET TimeZone='Asia/Kathmandu'")
{
    covey_rows *r;
    int64_t us = INT64_C(1795781100250000);

    OK(covey_db_query_row(
        ctx, db, &r,
        "SELECT $1::timestamptz, '2026-11-27 17:50:00.25'::timestamptz, "
        "to_char($1::timestamptz, 'HH24:MI'), '1900-01-01'::timestamptz, "
        "$2::timestamptz, $3::timestamptz",
        COVEY_DB_PARAMS(covey_db_time(us), covey_db_time(INT64_MAX), covey_db_time(INT64_MIN))));
    CHECK_EQ(covey_rows_time(r, 0), us);
    CHECK_EQ(covey_rows_time(r, 1), us);
    CHECK_STR(covey_rows_text(r, 2, NULL), "17:50");
    CHECK_EQ(covey_rows_time(r, 3), INT64_C(-2209009276000000)); /* local mean time: +05:41:16 */
    CHECK_EQ(covey_rows_time(r, 4), INT64_MAX);
    CHECK_EQ(covey_rows_time(r, 5), INT64_MIN);
    OK(covey_rows_close(r));
}

PG_TEST_WITH(arrays_go_in_and_come_out_as_their_text, .max_open = 1)
{
    covey_rows *r;

    OK(covey_db_exec(ctx, db, "CREATE TABLE a (n INT[], s TEXT[])", NONE));
    OK(covey_db_exec(ctx, db, "INSERT INTO a VALUES ($1, $2)",
                     COVEY_DB_PARAMS(covey_db_text("{1,2,NULL}"),
                                     covey_db_text("{\"a b\",\"say \\\"x\\\"\"}"))));
    OK(covey_db_query_row(ctx, db, &r, "SELECT n, s, s[2] FROM a WHERE 2 = ANY(n)", NONE));
    CHECK_STR(covey_rows_text(r, 0, NULL), "{1,2,NULL}");
    CHECK_STR(covey_rows_text(r, 1, NULL), "{\"a b\",\"say \\\"x\\\"\"}");
    CHECK_STR(covey_rows_text(r, 2, NULL), "say \"x\"");
    OK(covey_rows_close(r));
}

static int count_columns(covey_ctx *ctx, covey_db *tx, void *arg)
{
    int *tries = arg;
    covey_rows *r;

    ++*tries;
    int code = covey_db_query_row(ctx, tx, &r, "SELECT * FROM p", NONE);
    if (code < 0) {
        return code;
    }
    int columns = (int)covey_rows_columns(r);
    code = covey_rows_close(r);
    return code < 0 ? code : columns;
}

/* "cached plan must not change result type": in a transaction all of it must run again. */
PG_TEST_WITH(a_changed_table_under_a_transaction_is_one_more_try, .max_open = 1)
{
    int tries = 0;

    OK(covey_db_script(ctx, db, "CREATE TABLE p (a INT); INSERT INTO p VALUES (1)"));
    CHECK_EQ(covey_db_transact(ctx, db, NULL, count_columns, &tries), 1);
    OK(covey_db_script(ctx, db, "ALTER TABLE p ADD COLUMN b INT"));
    CHECK_EQ(covey_db_transact(ctx, db, NULL, count_columns, &tries), 2);
    CHECK_EQ(tries, 3);
}

/* The test's server, with more behind its URL and, before its folder, one that is not there. */
static int open_as(covey_ctx *ctx, const char *hosts_before, const char *more, covey_db **db)
{
    const char *folder = strstr(getenv("COVEY_TEST_POSTGRES"), "host=");
    covey_db_options opts = {.max_open = 1};
    char url[512];

    CHECK(folder);
    (void)snprintf(url, sizeof(url), "postgresql://covey@/postgres?host=%s%s%s", hosts_before,
                   folder + strlen("host="), more);
    return covey_db_open(ctx, db, url, &opts);
}

PG_TEST_WITH(of_several_hosts_the_one_that_fits_is_taken, .max_open = 1)
{
    covey_db *other;

    OK(open_as(ctx, "/nowhere,", "", &other));
    CHECK_EQ(ask(ctx, other, "SELECT 5"), 5);
    covey_db_close(other);
    OK(open_as(ctx, "/nowhere,", "&target_session_attrs=read-write", &other));
    covey_db_close(other);
    CHECK_EQ(open_as(ctx, "", "&target_session_attrs=standby", &other), -ENOTCONN);
    CHECK(strstr(covey_errmsg(), "standby"));
    CHECK_EQ(open_as(ctx, "/nowhere,/nowhere_too,", "&target_session_attrs=read-only", &other),
             -ENOTCONN);
}

/* What a replica is to its clients. */
PG_TEST_WITH(a_server_that_only_reads_refuses_writes, .max_open = 1)
{
    covey_db *replica;

    OK(covey_db_script(ctx, db, "CREATE TABLE p (a INT)"));
    OK(open_as(ctx, "",
               "&target_session_attrs=read-only&options=-cdefault_transaction_read_only%3Don",
               &replica));
    CHECK_EQ(ask(ctx, replica, "SELECT count(*) FROM p"), 0);
    CHECK_EQ(covey_db_exec(ctx, replica, "INSERT INTO p VALUES (1)", NONE), COVEY_ESQL);
    CHECK(strstr(covey_errmsg(), "(25006)"));
    CHECK_EQ(ask(ctx, replica, "SELECT 5"), 5);
    covey_db_close(replica);
}

static char heard[128]; /* by one task at a time: one connection */

static void hear(void *arg, const char *severity, const char *message)
{
    ++*(int *)arg;
    (void)snprintf(heard, sizeof(heard), "%s: %s", severity, message);
}

static int heard_count;

PG_TEST_WITH(notices_are_told, .max_open = 1, .on_notice = hear, .notice_arg = &heard_count)
{
    int before = heard_count;

    OK(covey_db_script(ctx, db, "DO $$ BEGIN RAISE WARNING 'low on %', 'tea'; END $$"));
    CHECK_EQ(heard_count, before + 1);
    CHECK_STR(heard, "WARNING: low on tea");
    OK(covey_db_exec(ctx, db, "DROP TABLE IF EXISTS nothing", NONE));
    CHECK_STR(heard, "NOTICE: table \"nothing\" does not exist, skipping");
}
