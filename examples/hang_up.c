/* SPDX-License-Identifier: MIT
 * hang_up.c - a thousand clients hang up in the middle of their requests.
 *
 * Each request runs several tasks in a group under its context: one asks another service, one waits
 * for its turn in a queue, one works and rests. When a client closes its connection the context of
 * its request ends, and with it all of them, wherever they wait. The tasks are counted: how long
 * until the last of a thousand requests' has ended? Other clients, whose requests run at the same
 * time, get their answers and notice nothing. Times are printed and not judged: nothing but the
 * hanging up ends those tasks. */
#include "example.h"

#include <covey/http.h>

#include <sys/resource.h>

static int64_t clients = 1000, others = 50;

enum { TASKS = 3, GOAL_MS = 100, PATIENCE_S = 100, SPARE_DESCRIPTORS = 100 };

struct site {
    covey_listener *api, *service;
    covey_chan *queue;          /* nobody sends */
    covey_chan *release;        /* closed: the answers of those who stayed */
    atomic_int requests, tasks; /* that run now, of /wait */
    atomic_int answered, failed;
};

/* ---- the request's tasks ---- */

static int ask_service(covey_ctx *ctx, void *arg)
{
    struct site *s = arg;
    covey_conn *conn;
    char byte;
    int code = covey_dial(ctx, &conn, covey_listener_addr(s->service));

    if (code == 0) {
        ssize_t n = covey_read(ctx, conn, &byte, 1); /* it never answers */
        code = n < 0 ? (int)n : COVEY_ECLOSED;
        covey_close(conn);
    }
    atomic_fetch_sub(&s->tasks, 1);
    return code;
}

static int wait_for_turn(covey_ctx *ctx, void *arg)
{
    struct site *s = arg;
    int code = covey_chan_recv(ctx, s->queue, NULL);

    atomic_fetch_sub(&s->tasks, 1);
    return code;
}

static int work_and_rest(covey_ctx *ctx, void *arg)
{
    struct site *s = arg;
    int code;

    while ((code = covey_sleep(ctx, 10 * COVEY_MS)) == 0) {
    }
    atomic_fetch_sub(&s->tasks, 1);
    return code;
}

/* GET /wait: until its client is gone. */
static int wait(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    static covey_fn *const tasks[TASKS] = {ask_service, wait_for_turn, work_and_rest};
    struct site *s = arg;
    covey_group *g = covey_group_new(ctx);

    (void)req;
    (void)w;
    for (int i = 0; i < TASKS; i++) {
        atomic_fetch_add(&s->tasks, 1);
        (void)covey_group_go(g, tasks[i], s);
    }
    atomic_fetch_add(&s->requests, 1);
    int code = covey_group_wait(g);
    atomic_fetch_sub(&s->requests, 1);
    return code;
}

/* GET /stay: an answer, later. */
static int stay(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    struct site *s = arg;

    (void)req;
    (void)covey_chan_recv(ctx, s->release, NULL); /* until it is closed */
    return covey_ctx_err(ctx) < 0 ? covey_ctx_err(ctx)
                                  : covey_http_respondf(ctx, w, 200, "thank you\n");
}

static int serve_api(covey_ctx *ctx, void *arg)
{
    struct site *s = arg;
    covey_http_router *router = covey_http_router_new();
    int code = covey_http_router_handle(router, "GET /wait", wait, s);

    code = code < 0 ? code : covey_http_router_handle(router, "GET /stay", stay, s);
    code = code < 0 ? code : covey_http_serve(ctx, s->api, covey_http_route, router, NULL);
    covey_http_router_free(router);
    return code;
}

/* The other service: it takes connections, and says nothing. */
static int stay_silent(covey_ctx *ctx, void *arg)
{
    covey_conn *conn = arg;
    char byte;

    (void)covey_read(ctx, conn, &byte, 1);
    covey_close(conn);
    return 0;
}

static int serve_silence(covey_ctx *ctx, void *arg)
{
    struct site *s = arg;
    covey_group *g = covey_group_new(ctx);
    covey_conn *conn;

    while (covey_accept(ctx, s->service, &conn) == 0) {
        (void)covey_group_go(g, stay_silent, conn);
    }
    return covey_group_wait(g);
}

/* ---- clients ---- */

