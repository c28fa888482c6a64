/* SPDX-License-Identifier: MIT
 * tx_test.c - transactions: what ends them and what of them stays. */
#include "database.h"

#include <covey/db.h>

#define TABLE "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)"

static int64_t count(covey_ctx *ctx, covey_db *db)
{
    return ask(ctx, db, "SELECT count(*) FROM t");
}

DB_TEST(what_is_committed_stays_and_what_is_rolled_back_does_not)
{
    covey_db *tx;

    OK(covey_db_exec(ctx, db, TABLE, NONE));
    OK(covey_db_begin(ctx, db, &tx, NULL));
    OK(covey_db_exec(ctx, tx, "INSERT INTO t VALUES (1, 1)", NONE));
    CHECK_EQ(count(ctx, tx), 1);
    CHECK_EQ(count(ctx, db), 0); /* not for others yet */
    OK(covey_db_commit(ctx, tx));
    CHECK_EQ(count(ctx, db), 1);
    OK(covey_db_begin(ctx, db, &tx, NULL));
    OK(covey_db_exec(ctx, tx, "INSERT INTO t VALUES (2, 2)", NONE));
    covey_db_rollback(tx);
    CHECK_EQ(count(ctx, db), 1);
    covey_db_rollback(NULL);
}

static int leave_one_open(covey_ctx *ctx, void *arg)
{
    covey_db *tx;
    covey_rows *rows;

    OK(covey_db_begin(ctx, arg, &tx, NULL));
    OK(covey_db_exec(ctx, tx, "INSERT INTO t VALUES (1, 1)", NONE));
    OK(covey_db_query(ctx, tx, &rows, "SELECT * FROM t", NONE));
    OK(covey_rows_close(rows));
    return covey_errorf(-EBADF, "the task's own");
}

DB_TEST(a_tasks_end_rolls_back_before_its_group_hears_of_it)
{
    covey_group *g = covey_group_new(ctx);
    covey_db_stats stats;

    OK(covey_db_exec(ctx, db, TABLE, NONE));
    GO(g, leave_one_open, db);
    CHECK_EQ(covey_group_wait(g), -EBADF);
    CHECK_STR(covey_errmsg(), "the task's own");
    covey_db_stats_get(db, &stats);
    CHECK_EQ(stats.in_use, 0);
    CHECK_EQ(count(ctx, db), 0);
}

struct cancelled {
    covey_db *db;
    atomic_bool is_inserted;
};

static int be_cancelled_in_one(covey_ctx *ctx, void *arg)
{
    struct cancelled *c = arg;
    covey_db *tx;

    OK(covey_db_begin(ctx, c->db, &tx, NULL));
    OK(covey_db_exec(ctx, tx, "INSERT INTO t VALUES (1, 1)", NONE));
    atomic_store(&c->is_inserted, true);
    return (int)covey_db_exec(ctx, tx, ENDLESS, NONE);
}

DB_TEST(a_cancelled_tasks_transaction_is_rolled_back)
{
    covey_group *g = covey_group_new(ctx);
    struct cancelled c = {.db = db};

    OK(covey_db_exec(ctx, db, TABLE, NONE));
    GO(g, be_cancelled_in_one, &c);
    while (!atomic_load(&c.is_inserted)) {
        covey_yield();
    }
    covey_group_cancel(g, 0);
    CHECK_EQ(covey_group_wait(g), COVEY_ECANCELED);
    CHECK_EQ(count(ctx, db), 0);
    OK(covey_db_exec(ctx, db, "INSERT INTO t VALUES (1, 1)", NONE));
}

/* A transaction in which a statement meets its deadline; what the next one is told. */
static int64_t stop_one(covey_ctx *ctx, covey_db *db, covey_db **tx, int64_t deadline_ns)
{
    OK(covey_db_begin(ctx, db, tx, NULL));
    OK(covey_db_exec(ctx, *tx, "INSERT INTO t VALUES (1, 1)", NONE));
    covey_ctx *limited = covey_ctx_with_timeout(ctx, deadline_ns);
    CHECK_EQ(covey_db_exec(limited, *tx,
                           "INSERT INTO t SELECT n, n FROM (WITH RECURSIVE r(n) AS (SELECT 2 UNION "
                           "ALL SELECT n + 1 FROM r) SELECT n FROM r LIMIT 1000000000) x",
                           NONE),
             COVEY_EDEADLINE);
    covey_ctx_unref(limited);
    return covey_db_exec(ctx, *tx, "INSERT INTO t VALUES (2, 1)", NONE);
}

