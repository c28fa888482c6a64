/* SPDX-License-Identifier: MIT
 * serve_test.c - covey_debug_serve (covey/debug.h), with requests written by hand. With curl, pprof
 * and a browser's eyes: test/profile/serve_test.sh. */
#include "support.h"

#include <covey/trace_format.h>

#include <arpa/inet.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ANSWER_MAX = 1 << 20 };

/* A server in a group of its own, and where it listens. */
struct server {
    covey_group *group;
    covey_debug_options options;
    covey_chan *listens;
    const char *wanted;
    char addr[128];
    int code;
};

static void on_listen(const char *addr, void *arg)
{
    struct server *s = arg;

    (void)snprintf(s->addr, sizeof(s->addr), "%s", addr);
    CHECK_EQ(covey_chan_close(s->listens), 0);
}

static int serve(covey_ctx *ctx, void *arg)
{
    struct server *s = arg;

    s->code = covey_debug_serve_with(ctx, s->wanted, &s->options);
    return 0;
}

static void start(struct server *s, covey_ctx *ctx, const char *addr)
{
    s->wanted = addr;
    s->options.on_listen = on_listen;
    s->options.arg = s;
    s->listens = covey_chan_new(0, 0);
    s->group = covey_group_new(ctx);
    GO(s->group, serve, s);
    CHECK_EQ(covey_chan_recv(ctx, s->listens, NULL), COVEY_ECLOSED);
}

static void stop(struct server *s)
{
    covey_group_cancel(s->group, 0);
    JOIN(s->group);
    CHECK_EQ(s->code, 0);
    covey_chan_unref(s->listens);
}

static covey_conn *dial(covey_ctx *ctx, const struct server *s)
{
    covey_conn *c;
    CHECK_EQ(covey_dial(ctx, &c, s->addr), 0);
    return c;
}

/* What a request is answered with; free it. */
static char *ask(covey_ctx *ctx, const struct server *s, const char *request)
{
    char *answer = calloc(1, ANSWER_MAX);
    covey_conn *c = dial(ctx, s);

    CHECK(answer);
    CHECK_EQ(covey_write(ctx, c, request, strlen(request)), (ssize_t)strlen(request));
    CHECK(covey_read_full(ctx, c, answer, ANSWER_MAX - 1) >= 0);
    covey_close(c);
    return answer;
}

static char *get(covey_ctx *ctx, const struct server *s, const char *target)
{
    char request[512];

    (void)snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: localhost:1\r\n\r\n",
                   target);
    return ask(ctx, s, request);
}

static void check_has(char *answer, const char *first, const char *part)
{
    if (strncmp(answer, first, strlen(first)) != 0 || !strstr(answer, part)) {
        (void)fprintf(stderr, "%s\nis not \"%s\" with \"%s\"\n", answer, first, part);
        CHECK(!"the answer has it");
    }
    free(answer);
}

static void check_answer(covey_ctx *ctx, const struct server *s, const char *request,
                         const char *first, const char *part)
{
    check_has(ask(ctx, s, request), first, part);
}

/* Asks until part is there: who answers may have been started by a server that is still on its way
 * back to accept. */
static void check_says(covey_ctx *ctx, const struct server *s, const char *target, const char *part)
{
    bool is_there = false;

    while (!is_there) {
        char *answer = get(ctx, s, target);
        CHECK(strncmp(answer, "HTTP/1.1 200 ", 13) == 0);
        is_there = strstr(answer, part) != NULL;
        free(answer);
    }
}

