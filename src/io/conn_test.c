/* SPDX-License-Identifier: MIT
 * conn_test.c - reading, writing and closing connections. */
#define _GNU_SOURCE
#include "harness.h"
#include "io/conn.h"
#include "tcp_pair.h"
#include "view.h"

#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- bytes
 * --------------------------------------------------------------------------------------- */

static char pattern_at(size_t i)
{
    return (char)(i * 7 + i / 251);
}

static int echo_once(covey_ctx *ctx, void *arg)
{
    covey_conn *c;
    char buf[256];
    ssize_t n;

    CHECK_EQ(covey_accept(ctx, arg, &c), 0);
    while ((n = covey_read(ctx, c, buf, sizeof(buf))) > 0) {
        CHECK_EQ(covey_write(ctx, c, buf, (size_t)n), n);
    }
    CHECK_EQ(n, 0);
    covey_close(c);
    return 0;
}

static void check_echo(covey_ctx *ctx, const char *addr)
{
    covey_group *g = covey_group_new(ctx);
    covey_listener *l;
    covey_conn *c;
    char buf[16];

    CHECK_EQ(covey_listen(&l, addr, NULL), 0);
    GO(g, echo_once, l);
    CHECK_EQ(covey_dial(ctx, &c, covey_listener_addr(l)), 0);
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(covey_write(ctx, c, "hello, covey!", 13), 13);
        CHECK_EQ(covey_read_full(ctx, c, buf, 13), 13);
        CHECK(memcmp(buf, "hello, covey!", 13) == 0);
    }
    CHECK_EQ(covey_shutdown_write(c), 0);
    CHECK_EQ(covey_read(ctx, c, buf, sizeof(buf)), 0);
    CHECK_EQ(covey_read(ctx, c, buf, sizeof(buf)), 0);
    CHECK_EQ(covey_read_full(ctx, c, buf, sizeof(buf)), 0);
    covey_close(c);
    JOIN(g);
    covey_listener_close(l);
}

TASK_TEST(echo_over_tcp)
{
    check_echo(ctx, "tcp://127.0.0.1:0");
}

TASK_TEST(echo_over_tcp_v6)
{
    covey_listener *l;
    if (covey_listen(&l, "tcp://[::1]:0", NULL) < 0) {
        SKIP("no IPv6");
    }
    covey_listener_close(l);
    check_echo(ctx, "tcp://[::1]:0");
}

TASK_TEST(echo_over_a_unix_path_and_an_abstract_name)
{
    char addr[64];

    (void)snprintf(addr, sizeof(addr), "unix:///tmp/covey-conn-test-%d.sock", (int)getpid());
    check_echo(ctx, addr);
    CHECK(access(addr + 7, F_OK) != 0);
    (void)snprintf(addr, sizeof(addr), "unix://@covey-conn-test-%d", (int)getpid());
    check_echo(ctx, addr);
}

TASK_TEST(nothing_asked_is_nothing_done)
{
    covey_conn *a, *b;
    char c;
    struct iovec none[2] = {{&c, 0}, {&c, 0}};

    tcp_pair(ctx, &a, &b);
    CHECK_EQ(covey_read(ctx, a, &c, 0), 0);
    CHECK_EQ(covey_read_full(ctx, a, &c, 0), 0);
    CHECK_EQ(covey_write(ctx, a, &c, 0), 0);
    CHECK_EQ(covey_writev(ctx, a, none, 2), 0);
    CHECK_EQ(covey_writev(ctx, a, none, 0), 0);
    covey_close(a);
    CHECK_EQ(covey_read(ctx, b, &c, 1), 0);
    covey_close(b);
}

TASK_TEST(bad_sizes_are_refused)
{
    covey_conn *a, *b;
    char c = 0;
    struct iovec huge[2] = {{&c, (size_t)SSIZE_MAX}, {&c, 1}};

    tcp_pair(ctx, &a, &b);
    CHECK_EQ(covey_write(ctx, a, &c, (size_t)SSIZE_MAX + 1), -EINVAL);
    CHECK_EQ(covey_read_full(ctx, a, &c, (size_t)SSIZE_MAX + 1), -EINVAL);
    CHECK_EQ(covey_writev(ctx, a, huge, 2), -EINVAL);
    CHECK_EQ(covey_writev(ctx, a, huge, 1025), -EINVAL);
    CHECK_EQ(covey_writev(ctx, a, huge, -1), -EINVAL);
    covey_close(a);
    covey_close(b);
}