DB_TEST(a_statement_stopped_in_a_transaction_aborts_it)
{
    int64_t code, deadline_ns = 50 * COVEY_MS;
    covey_db *tx;

    OK(covey_db_exec(ctx, db, TABLE, NONE));
    /* One that has not begun when its time is up leaves the transaction as it is. */
    while ((code = stop_one(ctx, db, &tx, deadline_ns)) == 1) {
        CHECK(deadline_ns < 10 * COVEY_SEC);
        deadline_ns *= 4;
        covey_db_rollback(tx);
    }
    CHECK_EQ(code, COVEY_EABORTED);
    CHECK_EQ(covey_db_commit(ctx, tx), COVEY_EABORTED);
    CHECK_EQ(count(ctx, db), 0);
}

DB_TEST(a_transaction_serves_one_call_at_a_time)
{
    covey_db *tx;
    covey_rows *rows;

    OK(covey_db_exec(ctx, db, TABLE, NONE));
    OK(covey_db_begin(ctx, db, &tx, NULL));
    OK(covey_db_exec(ctx, tx, "INSERT INTO t VALUES (1, 1), (2, 2)", NONE));
    OK(covey_db_query(ctx, tx, &rows, "SELECT id FROM t", NONE));
    CHECK_EQ(covey_db_exec(ctx, tx, "DELETE FROM t", NONE), -EBUSY);
    CHECK_EQ(covey_rows_next(ctx, rows), 1);
    CHECK_EQ(covey_db_exec(ctx, tx, "DELETE FROM t", NONE), -EBUSY);
    CHECK_EQ(covey_rows_next(ctx, rows), 1);
    CHECK_EQ(covey_rows_next(ctx, rows), 0);
    CHECK_EQ(covey_db_exec(ctx, tx, "DELETE FROM t", NONE), 2);
    OK(covey_rows_close(rows));
    OK(covey_db_commit(ctx, tx));
}

DB_TEST(rows_end_with_their_transaction)
{
    covey_db *tx;
    covey_rows *rows;

    OK(covey_db_begin(ctx, db, &tx, NULL));
    OK(covey_db_query(ctx, tx, &rows, ENDLESS_ROWS " LIMIT 10000", NONE));
    CHECK_EQ(covey_rows_next(ctx, rows), 1);
    OK(covey_db_commit(ctx, tx));
    CHECK_EQ(covey_rows_next(ctx, rows), COVEY_ECLOSED);
    CHECK_EQ(covey_rows_close(rows), COVEY_ECLOSED);
}

DB_TEST(rows_closed_early_do_not_abort_their_transaction)
{
    covey_db *tx;
    covey_rows *rows;

    OK(covey_db_exec(ctx, db, TABLE, NONE));
    OK(covey_db_begin(ctx, db, &tx, NULL));
    OK(covey_db_exec(ctx, tx, "INSERT INTO t VALUES (1, 1)", NONE));
    OK(covey_db_query(ctx, tx, &rows, ENDLESS_ROWS " LIMIT 10000", NONE));
    CHECK_EQ(covey_rows_next(ctx, rows), 1);
    OK(covey_rows_close(rows));
    OK(covey_db_commit(ctx, tx));
    CHECK_EQ(count(ctx, db), 1);
}

DB_TEST(a_transaction_does_not_nest)
{
    covey_db *tx, *inner;

    OK(covey_db_begin(ctx, db, &tx, NULL));
    CHECK_EQ(covey_db_begin(ctx, tx, &inner, NULL), -EINVAL);
    covey_db_rollback(tx);
}

