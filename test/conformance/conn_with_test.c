/* SPDX-License-Identifier: MIT
 * conn_with_test.c - connections that are no sockets, the peer's hang-up, writes that take a part,
 * and the end that another task brings. */
#include "support.h"
#include "tcp_pair.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- a pipe in memory, one direction of a connection to itself: what is written is read
 * ----------- */

enum { ROOM = 7 }; /* small, and prime: writes are cut in odd places */

struct echo {
    covey_mutex lock;
    covey_cond changed;
    char bytes[ROOM];
    size_t len;
    bool has_ended, is_aborted;
    int frees, goodbyes, aborts;
};

static ssize_t echo_read(covey_ctx *ctx, void *self, void *buf, size_t len)
{
    struct echo *e = self;
    ssize_t n = 0;

    covey_mutex_lock(&e->lock);
    while (n == 0 && e->len == 0 && !e->has_ended && !e->is_aborted) {
        n = covey_cond_wait(ctx, &e->changed, &e->lock);
    }
    if (n == 0 && e->is_aborted) {
        n = covey_errorf(COVEY_ECLOSED, "echo: closed");
    }
    if (n == 0) {
        n = (ssize_t)(len < e->len ? len : e->len);
        memcpy(buf, e->bytes, (size_t)n);
        memmove(e->bytes, e->bytes + n, e->len - (size_t)n);
        e->len -= (size_t)n;
        covey_cond_broadcast(&e->changed);
    }
    covey_mutex_unlock(&e->lock);
    return n;
}

static ssize_t echo_write(covey_ctx *ctx, void *self, const struct iovec *iov, int n)
{
    struct echo *e = self;
    ssize_t done = 0;

    CHECK(iov[0].iov_len > 0);
    covey_mutex_lock(&e->lock);
    while (done == 0 && e->len == ROOM && !e->is_aborted) {
        done = covey_cond_wait(ctx, &e->changed, &e->lock);
    }
    if (done == 0 && e->is_aborted) {
        done = covey_errorf(COVEY_ECLOSED, "echo: closed");
    }
    for (int i = 0; done >= 0 && i < n; i++) {
        size_t room = ROOM - e->len;
        size_t part = iov[i].iov_len < room ? iov[i].iov_len : room;
        memcpy(e->bytes + e->len, iov[i].iov_base, part);
        e->len += part;
        done += (ssize_t)part;
        if (part < iov[i].iov_len) {
            break;
        }
    }
    covey_cond_broadcast(&e->changed);
    covey_mutex_unlock(&e->lock);
    return done;
}

static int echo_shutdown(void *self)
{
    struct echo *e = self;

    covey_mutex_lock(&e->lock);
    e->has_ended = true;
    covey_cond_broadcast(&e->changed);
    covey_mutex_unlock(&e->lock);
    return 0;
}

static void echo_goodbye(void *self)
{
    struct echo *e = self;
    CHECK_EQ(e->frees, 0);
    e->goodbyes++;
}

static void echo_abort(void *self)
{
    struct echo *e = self;

    covey_mutex_lock(&e->lock);
    e->is_aborted = true;
    e->aborts++;
    covey_cond_broadcast(&e->changed);
    covey_mutex_unlock(&e->lock);
}

static void echo_free(void *self)
{
    struct echo *e = self;
    CHECK_EQ(e->frees, 0);
    e->frees++;
}

static const covey_conn_ops echo_ops = {
    .read = echo_read,
    .write = echo_write,
    .shutdown_write = echo_shutdown,
    .goodbye = echo_goodbye,
    .abort = echo_abort,
    .free = echo_free,
};

static char pattern_at(size_t i)
{
    return (char)(i * 7 + i / 251);
}

struct job {
    covey_conn *c;
    int expected;
};

static int write_pattern(covey_ctx *ctx, void *arg)
{
    char buf[101];

    for (size_t i = 0; i < 5000; i += sizeof(buf)) {
        for (size_t k = 0; k < sizeof(buf); k++) {
            buf[k] = pattern_at(i + k);
        }
        struct iovec iov[4] = {{buf, 0}, {buf, 10}, {buf + 10, 0}, {buf + 10, sizeof(buf) - 10}};
        CHECK_EQ(covey_writev(ctx, arg, iov, 4), (ssize_t)sizeof(buf));
    }
    CHECK_EQ(covey_shutdown_write(arg), 0);
    return 0;
}