struct transfer {
    covey_conn *conn;
    size_t len;
};

static int read_pattern(covey_ctx *ctx, void *arg)
{
    struct transfer *t = arg;
    static char buf[100000];
    size_t at = 0;

    while (at < t->len) {
        ssize_t n = covey_read(ctx, t->conn, buf, 1 + at % sizeof(buf));
        CHECK(n > 0);
        for (ssize_t i = 0; i < n; i++) {
            CHECK(buf[i] == pattern_at(at + (size_t)i));
        }
        at += (size_t)n;
    }
    CHECK_EQ(covey_read(ctx, t->conn, buf, 1), 0);
    return 0;
}

static char *pattern_make(size_t len)
{
    char *buf = malloc(len);

    CHECK(buf);
    for (size_t i = 0; i < len; i++) {
        buf[i] = pattern_at(i);
    }
    return buf;
}

TASK_TEST(a_large_write_is_written_whole)
{
    covey_group *g = covey_group_new(ctx);
    struct transfer t = {.len = (size_t)24 << 20};
    char *buf = pattern_make(t.len);
    covey_conn *c;

    tcp_pair(ctx, &c, &t.conn);
    go_waiting(g, "reader", read_pattern, &t);
    CHECK_EQ(covey_write(ctx, c, buf, t.len), t.len);
    covey_close(c);
    JOIN(g);
    covey_close(t.conn);
    free(buf);
}

TASK_TEST(many_pieces_arrive_in_order)
{
    covey_group *g = covey_group_new(ctx);
    struct transfer t = {.len = (size_t)24 << 20};
    char *buf = pattern_make(t.len);
    covey_conn *c;
    static struct iovec iov[1024], copy[1024];
    size_t at = 0;

    for (size_t i = 0; i < 1024; i++) {
        /* Empty ones, small ones, large ones. */
        size_t len = i % 5 == 0 ? 0 : i % 3 == 0 ? i : 60000 + i;
        len = i == 1023 ? t.len - at : len < t.len - at ? len : t.len - at;
        iov[i] = (struct iovec){buf + at, len};
        at += len;
    }
    memcpy(copy, iov, sizeof(iov));
    tcp_pair(ctx, &c, &t.conn);
    go_waiting(g, "reader", read_pattern, &t);
    CHECK_EQ(covey_writev(ctx, c, iov, 1024), t.len);
    CHECK(memcmp(copy, iov, sizeof(iov)) == 0);
    covey_close(c);
    JOIN(g);
    covey_close(t.conn);
    free(buf);
}

/* ---- turns
 * --------------------------------------------------------------------------------------- */

enum { WRITERS = 4, BLOCKS = 8, BLOCK = 300000, RECORD = 1000 };

static int write_blocks(covey_ctx *ctx, void *arg)
{
    static _Atomic int letters;
    char *buf = malloc(BLOCK);

    CHECK(buf);
    memset(buf, 'a' + atomic_fetch_add(&letters, 1), BLOCK);
    for (int i = 0; i < BLOCKS; i++) {
        CHECK_EQ(covey_write(ctx, arg, buf, BLOCK), BLOCK);
    }
    free(buf);
    return 0;
}

TASK_TEST(writes_of_several_tasks_stay_whole)
{
    covey_group *g = covey_group_new(ctx);
    covey_conn *a, *b;
    static char buf[BLOCK];

    tcp_pair(ctx, &a, &b);
    for (int i = 0; i < WRITERS; i++) {
        GO(g, write_blocks, a);
    }
    for (int i = 0; i < WRITERS * BLOCKS; i++) {
        CHECK_EQ(covey_read_full(ctx, b, buf, BLOCK), BLOCK);
        for (size_t k = 1; k < BLOCK; k++) {
            CHECK(buf[k] == buf[0]);
        }
    }
    JOIN(g);
    covey_close(a);
    covey_close(b);
}

