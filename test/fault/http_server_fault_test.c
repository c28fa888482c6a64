/* SPDX-License-Identifier: MIT
 * http_server_fault_test.c - clients that are slow, silent, many or gone, and a server without
 * descriptors. Time-outs are short here; nothing depends on how short. */
#include "../conformance/http_support.h"

#include <covey/http.h>

#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOST "Host: x\r\n"

/* Reads the body, and keeps the code that this ended with. */
static int swallow(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    char buf[1024];
    ssize_t n;

    (void)w;
    while ((n = covey_http_body_read(ctx, req, buf, sizeof(buf))) > 0) {
    }
    CHECK(n == 0 || covey_http_body_read(ctx, req, buf, sizeof(buf)) < 0);
    atomic_store((atomic_int *)arg, (int)n);
    return (int)n;
}

/* ---- slow clients ---- */

TASK_TEST(a_head_that_does_not_end_is_408)
{
    static const char *const heads[] = {"GET / HTTP/1.1\r\n", "G", ""};
    struct site s = {.handler = hello, .opts.header_timeout_ns = COVEY_SEC};
    covey_conn *c[3];
    site_open(&s);

    for (int i = 0; i < 3; i++) {
        c[i] = dial(&s);
        say(c[i], heads[i]);
    }
    for (int i = 0; i < 3; i++) {
        char *text = hear_all(c[i]);
        CHECK_EQ(status_in(text), i < 2 ? 408 : 0); /* the last never began: nothing to answer */
        free(text);
        covey_close(c[i]);
    }
    CHECK_EQ(site_close(&s), 0);
}

/* A header each few milliseconds, for ever. */
static int drip(covey_ctx *ctx, void *arg)
{
    int code = 0;

    while (code >= 0) {
        code = (int)covey_write(ctx, arg, "X: y\r\n", 6);
        if (code >= 0) {
            code = covey_sleep(ctx, COVEY_MS);
        }
    }
    return 0;
}

TASK_TEST(slowloris_does_not_hold_a_connection_nor_the_others)
{
    struct site s = {
        .handler = hello,
        .opts = {.header_timeout_ns = COVEY_SEC, .max_header_count = COVEY_HTTP_UNLIMITED}};
    covey_conn *slow[50];
    site_open(&s);

    covey_group *g = covey_group_new(NULL);
    for (int i = 0; i < 50; i++) {
        slow[i] = dial(&s);
        say(slow[i], "GET / HTTP/1.1\r\n" HOST);
        GO(g, drip, slow[i]);
    }
    char *text = get(&s, "/");
    CHECK_EQ(status_in(text), 200);
    free(text);
    for (int i = 0; i < 50; i++) {
        text = hear_all(slow[i]);
        CHECK(status_in(text) == 408 || !*text);
        free(text);
    }
    covey_group_cancel(g, 0);
    JOIN(g);
    for (int i = 0; i < 50; i++) {
        covey_close(slow[i]);
    }
    CHECK_EQ(site_close(&s), 0);
    CHECK_EQ(s.stats.requests, 1);
}

TASK_TEST(an_idle_connection_is_closed)
{
    struct site s = {.handler = hello, .opts.idle_timeout_ns = 50 * COVEY_MS};
    site_open(&s);

    covey_conn *c = dial(&s);
    say(c, "GET / HTTP/1.1\r\n" HOST "\r\n");
    char *text = hear_all(c);
    CHECK_EQ(count_of(text, "HTTP/1.1 "), 1);
    free(text);
    covey_close(c);
    CHECK_EQ(site_close(&s), 0);
}

TASK_TEST(a_body_that_stops_is_408)
{
    atomic_int code = 0;
    struct site s = {.handler = swallow, .arg = &code, .opts.io_timeout_ns = 100 * COVEY_MS};
    site_open(&s);

#define STATUS(text) status_for(&s, text, strlen(text))
    CHECK_EQ(STATUS("POST / HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\nabc"), 408);
    CHECK_EQ(atomic_load(&code), -ETIMEDOUT);
    CHECK_EQ(STATUS("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\na"), 408);
    CHECK_EQ(site_close(&s), 0);
}

TASK_TEST(a_body_that_ends_early_is_told_to_the_handler)
{
    static const char *const halves[] = {
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\nabc",
        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nab",
        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
    };
    for (size_t i = 0; i < sizeof(halves) / sizeof(halves[0]); i++) {
        atomic_int code = 0;
        struct site s = {.handler = swallow, .arg = &code, .opts.half_close = true};
        site_open(&s);
        covey_conn *c = dial(&s);
        say(c, halves[i]);
        CHECK_EQ(covey_shutdown_write(c), 0);
        char *text = hear_all(c);
        CHECK_EQ(status_in(text), 500);
        CHECK_EQ(atomic_load(&code), -ECONNRESET);
        free(text);
        covey_close(c);
        CHECK_EQ(site_close(&s), 0);
    }
}

TASK_TEST(a_client_that_never_reads_is_given_up)
{
    atomic_int code = 0;
    struct site s = {.handler = pour, .arg = &code, .opts.io_timeout_ns = 100 * COVEY_MS};
    site_open(&s);

    covey_conn *c = dial(&s);
    say(c, "GET / HTTP/1.1\r\n" HOST "\r\n");
    while (atomic_load(&code) == 0) {
        covey_yield();
    }
    CHECK_EQ(atomic_load(&code), -ETIMEDOUT);
    char *text = hear_all(c);
    CHECK_EQ(count_of(text, "\r\n0\r\n\r\n"), 0);
    free(text);
    covey_close(c);
    CHECK_EQ(site_close(&s), 0);
}