TASK_TEST(all_calls_work_on_a_connection_of_functions)
{
    covey_group *g = covey_group_new(ctx);
    struct echo e = {0};
    covey_conn *c;
    char buf[33];
    size_t at = 0;
    ssize_t n;

    CHECK_EQ(covey_conn_new_with(&c, &echo_ops, &e, NULL), 0);
    CHECK(covey_conn_self(c, &echo_ops) == &e);
    CHECK_EQ(covey_conn_fd(c), -1);
    CHECK_STR(covey_conn_peer(c), "");
    CHECK_EQ(covey_conn_local(c, buf, sizeof(buf)), 0);
    CHECK_EQ(covey_try_write(c, "x", 1), COVEY_EAGAIN);
    CHECK_EQ(covey_write_some(ctx, c, "0123456789", 10), ROOM);
    CHECK_EQ(covey_read_full(ctx, c, buf, ROOM), ROOM);
    CHECK(memcmp(buf, "0123456", ROOM) == 0);
    GO(g, write_pattern, c);
    while ((n = covey_read_full(ctx, c, buf, sizeof(buf))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            CHECK_EQ(buf[i], pattern_at(at));
            at++;
        }
    }
    CHECK_EQ(n, 0);
    CHECK_EQ(at, 5050);
    CHECK_EQ(covey_read(ctx, c, buf, 1), 0);
    JOIN(g);
    covey_close(c);
    CHECK_EQ(e.goodbyes, 1);
    CHECK_EQ(e.frees, 1);
}

TASK_TEST(the_functions_are_not_called_for_nothing_or_under_a_done_context)
{
    static const covey_conn_ops none = {.free = echo_free};
    covey_ctx *done = covey_ctx_with_cancel(ctx);
    struct echo e = {0};
    covey_conn *c;
    char b = 0;
    struct iovec nothing = {&b, 0};

    covey_ctx_cancel(done);
    CHECK_EQ(covey_conn_new_with(&c, &none, &e, NULL), 0);
    CHECK(covey_conn_self(c, &echo_ops) == NULL);
    CHECK_EQ(covey_read(ctx, c, &b, 0), 0);
    CHECK_EQ(covey_write(ctx, c, &b, 0), 0);
    CHECK_EQ(covey_write_some(ctx, c, &b, 0), 0);
    CHECK_EQ(covey_writev(ctx, c, &nothing, 1), 0);
    CHECK_EQ(covey_read(done, c, &b, 1), COVEY_ECANCELED);
    CHECK_EQ(covey_write(done, c, &b, 1), COVEY_ECANCELED);
    CHECK_EQ(covey_conn_wait_hangup(done, c), COVEY_ECANCELED);
    CHECK_EQ(covey_shutdown_write(c), -EOPNOTSUPP);
    CHECK_EQ(covey_conn_wait_hangup(ctx, c), -EOPNOTSUPP);
    covey_close(c);
    CHECK_EQ(e.frees, 1);
    covey_ctx_unref(done);
}

static int read_expecting(covey_ctx *ctx, void *arg)
{
    struct job *job = arg;
    char b;

    CHECK_EQ(covey_read(ctx, job->c, &b, 1), job->expected);
    return 0;
}

/* More than fits anywhere. */
static int write_expecting(covey_ctx *ctx, void *arg)
{
    struct job *job = arg;
    static char buf[16 << 20];

    CHECK_EQ(covey_write(ctx, job->c, buf, sizeof(buf)), job->expected);
    return 0;
}

