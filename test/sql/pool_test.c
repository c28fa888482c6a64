/* SPDX-License-Identifier: MIT
 * pool_test.c - who gets a connection, which are kept, what a close does. */
#include "database.h"

#include <covey/db.h>

/* ---- taking turns ---- */

struct turns {
    covey_db *db;
    covey_mutex mutex;
    int order[16], count;
    atomic_int next;
};

static int take_a_turn(covey_ctx *ctx, void *arg)
{
    struct turns *w = arg;
    covey_db *tx;
    int mine = atomic_fetch_add(&w->next, 1);

    OK(covey_db_begin(ctx, w->db, &tx, NULL));
    covey_mutex_lock(&w->mutex);
    w->order[w->count++] = mine;
    covey_mutex_unlock(&w->mutex);
    covey_db_rollback(tx);
    return 0;
}

static int write_one(covey_ctx *ctx, void *arg)
{
    return (int)covey_db_exec(ctx, arg, "INSERT INTO t VALUES (2)", NONE);
}

static void check_turn_to_write(covey_ctx *ctx, struct database_test *t, covey_db *db)
{
    covey_group *g = covey_group_new(ctx);
    char words[64];
    covey_db *tx;

    (void)t;
    OK(covey_db_script(ctx, db, "CREATE TABLE t (v INTEGER)"));
    OK(covey_db_begin(ctx, db, &tx, NULL));
    OK(covey_db_exec(ctx, tx, "INSERT INTO t VALUES (1)", NONE));
    CHECK_EQ(covey_group_go(g, write_one, db), 0);
    (void)snprintf(words, sizeof(words), ", awaiting turn to write \"shop\" (held by task %llu)",
                   (unsigned long long)covey_task_id());
    while (!dump_says(words)) {
        covey_yield();
    }
    OK(covey_db_commit(ctx, tx));
    CHECK_EQ(covey_group_wait(g), 0);
    CHECK(!dump_says("held by"));
}

/* The statement that it is for has not begun. */
TEST(a_dump_says_that_a_write_waits_for_its_turn_and_whose_it_is)
{
    CHECK_EQ(setenv("COVEY_DIAGNOSE", "1", 1), 0);
    database_run(false, (covey_db_options){.name = "shop"}, check_turn_to_write);
}

DB_TEST_WITH(connections_go_first_come_first_served, .max_open = 1)
{
    struct turns w = {.db = db};
    covey_group *g = covey_group_new(ctx);
    covey_db_stats stats;
    covey_db *tx;

    OK(covey_db_begin(ctx, db, &tx, NULL));
    for (int i = 0; i < 10; i++) {
        go_waiting_nth(g, "waiter", i, take_a_turn, &w);
    }
    CHECK(dump_says(t->is_postgres
                        ? ", awaiting database connection \"postgres: all 1 are in use\""
                        : ", awaiting database connection \"sqlite: all 1 are in use\""));
    covey_db_stats_get(db, &stats);
    CHECK_EQ(stats.waiting, 10);
    CHECK_EQ(stats.in_use, 1);
    CHECK_EQ(stats.open, 1);
    covey_db_rollback(tx);
    JOIN(g);
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(w.order[i], i);
    }
    covey_db_stats_get(db, &stats);
    CHECK_EQ(stats.waiting, 0);
    CHECK_EQ(stats.waits, 10);
    CHECK(stats.waited_ns > 0);
    CHECK_EQ(stats.opened, 1);
}

struct load {
    covey_db *db;
    atomic_int now, most, done;
};

static int hold_one(covey_ctx *ctx, void *arg)
{
    struct load *l = arg;
    covey_rows *rows;

    for (int i = 0; i < 3; i++) {
        OK(covey_db_query(ctx, l->db, &rows, "SELECT a.id FROM t a, t b", NONE));
        int now = atomic_fetch_add(&l->now, 1) + 1, most = atomic_load(&l->most);
        while (now > most && !atomic_compare_exchange_weak(&l->most, &most, now)) {
        }
        CHECK_EQ(covey_rows_next(ctx, rows), 1);
        covey_yield();
        atomic_fetch_sub(&l->now, 1);
        OK(covey_rows_close(rows));
        atomic_fetch_add(&l->done, 1);
    }
    return 0;
}

