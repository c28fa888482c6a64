/* SPDX-License-Identifier: MIT
 * shared_deadline.c - a database query and an HTTP call that share one budget of time.
 *
 * Both run in a group under one context with a deadline. What either takes is gone for the other;
 * whichever fails first stops the other where it is, in the database and on the wire; and when the
 * time is up both end. SQLite in a temporary file by default; --url postgres://... uses a server,
 * and on it the table covey_stock. The API's server is one in the same program. */
#include "example_db.h"

#include <covey/db.h>
#include <covey/http.h>

static int64_t budget_ms = 5000;

static const char slow_query[] = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
                                 "SELECT count(*) FROM n WHERE i < 0";

/* ---- the API: GET /price, /slow (never answers), anything else is 503, after a while ---- */

struct api {
    covey_listener *listener;
    covey_http_client *client;
    covey_db *db;
    char base[64];
    atomic_int open; /* connections */
};

struct visit {
    struct api *api;
    covey_conn *conn;
};

static int say(covey_ctx *ctx, covey_conn *c, const char *status, const char *body)
{
    char text[256];
    int len = snprintf(text, sizeof(text),
                       "HTTP/1.1 %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s", status,
                       strlen(body), body);
    ssize_t n = covey_write(ctx, c, text, (size_t)len);

    return n < 0 ? (int)n : 0;
}

static int serve_one(covey_ctx *ctx, void *arg)
{
    struct visit *v = arg;
    char request[1024];
    ssize_t n = covey_read(ctx, v->conn, request, sizeof(request) - 1);

    request[n < 0 ? 0 : n] = '\0';
    if (strncmp(request, "GET /price ", 11) == 0) {
        (void)say(ctx, v->conn, "200 OK", "1299");
    } else if (strncmp(request, "GET /slow ", 10) == 0) {
        (void)covey_read(ctx, v->conn, request, sizeof(request)); /* until the client leaves */
    } else if (covey_sleep(ctx, 50 * COVEY_MS) == 0) {
        (void)say(ctx, v->conn, "503 Service Unavailable", "");
    }
    covey_close(v->conn);
    atomic_fetch_sub(&v->api->open, 1);
    return 0;
}

static int serve(covey_ctx *ctx, void *arg)
{
    struct visit v = {.api = arg};
    covey_group *g = covey_group_new(ctx);
    int code;

    while ((code = covey_accept(ctx, v.api->listener, &v.conn)) == 0) {
        atomic_fetch_add(&v.api->open, 1);
        (void)covey_group_go_copy(g, serve_one, &v, sizeof(v));
    }
    (void)covey_group_wait(g);
    return code == COVEY_ECANCELED ? 0 : code;
}

/* ---- the two halves of a request ---- */

struct request {
    struct api *api;
    const char *query, *path;
    int64_t stock, price;
    int query_code, call_code;
};

static int ask_database(covey_ctx *ctx, void *arg)
{
    struct request *r = arg;
    covey_rows *row;
    int code = covey_db_query_row(ctx, r->api->db, &row, r->query, NULL, 0);

    if (code == 0) {
        r->stock = covey_rows_int(row, 0);
        code = covey_rows_close(row);
    }
    r->query_code = code;
    return code < 0 ? covey_wrapf(code, "stock") : 0;
}

static int ask_api(covey_ctx *ctx, void *arg)
{
    struct request *r = arg;
    covey_http_response resp;
    char url[128];

    snprintf(url, sizeof(url), "%s%s", r->api->base, r->path);
    int code = covey_http_get(ctx, r->api->client, url, &resp);
    if (code == 0 && resp.status != 200) {
        code = covey_errorf(-EBADMSG, "fetch %s: status %d", url, resp.status);
    }
    if (code == 0) {
        r->price = atoll(resp.body);
    }
    covey_http_response_free(&resp);
    r->call_code = code;
    return code < 0 ? covey_wrapf(code, "price") : 0;
}

static int run_both(covey_ctx *ctx, struct request *r, int64_t budget_ns)
{
    covey_ctx *limited = covey_ctx_with_timeout(ctx, budget_ns);
    covey_group *g = covey_group_new(limited);

    (void)covey_group_go(g, ask_database, r);
    (void)covey_group_go(g, ask_api, r);
    int code = covey_group_wait(g);
    covey_ctx_unref(limited);
    return code;
}

