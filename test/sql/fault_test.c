/* SPDX-License-Identifier: MIT
 * fault_test.c - PostgreSQL behind a proxy that stalls and cuts (../fault/proxy.h): a context that
 * ends in each state of a statement, with and without TLS, a connection that ends after each so
 * many bytes. What is told is what happened in the database, and the pool heals. */
#include "../fault/proxy.h"
#include "database.h"

#include <covey/db.h>

#define BYTES_BETWEEN_CUTS 5

struct fault {
    struct proxy *proxy;
    covey_db *direct; /* not through the proxy */
    covey_db *db;     /* through it; one connection */
    bool is_tls;
    char url[512];
};

static int fault_main(covey_ctx *ctx, struct fault *f, const char *server,
                      void (*body)(covey_ctx *, struct fault *))
{
    covey_db_options one = {.max_open = 1};
    covey_db_stats stats;

    OK(covey_db_open(ctx, &f->direct, server, NULL));
    OK(covey_db_script(ctx, f->direct,
                       "DROP SCHEMA public CASCADE; CREATE SCHEMA public; "
                       "CREATE TABLE t (id BIGINT PRIMARY KEY, data TEXT)"));
    OK(covey_db_open(ctx, &f->db, f->url, &one));
    CHECK_EQ(ask(ctx, f->db,
                 "SELECT count(*) FROM pg_stat_ssl WHERE ssl AND "
                 "pid = pg_backend_pid()"),
             f->is_tls);
    body(ctx, f);
    /* Whatever has happened. */
    proxy_set_new(f->proxy, (struct proxy_rule){0});
    proxy_set(f->proxy, (struct proxy_rule){0});
    CHECK_EQ(ask(ctx, f->db, "SELECT 5"), 5);
    covey_db_stats_get(f->db, &stats);
    CHECK_EQ(stats.in_use, 0);
    CHECK_EQ(stats.open, 1);
    covey_db_close(f->db);
    covey_db_close(f->direct);
    return 0;
}

struct fault_run {
    struct fault fault;
    void (*body)(covey_ctx *, struct fault *);
};

static int fault_task(covey_ctx *ctx, void *arg)
{
    struct fault_run *r = arg;

    return fault_main(ctx, &r->fault, getenv("COVEY_TEST_POSTGRES"), r->body);
}

/* The proxy, and the URL that goes through it. */
static void place_between(struct fault *f, const char *server)
{
    char folder[160], socket[256];
    int port = 0;

    CHECK_EQ(sscanf(strstr(server, "host="), "host=%159[^&]&port=%d", folder, &port), 2);
    if (f->is_tls) {
        f->proxy = proxy_start_tcp(port);
        (void)snprintf(f->url, sizeof(f->url),
                       "postgresql://covey@127.0.0.1:%d/postgres?sslmode=verify-ca&sslrootcert=%s",
                       proxy_port(f->proxy), getenv("COVEY_TEST_POSTGRES_CERT"));
    } else {
        (void)snprintf(socket, sizeof(socket), "%s/.s.PGSQL.%d", folder, port);
        f->proxy = proxy_start(socket);
        (void)snprintf(f->url, sizeof(f->url), "postgresql://covey@/postgres?host=%s&port=%d",
                       proxy_folder(f->proxy), port);
    }
}

static void fault_test(bool is_tls, void (*body)(covey_ctx *, struct fault *))
{
    const char *server = getenv("COVEY_TEST_POSTGRES");
    struct fault_run run = {.fault.is_tls = is_tls, .body = body};
    int fds = count_fds();

    if (!server) {
        SKIP("no PostgreSQL server");
    }
    if (is_tls && !getenv("COVEY_TEST_POSTGRES_CERT")) {
        SKIP("a PostgreSQL server without TLS");
    }
    place_between(&run.fault, server);
    CHECK_EQ(covey_run(fault_task, &run), 0);
    proxy_stop(run.fault.proxy);
    CHECK_EQ(count_fds(), fds);
}