TASK_TEST(each_page_is_there)
{
    struct server s = {0};

    start(&s, ctx, "tcp://127.0.0.1:0");
    check_has(get(ctx, &s, "/debug/covey/"), "HTTP/1.1 200 OK\r\n", "<h1>covey</h1>");
    check_says(ctx, &s, "/debug/covey/tasks", "\"serve\" waiting in accept");
    check_has(get(ctx, &s, "/debug/covey/tasks?format=folded"), "HTTP/1.1 200 ", "place(s)");
    check_has(get(ctx, &s, "/debug/covey/tasks?format=json"), "HTTP/1.1 200 ",
              "\"name\":\"serve\"");
    check_says(ctx, &s, "/debug/covey/tasks?format=places", "\"wait\":\"accept\"");
    check_has(get(ctx, &s, "/debug/covey/metrics"), "HTTP/1.1 200 ", "\ncovey_workers ");
    check_says(ctx, &s, "/debug/covey/profile?format=folded", ";[accept] 1\n");
    check_has(get(ctx, &s, "/debug/covey/profile?kind=block&seconds=1&rate=1&format=folded"),
              "HTTP/1.1 200 ", ";[select] ");
    CHECK_EQ(covey_trace_flight_start(0), 0);
    char *answer = get(ctx, &s, "/debug/covey/trace");
    CHECK(strstr(answer, "\r\n\r\nCOVEYTRC"));
    free(answer);
    CHECK_EQ(covey_trace_flight_stop(), 0);
    answer = get(ctx, &s, "/debug/covey/trace?seconds=1");
    CHECK(strstr(answer, "\r\n\r\nCOVEYTRC"));
    free(answer);
    stop(&s);
}

TASK_TEST(a_trace_that_grows_too_large_ends_early_and_is_whole)
{
    struct server s = {.options = {.trace_bytes_max = 1}};
    covey_trace_section last;

    start(&s, ctx, "tcp://127.0.0.1:0");
    char *answer = get(ctx, &s, "/debug/covey/trace?seconds=600");
    const char *length = strstr(answer, "Content-Length: ");
    const char *body = strstr(answer, "\r\n\r\nCOVEYTRC");
    CHECK(length && body);
    memcpy(&last, body + 4 + atol(length + 16) - sizeof(last), sizeof(last));
    CHECK_EQ(last.kind, COVEY_TRACE_END);
    CHECK_EQ(last.bytes, 0);
    free(answer);
    stop(&s);
}

TASK_TEST(a_body_has_the_length_that_is_told)
{
    struct server s = {0};

    start(&s, ctx, "tcp://127.0.0.1:0");
    char *answer = get(ctx, &s, "/debug/covey/tasks");
    const char *length = strstr(answer, "Content-Length: ");
    const char *body = strstr(answer, "\r\n\r\n");
    CHECK(length && body);
    CHECK_EQ(strtol(length + 16, NULL, 10), (long)strlen(body + 4));
    free(answer);
    stop(&s);
}

TASK_TEST(what_is_asked_wrongly_is_refused)
{
    struct server s = {0};

    start(&s, ctx, "tcp://127.0.0.1:0");
    check_has(get(ctx, &s, "/"), "HTTP/1.1 404 Not Found\r\n", "there are");
    check_has(get(ctx, &s, "/debug/covey/tasks?format=xml"), "HTTP/1.1 400 ", "folded");
    check_has(get(ctx, &s, "/debug/covey/profile?kind=heap"), "HTTP/1.1 400 ",
              "kind is task, block, mutex or cpu");
    check_has(get(ctx, &s, "/debug/covey/profile?kind=cpu&seconds=1&rate=1001"), "HTTP/1.1 400 ",
              "rate is a whole number; of cpu, at most 1000");
    check_has(get(ctx, &s, "/debug/covey/profile?format=svg"), "HTTP/1.1 400 ", "pprof or folded");
    check_has(get(ctx, &s, "/debug/covey/profile?kind=mutex"), "HTTP/1.1 404 ", "\n");
    check_has(get(ctx, &s, "/debug/covey/profile?kind=cpu&seconds=601"), "HTTP/1.1 400 ", "600");
    check_has(get(ctx, &s, "/debug/covey/profile?seconds=-1"), "HTTP/1.1 400 ", "600");
    check_has(get(ctx, &s, "/debug/covey/trace"), "HTTP/1.1 404 ", "flight recorder");
    check_answer(ctx, &s, "POST / HTTP/1.1\r\nHost: localhost\r\n\r\n",
                 "HTTP/1.1 405 Method Not Allowed\r\n", "Allow: GET, HEAD\r\n");
    check_answer(ctx, &s, "GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", "HTTP/1.1 505 ", "HTTP/1.1");
    check_answer(ctx, &s, "GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 ", "no HTTP");
    check_answer(ctx, &s, "nonsense\r\n\r\n", "HTTP/1.1 400 ", "no HTTP");
    stop(&s);
}

