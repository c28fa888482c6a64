/* SPDX-License-Identifier: MIT
 * crowd_test.c - ten thousand connections at once, to a server in one process from clients in
 * another, since each end takes a descriptor. All are open when each is asked for the second time.
 * With fewer descriptors, or a sanitizer, the crowd is smaller, and says why. */
#include "harness.h"

#include <covey.h>
#include <covey/http.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

enum { CROWD = 10000, SANITIZED_CROWD = 1500, SPARE = 100, DIALING_MAX = 256 };

static int crowd_size(void)
{
    struct rlimit limit;
    int n = CROWD;

    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    if (SANITIZED) {
        n = SANITIZED_CROWD;
        printf("# %d connections: a sanitizer keeps much of each task\n", n);
    }
    if (limit.rlim_cur < (rlim_t)n + SPARE) {
        n = (int)limit.rlim_cur - SPARE;
        printf("# %d connections: no more than %llu descriptors are allowed\n", n,
               (unsigned long long)limit.rlim_cur);
    }
    return n;
}

/* ---- the clients' process ---- */

struct clients {
    char addr[64];
    int count;
    covey_sem *dialing;   /* so many at a time, or the backlog overflows */
    covey_chan *all_here; /* closed: everybody has had a first answer */
    atomic_int here, answers;
};

static void ask(covey_ctx *ctx, struct clients *all, covey_conn *c)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: here\r\n\r\n";
    char answer[512];
    size_t len = 0;

    CHECK_EQ(covey_write(ctx, c, request, sizeof(request) - 1), (ssize_t)sizeof(request) - 1);
    do {
        ssize_t n = covey_read(ctx, c, answer + len, sizeof(answer) - 1 - len);
        CHECK(n > 0);
        len += (size_t)n;
        answer[len] = '\0';
    } while (!strstr(answer, "\r\n\r\nhello"));
    CHECK(strncmp(answer, "HTTP/1.1 200 ", 13) == 0);
    atomic_fetch_add(&all->answers, 1);
}

static int client(covey_ctx *ctx, void *arg)
{
    struct clients *all = arg;
    covey_conn *c;

    CHECK_EQ(covey_sem_acquire(ctx, all->dialing, 1), 0);
    CHECK_EQ(covey_dial(ctx, &c, all->addr), 0);
    ask(ctx, all, c);
    covey_sem_release(all->dialing, 1);
    if (atomic_fetch_add(&all->here, 1) + 1 == all->count) {
        CHECK_EQ(covey_chan_close(all->all_here), 0);
    }
    CHECK_EQ(covey_chan_recv(ctx, all->all_here, NULL), COVEY_ECLOSED);
    ask(ctx, all, c);
    covey_close(c);
    return 0;
}

static int clients_main(covey_ctx *ctx, void *arg)
{
    struct clients *all = arg;
    covey_group *g = covey_group_new(ctx);

    all->dialing = covey_sem_new(DIALING_MAX);
    all->all_here = covey_chan_new(0, 0);
    for (int i = 0; i < all->count; i++) {
        CHECK_EQ(covey_group_go(g, client, all), 0);
    }
    CHECK_EQ(covey_group_wait(g), 0);
    CHECK_EQ(atomic_load(&all->answers), 2 * all->count);
    covey_sem_free(all->dialing);
    covey_chan_unref(all->all_here);
    return 0;
}

/* Reads the server's address, and does as above. The exit status. */
static int be_clients(int from, int count)
{
    static struct clients all;
    ssize_t n = read(from, all.addr, sizeof(all.addr) - 1);

    all.count = count;
    return n > 0 && covey_run(clients_main, &all) == 0 ? 0 : 1;
}

/* ---- the server's process ---- */

struct server {
    int to; /* the clients */
    pid_t clients;
    int status; /* of them */
    covey_ctx *serving;
    covey_http_server_stats stats;
    uint64_t open_most;
};

static int hello(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    struct server *s = arg;
    covey_http_server_stats now;

    (void)req;
    covey_http_server_stats_get(&s->stats, &now);
    uint64_t most = __atomic_load_n(&s->open_most, __ATOMIC_RELAXED);
    while (most < now.open && !__atomic_compare_exchange_n(&s->open_most, &most, now.open, false,
                                                           __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
    return covey_http_respond(ctx, w, 200, NULL, "hello", 5);
}

static int wait_for_clients(covey_ctx *ctx, void *arg)
{
    struct server *s = arg;

    (void)ctx;
    return waitpid(s->clients, &s->status, 0) == s->clients ? 0 : -ECHILD;
}

static int end_with_clients(covey_ctx *ctx, void *arg)
{
    struct server *s = arg;
    int code = covey_blocking(ctx, wait_for_clients, s);

    covey_ctx_cancel(s->serving);
    return code;
}

static int server_main(covey_ctx *ctx, void *arg)
{
    struct server *s = arg;
    /* On a slow machine a crowd takes its time: nobody is given up for it. */
    covey_http_server_options opts = {.max_connections = CROWD + SPARE,
                                      .header_timeout_ns = COVEY_HTTP_UNLIMITED,
                                      .idle_timeout_ns = COVEY_HTTP_UNLIMITED,
                                      .io_timeout_ns = COVEY_HTTP_UNLIMITED,
                                      .stats = &s->stats};
    covey_listener *l;
    covey_group *g = covey_group_new(ctx);

    CHECK_EQ(covey_listen(&l, "tcp://127.0.0.1:0", NULL), 0);
    const char *addr = covey_listener_addr(l);
    CHECK_EQ(write(s->to, addr, strlen(addr) + 1), (ssize_t)strlen(addr) + 1);
    s->serving = covey_ctx_with_cancel(ctx);
    CHECK_EQ(covey_group_go(g, end_with_clients, s), 0);
    int64_t start = covey_now();
    CHECK_EQ(covey_http_serve(s->serving, l, hello, s, &opts), 0);
    printf("# %llu connections, %llu of them at once, %llu requests, in %lld ms\n",
           (unsigned long long)s->stats.accepted, (unsigned long long)s->open_most,
           (unsigned long long)s->stats.requests, (long long)((covey_now() - start) / COVEY_MS));
    CHECK_EQ(covey_group_wait(g), 0);
    covey_ctx_unref(s->serving);
    covey_listener_close(l);
    return 0;
}

TEST(ten_thousand_connections_at_once)
{
    int ends[2], n = crowd_size();
    struct server s = {0};

    CHECK_EQ(pipe(ends), 0);
    fflush(stdout);
    s.clients = fork();
    CHECK(s.clients >= 0);
    if (s.clients == 0) {
        _exit(be_clients(ends[0], n));
    }
    s.to = ends[1];
    CHECK_EQ(covey_run(server_main, &s), 0);
    CHECK(WIFEXITED(s.status) && WEXITSTATUS(s.status) == 0);
    CHECK_EQ(s.open_most, n);
    CHECK_EQ(s.stats.accepted, n);
    CHECK_EQ(s.stats.requests, 2 * n);
    CHECK_EQ(s.stats.open, 0);
    (void)close(ends[0]);
    (void)close(ends[1]);
}