static _Atomic int records_read;

static int read_records(covey_ctx *ctx, void *arg)
{
    char buf[RECORD];
    ssize_t n;

    while ((n = covey_read_full(ctx, arg, buf, RECORD)) == RECORD) {
        for (size_t k = 1; k < RECORD; k++) {
            CHECK(buf[k] == buf[0]);
        }
        atomic_fetch_add(&records_read, 1);
    }
    CHECK_EQ(n, 0);
    return 0;
}

TASK_TEST(readers_take_turns_call_by_call)
{
    covey_group *g = covey_group_new(ctx);
    covey_conn *a, *b;
    char buf[RECORD];

    tcp_pair(ctx, &a, &b);
    for (int i = 0; i < WRITERS; i++) {
        GO(g, read_records, b);
    }
    for (int i = 0; i < 500; i++) {
        memset(buf, i, sizeof(buf));
        /* In two parts, so that a reader has to wait in the middle. */
        CHECK_EQ(covey_write(ctx, a, buf, 300), 300);
        covey_yield();
        CHECK_EQ(covey_write(ctx, a, buf + 300, RECORD - 300), RECORD - 300);
    }
    covey_close(a);
    JOIN(g);
    CHECK_EQ(atomic_load(&records_read), 500);
    covey_close(b);
}

/* ---- contexts
 * ------------------------------------------------------------------------------------ */

struct call {
    covey_conn *conn;
    covey_ctx *ctx;
    int expected;
};

static int read_expecting(covey_ctx *ctx, void *arg)
{
    struct call *call = arg;
    char c;
    CHECK_EQ(covey_read(call->ctx ? call->ctx : ctx, call->conn, &c, 1), call->expected);
    return 0;
}

TASK_TEST(a_waiting_read_ends_with_its_context)
{
    covey_group *g = covey_group_new(ctx);
    struct call call = {.ctx = covey_ctx_with_cancel(ctx), .expected = COVEY_ECANCELED};
    struct call second = call;
    covey_conn *a;
    char c;

    tcp_pair(ctx, &a, &call.conn);
    second.conn = call.conn;
    go_waiting(g, "reader", read_expecting, &call);
    go_waiting(g, "waits its turn", read_expecting, &second);
    covey_ctx_cancel(call.ctx);
    JOIN(g);
    /* The connection is as it was. */
    CHECK_EQ(covey_write(ctx, a, "x", 1), 1);
    CHECK_EQ(covey_read(ctx, call.conn, &c, 1), 1);
    covey_ctx *late = covey_ctx_with_timeout(ctx, 5 * COVEY_MS);
    CHECK_EQ(covey_read(late, call.conn, &c, 1), COVEY_EDEADLINE);
    CHECK(strstr(covey_errmsg(), "conn_test.c:") != NULL);
    covey_ctx_unref(late);
    covey_ctx_unref(call.ctx);
    covey_close(a);
    covey_close(call.conn);
}

TASK_TEST(a_done_context_comes_first)
{
    covey_conn *a, *b;
    covey_ctx *done = covey_ctx_with_cancel(NULL);
    char c = 'x';

    tcp_pair(ctx, &a, &b);
    covey_ctx_cancel(done);
    CHECK_EQ(covey_write(ctx, a, &c, 1), 1);
    CHECK_EQ(covey_write(done, a, &c, 1), COVEY_ECANCELED);
    CHECK_EQ(covey_read(done, b, &c, 1), COVEY_ECANCELED);
    CHECK_EQ(covey_read(ctx, b, &c, 1), 1);
    covey_ctx_unref(done);
    covey_close(a);
    covey_close(b);
}

static int write_until_error(covey_ctx *ctx, void *arg)
{
    static char buf[1 << 20];
    struct call *call = arg;
    ssize_t n;

    while ((n = covey_write(call->ctx ? call->ctx : ctx, call->conn, buf, sizeof(buf))) > 0) {
    }
    CHECK_EQ(n, call->expected);
    return 0;
}