TASK_TEST(head_has_no_body)
{
    struct server s = {0};

    start(&s, ctx, "tcp://127.0.0.1:0");
    char *answer = ask(ctx, &s, "HEAD /debug/covey/tasks HTTP/1.1\r\nHost: [::1]:80\r\n\r\n");
    CHECK(strncmp(answer, "HTTP/1.1 200 OK\r\n", 17) == 0);
    CHECK_STR(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
    free(answer);
    stop(&s);
}

TASK_TEST(another_machines_name_is_refused)
{
    struct server s = {0};
    const char *request = "GET /debug/covey/ HTTP/1.1\r\nHost: evil.example\r\n\r\n";
    const char *longer = "GET /debug/covey/ HTTP/1.1\r\nHost: localhost.evil.example\r\n\r\n";

    start(&s, ctx, "tcp://127.0.0.1:0");
    check_answer(ctx, &s, request, "HTTP/1.1 403 ", "another host");
    check_answer(ctx, &s, longer, "HTTP/1.1 403 ", "another host");
    stop(&s);
    s = (struct server){.options.any_address = true};
    start(&s, ctx, "tcp://0.0.0.0:0");
    check_answer(ctx, &s, request, "HTTP/1.1 200 ", "covey");
    stop(&s);
}

TASK_TEST(every_name_of_this_machine_is_taken)
{
    static const char *const mine[] = {"localhost:1", "LOCALHOST", "127.0.0.1", "127.1.2.3:80",
                                       "[::1]:8080"};
    static const char *const others[] = {"127.0.0.1.evil.example", "128.0.0.1",    "[::2]", "[::1",
                                         "[::1]evil.example",      "localhostess", ""};
    struct server s = {0};
    char request[256];

    start(&s, ctx, "tcp://127.0.0.2:0");
    for (size_t i = 0; i < sizeof(mine) / sizeof(mine[0]); i++) {
        (void)snprintf(request, sizeof(request), "GET /debug/covey/ HTTP/1.1\r\nHost: %s\r\n\r\n",
                       mine[i]);
        check_answer(ctx, &s, request, "HTTP/1.1 200 ", "covey");
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        (void)snprintf(request, sizeof(request), "GET /debug/covey/ HTTP/1.1\r\nHost: %s\r\n\r\n",
                       others[i]);
        check_answer(ctx, &s, request, "HTTP/1.1 403 ", "another host");
    }
    stop(&s);
}

/* As a browser that is at localhost:1 asks. */
static char *browse(covey_ctx *ctx, const struct server *s, const char *target, const char *header)
{
    char request[512];

    (void)snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: localhost:1\r\n%s\r\n\r\n",
                   target, header);
    return ask(ctx, s, request);
}

