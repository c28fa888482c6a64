/* SPDX-License-Identifier: MIT
 * http_metrics_test.c - what the metrics show of an HTTP server and an HTTP client with names. */
#include "http_support.h"
#include "metrics_text.h"

#include <covey/http.h>

#define SERVER(metric) "covey_http_server_" metric "{server=\"shop\"}"
#define SERVED(code) "covey_http_server_requests_total{server=\"shop\",code=\"" code "\"}"
#define CLIENT(metric) "covey_http_client_" metric "{client=\"prices\"}"
#define SENT(result) "covey_http_client_requests_total{client=\"prices\",result=\"" result "\"}"

static atomic_int accesses;

static void note_access(const covey_http_access *a, void *arg)
{
    CHECK(a->status == 200 || a->status == 404 || a->status == 500);
    atomic_fetch_add((atomic_int *)arg, 1);
}

/* /ok, /wait (until the client leaves), /fail; the rest is not found. */
static int handle(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    (void)arg;
    if (strcmp(req->path, "/wait") == 0) {
        return covey_chan_recv(ctx, covey_ctx_done(ctx), NULL);
    }
    if (strcmp(req->path, "/fail") == 0) {
        return -EIO;
    }
    return covey_http_respondf(ctx, w, strcmp(req->path, "/ok") == 0 ? 200 : 404, "x");
}

struct asking {
    covey_http_client *client;
    char url[128];
};

static int ask(covey_ctx *ctx, const struct asking *a, const char *path)
{
    char url[160];

    snprintf(url, sizeof(url), "%s%s", a->url, path);
    return covey_http_get(ctx, a->client, url, NULL);
}

static int ask_and_wait(covey_ctx *ctx, void *arg)
{
    return ask(ctx, arg, "/wait");
}

/* Metrics once this one has that value. */
static char *metrics_when(const char *name, long value)
{
    for (;;) {
        char *text = metrics();
        if (value_of(text, name) == value) {
            return text;
        }
        free(text);
        covey_yield();
    }
}

static void ask_for_all(covey_ctx *ctx, struct asking *a)
{
    covey_ctx *mine = covey_ctx_with_cancel(ctx);
    covey_group *g = covey_group_new(mine);

    for (int i = 0; i < 3; i++) {
        CHECK_EQ(ask(ctx, a, "/ok"), 0);
    }
    CHECK_EQ(ask(ctx, a, "/nope"), 0);
    CHECK_EQ(ask(ctx, a, "/fail"), 0);
    GO(g, ask_and_wait, a);
    free(metrics_when(SERVER("in_flight_requests"), 1));
    char *text = metrics(); /* anew: the figures of one text are not of one instant */
    CHECK_EQ(value_of(text, CLIENT("in_flight_requests")), 1);
    free(text);
    covey_ctx_cancel(mine);
    CHECK_EQ(covey_group_wait(g), COVEY_ECANCELED);
    covey_ctx_unref(mine);
}

TASK_TEST(a_server_and_a_client_with_names_have_figures)
{
    struct site s = {.handler = handle,
                     .opts = {.name = "shop", .on_access = note_access, .access_arg = &accesses}};
    const covey_http_guards guards = {.breaker = &(covey_breaker_options){0}, .burst = 100};
    struct asking a = {.client = covey_http_client_new(&(covey_http_client_options){
                           .proxy = "", .name = "prices", .guards = &guards})};

    site_open(&s);
    snprintf(a.url, sizeof(a.url), "http%s", covey_listener_addr(s.listener) + 3);
    ask_for_all(ctx, &a);
    char *text = metrics_when(SERVER("gone_clients_total"), 1);
    CHECK_EQ(value_of(text, SERVED("2xx")), 3);
    CHECK_EQ(value_of(text, SERVED("4xx")), 1);
    CHECK(value_of(text, SERVED("5xx")) >= 1);
    CHECK(value_of(text, SERVER("request_seconds_count")) >= 5);
    CHECK(value_of(text, SERVER("accepted_connections_total")) >= 1);
    CHECK(atomic_load(&accesses) >= 5);
    CHECK_EQ(value_of(text, SENT("2xx")), 3);
    CHECK_EQ(value_of(text, SENT("4xx")), 1);
    CHECK_EQ(value_of(text, SENT("5xx")), 1);
    CHECK_EQ(value_of(text, SENT("canceled")), 1);
    CHECK_EQ(value_of(text, SENT("failed")), 0);
    CHECK_EQ(value_of(text, CLIENT("in_flight_requests")), 0);
    CHECK_EQ(value_of(text, CLIENT("request_seconds_count")), 6);
    CHECK_EQ(value_of(text, CLIENT("refused_requests_total")), 0);
    char name[160];
    snprintf(name, sizeof(name), "covey_breaker_state{breaker=\"prices/%s\"}",
             a.url + strlen("http://"));
    CHECK_EQ(value_of(text, name), 0);
    CHECK(strstr(text, "covey_limiter_tokens{limiter=\"prices/127.0.0.1:"));
    free(text);
    covey_http_client_free(a.client);
    CHECK_EQ(site_close(&s), 0);
    text = metrics();
    CHECK(!strstr(text, "shop") && !strstr(text, "prices"));
    free(text);
}

TASK_TEST(without_a_name_nothing_is_shown)
{
    struct site s = {.handler = handle};
    const covey_http_guards guards = {.breaker = &(covey_breaker_options){0}, .burst = 100};
    struct asking a = {.client = covey_http_client_new(
                           &(covey_http_client_options){.proxy = "", .guards = &guards})};

    site_open(&s);
    snprintf(a.url, sizeof(a.url), "http%s", covey_listener_addr(s.listener) + 3);
    CHECK_EQ(ask(ctx, &a, "/ok"), 0);
    char *text = metrics();
    CHECK(!strstr(text, "covey_http") && !strstr(text, "covey_breaker"));
    free(text);
    covey_http_client_free(a.client);
    CHECK_EQ(site_close(&s), 0);
}