TASK_TEST(a_client_that_leaves_ends_a_write)
{
    atomic_int code = 0;
    struct site s = {.handler = pour, .arg = &code};
    site_open(&s);

    covey_conn *c = dial(&s);
    say(c, "GET / HTTP/1.1\r\n" HOST "\r\n");
    await_running(&s, 1);
    covey_close(c);
    while (atomic_load(&code) == 0) {
        covey_yield();
    }
    CHECK(atomic_load(&code) == COVEY_ECANCELED || atomic_load(&code) == -EPIPE ||
          atomic_load(&code) == -ECONNRESET);
    CHECK_EQ(site_close(&s), 0);
}

/* ---- many clients that hang up (scenario 27) ---- */

#define LEAVERS 1000

struct tasks {
    covey_chan *gate;
    atomic_int live; /* tasks of requests: handlers, and two that each started */
};

static int wait_for_ever(covey_ctx *ctx, void *arg)
{
    struct tasks *t = arg;

    atomic_fetch_add(&t->live, 1);
    int code = covey_sleep(ctx, 600 * COVEY_SEC);
    atomic_fetch_sub(&t->live, 1);
    return code;
}

/* Works with two tasks until the gate opens or the client leaves. */
static int works(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    struct tasks *t = arg;
    covey_group *g = covey_group_new(ctx);

    (void)req;
    atomic_fetch_add(&t->live, 1);
    covey_group_go(g, wait_for_ever, t);
    covey_group_go(g, wait_for_ever, t);
    int code = covey_chan_recv(ctx, t->gate, NULL);
    covey_group_cancel(g, 0);
    (void)covey_group_wait(g);
    atomic_fetch_sub(&t->live, 1);
    return code == COVEY_ECANCELED ? code : covey_http_respond(ctx, w, 200, NULL, "done", 4);
}

TASK_TEST(a_thousand_clients_hang_up_and_the_rest_never_noticed)
{
    struct tasks tasks = {.gate = covey_chan_new(0, 0)};
    struct site s = {.handler = works, .arg = &tasks};
    struct rlimit limit;
    covey_conn **c = calloc(LEAVERS + 10, sizeof(covey_conn *));

    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur < 2 * LEAVERS + 100) {
        SKIP("too few descriptors");
    }
    site_open(&s);
    for (int i = 0; i < LEAVERS + 10; i++) {
        c[i] = dial(&s);
        say(c[i], "GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    }
    while (atomic_load(&tasks.live) != 3 * (LEAVERS + 10)) {
        covey_yield();
    }
    int64_t left_at = covey_now();
    for (int i = 0; i < LEAVERS; i++) {
        covey_close(c[i]);
    }
    while (atomic_load(&tasks.live) != 3 * 10) {
        covey_yield();
    }
    printf("# %d requests ended %lld ms after their clients began to leave\n", LEAVERS,
           (long long)((covey_now() - left_at) / COVEY_MS));
    CHECK_EQ(covey_chan_close(tasks.gate), 0);
    for (int i = LEAVERS; i < LEAVERS + 10; i++) {
        char *text = hear_all(c[i]);
        CHECK_EQ(status_in(text), 200);
        free(text);
        covey_close(c[i]);
    }
    free(c);
    CHECK_EQ(site_close(&s), 0);
    CHECK_EQ(s.stats.gone, LEAVERS);
    covey_chan_unref(tasks.gate);
}

/* ---- descriptors ---- */

/* The clients are connected by the kernel before the server has a descriptor for them. */
TASK_TEST(out_of_descriptors_the_server_waits_and_goes_on)
{
    enum { CLIENTS = 40, ROOM = 10 };
    struct site s = {.handler = hello};
    struct rlimit limit, low;
    covey_conn *c[CLIENTS];

    CHECK_EQ(covey_listen(&s.listener, "tcp://127.0.0.1:0", NULL), 0);
    for (int i = 0; i < CLIENTS; i++) {
        c[i] = dial(&s);
        say(c[i], "GET / HTTP/1.1\r\n" HOST "\r\n");
    }
    int lowest = dup(0);
    CHECK(lowest >= 0);
    CHECK_EQ(close(lowest), 0);
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = limit;
    low.rlim_cur = (rlim_t)lowest + ROOM;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
    s.opts.stats = &s.stats;
    s.ctx = covey_ctx_with_cancel(NULL);
    s.group = covey_group_new(NULL);
    GO(s.group, site_main, &s);
    while (site_stats(&s).accept_failures == 0) { /* a second of covey_accept's own patience */
        CHECK_EQ(covey_sleep(NULL, COVEY_MS), 0); /* sleeps: not to spin that long */
    }
    CHECK(site_stats(&s).accepted < CLIENTS);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    for (int i = 0; i < CLIENTS; i++) {
        char buf[1024];
        hear_until(c[i], buf, sizeof(buf), "hello");
        covey_close(c[i]);
    }
    CHECK_EQ(site_close(&s), 0);
    CHECK_EQ(s.stats.requests, CLIENTS);
}