DB_TEST_WITH(a_thousand_tasks_share_five_connections, .max_open = 5)
{
    struct load l = {.db = db};
    covey_group *g = covey_group_new(ctx);
    covey_db_stats stats;
    int tasks = WITH_ASAN || WITH_TSAN ? 200 : 1000;

    OK(covey_db_exec(ctx, db, "CREATE TABLE t (id INTEGER)", NONE));
    for (int i = 0; i < 20; i++) { /* 400 rows, more than come at once */
        OK(covey_db_exec(ctx, db, "INSERT INTO t VALUES (1)", NONE));
    }
    for (int i = 0; i < tasks; i++) {
        GO(g, hold_one, &l);
    }
    JOIN(g);
    covey_db_stats_get(db, &stats);
    CHECK_EQ(atomic_load(&l.done), 3 * tasks);
    CHECK(atomic_load(&l.most) <= 5);
    CHECK(stats.open <= 5);
    CHECK_EQ(stats.closed_broken, 0);
}

DB_TEST_WITH(who_waits_leaves_when_its_context_ends, .max_open = 1)
{
    covey_ctx *short_time = covey_ctx_with_timeout(ctx, 20 * COVEY_MS);
    covey_db_stats stats;
    covey_db *tx;

    OK(covey_db_begin(ctx, db, &tx, NULL));
    CHECK_EQ(covey_db_exec(short_time, db, "SELECT 1", NONE), COVEY_EDEADLINE);
    CHECK(strstr(covey_errmsg(), "wait for a connection: deadline exceeded (20 ms, set at"));
    covey_db_stats_get(db, &stats);
    CHECK_EQ(stats.waiting, 0);
    covey_db_rollback(tx);
    CHECK_EQ(ask(ctx, db, "SELECT 5"), 5);
    covey_ctx_unref(short_time);
}

/* ---- closing ---- */

static int expect_closed(covey_ctx *ctx, void *arg)
{
    covey_rows *row;

    CHECK_EQ(covey_db_query_row(ctx, arg, &row, "SELECT 1", NONE), COVEY_ECLOSED);
    CHECK_STR(covey_errmsg(), "database is closed");
    return 0;
}

static int close_while_in_use(covey_ctx *ctx, void *arg)
{
    struct database_test *t = arg;
    covey_db *db = database_open(ctx, t), *tx;
    covey_group *g = covey_group_new(ctx);
    covey_rows *rows;

    OK(covey_db_begin(ctx, db, &tx, NULL));
    OK(covey_db_query(ctx, db, &rows, ENDLESS_ROWS, NONE));
    CHECK_EQ(covey_rows_next(ctx, rows), 1);
    go_waiting(g, "waiter", expect_closed, db);
    covey_db_close(db);
    JOIN(g);
    for (int i = 0; i < 1000; i++) {
        CHECK_EQ(covey_rows_next(ctx, rows), 1);
    }
    OK(covey_rows_close(rows));
    CHECK_EQ(ask(ctx, tx, "SELECT 5"), 5);
    OK(covey_db_commit(ctx, tx));
    return 0;
}

static void run_on(bool is_postgres, covey_fn *fn, covey_db_options opts)
{
    struct database_test t = {.is_postgres = is_postgres, .opts = opts};
    int fds = count_fds();

    database_place(&t);
    CHECK_EQ(covey_run(fn, &t), 0);
    CHECK_EQ(count_fds(), fds);
    database_remove(&t);
}

TEST(a_close_lets_go_on_what_is_under_way_sqlite)
{
    run_on(false, close_while_in_use, (covey_db_options){.max_open = 2});
}

TEST(a_close_lets_go_on_what_is_under_way_postgres)
{
    run_on(true, close_while_in_use, (covey_db_options){.max_open = 2});
}