TASK_TEST(a_waiting_write_ends_with_its_context)
{
    covey_group *g = covey_group_new(ctx);
    struct call call = {.ctx = covey_ctx_with_cancel(ctx), .expected = COVEY_ECANCELED};
    covey_conn *b;

    tcp_pair(ctx, &call.conn, &b);
    go_waiting(g, "writer", write_until_error, &call);
    covey_ctx_cancel(call.ctx);
    JOIN(g);
    covey_ctx_unref(call.ctx);
    covey_close(call.conn);
    covey_close(b);
}

/* ---- closing
 * ------------------------------------------------------------------------------------- */

TASK_TEST(close_wakes_readers_writers_and_those_whose_turn_has_not_come)
{
    int fds = count_fds();
    covey_group *g = covey_group_new(ctx);
    struct call call = {.expected = COVEY_ECLOSED};
    covey_conn *b;

    tcp_pair(ctx, &call.conn, &b);
    go_waiting(g, "reader 1", read_expecting, &call);
    go_waiting(g, "reader 2", read_expecting, &call);
    go_waiting(g, "writer 1", write_until_error, &call);
    go_waiting(g, "writer 2", write_until_error, &call);
    covey_close(call.conn);
    JOIN(g);
    covey_close(b);
    CHECK_EQ(count_fds(), fds);
}

TASK_TEST(close_of_null_does_nothing)
{
    covey_close(NULL);
    covey_listener_close(NULL);
}