TASK_TEST(a_page_of_another_site_makes_nothing_be_recorded)
{
    static const char *const elsewhere[] = {
        "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "Origin: https://evil.example",
        "Origin: null", "Origin: http://localhost:2"};
    static const char *const here[] = {"Sec-Fetch-Site: none", "Sec-Fetch-Site: same-origin",
                                       "Origin: http://localhost:1"};
    struct server s = {0};

    start(&s, ctx, "tcp://127.0.0.1:0");
    for (size_t i = 0; i < sizeof(elsewhere) / sizeof(elsewhere[0]); i++) {
        check_has(browse(ctx, &s, "/debug/covey/trace?seconds=600", elsewhere[i]), "HTTP/1.1 403 ",
                  "another site");
    }
    for (size_t i = 0; i < sizeof(here) / sizeof(here[0]); i++) {
        check_has(browse(ctx, &s, "/debug/covey/tasks", here[i]), "HTTP/1.1 200 ", "\"serve\"");
    }
    /* What a link leads to, which no page can frame. */
    check_has(browse(ctx, &s, "/debug/covey/", "Sec-Fetch-Site: cross-site"), "HTTP/1.1 200 ",
              "frame-ancestors 'none'");
    stop(&s);
}

TASK_TEST(the_index_without_its_slash_leads_to_it)
{
    struct server s = {0};

    start(&s, ctx, "tcp://127.0.0.1:0");
    check_has(get(ctx, &s, "/debug/covey"), "HTTP/1.1 301 ", "Location: /debug/covey/\r\n");
    stop(&s);
}

TASK_TEST(only_this_machine_is_listened_to)
{
    covey_debug_options wrong = {.connections_max = -1};
    covey_debug_options wrong_too = {.trace_bytes_max = -1};

    CHECK_EQ(covey_debug_serve(ctx, "tcp://0.0.0.0:0"), -EACCES);
    CHECK_EQ(covey_debug_serve(ctx, "tcp://[::]:0"), -EACCES);
    CHECK_EQ(covey_debug_serve(ctx, "tcp://example.org:0"), -EACCES);
    CHECK_EQ(covey_debug_serve(ctx, "localhost"), -EINVAL);
    CHECK_EQ(covey_debug_serve_with(ctx, "tcp://127.0.0.1:0", &wrong), -EINVAL);
    CHECK_EQ(covey_debug_serve_with(ctx, "tcp://127.0.0.1:0", &wrong_too), -EINVAL);
    covey_ctx *done = done_ctx(COVEY_ECANCELED);
    CHECK_EQ(covey_debug_serve(done, "tcp://127.0.0.1:0"), 0);
    covey_ctx_unref(done);
}

TASK_TEST(a_unix_socket_is_gone_afterwards)
{
    struct server s = {0};
    char addr[64];

    (void)snprintf(addr, sizeof(addr), "unix:///tmp/covey-serve-%d.sock", (int)getpid());
    start(&s, ctx, addr);
    check_answer(ctx, &s, "GET /debug/covey/tasks HTTP/1.0\r\n\r\n", "HTTP/1.1 200 ", "\"serve\"");
    check_answer(ctx, &s, "GET /debug/covey/ HTTP/1.1\r\nHost: any\r\n\r\n", "HTTP/1.1 200 ", "h1");
    stop(&s);
    CHECK(access(addr + strlen("unix://"), F_OK) != 0);
}

TASK_TEST(silent_clients_keep_nobody_out)
{
    enum { SILENT = 8 };
    struct server s = {.options = {.connections_max = SILENT + 1, .patience_ns = 60 * COVEY_SEC}};
    covey_conn *silent[SILENT];

    start(&s, ctx, "tcp://127.0.0.1:0");
    for (int i = 0; i < SILENT; i++) {
        silent[i] = dial(ctx, &s);
        CHECK_EQ(covey_write(ctx, silent[i], "GET /", 5), 5);
    }
    check_has(get(ctx, &s, "/debug/covey/"), "HTTP/1.1 200 ", "covey");
    for (int i = 0; i < SILENT; i++) {
        covey_close(silent[i]);
    }
    stop(&s);
}

TASK_TEST(a_silent_client_is_given_up)
{
    struct server s = {.options = {.patience_ns = 50 * COVEY_MS}};
    char byte;

    start(&s, ctx, "tcp://127.0.0.1:0");
    covey_conn *silent = dial(ctx, &s);
    (void)covey_write(ctx, silent, "GET /", 5); /* perhaps too late already */
    CHECK(covey_read(ctx, silent, &byte, 1) <= 0);
    covey_close(silent);
    stop(&s);
}

