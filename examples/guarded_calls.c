/* SPDX-License-Identifier: MIT
 * guarded_calls.c - calls outward that are tried again with care, and not at all while it is of no
 * use: retry and circuit breaker, one around the other.
 *
 * Each request is tried up to 3 times, with jittered pauses that double, or as long as the server's
 * Retry-After says; but only if it may be sent twice. A breaker around each try hears of every
 * failure: more than 60 % in 30 s and it refuses, for 30 s; then it tries one call, and after 10
 * good ones in a row it is closed.
 *
 * These are the real figures. So that nobody has to sit through them the program runs in a test
 * run, whose clock jumps; in a service main() would say covey_run(). The server is a function that
 * plays a script by the second. */
#include "example.h"

/* ---- the server ---- */

struct server {
    int64_t up_at;     /* until then it answers 503 */
    int retry_after_s; /* what it says with that; 0: nothing */
    int requests;
};

/* The status of its answer. */
static int server_answer(struct server *s, int *retry_after_s)
{
    bool is_up = covey_now() >= s->up_at;

    s->requests++;
    *retry_after_s = is_up ? 0 : s->retry_after_s;
    return is_up ? 200 : 503;
}

/* ---- a guarded client ---- */

struct client {
    struct server *server;
    covey_breaker *breaker;
    covey_backoff retry;
};

struct request {
    struct client *client;
    const char *method;
};

static bool is_idempotent(const char *method)
{
    return strcmp(method, "GET") == 0 || strcmp(method, "PUT") == 0 ||
           strcmp(method, "DELETE") == 0;
}

static int send_request(covey_ctx *ctx, void *arg)
{
    const struct request *r = arg;
    int retry_after_s;
    int status = server_answer(r->client->server, &retry_after_s);

    covey_retry_after(ctx, retry_after_s * COVEY_SEC);
    return status < 500 ? status : covey_errorf(-EREMOTEIO, "%s: status %d", r->method, status);
}

/* One try. What the breaker refuses is not tried again: its answer is meant to be fast. */
static int try_request(covey_ctx *ctx, void *arg)
{
    const struct request *r = arg;
    int code = covey_breaker_do(ctx, r->client->breaker, send_request, arg);

    return code == COVEY_EOPEN || !is_idempotent(r->method) ? COVEY_PERMANENT(code) : code;
}

static int client_do(covey_ctx *ctx, struct client *c, const char *method)
{
    struct request r = {c, method};

    return covey_retry(ctx, &c->retry, try_request, &r);
}

/* ---- what it shows ---- */

static void tell_pause(const covey_retry_event *event, void *arg)
{
    int64_t *longest = arg;

    printf("          try %d: %s; the next one in %lld ms\n", event->attempt, covey_errmsg(),
           (long long)(event->wait_ns / COVEY_MS));
    *longest = event->wait_ns > *longest ? event->wait_ns : *longest;
}

static void tell_change(const covey_breaker_change *change, void *arg)
{
    int64_t start = *(int64_t *)arg;

    printf("          %5.1f s: %s %s -> %s\n", (double)(change->at_ns - start) / 1e9, change->name,
           covey_breaker_state_name(change->from), covey_breaker_state_name(change->to));
}

static void show_retry(covey_ctx *ctx)
{
    int64_t longest = 0;
    struct server server = {.up_at = INT64_MAX};
    struct client c = {&server, covey_breaker_new(NULL), {.on_retry = tell_pause, .arg = &longest}};

    printf("a server that is down:\n");
    int code = client_do(ctx, &c, "GET");
    expect(code == -EREMOTEIO && server.requests == 3, "a GET was tried 3 times: \"%s\"",
           covey_errmsg());
    expect(longest <= 200 * COVEY_MS, "each pause was drawn from 0 up to 100 ms, then 200 ms");

    server.requests = 0;
    code = client_do(ctx, &c, "POST");
    expect(code == -EREMOTEIO && server.requests == 1, "a POST was sent once: \"%s\"",
           covey_errmsg());

    printf("a server that asks for 2 s, and is back then:\n");
    int64_t start = covey_now();
    server = (struct server){.up_at = start + 2 * COVEY_SEC, .retry_after_s = 2};
    code = client_do(ctx, &c, "GET");
    expect(code == 200 && server.requests == 2 && covey_now() - start >= 2 * COVEY_SEC,
           "Retry-After was honoured: the second try, after %lld ms, got a %d",
           (long long)example_ms(start), code);

    covey_ctx *timed = covey_ctx_with_timeout(ctx, COVEY_SEC);
    start = covey_now();
    server = (struct server){.up_at = INT64_MAX, .retry_after_s = 2};
    code = client_do(timed, &c, "GET");
    expect(code == -EREMOTEIO && covey_now() == start,
           "with 1 s left nobody waits 2 s for a try that would be too late");
    covey_ctx_unref(timed);
    covey_breaker_free(c.breaker);
}

