/* SPDX-License-Identifier: MIT
 * query.c - a database's round trips: tasks ask for the total of an order by its number, over fewer
 * connections. query [QUERIES [TASKS [CONNECTIONS [URL]]]]; SQLite in a file of its own without a
 * URL. bench/query_postgres.sh runs it and pgbench against the same server. */
#include "bench.h"

#include <covey/db.h>

#include <stdatomic.h>
#include <unistd.h>

enum { ORDERS = 1000 };

struct load {
    covey_db *db;
    int64_t queries; /* of each task */
    int64_t *took;   /* of each query; a task's stand together */
    atomic_llong tasks;
};

static int ask(covey_ctx *ctx, void *arg)
{
    struct load *l = arg;
    uint64_t draw = covey_task_id();
    int64_t *took = l->took + atomic_fetch_add(&l->tasks, 1) * l->queries;

    for (int64_t i = 0; i < l->queries; i++) {
        covey_rows *row;
        draw = draw * UINT64_C(6364136223846793005) + 1442695040888963407;
        covey_db_value id = covey_db_int((int64_t)(draw >> 33) % ORDERS + 1);
        int64_t begun = covey_now();
        BENCH_CHECK(covey_db_query_row(ctx, l->db, &row,
                                       "SELECT total FROM bench_orders WHERE id=$1", &id, 1) == 0);
        BENCH_CHECK(covey_rows_int(row, 0) == 100 * id.integer);
        BENCH_CHECK(covey_rows_close(row) == 0);
        took[i] = covey_now() - begun;
    }
    return 0;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* Returns how long each query took, owned; *queries is how many those are. */
static int64_t *ask_all(covey_ctx *ctx, covey_db *db, int64_t tasks, int64_t *queries)
{
    struct load l = {.db = db, .queries = *queries / tasks + 1};
    covey_group *g = covey_group_new(ctx);

    *queries = l.queries * tasks;
    l.took = calloc((size_t)*queries, sizeof(*l.took));
    BENCH_CHECK(l.took);

    for (int64_t i = 0; i < tasks; i++) {
        BENCH_CHECK(covey_group_go(g, ask, &l) == 0);
    }
    BENCH_CHECK(covey_group_wait(g) == 0);
    return l.took;
}

static int measure(covey_ctx *ctx, void *arg)
{
    const struct bench *b = arg;
    int64_t queries = bench_number(b, 0, 50000), tasks = bench_number(b, 1, 64);
    covey_db_options opts = {.max_open = (int)bench_number(b, 2, 8)};
    char folder[] = "/tmp/covey-bench.XXXXXX", url[512];
    bool is_file = b->count < 4;
    covey_db *db;

    snprintf(url, sizeof(url), "sqlite:%s/orders.db", is_file ? mkdtemp(folder) : "");
    BENCH_CHECK(covey_db_open(ctx, &db, bench_word(b, 3, url), &opts) == 0);
    BENCH_CHECK(covey_db_script(ctx, db,
                                "DROP TABLE IF EXISTS bench_orders; CREATE TABLE bench_orders "
                                "(id INTEGER PRIMARY KEY, total BIGINT); INSERT INTO bench_orders "
                                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                                "WHERE i < 1000) SELECT i, 100 * i FROM n") == 0);
    int64_t warm_up = queries / 10;
    free(ask_all(ctx, db, tasks, &warm_up));
    struct bench_span span = bench_span_start();
    int64_t *took = ask_all(ctx, db, tasks, &queries);
    bench_span_end(&span);
    bench_print_span("query", &span, queries);
    qsort(took, (size_t)queries, sizeof(*took), compare);
    bench_print("query_p50", (double)took[queries / 2] / (double)COVEY_US, "us");
    bench_print("query_p99", (double)took[queries / 100 * 99] / (double)COVEY_US, "us");
    free(took);
    covey_db_close(db);
    if (is_file) {
        snprintf(url, sizeof(url), "%s/orders.db", folder);
        (void)unlink(url);
        (void)rmdir(folder);
    }
    return 0;
}

int main(int argc, char **argv)
{
    return bench_start(argc, argv, measure);
}