TASK_TEST(more_than_may_be_are_closed_at_once)
{
    struct server s = {.options = {.connections_max = 1}};

    start(&s, ctx, "tcp://127.0.0.1:0");
    covey_conn *first = dial(ctx, &s);
    await_waiting("debug_client");
    covey_conn *second = dial(ctx, &s);
    char byte;
    CHECK(covey_read(ctx, second, &byte, 1) <= 0);
    covey_close(second);
    covey_close(first);
    stop(&s);
}

TASK_TEST(a_head_that_never_ends_is_refused)
{
    struct server s = {0};
    char *request = malloc(10000);

    CHECK(request);
    memset(request, 'a', 9999);
    memcpy(request, "GET / HTTP/1.1\r\nx: ", 19);
    request[9999] = '\0';
    start(&s, ctx, "tcp://127.0.0.1:0");
    check_answer(ctx, &s, request, "HTTP/1.1 431 ", "8 KiB");
    stop(&s);
    free(request);
}

static int park(covey_ctx *ctx, void *arg)
{
    (void)arg;
    (void)covey_sleep(ctx, INT64_MAX);
    return 0;
}

TASK_TEST(dumps_that_nobody_fetches_are_few)
{
    enum { TASKS = 4000, FEW = 4 }; /* a dump is longer than a socket's buffers */
    struct server s = {.options.patience_ns = 600 * COVEY_SEC};
    char addr[64];
    covey_conn *slow[FEW];
    const char *request = "GET /debug/covey/tasks HTTP/1.0\r\n\r\n";
    covey_ctx *mine = covey_ctx_with_cancel(ctx);
    covey_group *g = covey_group_new(mine);

    for (int i = 0; i < TASKS; i++) {
        GO(g, park, NULL);
    }
    (void)snprintf(addr, sizeof(addr), "unix://@covey-serve-%d", (int)getpid());
    start(&s, ctx, addr);
    for (int i = 0; i < FEW; i++) {
        slow[i] = dial(ctx, &s);
        CHECK_EQ(covey_write(ctx, slow[i], request, strlen(request)), (ssize_t)strlen(request));
        char byte;
        CHECK_EQ(covey_read(ctx, slow[i], &byte, 1), 1); /* it is being sent */
    }
    check_has(get(ctx, &s, "/debug/covey/tasks?format=json"), "HTTP/1.1 503 ", "folded");
    check_has(get(ctx, &s, "/debug/covey/tasks?format=places"), "HTTP/1.1 200 ", "\"places\"");
    check_has(get(ctx, &s, "/debug/covey/metrics"), "HTTP/1.1 200 ", "covey_workers");
    for (int i = 0; i < FEW; i++) {
        covey_close(slow[i]);
    }
    bool is_there = false;
    while (!is_there) { /* once one of them is found gone */
        char *answer = get(ctx, &s, "/debug/covey/tasks");
        is_there = strncmp(answer, "HTTP/1.1 200 ", 13) == 0;
        free(answer);
    }
    covey_ctx_cancel(mine);
    JOIN(g);
    covey_ctx_unref(mine);
    stop(&s);
}

static int wait_for_end(covey_ctx *ctx, void *arg)
{
    char byte;

    (void)ctx;
    return read(*(int *)arg, &byte, 1) == 0 ? 0 : -EIO;
}

static int block(covey_ctx *ctx, void *arg)
{
    return covey_blocking(ctx, wait_for_end, arg);
}