/* ---- which are kept ---- */

/* Uses n connections at once. */
static void use(covey_ctx *ctx, covey_db *db, int n)
{
    covey_db *tx[8];
    covey_db_tx_options reading = {.read_only = true};

    for (int i = 0; i < n; i++) {
        OK(covey_db_begin(ctx, db, &tx[i], &reading));
    }
    for (int i = 0; i < n; i++) {
        covey_db_rollback(tx[i]);
    }
}

DB_TEST_WITH(no_more_than_max_idle_are_kept, .max_open = 6, .max_idle = 2)
{
    covey_db_stats stats;

    use(ctx, db, 6);
    covey_db_stats_get(db, &stats);
    CHECK_EQ(stats.max_open, 6);
    CHECK_EQ(stats.open, 2);
    CHECK_EQ(stats.idle, 2);
    CHECK_EQ(stats.opened, 6);
    CHECK_EQ(stats.closed_idle, 4);
}

DB_TEST_WITH(none_is_kept_where_max_idle_is_negative, .max_idle = -1)
{
    covey_db_stats stats;

    use(ctx, db, 1);
    covey_db_stats_get(db, &stats);
    CHECK_EQ(stats.open, 0);
}

DB_TEST_WITH(one_past_its_lifetime_is_not_used_again, .max_lifetime_ns = 1)
{
    covey_db_stats stats, later;

    use(ctx, db, 1);
    covey_db_stats_get(db, &stats);
    use(ctx, db, 1);
    covey_db_stats_get(db, &later);
    CHECK_EQ(later.opened, stats.opened + 1);
    CHECK(later.closed_lifetime > stats.closed_lifetime);
}

DB_TEST_WITH(idle_ones_are_closed_while_nobody_calls, .max_open = 6,
             .max_idle_time_ns = 30 * COVEY_MS)
{
    covey_db_stats stats;

    use(ctx, db, 6);
    do {
        OK(covey_sleep(ctx, 5 * COVEY_MS)); /* sleeps: what is waited for takes its time */
        covey_db_stats_get(db, &stats);
    } while (stats.open > 0);
    CHECK(stats.closed_idle >= 6);
    CHECK_EQ(ask(ctx, db, "SELECT 5"), 5);
}

DB_TEST_WITH(each_new_connection_runs_the_init_script, .max_open = 3,
             .init = "CREATE TEMP TABLE mine (x INTEGER); INSERT INTO mine VALUES (7)")
{
    use(ctx, db, 3);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(ask(ctx, db, "SELECT x FROM mine"), 7);
    }
}

static int open_with_bad_init(covey_ctx *ctx, void *arg)
{
    struct database_test *t = arg;
    covey_db *db;

    CHECK_EQ(covey_db_open(ctx, &db, t->url, &t->opts), COVEY_ESQL);
    return 0;
}

TEST(an_init_script_that_fails_fails_the_open)
{
    run_on(false, open_with_bad_init, (covey_db_options){.init = "SELEC 1"});
}

/* ---- a transaction that a text began ---- */

DB_TEST_WITH(a_transaction_begun_by_text_does_not_reach_the_next_user, .max_open = 1)
{
    covey_db_stats stats;

    OK(covey_db_exec(ctx, db, "CREATE TABLE t (id INTEGER)", NONE));
    int64_t code = covey_db_exec(ctx, db, "BEGIN", NONE);
    CHECK(code == 0 || code == -EINVAL); /* PostgreSQL's is found when the connection comes back */
    OK(covey_db_exec(ctx, db, "INSERT INTO t VALUES (1)", NONE));
    code = covey_db_exec(ctx, db, "ROLLBACK", NONE);
    CHECK_EQ(ask(ctx, db, "SELECT count(*) FROM t"), 1);
    covey_db_stats_get(db, &stats);
    CHECK_EQ(stats.closed_broken, t->is_postgres ? 1 : 0);
}

/* ---- memory ---- */