DB_TEST(a_read_only_one_does_not_write)
{
    covey_db_tx_options opts = {.read_only = true};
    covey_db *tx;

    OK(covey_db_exec(ctx, db, TABLE, NONE));
    OK(covey_db_begin(ctx, db, &tx, &opts));
    CHECK_EQ(count(ctx, tx), 0);
    CHECK_EQ(covey_db_exec(ctx, tx, "INSERT INTO t VALUES (1, 1)", NONE), COVEY_ESQL);
    covey_db_rollback(tx);
    OK(covey_db_begin(ctx, db, &tx, &opts));
    CHECK_EQ(covey_db_script(ctx, tx, "INSERT INTO t VALUES (1, 1)"), COVEY_ESQL);
    covey_db_rollback(tx);
    CHECK_EQ(count(ctx, db), 0);
}

DB_TEST(a_scripts_statements_are_one_with_the_transaction)
{
    covey_db *tx;

    OK(covey_db_begin(ctx, db, &tx, NULL));
    OK(covey_db_script(ctx, tx, TABLE "; INSERT INTO t VALUES (1, 1)"));
    covey_db_rollback(tx);
    CHECK_EQ(covey_db_exec(ctx, db, "SELECT * FROM t", NONE), COVEY_ESQL);
}

/* ---- transact ---- */

struct attempt {
    int tries, failures;
    int code;
};

static int try_to_insert(covey_ctx *ctx, covey_db *tx, void *arg)
{
    struct attempt *a = arg;

    OK(covey_db_exec(ctx, tx, "INSERT INTO t VALUES (1, 1)", NONE));
    return a->tries++ < a->failures ? covey_errorf(a->code, "try %d", a->tries) : 5;
}

DB_TEST(transact_commits_rolls_back_and_tries_again)
{
    struct attempt well = {0}, twice = {.failures = 2, .code = COVEY_ESERIAL},
                   bad = {.failures = 9, .code = -EBADF},
                   ever = {.failures = 99, .code = COVEY_ESERIAL};
    covey_db_tx_options three = {.max_tries = 3};

    OK(covey_db_exec(ctx, db, TABLE, NONE));
    CHECK_EQ(covey_db_transact(ctx, db, NULL, try_to_insert, &well), 5);
    CHECK_EQ(covey_db_exec(ctx, db, "DELETE FROM t", NONE), 1);
    CHECK_EQ(covey_db_transact(ctx, db, NULL, try_to_insert, &twice), 5);
    CHECK_EQ(twice.tries, 3);
    CHECK_EQ(covey_db_exec(ctx, db, "DELETE FROM t", NONE), 1);
    CHECK_EQ(covey_db_transact(ctx, db, NULL, try_to_insert, &bad), -EBADF);
    CHECK_STR(covey_errmsg(), "try 1");
    CHECK_EQ(covey_db_transact(ctx, db, &three, try_to_insert, &ever), COVEY_ESERIAL);
    CHECK_STR(covey_errmsg(), "try 3");
    CHECK_EQ(count(ctx, db), 0);
}

static int add_one(covey_ctx *ctx, covey_db *tx, void *arg)
{
    covey_rows *row;

    (void)arg;
    int code = covey_db_query_row(ctx, tx, &row, "SELECT n FROM t WHERE id = 1", NONE);
    if (code < 0) {
        return code;
    }
    int64_t n = covey_rows_int(row, 0);
    OK(covey_rows_close(row));
    covey_yield();
    return (int)covey_db_exec(ctx, tx, "UPDATE t SET n = $1 WHERE id = 1",
                              COVEY_DB_PARAMS(covey_db_int(n + 1)));
}

enum { ADDERS = 6, ADDS = 10 };

static int add_some(covey_ctx *ctx, void *arg)
{
    covey_db_tx_options opts = {.isolation = COVEY_DB_SERIALIZABLE, .max_tries = 1000};

    for (int i = 0; i < ADDS; i++) {
        OK(covey_db_transact(ctx, arg, &opts, add_one, NULL));
    }
    return 0;
}