static covey_conn *send_request(covey_ctx *ctx, struct site *s, const char *path)
{
    char text[128];
    covey_conn *conn = NULL;
    int len = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: here\r\n\r\n", path);

    if (covey_dial(ctx, &conn, covey_listener_addr(s->api)) < 0) {
        return NULL;
    }
    if (covey_write(ctx, conn, text, (size_t)len) < 0) {
        covey_close(conn);
        return NULL;
    }
    return conn;
}

static int one_who_stays(covey_ctx *ctx, void *arg)
{
    struct site *s = arg;
    char answer[64] = "";
    covey_conn *conn = send_request(ctx, s, "/stay");
    ssize_t n = conn ? covey_read(ctx, conn, answer, sizeof(answer) - 1) : -1;

    atomic_fetch_add(n > 0 && strncmp(answer, "HTTP/1.1 200 ", 13) == 0 ? &s->answered : &s->failed,
                     1);
    covey_close(conn);
    return 0;
}

/* ---- what it shows ---- */

static bool wait_until(covey_ctx *ctx, atomic_int *counter, int value)
{
    int64_t end = covey_now() + PATIENCE_S * COVEY_SEC;

    while (atomic_load(counter) != value && covey_now() < end) {
        (void)covey_sleep(ctx, COVEY_MS / 4);
    }
    return atomic_load(counter) == value;
}

static void show(covey_ctx *ctx, struct site *s)
{
    covey_conn **leavers = calloc((size_t)clients, sizeof(covey_conn *));
    covey_group *g = covey_group_new(ctx);
    int connected = 0;

    for (int64_t i = 0; i < others; i++) {
        (void)covey_group_go(g, one_who_stays, s);
    }
    for (int64_t i = 0; leavers && i < clients; i++) {
        leavers[i] = send_request(ctx, s, "/wait");
        connected += leavers[i] != NULL;
    }
    bool all_run = connected == clients && wait_until(ctx, &s->requests, (int)clients);
    expect(all_run, "%d requests run, with %d tasks of theirs", atomic_load(&s->requests),
           atomic_load(&s->tasks));

    int64_t start = covey_now();
    for (int64_t i = 0; leavers && i < clients; i++) {
        covey_close(leavers[i]);
    }
    int64_t closed = covey_now();
    bool ended = wait_until(ctx, &s->tasks, 0);
    double ms = (double)(covey_now() - closed) / 1e6;
    expect(ended && wait_until(ctx, &s->requests, 0), "their clients hung up, and no task is left");
    printf(
        "hanging up took the clients %.1f ms; %.1f ms later the last task had ended (the goal is "
        "%d)\n",
        (double)(closed - start) / 1e6, ms, GOAL_MS);

    (void)covey_chan_close(s->release);
    (void)covey_group_wait(g);
    expect(atomic_load(&s->answered) == others && atomic_load(&s->failed) == 0,
           "the %d others got their answers", atomic_load(&s->answered));
    free(leavers);
}

/* Both ends are in this process, and each request has a connection to the other service. */
static void fit_to_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return;
    }
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    int64_t fits = ((int64_t)limit.rlim_cur - 2 * others - SPARE_DESCRIPTORS) / 4;
    if (limit.rlim_cur != RLIM_INFINITY && fits < clients) {
        printf("only %lld clients: no more than %lld descriptors are allowed\n", (long long)fits,
               (long long)limit.rlim_cur);
        clients = fits;
    }
}

static int tour(covey_ctx *ctx, void *arg)
{
    struct site s = {.queue = covey_chan_new(0, 0), .release = covey_chan_new(0, 0)};
    covey_group *g = covey_group_new(ctx);
    int code = covey_listen(&s.api, "tcp://127.0.0.1:0", NULL);

    (void)arg;
    code = code < 0 ? code : covey_listen(&s.service, "tcp://127.0.0.1:0", NULL);
    if (code == 0) {
        (void)covey_group_go(g, serve_api, &s);
        (void)covey_group_go(g, serve_silence, &s);
        show(ctx, &s);
    }
    covey_group_cancel(g, 0);
    (void)covey_group_wait(g);
    covey_listener_close(s.api);
    covey_listener_close(s.service);
    covey_chan_unref(s.queue);
    covey_chan_unref(s.release);
    return code;
}

int main(int argc, char **argv)
{
    const struct example_option options[] = {
        {"--clients", &clients, "who hang up"},
        {"--others", &others, "who do not"},
    };

    example_options(argc, argv, "Clients hang up; how long do the tasks of their requests live?",
                    options, 2);
    fit_to_descriptors();
    return example_result(covey_run(tour, NULL));
}