static int use_memory(covey_ctx *ctx, void *arg)
{
    covey_db_options opts = {.max_open = 8, .max_idle = -1, .max_lifetime_ns = 1};
    covey_db_stats stats;
    covey_db *db;

    (void)arg;
    OK(covey_db_open(ctx, &db, "sqlite::memory:", &opts));
    OK(covey_db_exec(ctx, db, "CREATE TABLE t (id INTEGER)", NONE));
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(covey_db_exec(ctx, db, "INSERT INTO t VALUES (1)", NONE), 1);
    }
    CHECK_EQ(ask(ctx, db, "SELECT count(*) FROM t"), 10);
    covey_db_stats_get(db, &stats);
    CHECK_EQ(stats.max_open, 1);
    covey_db_close(db);
    return 0;
}

TEST(a_database_in_memory_has_one_connection_that_stays)
{
    CHECK_EQ(covey_run(use_memory, NULL), 0);
}

TEST(sqlite_works_without_a_runtime_too)
{
    struct database_test t = {0};
    covey_db *db, *tx;

    database_place(&t);
    OK(covey_db_open(NULL, &db, t.url, NULL));
    OK(covey_db_begin(NULL, db, &tx, NULL));
    OK(covey_db_exec(NULL, tx, "CREATE TABLE t (id INTEGER)", NONE));
    OK(covey_db_commit(NULL, tx));
    CHECK_EQ(ask(NULL, db, "SELECT count(*) FROM t"), 0);
    covey_db_close(db);
    database_remove(&t);
}

TEST(a_file_that_is_not_there_is_enoent)
{
    covey_db *db;

    CHECK_EQ(covey_db_open(NULL, &db, "sqlite:/nowhere/at/all.db", NULL), -ENOENT);
    CHECK(strstr(covey_errmsg(), "/nowhere/at/all.db"));
}

static int open_nowhere(covey_ctx *ctx, void *arg)
{
    covey_db *db;

    CHECK_EQ(covey_db_open(ctx, &db, arg, NULL), -ENOTCONN);
    CHECK(strlen(covey_errmsg()) > strlen("postgres: "));
    return 0;
}

TEST(a_server_that_is_not_there_is_enotconn)
{
    CHECK_EQ(covey_run(open_nowhere, "postgres://127.0.0.1:1/x"), 0);
    CHECK_EQ(covey_run(open_nowhere, "postgres://localhost:1/x"), 0);
    CHECK_EQ(covey_run(open_nowhere, "postgres:///x?host=/nowhere"), 0);
}

/* ---- connections that come and go under load ---- */

static int ask_many(covey_ctx *ctx, void *arg)
{
    for (int i = 0; i < 25; i++) {
        CHECK_EQ(ask(ctx, arg, "SELECT 5"), 5);
        covey_yield();
    }
    return 0;
}

/* Each one grows old at once, or is asked before each use; nobody who uses one notices. */
DB_TEST_WITH(connections_are_replaced_and_asked_under_load_unnoticed, .max_open = 4, .max_idle = 2,
             .max_lifetime_ns = 5 * COVEY_MS, .max_idle_time_ns = 2 * COVEY_MS, .check_after_ns = 1)
{
    covey_group *g = covey_group_new(ctx);
    covey_db_stats s;

    for (int i = 0; i < 32; i++) {
        GO(g, ask_many, db);
    }
    JOIN(g);
    do { /* until the reaper has closed the last */
        CHECK_EQ(covey_sleep(ctx, COVEY_MS), 0);
        covey_db_stats_get(db, &s);
    } while (s.open > 0);
    fprintf(stderr, "# %llu made, closed: %llu idle, %llu old\n", (unsigned long long)s.opened,
            (unsigned long long)s.closed_idle, (unsigned long long)s.closed_lifetime);
    CHECK_EQ(s.closed_broken, 0);
    CHECK_EQ(s.opened, s.closed_idle + s.closed_lifetime);
    CHECK(s.opened > 4); /* some were replaced */
    CHECK_EQ(ask(ctx, db, "SELECT 5"), 5);
}