TASK_TEST(a_reset_is_told_with_the_peer)
{
    covey_conn *a, *b;
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    char c, text[128];

    tcp_pair(ctx, &a, &b);
    (void)snprintf(text, sizeof(text), "read %s: connection reset by peer", covey_conn_peer(b));
    CHECK_EQ(setsockopt(covey_conn_fd(a), SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
    covey_close(a);
    CHECK_EQ(covey_read(ctx, b, &c, 1), -ECONNRESET);
    CHECK_STR(covey_errmsg(), text);
    covey_close(b);
}

TASK_TEST(a_write_to_a_peer_that_went_away_raises_no_signal)
{
    struct call call = {.expected = -EPIPE};
    int fds[2];
    covey_conn *b;

    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    CHECK_EQ(covey_conn_from_fd(&call.conn, fds[0]), 0);
    CHECK_EQ(covey_conn_from_fd(&b, fds[1]), 0);
    CHECK_STR(covey_conn_peer(b), "");
    covey_close(b);
    (void)write_until_error(ctx, &call);
    CHECK_STR(covey_errmsg(), "write: closed");
    covey_close(call.conn);
}

TASK_TEST(a_half_close_leaves_the_other_way_open)
{
    covey_conn *a, *b;
    char buf[8];

    tcp_pair(ctx, &a, &b);
    CHECK_EQ(covey_write(ctx, a, "ask", 3), 3);
    CHECK_EQ(covey_shutdown_write(a), 0);
    CHECK_EQ(covey_read(ctx, b, buf, sizeof(buf)), 3);
    CHECK_EQ(covey_read(ctx, b, buf, sizeof(buf)), 0);
    CHECK_EQ(covey_write(ctx, b, "answer", 6), 6);
    CHECK_EQ(covey_read_full(ctx, a, buf, 6), 6);
    covey_close(a);
    covey_close(b);
}

static int close_it(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    covey_close(arg);
    return 0;
}

static int read_to_the_end(covey_ctx *ctx, void *arg)
{
    char buf[64];
    ssize_t n;

    while ((n = covey_read(ctx, arg, buf, sizeof(buf))) > 0) {
    }
    CHECK(n == 0 || n == COVEY_ECLOSED || n == COVEY_ECANCELED || n == -ECONNRESET);
    return 0;
}

/* Records are used again at once, so that events of the connections before come late. */
TASK_TEST(closing_races_with_reading_and_with_cancelling)
{
    int fds = count_fds();

    for (int i = 0; i < 300; i++) {
        covey_group *g = covey_group_new(ctx);
        covey_conn *a, *b;
        tcp_pair(ctx, &a, &b);
        go_waiting(g, "reader", read_to_the_end, b);
        GO(g, read_to_the_end, b);
        CHECK_EQ(covey_write(ctx, a, "some bytes", 10), 10);
        GO(g, close_it, a);
        if (i % 2) {
            covey_group_cancel(g, 0);
        } else {
            covey_close(b);
        }
        JOIN(g);
        if (i % 2) {
            covey_close(b);
        }
    }
    CHECK_EQ(count_fds(), fds);
}

/* ---- the rest
 * ------------------------------------------------------------------------------------ */

TASK_TEST(both_ends_know_their_peer_and_send_at_once)
{
    covey_listener *l;
    covey_conn *a, *b;
    struct sockaddr_in name;
    socklen_t len = sizeof(name), size = sizeof(int);
    char text[64];
    int on = 0;

    CHECK_EQ(covey_listen(&l, "tcp://127.0.0.1:0", NULL), 0);
    CHECK_EQ(covey_dial(ctx, &a, covey_listener_addr(l)), 0);
    CHECK_EQ(covey_accept(ctx, l, &b), 0);
    CHECK_STR(covey_conn_peer(a), covey_listener_addr(l));
    CHECK_EQ(getsockname(covey_conn_fd(a), (struct sockaddr *)&name, &len), 0);
    (void)snprintf(text, sizeof(text), "tcp://127.0.0.1:%d", ntohs(name.sin_port));
    CHECK_STR(covey_conn_peer(b), text);
    CHECK_EQ(getsockopt(covey_conn_fd(a), IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
    CHECK(on);
    on = 0;
    CHECK_EQ(getsockopt(covey_conn_fd(b), IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
    CHECK(on);
    covey_close(a);
    covey_close(b);
    covey_listener_close(l);
}

TASK_TEST(only_stream_sockets_become_connections)
{
    covey_conn *c = NULL;
    int fds[2];

    CHECK_EQ(covey_conn_from_fd(&c, -1), -EBADF);
    CHECK_EQ(pipe(fds), 0);
    CHECK_EQ(covey_conn_from_fd(&c, fds[0]), -ENOTSOCK);
    (void)close(fds[0]);
    (void)close(fds[1]);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
    CHECK_EQ(covey_conn_from_fd(&c, fds[0]), -EPROTOTYPE);
    (void)close(fds[0]);
    (void)close(fds[1]);
    CHECK(c == NULL);
}

static void *echo_thread(void *arg)
{
    char buf[64];
    ssize_t n;

    while ((n = covey_read(NULL, arg, buf, sizeof(buf))) > 0) {
        CHECK_EQ(covey_write(NULL, arg, buf, (size_t)n), n);
    }
    CHECK_EQ(n, 0);
    CHECK_EQ(covey_shutdown_write(arg), 0);
    return NULL;
}

TASK_TEST(a_plain_thread_reads_and_writes)
{
    covey_conn *a, *b;
    pthread_t thread;
    char buf[8];

    tcp_pair(ctx, &a, &b);
    CHECK_EQ(pthread_create(&thread, NULL, echo_thread, b), 0);
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(covey_write(ctx, a, "thread", 6), 6);
        CHECK_EQ(covey_read_full(ctx, a, buf, 6), 6);
    }
    CHECK_EQ(covey_shutdown_write(a), 0);
    CHECK_EQ(covey_read(ctx, a, buf, 1), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    covey_close(a);
    covey_close(b);
}

static int echo_compact(covey_ctx *ctx, void *arg)
{
    char buf[64];
    ssize_t n;

    while ((n = covey_read(ctx, arg, buf, sizeof(buf))) > 0) {
        struct iovec iov[2] = {{buf, 1}, {buf + 1, (size_t)n - 1}};
        CHECK_EQ(covey_writev(ctx, arg, iov, 2), n);
    }
    CHECK_EQ(n, -ECONNRESET);
    covey_close(arg);
    return 0;
}

static void run_echo(covey_ctx *ctx, bool is_compact)
{
    covey_group *g = covey_group_new(ctx);
    covey_task_options opts = {.compact = is_compact, .name = "echo"};
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    covey_conn *a, *b;
    char buf[8];

    tcp_pair(ctx, &a, &b);
    CHECK_EQ(covey_group_go_with(g, &opts, echo_compact, b), 0);
    for (int i = 0; i < 200; i++) {
        CHECK_EQ(covey_write(ctx, a, "small", 5), 5);
        CHECK_EQ(covey_read_full(ctx, a, buf, 5), 5);
    }
    CHECK_EQ(setsockopt(covey_conn_fd(a), SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
    covey_close(a);
    JOIN(g);
}

TASK_TEST(a_compact_stack_is_enough)
{
    /* Where functions of the libc are bound at their first call, that takes 3 KiB of stack. */
    run_echo(ctx, false);
    run_echo(ctx, true);
}

static int flood(covey_ctx *ctx, void *arg)
{
    char c = 'x';

    for (int i = 0; covey_ctx_err(ctx) == 0; i++) {
        /* One byte there, one back: it is always ready. */
        covey_conn **pair = arg;
        if (covey_write(ctx, pair[0], &c, 1) != 1 || covey_read(ctx, pair[1], &c, 1) != 1) {
            break;
        }
    }
    return 0;
}

static int count_turns(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    for (int i = 0; i < 100; i++) {
        covey_yield();
    }
    covey_group_cancel(arg, 0);
    return 0;
}

static int fairness_main(covey_ctx *ctx, void *arg)
{
    covey_group *g = covey_group_new(ctx);
    covey_conn *pair[2];

    (void)arg;
    tcp_pair(ctx, &pair[0], &pair[1]);
    GO(g, flood, pair);
    GO(g, count_turns, g);
    JOIN(g);
    covey_close(pair[0]);
    covey_close(pair[1]);
    return 0;
}

TEST(a_connection_that_is_always_ready_lets_others_run)
{
    covey_options opts = {.workers = 1};
    CHECK_EQ(covey_run_with(&opts, fairness_main, NULL), 0);
}

TASK_TEST(a_late_hang_up_of_another_descriptor_is_not_believed)
{
    covey_ctx *soon = covey_ctx_with_timeout(ctx, COVEY_MS);
    covey_conn *a, *b;

    tcp_pair(ctx, &a, &b);
    /* What the event of a connection that had this record before would leave. */
    atomic_fetch_or(&a->fd.ready, CVY_POLL_HUP);
    CHECK_EQ(covey_conn_wait_hangup(soon, a), COVEY_EDEADLINE);
    covey_close(b);
    CHECK_EQ(covey_conn_wait_hangup(ctx, a), 0);
    covey_close(a);
    covey_ctx_unref(soon);
}

/* ---- more than one runtime
 * ----------------------------------------------------------------------- */

static int serve_one(covey_ctx *ctx, void *arg)
{
    covey_group *g = covey_group_new(ctx);
    covey_conn *c;
    char buf[4];

    go_waiting(g, "acceptor", echo_once, arg);
    CHECK_EQ(covey_dial(ctx, &c, covey_listener_addr(arg)), 0);
    CHECK_EQ(covey_write(ctx, c, "ping", 4), 4);
    CHECK_EQ(covey_read_full(ctx, c, buf, 4), 4);
    covey_close(c);
    JOIN(g);
    return 0;
}

TEST(a_listener_outlives_the_runtimes_it_serves)
{
    covey_listener *l;

    CHECK_EQ(covey_listen(&l, "tcp://127.0.0.1:0", NULL), 0);
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(covey_run(serve_one, l), 0);
    }
    covey_listener_close(l);
}

TEST(without_a_runtime_nothing_waits)
{
    covey_conn *c = NULL;
    int fds[2];
    char b;

    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    CHECK_EQ(covey_conn_from_fd(&c, fds[0]), 0);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(covey_read(NULL, c, &b, 1), 1);
    CHECK_EQ(covey_read(NULL, c, &b, 1), COVEY_ECLOSED);
    covey_close(c);
    (void)close(fds[1]);
    CHECK_EQ(covey_dial(NULL, &c, "tcp://127.0.0.1:1"), COVEY_ECLOSED);
}