TASK_TEST(closing_wakes_who_is_in_the_functions_and_who_waits_for_a_turn)
{
    for (int round = 0; round < 20; round++) {
        covey_group *g = covey_group_new(ctx);
        struct echo in = {0}, out = {0};
        struct job reads = {.expected = COVEY_ECLOSED}, writes = {.expected = COVEY_ECLOSED};

        CHECK_EQ(covey_conn_new_with(&reads.c, &echo_ops, &in, NULL), 0);
        CHECK_EQ(covey_conn_new_with(&writes.c, &echo_ops, &out, NULL), 0);
        for (int i = 0; i < 3; i++) {
            go_waiting_nth(g, "reader", i, read_expecting, &reads);
            go_waiting_nth(g, "writer", i, write_expecting, &writes);
        }
        covey_close(reads.c);
        covey_close(writes.c);
        JOIN(g);
        CHECK_EQ(in.frees, 1);
        CHECK_EQ(out.frees, 1);
    }
}

TASK_TEST(cancelling_leaves_a_connection_of_functions_usable)
{
    covey_ctx *under = covey_ctx_with_cancel(ctx);
    covey_group *g = covey_group_new(under);
    struct echo e = {0};
    struct job job = {.expected = COVEY_ECANCELED};
    char b;

    CHECK_EQ(covey_conn_new_with(&job.c, &echo_ops, &e, NULL), 0);
    go_waiting(g, "reader", read_expecting, &job);
    covey_ctx_cancel(under);
    JOIN(g);
    CHECK_EQ(covey_write(ctx, job.c, "x", 1), 1);
    CHECK_EQ(covey_read(ctx, job.c, &b, 1), 1);
    CHECK_EQ(b, 'x');
    covey_close(job.c);
    covey_ctx_unref(under);
}

/* ---- an end that another brings
 * ------------------------------------------------------------------ */

static int hangup_expecting(covey_ctx *ctx, void *arg)
{
    struct job *job = arg;
    CHECK_EQ(covey_conn_wait_hangup(ctx, job->c), job->expected);
    return 0;
}

TASK_TEST(an_aborted_connection_wakes_all_and_stays_until_it_is_closed)
{
    covey_group *g = covey_group_new(ctx);
    struct job job = {.expected = COVEY_ECLOSED};
    struct echo e = {0};
    covey_conn *peer, *with;
    char b;

    tcp_pair(ctx, &job.c, &peer);
    go_waiting(g, "reader", read_expecting, &job);
    go_waiting(g, "second", read_expecting, &job);
    go_waiting(g, "hangup", hangup_expecting, &job);
    covey_conn_abort(job.c);
    covey_conn_abort(job.c);
    JOIN(g);
    CHECK_EQ(covey_write(ctx, job.c, "x", 1), COVEY_ECLOSED);
    CHECK_EQ(covey_write_some(ctx, job.c, "x", 1), COVEY_ECLOSED);
    CHECK_EQ(covey_try_write(job.c, "x", 1), COVEY_ECLOSED);
    CHECK_EQ(covey_shutdown_write(job.c), COVEY_ECLOSED);
    CHECK_EQ(covey_write(ctx, peer, "x", 1), 1); /* the peer has heard nothing */
    covey_close(job.c);
    CHECK(covey_read(ctx, peer, &b, 1) <= 0);
    covey_close(peer);

    CHECK_EQ(covey_conn_new_with(&with, &echo_ops, &e, NULL), 0);
    job.c = with;
    g = covey_group_new(ctx);
    go_waiting(g, "reader", read_expecting, &job);
    covey_conn_abort(with);
    JOIN(g);
    CHECK_EQ(e.frees, 0);
    covey_close(with);
    CHECK_EQ(e.goodbyes, 0); /* nobody is left to say it to */
    CHECK_EQ(e.frees, 1);
}

/* ---- the peer's hang-up
 * -------------------------------------------------------------------------- */

TASK_TEST(a_hang_up_is_told_with_data_unread)
{
    covey_group *g = covey_group_new(ctx);
    struct job job = {.expected = 0};
    covey_conn *peer;
    char b;

    tcp_pair(ctx, &job.c, &peer);
    go_waiting(g, "first", hangup_expecting, &job);
    go_waiting(g, "second", hangup_expecting, &job);
    CHECK_EQ(covey_write(ctx, peer, "x", 1), 1);
    settle();
    CHECK(is_waiting("first"));
    covey_close(peer);
    JOIN(g);
    CHECK_EQ(covey_conn_wait_hangup(ctx, job.c), 0);
    CHECK_EQ(covey_read(ctx, job.c, &b, 1), 1);
    CHECK_EQ(covey_read(ctx, job.c, &b, 1), 0);
    CHECK_EQ(covey_conn_wait_hangup(ctx, job.c), 0);
    covey_close(job.c);
}