TASK_TEST(it_answers_while_no_blocking_call_gets_a_thread)
{
    enum { THREADS = 512 };
    struct server s = {0};
    int ends[2];
    covey_group *g = covey_group_new(ctx);

    CHECK(pipe(ends) == 0);
    for (int i = 0; i < THREADS + 1; i++) {
        GO(g, block, &ends[0]);
    }
    start(&s, ctx, "tcp://127.0.0.1:0");
    check_says(ctx, &s, "/debug/covey/tasks?format=folded", "512 tasks \"block\"");
    check_says(ctx, &s, "/debug/covey/tasks?format=folded",
               ", awaiting thread \"all 512 are in use\" for ");
    stop(&s);
    CHECK(close(ends[1]) == 0);
    JOIN(g);
    CHECK(close(ends[0]) == 0);
}

static void connect_plainly(int fd, const struct server *s)
{
    struct sockaddr_in at = {.sin_family = AF_INET};

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    at.sin_port = htons((uint16_t)atoi(strrchr(s->addr, ':') + 1));
    CHECK_EQ(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
}

/* With names, for which files are opened. */
TASK_TEST(it_answers_while_no_descriptor_is_left)
{
    static const char request[] = "GET /debug/covey/tasks HTTP/1.1\r\nHost: localhost\r\n\r\n";
    struct server s = {0};
    struct rlimit few = {.rlim_cur = 128, .rlim_max = 128};
    char *answer = calloc(1, ANSWER_MAX);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    covey_conn *c;

    CHECK(answer && fd >= 0);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
    start(&s, ctx, "tcp://127.0.0.1:0");
    await_waiting("serve");
    while (dup(STDERR_FILENO) >= 0) {
    }
    connect_plainly(fd, &s);
    CHECK_EQ(covey_conn_from_fd(&c, fd), 0);
    CHECK_EQ(covey_write(ctx, c, request, strlen(request)), (ssize_t)strlen(request));
    CHECK(covey_read_full(ctx, c, answer, ANSWER_MAX - 1) >= 0);
    CHECK(strstr(answer, "\"debug_client\" waiting in "));
#if defined(__x86_64__)
    if (access("/usr/lib/x86_64-linux-gnu/libdw.so.1", R_OK) == 0) {
        CHECK(strstr(answer, "at debug_client (serve.c:"));
    }
#endif
    free(answer);
    covey_close(c);
    stop(&s);
}

/* A client whose request is being recorded for. */
static covey_conn *dial_to_record(covey_ctx *ctx, struct server *s, const char *request)
{
    covey_conn *c = dial(ctx, s);

    CHECK_EQ(covey_write(ctx, c, request, strlen(request)), (ssize_t)strlen(request));
    while (!dump_says("\"debug_client\" waiting in select")) {
        covey_yield();
    }
    return c;
}

TASK_TEST(who_goes_away_ends_what_was_recorded_for_it)
{
    struct server s = {0};
    const char *request = "GET /debug/covey/profile?kind=mutex&seconds=600 HTTP/1.0\r\n\r\n";

    start(&s, ctx, "tcp://127.0.0.1:0");
    covey_conn *c = dial_to_record(ctx, &s, request);
    CHECK_EQ(covey_profile_start("mutex", 0), -EBUSY);
    check_has(get(ctx, &s, "/debug/covey/profile?kind=mutex&seconds=1"), "HTTP/1.1 409 ", "\n");
    covey_close(c);
    while (covey_profile_start("mutex", 0) == -EBUSY) {
        covey_yield();
    }
    CHECK_EQ(covey_profile_stop("mutex"), 0);
    stop(&s);
}

TASK_TEST(its_end_does_not_wait_for_its_clients)
{
    struct server s = {0};
    const char *request = "GET /debug/covey/trace?seconds=600 HTTP/1.0\r\n\r\n";

    start(&s, ctx, "tcp://127.0.0.1:0");
    covey_conn *c = dial_to_record(ctx, &s, request);
    stop(&s);
    CHECK_EQ(covey_trace_stop(), -ENOENT); /* nothing is being recorded any more */
    covey_close(c);
}