/* ---- what it shows ---- */

static void expect_clean(covey_ctx *ctx, struct api *api)
{
    covey_db_stats stats;

    covey_db_stats_get(api->db, &stats);
    while (atomic_load(&api->open) > 0 && covey_sleep(ctx, COVEY_MS) == 0) {
    }
    expect(stats.in_use == 0 && stats.opened == 1, "the database's connection is back and clean");
    expect(atomic_load(&api->open) == 0, "the API sees no connection any more");
}

static void show(covey_ctx *ctx, struct api *api)
{
    int64_t budget = budget_ms * COVEY_MS, start = covey_now();
    struct request both = {
        .api = api, .query = "SELECT count(*) FROM covey_stock", .path = "/price"};
    struct request bad_api = {.api = api, .query = slow_query, .path = "/broken"};
    struct request bad_query = {.api = api, .query = "SELECT * FROM nowhere", .path = "/slow"};
    struct request late = {.api = api, .query = slow_query, .path = "/slow"};

    printf("both answer within a budget of %lld ms:\n", (long long)budget_ms);
    int code = run_both(ctx, &both, budget);
    expect(code == 0 && both.stock == 3 && both.price == 1299,
           "stock %lld, price %lld, after %lld ms", (long long)both.stock, (long long)both.price,
           (long long)example_ms(start));

    printf("the API fails while the query runs:\n");
    start = covey_now();
    code = run_both(ctx, &bad_api, budget);
    expect(code == -EBADMSG && example_ms(start) < budget_ms, "after %lld ms: %s",
           (long long)example_ms(start), covey_errmsg());
    expect(bad_api.query_code == COVEY_ECANCELED, "the query was cancelled");
    expect_clean(ctx, api);

    printf("the query fails while the API makes wait:\n");
    start = covey_now();
    code = run_both(ctx, &bad_query, budget);
    expect(code == COVEY_ESQL && example_ms(start) < budget_ms, "after %lld ms: %s",
           (long long)example_ms(start), covey_errmsg());
    expect(bad_query.call_code == COVEY_ECANCELED, "the call was cancelled");
    expect_clean(ctx, api);

    printf("both take too long for a budget of 200 ms:\n");
    start = covey_now();
    code = run_both(ctx, &late, 200 * COVEY_MS);
    expect(code == COVEY_EDEADLINE, "after %lld ms: %s", (long long)example_ms(start),
           covey_errmsg());
    expect(late.query_code == COVEY_EDEADLINE && late.call_code == COVEY_EDEADLINE,
           "both ended by the deadline");
    expect_clean(ctx, api);
}

static int tour(covey_ctx *ctx, void *arg)
{
    struct api api = {.client = covey_http_client_new(NULL)};
    covey_group *g = covey_group_new(ctx);
    int code = covey_listen(&api.listener, "tcp://127.0.0.1:0", NULL);

    if (code == 0) {
        snprintf(api.base, sizeof(api.base), "http%s", covey_listener_addr(api.listener) + 3);
        (void)covey_group_go(g, serve, &api);
        code = covey_db_open(ctx, &api.db, arg, NULL);
    }
    if (code == 0) {
        code = covey_db_script(ctx, api.db,
                               "DROP TABLE IF EXISTS covey_stock; "
                               "CREATE TABLE covey_stock (item TEXT); "
                               "INSERT INTO covey_stock VALUES ('a'), ('b'), ('c')");
        if (code == 0) {
            show(ctx, &api);
            code = covey_db_script(ctx, api.db, "DROP TABLE covey_stock");
        }
        covey_db_close(api.db);
    }
    covey_group_cancel(g, 0);
    int served = covey_group_wait(g);
    covey_listener_close(api.listener);
    covey_http_client_free(api.client);
    return code < 0 ? code : served;
}

int main(int argc, char **argv)
{
    const struct example_option options[] = {{"--budget", &budget_ms, "milliseconds for both"}};
    struct example_db place;
    const char *url = example_db_url(&place, &argc, argv);

    example_options(argc, argv,
                    "A query and an HTTP call share one deadline. --url URL: postgres://... or "
                    "sqlite:FILE.",
                    options, 1);
    int code = url ? covey_run(tour, (void *)url) : -ENOENT;
    example_db_remove(&place);
    return example_result(code);
}