DB_TEST(no_update_is_lost_between_serializable_transactions)
{
    covey_group *g = covey_group_new(ctx);

    OK(covey_db_exec(ctx, db, TABLE, NONE));
    OK(covey_db_exec(ctx, db, "INSERT INTO t VALUES (1, 0)", NONE));
    for (int i = 0; i < ADDERS; i++) {
        GO(g, add_some, db);
    }
    JOIN(g);
    CHECK_EQ(ask(ctx, db, "SELECT n FROM t WHERE id = 1"), ADDERS * ADDS);
}

/* ---- SQLite's one writer ---- */

struct writers {
    covey_db *db;
    atomic_int next;
    covey_mutex mutex;
    int order[8], count;
};

static int write_one(covey_ctx *ctx, void *arg)
{
    struct writers *w = arg;
    int mine = atomic_fetch_add(&w->next, 1);
    covey_db *tx;

    OK(covey_db_begin(ctx, w->db, &tx, NULL));
    covey_mutex_lock(&w->mutex);
    w->order[w->count++] = mine;
    covey_mutex_unlock(&w->mutex);
    OK(covey_db_commit(ctx, tx));
    return 0;
}

static int let_write_in_turn(covey_ctx *ctx, void *arg)
{
    struct database_test *t = arg;
    struct writers w = {.db = database_open(ctx, t)};
    covey_group *g = covey_group_new(ctx);
    covey_ctx *limited = covey_ctx_with_timeout(ctx, 20 * COVEY_MS);
    covey_db *tx;

    OK(covey_db_exec(ctx, w.db, TABLE, NONE));
    OK(covey_db_begin(ctx, w.db, &tx, NULL));
    for (int i = 0; i < 5; i++) {
        covey_db_stats stats;
        go_waiting_nth(g, "writer", i, write_one, &w);
        do { /* until it has its connection, and waits for its turn to write */
            covey_yield();
            covey_db_stats_get(w.db, &stats);
        } while (stats.in_use < i + 2 || !dump_says("waiting in semaphore"));
        settle();
    }
    CHECK_EQ(covey_db_exec(limited, w.db, "INSERT INTO t VALUES (9, 9)", NONE), COVEY_EDEADLINE);
    CHECK_EQ(count(ctx, w.db), 0); /* readers go on */
    OK(covey_db_commit(ctx, tx));
    JOIN(g);
    CHECK_EQ(w.count, 5);
    OK(covey_db_exec(ctx, w.db, "INSERT INTO t VALUES (9, 9)", NONE));
    covey_db_close(w.db);
    covey_ctx_unref(limited);
    return 0;
}

TEST(writers_of_sqlite_take_turns_and_readers_go_on)
{
    struct database_test t = {0};

    database_place(&t);
    CHECK_EQ(covey_run(let_write_in_turn, &t), 0);
    database_remove(&t);
}

static int insert_one(covey_ctx *ctx, void *arg)
{
    return (int)covey_db_exec(ctx, arg, "INSERT INTO t VALUES (1, 1)", NONE);
}

/* Another pool's locks are what another process's are. */
static int wait_for_a_lock(covey_ctx *ctx, void *arg)
{
    struct database_test *t = arg;
    covey_db *db = database_open(ctx, t), *other, *tx;
    covey_ctx *limited = covey_ctx_with_timeout(ctx, 30 * COVEY_MS);
    covey_group *g = covey_group_new(ctx);

    OK(covey_db_open(ctx, &other, t->url, NULL));
    OK(covey_db_exec(ctx, db, TABLE, NONE));
    OK(covey_db_begin(ctx, other, &tx, NULL));
    CHECK_EQ(insert_one(limited, db), COVEY_EDEADLINE);
    go_waiting(g, "inserter", insert_one, db);
    OK(covey_db_commit(ctx, tx));
    CHECK_EQ(covey_group_wait(g), 0);
    CHECK_EQ(count(ctx, other), 1);
    covey_db_close(other);
    covey_db_close(db);
    covey_ctx_unref(limited);
    return 0;
}

TEST(locks_of_another_process_are_waited_for_under_the_context)
{
    struct database_test t = {0};

    database_place(&t);
    CHECK_EQ(covey_run(wait_for_a_lock, &t), 0);
    database_remove(&t);
}
