/* SPDX-License-Identifier: MIT
 * pool.c - a checkout has a connection of the database's pool, for its transaction, and waits for a
 * task that wants another one. Alone that works; as many checkouts at once as the pool has
 * connections wait for each other for ever. Nobody locks anything; the rest of the program goes on.
 *
 * The story, with its output, is in docs/debugging.md. */
#include "child.h"

#include "../example_db.h"

#include <covey/db.h>

enum { CONNECTIONS = 2 };

static const char *url;
static covey_db *db;
static atomic_int under_way;

/* All come at the same time, as they do on a bad day. */
static void work(covey_ctx *ctx)
{
    atomic_fetch_add(&under_way, 1);
    while (atomic_load(&under_way) < CONNECTIONS && covey_sleep(ctx, COVEY_MS) == 0) {
    }
}

static int count_stock(covey_ctx *ctx, void *arg)
{
    covey_rows *row = NULL;

    (void)arg;
    int code = covey_db_query_row(ctx, db, &row, "SELECT 7", NULL, 0); /* the fault: not on tx */
    return code < 0 ? code : covey_rows_close(row);
}
enum { COUNT_LINE = __LINE__ - 3 };

static int checkout(covey_ctx *ctx, void *arg)
{
    const covey_db_tx_options reading = {.read_only = true};
    covey_db *tx = NULL;

    (void)arg;
    int code = covey_db_begin(ctx, db, &tx, &reading);
    if (code < 0) {
        return code;
    }
    work(ctx);
    covey_group *g = covey_group_new(ctx);
    (void)covey_group_go(g, count_stock, NULL);
    code = covey_group_wait(g);
    covey_db_rollback(tx);
    return code;
}
enum { CHECKOUT_LINE = __LINE__ - 4 };

/* The program is alive: this one serves on. */
static int serve(covey_ctx *ctx, void *arg)
{
    (void)arg;
    while (covey_sleep(ctx, 10 * COVEY_MS) == 0) {
    }
    return 0;
}

static int shop(covey_ctx *ctx, void *arg)
{
    const covey_db_options opts = {.name = "shop", .max_open = CONNECTIONS};

    (void)arg;
    int code = covey_db_open(ctx, &db, url, &opts);
    if (code < 0) {
        return code;
    }
    covey_group *g = covey_group_new(ctx);
    (void)covey_group_go(g, serve, NULL);
    for (int i = 0; i < CONNECTIONS; i++) {
        (void)covey_group_go(g, checkout, NULL);
    }
    return covey_group_wait(g);
}

static int faulty(void)
{
    covey_options opts = {.diagnose = true};

    return covey_run_with(&opts, shop, NULL);
}

/* How many lines of a report say so. */
static int count(const char *report, const char *words)
{
    int n = 0;

    for (const char *at = report; (at = strstr(at, words)) != NULL; at++) {
        n++;
    }
    return n;
}

int main(int argc, char **argv)
{
    struct example_db place;

    url = example_db_url(&place, &argc, argv);
    example_options(argc, argv, "Transactions that wait for more connections of their pool.", NULL,
                    0);
    if (!url) {
        return 1;
    }
    char *report = child_report(faulty, "covey: deadlock:", 2500);
    fputs(report, stdout);
    expect(strstr(report, "covey: deadlock: 3 tasks wait for each other:") != NULL,
           "the report says that three tasks wait for each other");
    expect(strstr(report,
                  "awaiting database connection \"shop: all 2 are in use\" (held by task ") != NULL,
           "it names the pool, and which tasks have its connections");
    expect(count(report, "\"checkout\" waiting in group wait") == CONNECTIONS,
           "both of those, which wait for a task each");
    expect(has_frame(report, "checkout", "pool.c", CHECKOUT_LINE), "where");
    expect(has_frame(report, "count_stock", "pool.c", COUNT_LINE), "and where that one wants one");
    expect(count(report, "covey: deadlock:") == 1, "it comes once");
    free(report);
    example_db_remove(&place);
    return example_result(0);
}