TASK_TEST(a_half_close_and_a_reset_are_hang_ups)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    covey_group *g = covey_group_new(ctx);
    struct job half = {0}, reset = {0};
    covey_conn *half_peer, *reset_peer;
    char b;

    tcp_pair(ctx, &half.c, &half_peer);
    tcp_pair(ctx, &reset.c, &reset_peer);
    go_waiting(g, "half", hangup_expecting, &half);
    go_waiting(g, "reset", hangup_expecting, &reset);
    CHECK_EQ(covey_shutdown_write(half_peer), 0);
    CHECK_EQ(setsockopt(covey_conn_fd(reset_peer), SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
    covey_close(reset_peer);
    JOIN(g);
    CHECK_EQ(covey_write(ctx, half.c, "x", 1), 1); /* it still hears us */
    CHECK_EQ(covey_read(ctx, half_peer, &b, 1), 1);
    covey_close(half.c);
    covey_close(half_peer);
    covey_close(reset.c);
}

TASK_TEST(waiting_for_a_hang_up_disturbs_neither_reader_nor_writer)
{
    covey_group *g = covey_group_new(ctx);
    struct job job = {0};
    covey_conn *peer;
    char b;

    tcp_pair(ctx, &job.c, &peer);
    go_waiting(g, "hangup", hangup_expecting, &job);
    for (int i = 0; i < 200; i++) {
        CHECK_EQ(covey_write(ctx, peer, "x", 1), 1);
        CHECK_EQ(covey_read(ctx, job.c, &b, 1), 1);
        CHECK_EQ(covey_write(ctx, job.c, "y", 1), 1);
        CHECK_EQ(covey_read(ctx, peer, &b, 1), 1);
    }
    CHECK(is_waiting("hangup"));
    covey_close(peer);
    CHECK_EQ(covey_read(ctx, job.c, &b, 1), 0);
    JOIN(g);
    covey_close(job.c);
}

TASK_TEST(the_wait_for_a_hang_up_ends_with_its_context_and_with_the_connection)
{
    covey_ctx *under = covey_ctx_with_cancel(ctx);
    covey_group *g = covey_group_new(ctx), *cancelled = covey_group_new(under);
    struct job job = {.expected = COVEY_ECLOSED}, other = {.expected = COVEY_ECANCELED};
    covey_conn *peer;

    tcp_pair(ctx, &job.c, &peer);
    other.c = job.c;
    go_waiting(cancelled, "cancelled", hangup_expecting, &other);
    covey_ctx_cancel(under);
    JOIN(cancelled);
    go_waiting(g, "closed", hangup_expecting, &job);
    CHECK(dump_says("waiting in hang-up (fd "));
    covey_close(job.c);
    JOIN(g);
    covey_close(peer);
    covey_ctx_unref(under);
}

static void free_below(void *self)
{
    covey_close(self);
}

static void abort_below(void *self)
{
    covey_conn_abort(self);
}

TASK_TEST(a_hang_up_and_addresses_are_taken_from_below)
{
    static const covey_conn_ops above = {.abort = abort_below, .free = free_below};
    covey_group *g = covey_group_new(ctx);
    struct job job = {.expected = 0};
    covey_conn *below, *peer;
    char mine[COVEY_ADDR_SIZE], short_text[8];

    tcp_pair(ctx, &below, &peer);
    CHECK_EQ(covey_conn_new_with(&job.c, &above, below, below), 0);
    CHECK_EQ(covey_conn_fd(job.c), covey_conn_fd(below));
    CHECK_STR(covey_conn_peer(job.c), covey_conn_peer(below));
    CHECK_EQ(covey_conn_local(job.c, mine, sizeof(mine)), strlen(mine));
    CHECK_STR(mine, covey_conn_peer(peer));
    CHECK_EQ(covey_conn_local(job.c, short_text, sizeof(short_text)), 7);
    CHECK_STR(short_text, "tcp://1");
    go_waiting(g, "hangup", hangup_expecting, &job);
    covey_close(peer);
    JOIN(g);
    covey_close(job.c);

    g = covey_group_new(ctx);
    tcp_pair(ctx, &below, &peer);
    CHECK_EQ(covey_conn_new_with(&job.c, &above, below, below), 0);
    job.expected = COVEY_ECLOSED;
    go_waiting(g, "hangup", hangup_expecting, &job);
    covey_close(job.c);
    JOIN(g);
    covey_close(peer);
}

/* ---- options
 * ------------------------------------------------------------------------------------- */

static int option_of(covey_conn *c, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof(value);

    CHECK_EQ(getsockopt(covey_conn_fd(c), level, name, &value, &len), 0);
    return value;
}

static void check_options(covey_conn *c)
{
    CHECK_EQ(option_of(c, SOL_SOCKET, SO_SNDBUF), 100000); /* the kernel doubles it */
    CHECK_EQ(option_of(c, SOL_SOCKET, SO_RCVBUF), 120000);
    CHECK_EQ(option_of(c, SOL_SOCKET, SO_KEEPALIVE), 1);
    CHECK_EQ(option_of(c, IPPROTO_TCP, TCP_KEEPIDLE), 31);
    CHECK_EQ(option_of(c, IPPROTO_TCP, TCP_KEEPINTVL), 10);
    CHECK_EQ(option_of(c, IPPROTO_TCP, TCP_KEEPCNT), 3);
    CHECK_EQ(option_of(c, IPPROTO_TCP, TCP_NODELAY), 0);
}

TASK_TEST(options_reach_the_kernel_and_what_is_accepted)
{
    covey_conn_options opts = {.send_buffer = 50000,
                               .receive_buffer = 60000,
                               .keepalive_ns = 30 * COVEY_SEC + 1,
                               .delay = true};
    covey_listen_options listen_opts = {.conn = opts};
    covey_listener *l;
    covey_conn *a, *b;

    CHECK_EQ(covey_listen(&l, "tcp://127.0.0.1:0", &listen_opts), 0);
    CHECK_EQ(covey_dial(ctx, &a, covey_listener_addr(l)), 0);
    CHECK_EQ(covey_accept(ctx, l, &b), 0);
    check_options(b);
    CHECK_EQ(option_of(a, SOL_SOCKET, SO_KEEPALIVE), 0);
    CHECK_EQ(covey_conn_set_options(a, &opts), 0);
    check_options(a);
    CHECK_EQ(covey_conn_set_options(a, &(covey_conn_options){.keepalive_ns = -1}), 0);
    CHECK_EQ(option_of(a, SOL_SOCKET, SO_KEEPALIVE), 0);
    CHECK_EQ(option_of(a, IPPROTO_TCP, TCP_NODELAY), 1);
    CHECK_EQ(option_of(a, SOL_SOCKET, SO_SNDBUF), 100000);
    covey_close(a);
    covey_close(b);
    covey_listener_close(l);
}

TASK_TEST(options_of_other_sockets_and_of_none)
{
    covey_conn_options opts = {.send_buffer = 50000, .keepalive_ns = COVEY_SEC};
    struct echo e = {0};
    covey_conn *c;
    int fds[2];

    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    CHECK_EQ(covey_conn_from_fd(&c, fds[0]), 0);
    CHECK_EQ(covey_conn_set_options(c, &opts), 0);
    CHECK_EQ(option_of(c, SOL_SOCKET, SO_SNDBUF), 100000);
    covey_close(c);
    CHECK_EQ(close(fds[1]), 0);
    CHECK_EQ(covey_conn_new_with(&c, &echo_ops, &e, NULL), 0);
    CHECK_EQ(covey_conn_set_options(c, &opts), -EOPNOTSUPP);
    covey_close(c);
    (void)ctx;
}

/* ---- writes that take a part
 * --------------------------------------------------------------------- */

struct count {
    covey_conn *c;
    size_t bytes;
};

static int count_bytes(covey_ctx *ctx, void *arg)
{
    struct count *count = arg;
    char buf[4096];
    ssize_t n;

    while ((n = covey_read(ctx, count->c, buf, sizeof(buf))) > 0) {
        count->bytes += (size_t)n;
    }
    CHECK_EQ(n, 0);
    return 0;
}

TASK_TEST(a_write_that_takes_a_part_says_how_much)
{
    static const char buf[65536];
    covey_group *g = covey_group_new(ctx);
    struct count count = {0};
    covey_ctx *soon = covey_ctx_with_timeout(ctx, COVEY_MS);
    covey_conn *c;
    size_t sent = 0;
    ssize_t n;

    tcp_pair(ctx, &c, &count.c);
    while ((n = covey_try_write(c, buf, sizeof(buf))) > 0) {
        sent += (size_t)n;
    }
    CHECK_EQ(n, COVEY_EAGAIN);
    while ((n = covey_write_some(soon, c, buf, sizeof(buf))) > 0) {
        sent += (size_t)n;
    }
    CHECK_EQ(n, COVEY_EDEADLINE);
    GO(g, count_bytes, &count);
    n = covey_write_some(ctx, c, buf, sizeof(buf));
    CHECK(n > 0);
    sent += (size_t)n;
    CHECK_EQ(covey_write(ctx, c, buf, sizeof(buf)), (ssize_t)sizeof(buf));
    sent += sizeof(buf);
    CHECK_EQ(covey_try_write(c, buf, 0), 0);
    while ((n = covey_try_write(c, buf, 1)) == COVEY_EAGAIN) {
        covey_yield(); /* until the reader has made room */
    }
    CHECK_EQ(n, 1);
    CHECK_EQ(covey_shutdown_write(c), 0);
    JOIN(g);
    CHECK_EQ(count.bytes, sent + 1);
    covey_close(c);
    covey_close(count.c);
    covey_ctx_unref(soon);
}

TASK_TEST(a_try_reads_what_has_come)
{
    covey_group *g = covey_group_new(ctx);
    struct job job = {.expected = 1};
    covey_conn *peer;
    char buf[8];

    tcp_pair(ctx, &job.c, &peer);
    CHECK_EQ(covey_try_read(job.c, buf, sizeof(buf)), COVEY_EAGAIN);
    CHECK_EQ(covey_try_read(job.c, buf, 0), 0);
    CHECK_EQ(covey_write(ctx, peer, "hello", 5), 5);
    CHECK_EQ(covey_wait_fd(ctx, covey_conn_fd(job.c), COVEY_FD_READ), COVEY_FD_READ);
    CHECK_EQ(covey_try_read(job.c, buf, sizeof(buf)), 5);
    go_waiting(g, "reader", read_expecting, &job);
    CHECK_EQ(covey_try_read(job.c, buf, sizeof(buf)), COVEY_EAGAIN);
    CHECK_EQ(covey_write(ctx, peer, "x", 1), 1);
    JOIN(g);
    covey_close(peer);
    CHECK_EQ(covey_wait_fd(ctx, covey_conn_fd(job.c), COVEY_FD_READ), COVEY_FD_READ);
    CHECK_EQ(covey_try_read(job.c, buf, sizeof(buf)), 0);
    covey_conn_abort(job.c);
    CHECK_EQ(covey_try_read(job.c, buf, sizeof(buf)), COVEY_ECLOSED);
    covey_close(job.c);
}

TASK_TEST(a_try_in_the_middle_of_anothers_write_does_nothing)
{
    covey_group *g = covey_group_new(ctx);
    struct job job = {.expected = COVEY_ECLOSED};
    covey_conn *peer;

    tcp_pair(ctx, &job.c, &peer);
    go_waiting(g, "writer", write_expecting, &job);
    CHECK_EQ(covey_try_write(job.c, "x", 1), COVEY_EAGAIN);
    covey_close(job.c);
    JOIN(g);
    covey_close(peer);
}
