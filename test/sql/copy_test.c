/* SPDX-License-Identifier: MIT
 * copy_test.c - COPY in and out: all or nothing, stopped from either side, held up by the slow. */
#include "database.h"

#include <covey/db.h>

#define CREATE "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)"
#define IN "COPY t FROM STDIN"
#define OUT "COPY (SELECT id FROM t ORDER BY id) TO STDOUT"

/* Gives rows 1 to n, then returns code. */
struct rows {
    int n, given;
    int code;
    covey_ctx *ends; /* cancelled at the end; NULL: none */
};

static ssize_t give(covey_ctx *ctx, void *arg, void *buf, size_t size)
{
    struct rows *r = arg;
    size_t len = 0;

    (void)ctx;
    while (r->given < r->n && len + 64 < size) {
        len += (size_t)snprintf((char *)buf + len, size - len, "%d\ta name\n", ++r->given);
    }
    if (len == 0 && r->ends) {
        covey_ctx_cancel(r->ends);
        r->ends = NULL;
        len = (size_t)snprintf(buf, size, "%d\tlast\n", ++r->given);
    }
    return len > 0 ? (ssize_t)len : r->code < 0 ? covey_errorf(r->code, "no more") : 0;
}

/* Counts rows, each the next number; returns code after n. */
static int count(covey_ctx *ctx, void *arg, const void *row, size_t len)
{
    struct rows *r = arg;

    (void)ctx;
    CHECK(len > 0 && ((const char *)row)[len - 1] == '\n');
    CHECK_EQ(atoi(row), ++r->given);
    if (r->given == r->n && r->ends) {
        covey_ctx_cancel(r->ends);
    }
    return r->given == r->n && r->code < 0 ? covey_errorf(r->code, "enough") : 0;
}

DB_TEST(rows_go_in_and_come_out)
{
    struct rows in = {.n = 200000}, out = {0};

    if (!t->is_postgres) {
        CHECK_EQ(covey_db_copy_in(ctx, db, IN, give, &in), -ENOTSUP);
        CHECK_EQ(covey_db_copy_out(ctx, db, OUT, count, &out), -ENOTSUP);
        return;
    }
    OK(covey_db_exec(ctx, db, CREATE, NONE));
    CHECK_EQ(covey_db_copy_in(ctx, db, IN, give, &in), in.n);
    CHECK_EQ(ask(ctx, db, "SELECT count(*) FROM t"), in.n);
    CHECK_EQ(covey_db_copy_out(ctx, db, OUT, count, &out), in.n);
    CHECK_EQ(out.given, in.n);
    CHECK_EQ(covey_db_copy_in(ctx, db, IN, NULL, NULL), -EINVAL);
    CHECK_EQ(covey_db_copy_in(ctx, db, "SELECT 1", give, &in), -EINVAL);
    CHECK_EQ(covey_db_copy_in(ctx, db, "COPY nowhere FROM STDIN", give, &in), COVEY_ESQL);
    CHECK_EQ(covey_db_copy_out(ctx, db, "SELECT 1", count, &out), -EINVAL);
    CHECK_EQ(ask(ctx, db, "SELECT 5"), 5);
}

DB_TEST(a_failure_copies_nothing)
{
    struct rows stops = {.n = 50000, .code = -EIO}, twice = {.n = 10};

    if (!t->is_postgres) {
        SKIP("no COPY");
    }
    OK(covey_db_exec(ctx, db, CREATE, NONE));
    CHECK_EQ(covey_db_copy_in(ctx, db, IN, give, &stops), -EIO);
    CHECK_STR(covey_errmsg(), "no more");
    CHECK_EQ(ask(ctx, db, "SELECT count(*) FROM t"), 0);
    OK(covey_db_exec(ctx, db, "INSERT INTO t VALUES (10)", NONE));
    CHECK_EQ(covey_db_copy_in(ctx, db, IN, give, &twice), COVEY_ECONSTRAINT);
    CHECK_EQ(ask(ctx, db, "SELECT count(*) FROM t"), 1);
}

DB_TEST(a_sink_stops_the_server)
{
    struct rows out = {.n = 10, .code = -EIO};

    if (!t->is_postgres) {
        SKIP("no COPY");
    }
    CHECK_EQ(covey_db_copy_out(ctx, db, "COPY (" ENDLESS_ROWS ") TO STDOUT", count, &out), -EIO);
    CHECK_EQ(out.given, 10);
    CHECK_STR(covey_errmsg(), "enough");
    CHECK_EQ(ask(ctx, db, "SELECT 5"), 5);
}

DB_TEST(a_copy_is_cancelled_in_either_direction)
{
    covey_db_stats stats;

    if (!t->is_postgres) {
        SKIP("no COPY");
    }
    OK(covey_db_exec(ctx, db, CREATE, NONE));
    covey_ctx *limited = covey_ctx_with_cancel(ctx);
    struct rows out = {.n = 1000, .ends = limited};
    CHECK_EQ(covey_db_copy_out(limited, db, "COPY (" ENDLESS_ROWS ") TO STDOUT", count, &out),
             COVEY_ECANCELED);
    covey_ctx_unref(limited);

    limited = covey_ctx_with_cancel(ctx);
    struct rows in = {.n = 50000, .ends = limited, .code = COVEY_ECANCELED};
    CHECK_EQ(covey_db_copy_in(limited, db, IN, give, &in), COVEY_ECANCELED);
    covey_ctx_unref(limited);
    CHECK_EQ(ask(ctx, db, "SELECT count(*) FROM t"), 0);
    covey_db_stats_get(db, &stats);
    CHECK_EQ(stats.closed_broken, 0);
}

DB_TEST(a_copy_in_a_transaction_ends_with_it)
{
    struct rows in = {.n = 100}, again = {.n = 100};
    covey_db *tx;

    if (!t->is_postgres) {
        SKIP("no COPY");
    }
    OK(covey_db_exec(ctx, db, CREATE, NONE));
    OK(covey_db_begin(ctx, db, &tx, NULL));
    CHECK_EQ(covey_db_copy_in(ctx, tx, IN, give, &in), 100);
    covey_db_rollback(tx);
    CHECK_EQ(ask(ctx, db, "SELECT count(*) FROM t"), 0);
    OK(covey_db_begin(ctx, db, &tx, NULL));
    CHECK_EQ(covey_db_copy_in(ctx, tx, IN, give, &again), 100);
    OK(covey_db_commit(ctx, tx));
    CHECK_EQ(ask(ctx, db, "SELECT count(*) FROM t"), 100);
}
