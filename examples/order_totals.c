/* SPDX-License-Identifier: MIT
 * order_totals.c - the totals of many orders from a database, asked at once.
 *
 * One task an order, all in one group, over a pool of a few connections: tasks wait their turn. The
 * first failure, or the deadline, cancels the group, and with it every statement that is under way
 * in the database. Afterwards the pool is whole: the same queries run again.
 *
 * SQLite in a temporary file by default; --url postgres://... uses a server, and on it the tables
 * covey_orders and covey_items. */
#include "example_db.h"

#include <covey/db.h>

static int64_t orders = 100, connections = 4;

enum { ITEMS = 3 }; /* of each order */

/* Runs for ever: what a missing index might look like. */
static const char slow[] = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
                           "SELECT count(*) FROM n WHERE i < 0";

struct order {
    covey_db *db;
    int64_t id;
    int64_t *total;  /* cents */
    const char *sql; /* instead of its total */
};

static int fill(covey_ctx *ctx, covey_db *db, void *arg)
{
    int64_t code = 0;

    (void)arg;
    for (int64_t id = 1; id <= orders && code >= 0; id++) {
        code = covey_db_exec(ctx, db, "INSERT INTO covey_orders VALUES ($1)",
                             COVEY_DB_PARAMS(covey_db_int(id)));
        for (int64_t item = 0; item < ITEMS && code >= 0; item++) {
            code = covey_db_exec(ctx, db, "INSERT INTO covey_items VALUES ($1, $2, $3)",
                                 COVEY_DB_PARAMS(covey_db_int(id), covey_db_text("a thing"),
                                                 covey_db_int(100 * id + item)));
        }
    }
    return code < 0 ? (int)code : 0;
}

/* Tables with orders in them; all of it or nothing. */
static int set_up(covey_ctx *ctx, covey_db *db)
{
    int code = covey_db_script(
        ctx, db,
        "DROP TABLE IF EXISTS covey_items; DROP TABLE IF EXISTS covey_orders;"
        "CREATE TABLE covey_orders (id INTEGER PRIMARY KEY);"
        "CREATE TABLE covey_items (order_id INTEGER NOT NULL REFERENCES covey_orders,"
        "                          name TEXT NOT NULL, cents INTEGER NOT NULL)");

    return code < 0 ? code : covey_db_transact(ctx, db, NULL, fill, NULL);
}

/* ---- the tasks ---- */

static int add_up(covey_ctx *ctx, void *arg)
{
    struct order *o = arg;
    covey_rows *row;
    int code;

    if (o->sql) {
        code = covey_db_query_row(ctx, o->db, &row, o->sql, NULL, 0);
    } else {
        code = covey_db_query_row(ctx, o->db, &row,
                                  "SELECT CAST(sum(cents) AS BIGINT) FROM covey_items "
                                  "WHERE order_id = $1",
                                  COVEY_DB_PARAMS(covey_db_int(o->id)));
    }
    if (code < 0) {
        return covey_wrapf(code, "order %lld", (long long)o->id);
    }
    *o->total = covey_rows_int(row, 0);
    return covey_rows_close(row);
}

/* All totals; special, if it is not 0, is the order that runs other SQL. Of the rest as many are
 * slow as leave it a connection. */
static int add_up_all(covey_ctx *ctx, covey_db *db, int64_t *totals, int64_t special,
                      const char *sql)
{
    covey_group *g = covey_group_new(ctx);

    for (int64_t id = 1; id <= orders; id++) {
        struct order o = {.db = db, .id = id, .total = &totals[id - 1]};
        if (special == 0 || id == special) {
            o.sql = sql;
        } else if (id - special < connections) {
            o.sql = slow;
        }
        (void)covey_group_go_copy(g, add_up, &o, sizeof(o));
    }
    return covey_group_wait(g);
}

/* ---- what it shows ---- */

static void expect_whole(covey_ctx *ctx, covey_db *db, int64_t *totals, bool is_postgres)
{
    covey_db_stats stats;
    covey_rows *row;
    int64_t right = 0, running = 0;

    covey_db_stats_get(db, &stats);
    expect(stats.in_use == 0 && stats.waiting == 0, "every connection is back in the pool");
    if (is_postgres &&
        covey_db_query_row(ctx, db, &row,
                           "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND "
                           "query LIKE 'WITH RECURSIVE n(i)%' AND pid <> pg_backend_pid()",
                           NULL, 0) == 0) {
        running = covey_rows_int(row, 0);
        (void)covey_rows_close(row);
    }
    expect(running == 0, "none of the slow statements is still running in the database");
    memset(totals, 0, (size_t)orders * sizeof(*totals));
    int code = add_up_all(ctx, db, totals, 0, NULL);
    for (int64_t id = 1; id <= orders; id++) {
        right += totals[id - 1] == ITEMS * 100 * id + ITEMS * (ITEMS - 1) / 2;
    }
    expect(code == 0 && right == orders, "%lld of %lld totals are right", (long long)right,
           (long long)orders);
}

static int tour_of(covey_ctx *ctx, covey_db *db, bool is_postgres)
{
    int64_t *totals = calloc((size_t)orders, sizeof(*totals));
    covey_db_stats stats;
    int code = totals ? set_up(ctx, db) : -ENOMEM;

    if (code < 0) {
        free(totals);
        return code;
    }
    int64_t start = covey_now();
    printf("%lld orders over %lld connections:\n", (long long)orders, (long long)connections);
    expect_whole(ctx, db, totals, is_postgres);
    covey_db_stats_get(db, &stats);
    expect(stats.open <= connections, "%d connections did it in %lld ms; tasks waited %llu times",
           stats.open, (long long)example_ms(start), (unsigned long long)stats.waits);

    printf("one query is wrong, and the others are slow:\n");
    start = covey_now();
    code = add_up_all(ctx, db, totals, 1, "SELECT total FROM no_such_table");
    expect(code == COVEY_ESQL, "after %lld ms: %s", (long long)example_ms(start), covey_errmsg());
    expect_whole(ctx, db, totals, is_postgres);

    printf("all are slow, and there are 100 ms:\n");
    start = covey_now();
    covey_ctx *limited = covey_ctx_with_timeout(ctx, 100 * COVEY_MS);
    code = add_up_all(limited, db, totals, 0, slow);
    covey_ctx_unref(limited);
    expect(code == COVEY_EDEADLINE, "after %lld ms: %s", (long long)example_ms(start),
           covey_errmsg());
    expect_whole(ctx, db, totals, is_postgres);
    free(totals);
    return covey_db_script(ctx, db, "DROP TABLE covey_items; DROP TABLE covey_orders");
}

static int tour(covey_ctx *ctx, void *arg)
{
    const char *url = arg;
    covey_db_options opts = {.max_open = (int)connections};
    covey_db *db;
    int code = covey_db_open(ctx, &db, url, &opts);

    if (code == 0) {
        code = tour_of(ctx, db, strncmp(url, "postgres", 8) == 0);
        covey_db_close(db);
    }
    return code;
}

int main(int argc, char **argv)
{
    const struct example_option options[] = {
        {"--orders", &orders, "orders, and tasks"},
        {"--connections", &connections, "connections of the pool"},
    };
    struct example_db place;
    const char *url = example_db_url(&place, &argc, argv);

    example_options(argc, argv, "Adds up orders at once. --url URL: postgres://... or sqlite:FILE.",
                    options, 2);
    orders = orders < 2 ? 2 : orders;
    int code = url ? covey_run(tour, (void *)url) : -ENOENT;
    example_db_remove(&place);
    return example_result(code);
}