#define FAULT_TEST(name)                                                                           \
    static void name##_body(covey_ctx *ctx, struct fault *f);                                      \
    TEST(name)                                                                                     \
    {                                                                                              \
        fault_test(false, name##_body);                                                            \
    }                                                                                              \
    static void name##_body(covey_ctx *ctx, struct fault *f)

/* Two: NAME, and NAME_over_tls, where a record that is not all there is nothing. */
#define FAULT_TESTS(name)                                                                          \
    static void name##_body(covey_ctx *ctx, struct fault *f);                                      \
    TEST(name##_over_tls)                                                                          \
    {                                                                                              \
        fault_test(true, name##_body);                                                             \
    }                                                                                              \
    FAULT_TEST(name)

static int64_t count_rows(covey_ctx *ctx, struct fault *f)
{
    return ask(ctx, f->direct, "SELECT count(*) FROM t");
}

/* ---- a context that ends in each state ---- */

struct call {
    covey_db *db;
    const char *sql;
    const covey_db_value *params;
    size_t n;
    covey_fn *fn; /* NULL: a statement */
    int64_t code;
};

static int run_statement(covey_ctx *ctx, void *arg)
{
    struct call *c = arg;

    c->code = covey_db_exec(ctx, c->db, c->sql, c->params, c->n);
    return 0;
}

static int run_commit(covey_ctx *ctx, void *arg)
{
    struct call *c = arg;

    c->code = covey_db_commit(ctx, c->db);
    return 0;
}

enum after { GOES_ON, IS_CUT };

/* The call meets the stall and is cancelled there; then the bytes go on, or the connection ends. */
static void cancel_at(covey_ctx *ctx, struct fault *f, struct proxy_rule stall, enum after after,
                      struct call *c)
{
    covey_group *g = covey_group_new(ctx);

    proxy_set(f->proxy, stall);
    GO(g, c->fn ? c->fn : run_statement, c);
    while (!proxy_is_stalling(f->proxy)) {
        covey_yield();
    }
    covey_group_cancel(g, 0);
    settle();
    proxy_set(f->proxy, (struct proxy_rule){.action = after == IS_CUT ? PROXY_CUT : PROXY_PASS,
                                            .direction = stall.direction});
    JOIN(g);
}

#define INSERT .sql = "INSERT INTO t VALUES (1, 'x')"
#define STALL(way, bytes)                                                                          \
    ((struct proxy_rule){.action = PROXY_STALL, .direction = (way), .after = (bytes)})

/* Succeeded with an effect, or was cancelled without: either may be so, but not a mixture. */
static void check_told(covey_ctx *ctx, struct fault *f, int64_t code, int64_t success)
{
    if (code != success) {
        CHECK_EQ(code, COVEY_ECANCELED);
    }
    CHECK_EQ(count_rows(ctx, f), code == success);
    CHECK_EQ(ask(ctx, f->db, "SELECT 6"), 6);
    OK(covey_db_exec(ctx, f->direct, "DELETE FROM t", NONE));
}

/* The server has nothing to cancel while the statement is still on its way to it: without a second
 * word it would run for ever. */
FAULT_TESTS(a_cancellation_that_overtakes_its_statement_is_repeated)
{
    covey_ctx *limited = covey_ctx_with_timeout(ctx, 20 * COVEY_MS);
    struct call c = {.db = f->db, .sql = ENDLESS};
    covey_group *g = covey_group_new(ctx);
    covey_db_stats stats;

    (void)covey_db_exec(limited, f->db, ENDLESS, NONE); /* it is prepared now */
    covey_ctx_unref(limited);
    CHECK_EQ(ask(ctx, f->db, "SELECT 5"), 5);
    int before = proxy_connections(f->proxy);
    proxy_set(f->proxy, STALL(PROXY_UP, 0));
    GO(g, run_statement, &c);
    while (!proxy_is_stalling(f->proxy)) {
        covey_yield();
    }
    covey_group_cancel(g, 0);
    while (proxy_connections(f->proxy) < before + 2) { /* the second: the first has been heard */
        covey_yield();
    }
    proxy_set(f->proxy, (struct proxy_rule){0});
    JOIN(g);
    CHECK_EQ(c.code, COVEY_ECANCELED);
    covey_db_stats_get(f->db, &stats);
    CHECK_EQ(stats.closed_broken, 0);
    CHECK_EQ(ask(ctx, f->direct,
                 "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND "
                 "pid <> pg_backend_pid() AND backend_type = 'client backend'"),
             0);
}

FAULT_TESTS(cancelled_before_it_is_sent_nothing_is_sent)
{
    covey_ctx *done = covey_ctx_with_cancel(ctx);

    covey_ctx_cancel(done);
    proxy_set(f->proxy, (struct proxy_rule){0});
    CHECK_EQ(covey_db_exec(done, f->db, "INSERT INTO t VALUES (1, 'x')", NONE), COVEY_ECANCELED);
    CHECK_EQ(proxy_passed(f->proxy, PROXY_UP), 0);
    covey_ctx_unref(done);
}

static void cancel_half_sent(covey_ctx *ctx, struct fault *f, enum after after)
{
    size_t size = (size_t)8 << 20;
    char *text = malloc(size);
    CHECK(text);
    memset(text, 'x', size);
    covey_db_value param = covey_db_data(COVEY_DB_TEXT, text, size);
    struct call c = {.db = f->db, .sql = "INSERT INTO t VALUES (1, $1)", .params = &param, .n = 1};

    cancel_at(ctx, f, STALL(PROXY_UP, 100000), after, &c);
    if (after == IS_CUT && c.code == -ECONNRESET) { /* it saw that first */
        c.code = COVEY_ECANCELED;
    }
    check_told(ctx, f, c.code, 1);
    free(text);
}

FAULT_TESTS(cancelled_half_sent_it_ends_whole_or_not_at_all)
{
    cancel_half_sent(ctx, f, GOES_ON);
    cancel_half_sent(ctx, f, IS_CUT);
}

FAULT_TESTS(cancelled_while_its_answer_is_under_way_it_tells_what_happened)
{
    for (long at = 0; at < 60; at += 4) {
        struct call c = {.db = f->db, INSERT};
        OK(covey_db_exec(ctx, f->db, c.sql, NONE)); /* prepared: so it is its own answer */
        OK(covey_db_exec(ctx, f->direct, "DELETE FROM t", NONE));
        cancel_at(ctx, f, STALL(PROXY_DOWN, at % 12), GOES_ON, &c);
        check_told(ctx, f, c.code, 1);
    }
}

/* The statement may have taken effect, and there is nobody left to say so. */
FAULT_TESTS(cancelled_and_cut_the_connection_is_replaced)
{
    for (int i = 0; i < 5; i++) {
        struct call c = {.db = f->db, INSERT};
        OK(ask(ctx, f->db, "SELECT 1"));
        cancel_at(ctx, f, STALL(PROXY_DOWN, 0), IS_CUT, &c);
        CHECK(c.code == COVEY_ECANCELED || c.code == -ECONNRESET); /* whichever it saw first */
        CHECK_EQ(ask(ctx, f->db, "SELECT 6"), 6);
        OK(covey_db_exec(ctx, f->direct, "DELETE FROM t", NONE));
    }
}

static int read_rows(covey_ctx *ctx, void *arg)
{
    struct call *c = arg;
    covey_rows *rows;
    int64_t n = 0;

    c->code = covey_db_query(ctx, c->db, &rows, "SELECT * FROM generate_series(1, 100000)", NONE);
    if (c->code < 0) {
        return 0;
    }
    while ((c->code = covey_rows_next(ctx, rows)) > 0) {
        CHECK_EQ(covey_rows_int(rows, 0), ++n);
    }
    CHECK(n < 100000);
    CHECK_EQ(covey_rows_close(rows), c->code);
    return 0;
}

FAULT_TESTS(cancelled_half_read_its_rows_end_and_the_next_are_right)
{
    for (int i = 0; i < 5; i++) {
        struct call c = {.db = f->db, .fn = read_rows};
        cancel_at(ctx, f, STALL(PROXY_DOWN, 50000 + 7 * i), i == 4 ? IS_CUT : GOES_ON, &c);
        CHECK(c.code == COVEY_ECANCELED || (i == 4 && c.code == -ECONNRESET));
        CHECK_EQ(ask(ctx, f->db, "SELECT 6"), 6);
    }
}

FAULT_TESTS(cancelled_in_a_transaction_it_commits_all_or_nothing)
{
    for (int i = 0; i < 5; i++) {
        struct call c = {INSERT};
        OK(covey_db_begin(ctx, f->db, &c.db, NULL));
        OK(covey_db_exec(ctx, c.db, "INSERT INTO t VALUES (2, 'y')", NONE));
        cancel_at(ctx, f, STALL(i % 2 ? PROXY_DOWN : PROXY_UP, i), GOES_ON, &c);
        int code = covey_db_commit(ctx, c.db);
        /* Cancelled before it was sent it has not failed in the database. */
        CHECK(code == 0 || (code == COVEY_EABORTED && c.code == COVEY_ECANCELED));
        CHECK_EQ(count_rows(ctx, f), code < 0 ? 0 : c.code == 1 ? 2 : 1);
        OK(covey_db_exec(ctx, f->direct, "DELETE FROM t", NONE));
    }
}

FAULT_TESTS(cancelled_in_commit_it_tells_what_happened)
{
    for (int i = 0; i < 6; i++) {
        struct call c = {.fn = run_commit};
        OK(covey_db_begin(ctx, f->db, &c.db, NULL));
        OK(covey_db_exec(ctx, c.db, "INSERT INTO t VALUES (1, 'x')", NONE));
        cancel_at(ctx, f, STALL(i % 2 ? PROXY_DOWN : PROXY_UP, i), GOES_ON, &c);
        check_told(ctx, f, c.code, 0);
    }
}

/* ---- a connection that ends after each so many bytes ---- */

/* A row of its own and rows that must be these: what the commit said, or the first failure. */
static int exchange(covey_ctx *ctx, covey_db *db, int64_t id, bool *is_committing)
{
    covey_rows *rows = NULL;
    covey_db *tx;
    int64_t n = 0;
    int code = covey_db_begin(ctx, db, &tx, NULL);

    *is_committing = false;
    if (code < 0) {
        return code;
    }
    code = (int)covey_db_exec(ctx, tx, "INSERT INTO t VALUES ($1, 'z')",
                              COVEY_DB_PARAMS(covey_db_int(id)));
    code = code < 0 ? code
                    : covey_db_query(ctx, tx, &rows, "SELECT n FROM generate_series(1, 5) n", NONE);
    if (rows) {
        while ((code = covey_rows_next(ctx, rows)) > 0) {
            CHECK_EQ(covey_rows_int(rows, 0), ++n);
        }
        CHECK(code < 0 || n == 5);
        int closed = covey_rows_close(rows);
        CHECK_EQ(closed, code);
    }
    if (code < 0) {
        covey_db_rollback(tx);
        return code;
    }
    *is_committing = true;
    return covey_db_commit(ctx, tx);
}

/* The same in one round trip, which commits. */
static int exchange_by_batch(covey_ctx *ctx, covey_db *db, int64_t id, bool *is_committing)
{
    covey_db_value key = covey_db_int(id);
    covey_db_statement list[] = {{"INSERT INTO t VALUES ($1, 'z')", &key, 1},
                                 {"SELECT n FROM generate_series(1, 5) n", NONE}};
    covey_rows *rows[2];
    int code = covey_db_batch(ctx, db, list, 2, rows);

    *is_committing = true;
    if (code < 0) {
        return code;
    }
    for (int64_t n = 1; n <= 5; n++) {
        CHECK_EQ(covey_rows_next(ctx, rows[1]), 1);
        CHECK_EQ(covey_rows_int(rows[1], 0), n);
    }
    OK(covey_rows_close(rows[0]));
    OK(covey_rows_close(rows[1]));
    return 0;
}

typedef int exchange_fn(covey_ctx *ctx, covey_db *db, int64_t id, bool *is_committing);

/* Returns whether the cut was met. */
static bool cut_exchange(covey_ctx *ctx, struct fault *f, exchange_fn *fn, struct proxy_rule cut,
                         int64_t id)
{
    bool is_committing;

    OK(ask(ctx, f->db, "SELECT 1")); /* connected */
    proxy_set(f->proxy, cut);
    int code = fn(ctx, f->db, id, &is_committing);
    proxy_set(f->proxy, (struct proxy_rule){0}); /* a cut that was not met */
    int64_t found = 0;
    covey_rows *row;
    OK(covey_db_query_row(ctx, f->direct, &row, "SELECT count(*) FROM t WHERE id = $1",
                          COVEY_DB_PARAMS(covey_db_int(id))));
    found = covey_rows_int(row, 0);
    OK(covey_rows_close(row));
    if (code != 0) {
        CHECK_EQ(code, -ECONNRESET);
    }
    CHECK(code < 0 || found == 1);
    CHECK(code == 0 || is_committing || found == 0);
    return code < 0;
}

static void cut_everywhere(covey_ctx *ctx, struct fault *f, exchange_fn *fn,
                           enum proxy_direction direction)
{
    int64_t id = 0;
    long after = 0;
    int cuts = 0;

    for (; cut_exchange(ctx, f, fn, (struct proxy_rule){PROXY_CUT, direction, after}, id++);
         cuts++) {
        after += BYTES_BETWEEN_CUTS;
    }
    fprintf(stderr, "# cut %d times, up to byte %ld\n", cuts, after);
    CHECK(cuts > 20);
}

FAULT_TEST(cut_after_any_byte_to_the_server_nothing_is_half_done)
{
    cut_everywhere(ctx, f, exchange, PROXY_UP);
}

FAULT_TEST(cut_after_any_byte_to_the_client_no_row_is_wrong)
{
    cut_everywhere(ctx, f, exchange, PROXY_DOWN);
}

FAULT_TEST(cut_after_any_byte_of_a_batch_it_is_whole_or_not_there)
{
    cut_everywhere(ctx, f, exchange_by_batch, PROXY_UP);
    OK(covey_db_exec(ctx, f->direct, "DELETE FROM t", NONE));
    cut_everywhere(ctx, f, exchange_by_batch, PROXY_DOWN);
}

FAULT_TEST(cut_while_it_connects_it_is_a_failure_to_connect)
{
    for (long after = 0; after < 400; after += 21) {
        for (int way = PROXY_UP; way <= PROXY_DOWN; way++) {
            struct proxy_rule cut = {PROXY_CUT, (enum proxy_direction)way, after};
            covey_db *db;
            proxy_set_new(f->proxy, cut);
            int code = covey_db_open(ctx, &db, f->url, NULL);
            CHECK(code == 0 || code == -ENOTCONN || code == -ECONNRESET);
            if (code == 0) {
                covey_db_close(db);
            }
        }
    }
}

/* ---- idle connections ---- */

/* The first that is asked whether it is well does not answer, and its caller leaves: the others
 * were not even asked. */
FAULT_TEST(a_caller_who_leaves_during_a_check_costs_no_other_connection)
{
    covey_db_options three = {.max_open = 3, .check_after_ns = 1};
    covey_group *g = covey_group_new(ctx);
    covey_db_stats stats;
    covey_db *db, *tx[3];

    OK(covey_db_open(ctx, &db, f->url, &three));
    for (int i = 0; i < 3; i++) {
        OK(covey_db_begin(ctx, db, &tx[i], NULL));
    }
    for (int i = 0; i < 3; i++) {
        covey_db_rollback(tx[i]);
    }
    struct call c = {.db = db, .sql = "SELECT 1"};
    proxy_set(f->proxy, (struct proxy_rule){PROXY_STALL, PROXY_DOWN, 0});
    GO(g, run_statement, &c);
    while (!proxy_is_stalling(f->proxy)) {
        OK(covey_sleep(ctx, COVEY_MS)); /* sleeps: the proxy has threads of its own */
    }
    covey_group_cancel(g, 0);
    proxy_set(f->proxy, (struct proxy_rule){PROXY_CUT, PROXY_DOWN, 0});
    JOIN(g);
    CHECK_EQ(c.code, COVEY_ECANCELED);
    covey_db_stats_get(db, &stats);
    CHECK_EQ(stats.closed_broken, 1);
    CHECK_EQ(stats.idle, 2);
    CHECK_EQ(stats.open, 2);
    proxy_set(f->proxy, (struct proxy_rule){0});
    CHECK_EQ(ask(ctx, db, "SELECT 5"), 5);
    covey_db_stats_get(db, &stats);
    CHECK_EQ(stats.opened, 3);
    covey_db_close(db);
}

/* ---- what libpq does not read at once ---- */

/* Around the sizes of its buffer and of a TLS record: what it leaves in the kernel, of which no
 * event tells, is asked for all the same. The proxy passes pieces as they come. */
FAULT_TESTS(results_of_every_size_arrive_whole)
{
    static const int64_t around[] = {1, 8192, 16384, 32768, 65536, 262144};

    for (size_t i = 0; i < sizeof(around) / sizeof(around[0]); i++) {
        for (int64_t size = around[i]; size < around[i] + 120; size += 3) {
            covey_rows *r;
            size_t len = 0;
            OK(covey_db_query_row(ctx, f->db, &r, "SELECT repeat('x', CAST($1 AS int4)), $1",
                                  COVEY_DB_PARAMS(covey_db_int(size))));
            (void)covey_rows_text(r, 0, &len);
            CHECK_EQ(len, size);
            CHECK_EQ(covey_rows_int(r, 1), size);
            OK(covey_rows_close(r));
        }
    }
}

FAULT_TESTS(many_rows_arrive_whole)
{
    int64_t sum = 0;
    covey_rows *r;
    int more;

    OK(covey_db_query(ctx, f->db, &r,
                      "SELECT n, repeat('y', n % 3000) FROM generate_series(1, 20000) n", NONE));
    while ((more = covey_rows_next(ctx, r)) > 0) {
        sum += covey_rows_int(r, 0);
    }
    OK(more);
    CHECK_EQ(sum, INT64_C(20000) * 20001 / 2);
    OK(covey_rows_close(r));
}