/* One request a second until the breaker is in this state; false: not within so many. */
static bool request_until(covey_ctx *ctx, struct client *c, covey_breaker_state state, int seconds)
{
    for (int i = 0; i < seconds; i++) {
        (void)client_do(ctx, c, "PUT");
        if (covey_breaker_state_of(c->breaker) == state) {
            return true;
        }
        (void)covey_sleep(ctx, COVEY_SEC);
    }
    return false;
}

static void show_breaker(covey_ctx *ctx)
{
    int64_t start = covey_now();
    covey_breaker_options opts = {.name = "stock", .on_change = tell_change, .arg = &start};
    struct server server = {.up_at = start + 40 * COVEY_SEC};
    struct client c = {&server, covey_breaker_new(&opts), {.max_tries = 1}};
    covey_breaker_stats stats;

    printf("an outage of 40 s, one request a second:\n");
    bool opened = request_until(ctx, &c, COVEY_BREAKER_OPEN, 60);
    expect(opened && server.requests == 10, "the breaker opened after %d failures",
           server.requests);

    int code = client_do(ctx, &c, "PUT");
    expect(code == COVEY_EOPEN && server.requests == 10,
           "then it refused without asking the server: \"%s\"", covey_errmsg());

    (void)covey_sleep(ctx, covey_breaker_retry_in(c.breaker));
    code = client_do(ctx, &c, "PUT");
    expect(code == -EREMOTEIO && server.requests == 11,
           "after its sleep one trial went through: \"%s\"", covey_errmsg());
    code = client_do(ctx, &c, "PUT");
    expect(code == COVEY_EOPEN && server.requests == 11, "its failure opened it again");

    bool closed = request_until(ctx, &c, COVEY_BREAKER_CLOSED, 90);
    expect(closed, "the server is back, and it closed");
    covey_breaker_stats_of(c.breaker, &stats);
    expect(stats.succeeded == 10, "after %llu successes in a row",
           (unsigned long long)stats.succeeded);
    expect(stats.refused > 0, "%llu calls were let through, %llu refused",
           (unsigned long long)stats.allowed, (unsigned long long)stats.refused);
    covey_breaker_free(c.breaker);
}

/* A batch: three requests at once, as one guarded call. */
static int send_batch(covey_ctx *ctx, void *arg)
{
    struct client *c = arg;
    struct request r = {c, "GET"};
    covey_group *g = covey_group_new(ctx);

    for (int i = 0; i < 3; i++) {
        (void)covey_group_go(g, send_request, &r);
    }
    return covey_group_wait(g);
}

static void show_batches(covey_ctx *ctx)
{
    struct server server = {.up_at = INT64_MAX};
    struct client c = {&server, covey_breaker_new(NULL), {0}};
    covey_breaker_stats stats;
    int batches = 0;

    printf("batches of three requests to a server that is down:\n");
    while (covey_breaker_do(ctx, c.breaker, send_batch, &c) != COVEY_EOPEN) {
        batches++;
    }
    covey_breaker_stats_of(c.breaker, &stats);
    expect(batches == 10 && stats.failed == 10,
           "each batch that failed counted as one failed call: open after %d", batches);
    covey_breaker_free(c.breaker);
}

static int tour(covey_ctx *ctx, void *arg)
{
    (void)arg;
    show_retry(ctx);
    show_breaker(ctx);
    show_batches(ctx);
    return 0;
}

int main(int argc, char **argv)
{
    example_options(argc, argv, "Retries with care, and a circuit breaker around each try.", NULL,
                    0);
    return example_result(covey_test_run(1, tour, NULL));
}
