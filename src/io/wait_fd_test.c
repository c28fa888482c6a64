/* SPDX-License-Identifier: MIT
 * wait_fd_test.c - waiting for any descriptor, alone and in a select. */
#define _GNU_SOURCE
#include "harness.h"
#include "tcp_pair.h"
#include "view.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

struct call {
    covey_ctx *ctx; /* NULL: the group's */
    int fd;
    unsigned events;
    int expected;
};

static int wait_expecting(covey_ctx *ctx, void *arg)
{
    struct call *call = arg;
    CHECK_EQ(covey_wait_fd(call->ctx ? call->ctx : ctx, call->fd, call->events), call->expected);
    return 0;
}

static void fill(int fd)
{
    static const char buf[4096];
    CHECK_EQ(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    while (write(fd, buf, sizeof(buf)) > 0) {
    }
}

TASK_TEST(what_is_ready_is_told_at_once)
{
    int fds[2];

    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    CHECK_EQ(covey_wait_fd(ctx, fds[0], COVEY_FD_WRITE), COVEY_FD_WRITE);
    CHECK_EQ(covey_wait_fd(ctx, fds[0], COVEY_FD_READ | COVEY_FD_WRITE), COVEY_FD_WRITE);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(covey_wait_fd(ctx, fds[0], COVEY_FD_READ | COVEY_FD_WRITE),
             COVEY_FD_READ | COVEY_FD_WRITE);
    (void)close(fds[1]);
    CHECK_EQ(covey_wait_fd(ctx, fds[0], COVEY_FD_READ), COVEY_FD_READ);
    (void)close(fds[0]);
}

TASK_TEST(a_wait_ends_when_it_becomes_readable_again_and_again)
{
    covey_group *g;
    int fds[2];
    char c;

    CHECK_EQ(pipe(fds), 0);
    struct call call = {.fd = fds[0], .events = COVEY_FD_READ, .expected = COVEY_FD_READ};
    for (int i = 0; i < 50; i++) {
        g = covey_group_new(ctx);
        go_waiting(g, "waiter", wait_expecting, &call);
        CHECK_EQ(write(fds[1], "x", 1), 1);
        JOIN(g);
        CHECK_EQ(read(fds[0], &c, 1), 1);
    }
    (void)close(fds[0]);
    (void)close(fds[1]);
}

TASK_TEST(several_wait_for_one_descriptor)
{
    covey_group *g = covey_group_new(ctx);
    int fds[2];

    CHECK_EQ(pipe(fds), 0);
    struct call call = {.fd = fds[0], .events = COVEY_FD_READ, .expected = COVEY_FD_READ};
    go_waiting(g, "waiter 1", wait_expecting, &call);
    go_waiting(g, "waiter 2", wait_expecting, &call);
    go_waiting(g, "waiter 3", wait_expecting, &call);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    JOIN(g);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

TASK_TEST(readers_and_writers_are_woken_apart)
{
    covey_group *g = covey_group_new(ctx);
    covey_group *h = covey_group_new(ctx);
    static char buf[1 << 20];
    int fds[2];

    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    fill(fds[0]);
    struct call reader = {.fd = fds[0], .events = COVEY_FD_READ, .expected = COVEY_FD_READ};
    struct call writer = {.fd = fds[0], .events = COVEY_FD_WRITE, .expected = COVEY_FD_WRITE};
    go_waiting(g, "writer", wait_expecting, &writer);
    go_waiting(h, "reader", wait_expecting, &reader);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    JOIN(h);
    CHECK(is_waiting("writer"));
    while (recv(fds[1], buf, sizeof(buf), MSG_DONTWAIT) > 0) {
    }
    JOIN(g);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

TASK_TEST(what_cannot_be_waited_for_is_told)
{
    int file = open("/proc/self/exe", O_RDONLY);
    int fds[2];

    CHECK(file >= 0);
    CHECK_EQ(pipe(fds), 0);
    CHECK_EQ(covey_wait_fd(ctx, file, COVEY_FD_READ), -EPERM);
    CHECK_EQ(covey_wait_fd(ctx, -1, COVEY_FD_READ), -EBADF);
    CHECK_EQ(covey_wait_fd(ctx, fds[0], 0), -EINVAL);
    CHECK_EQ(covey_wait_fd(ctx, fds[0], 4), -EINVAL);
    (void)close(file);
    CHECK_EQ(covey_wait_fd(ctx, file, COVEY_FD_READ), -EBADF);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

TASK_TEST(a_wait_ends_with_its_context)
{
    covey_group *g = covey_group_new(ctx);
    int fds[2];

    CHECK_EQ(pipe(fds), 0);
    struct call call = {.ctx = covey_ctx_with_cancel(ctx),
                        .fd = fds[0],
                        .events = COVEY_FD_READ,
                        .expected = COVEY_ECANCELED};
    go_waiting(g, "waiter", wait_expecting, &call);
    covey_ctx_cancel(call.ctx);
    JOIN(g);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(covey_wait_fd(call.ctx, fds[0], COVEY_FD_READ), COVEY_ECANCELED);
    CHECK_EQ(covey_wait_fd(ctx, fds[0], COVEY_FD_READ), COVEY_FD_READ);
    covey_ctx_unref(call.ctx);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

/* The registration of a wait that was given up must not stand for the next file of that number. */
TASK_TEST(a_number_can_be_used_again)
{
    for (int i = 0; i < 50; i++) {
        covey_group *g = covey_group_new(ctx);
        covey_ctx *soon = covey_ctx_with_timeout(ctx, i * 10 * COVEY_US);
        int fds[2];
        CHECK_EQ(pipe(fds), 0);
        CHECK_EQ(covey_wait_fd(soon, fds[0], COVEY_FD_READ), COVEY_EDEADLINE);
        covey_ctx_unref(soon);
        struct call call = {.fd = fds[0], .events = COVEY_FD_READ, .expected = COVEY_FD_READ};
        go_waiting(g, "waiter", wait_expecting, &call);
        CHECK_EQ(write(fds[1], "x", 1), 1);
        JOIN(g);
        (void)close(fds[0]);
        (void)close(fds[1]);
    }
}

static int read_one(covey_ctx *ctx, void *arg)
{
    char c;
    CHECK_EQ(covey_read(ctx, arg, &c, 1), 1);
    return 0;
}

TASK_TEST(a_connection_may_be_waited_for_by_its_number)
{
    covey_group *g = covey_group_new(ctx);
    covey_conn *a, *b;
    char c;

    tcp_pair(ctx, &a, &b);
    for (int i = 0; i < 20; i++) {
        covey_group *h = covey_group_new(ctx);
        struct call call = {
            .fd = covey_conn_fd(b), .events = COVEY_FD_READ, .expected = COVEY_FD_READ};
        go_waiting(h, "waiter", wait_expecting, &call);
        CHECK_EQ(covey_write(ctx, a, "x", 1), 1);
        JOIN(h);
        CHECK_EQ(covey_read(ctx, b, &c, 1), 1);
    }
    go_waiting(g, "reader", read_one, b);
    CHECK_EQ(covey_write(ctx, a, "y", 1), 1);
    JOIN(g);
    covey_close(a);
    covey_close(b);
}

static void *wait_in_thread(void *arg)
{
    struct call *call = arg;
    CHECK_EQ(covey_wait_fd(NULL, call->fd, call->events), call->expected);
    return NULL;
}

TASK_TEST(a_plain_thread_waits)
{
    int fds[2];
    pthread_t thread;

    CHECK_EQ(pipe(fds), 0);
    struct call call = {.fd = fds[0], .events = COVEY_FD_READ, .expected = COVEY_FD_READ};
    CHECK_EQ(pthread_create(&thread, NULL, wait_in_thread, &call), 0);
    CHECK_EQ(covey_sleep(ctx, COVEY_MS), 0); /* sleeps: it should be waiting; right in any case */
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

enum { PIPES = 200 };

static int pass_on(covey_ctx *ctx, void *arg)
{
    int *fds = arg;
    char c;

    CHECK_EQ(covey_wait_fd(ctx, fds[0], COVEY_FD_READ), COVEY_FD_READ);
    CHECK_EQ(read(fds[0], &c, 1), 1);
    CHECK_EQ(write(fds[3], &c, 1), 1);
    return 0;
}

TASK_TEST(many_descriptors_are_waited_for_at_once)
{
    covey_group *g = covey_group_new(ctx);
    static int fds[PIPES + 1][2];

    for (int i = 0; i <= PIPES; i++) {
        CHECK_EQ(pipe(fds[i]), 0);
    }
    for (int i = 0; i < PIPES; i++) {
        GO(g, pass_on, fds[i]);
    }
    CHECK_EQ(write(fds[0][1], "x", 1), 1);
    JOIN(g);
    CHECK_EQ(covey_wait_fd(ctx, fds[PIPES][0], COVEY_FD_READ), COVEY_FD_READ);
    for (int i = 0; i <= PIPES; i++) {
        (void)close(fds[i][0]);
        (void)close(fds[i][1]);
    }
}

/* ---- select
 * -------------------------------------------------------------------------------------- */

struct choice {
    covey_chan *chan;
    int fd;
    int expected;
};

static int select_expecting(covey_ctx *ctx, void *arg)
{
    struct choice *c = arg;
    int got = 0;

    CHECK_EQ(covey_select(ctx, COVEY_RECV(c->chan, &got), COVEY_READABLE(c->fd),
                          COVEY_AFTER(60 * COVEY_SEC)),
             c->expected);
    return 0;
}

TASK_TEST(a_select_waits_for_descriptor_or_channel)
{
    struct choice c = {.chan = covey_chan_new(sizeof(int), 0)};
    int fds[2], value = 7;
    char b;

    CHECK_EQ(pipe(fds), 0);
    c.fd = fds[0];
    for (int i = 0; i < 20; i++) {
        covey_group *g = covey_group_new(ctx);
        c.expected = i % 2;
        go_waiting(g, "select", select_expecting, &c);
        if (i % 2) {
            CHECK_EQ(write(fds[1], "x", 1), 1);
        } else {
            CHECK_EQ(covey_chan_send(ctx, c.chan, &value), 0);
        }
        JOIN(g);
        if (i % 2) {
            CHECK_EQ(read(fds[0], &b, 1), 1);
        }
    }
    covey_chan_unref(c.chan);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

TASK_TEST(both_ways_of_a_descriptor_in_one_select)
{
    int fds[2];

    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    CHECK_EQ(covey_select(ctx, COVEY_READABLE(fds[0]), COVEY_WRITABLE(fds[0])), 1);
    CHECK_EQ(covey_select(ctx, COVEY_READABLE(fds[0]), COVEY_DEFAULT), 1);
    fill(fds[0]);
    CHECK_EQ(
        covey_select(ctx, COVEY_READABLE(fds[0]), COVEY_WRITABLE(fds[0]), COVEY_AFTER(COVEY_MS)),
        2);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(covey_select(ctx, COVEY_READABLE(fds[0]), COVEY_WRITABLE(fds[0])), 0);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

TASK_TEST(a_select_tells_of_what_cannot_be_watched)
{
    int file = open("/proc/self/exe", O_RDONLY);

    CHECK(file >= 0);
    CHECK_EQ(covey_select(ctx, COVEY_READABLE(-1), COVEY_AFTER(0)), -EBADF);
    CHECK_EQ(covey_select(ctx, COVEY_READABLE(INT64_C(1) << 40), COVEY_AFTER(0)), -EBADF);
    CHECK_EQ(covey_select(ctx, COVEY_READABLE(file)), -EPERM);
    (void)close(file);
    CHECK_EQ(covey_select(ctx, COVEY_WRITABLE(file), COVEY_AFTER(COVEY_SEC)), -EBADF);
}

struct race {
    covey_chan *chan;
    int event;
    _Atomic long received, read;
};

static int race_select(covey_ctx *ctx, void *arg)
{
    struct race *r = arg;
    uint64_t count;
    int index, value;

    while ((index = covey_select(ctx, COVEY_RECV(r->chan, &value), COVEY_READABLE(r->event))) >=
           0) {
        if (index == 0) {
            atomic_fetch_add(&r->received, 1);
        } else if (read(r->event, &count, sizeof(count)) == sizeof(count)) {
            atomic_fetch_add(&r->read, (long)count);
        }
    }
    CHECK_EQ(index, COVEY_ECANCELED);
    return 0;
}

/* Many readers of one event counter, of which each takes what there is; waited is the number that
 * they wait for. */
static void race_for(covey_ctx *ctx, int event, int waited)
{
    covey_group *g = covey_group_new(ctx);
    struct race r = {.chan = covey_chan_new(sizeof(int), 1), .event = waited};
    uint64_t one = 1;

    for (int i = 0; i < 4; i++) {
        GO(g, race_select, &r);
    }
    for (int i = 0; i < 2000; i++) {
        CHECK_EQ(write(event, &one, sizeof(one)), sizeof(one));
        CHECK_EQ(covey_chan_send(ctx, r.chan, &i), 0);
    }
    while (atomic_load(&r.received) < 2000 || atomic_load(&r.read) < 2000) {
        covey_yield();
    }
    covey_group_cancel(g, 0);
    JOIN(g);
    CHECK_EQ(atomic_load(&r.received), 2000);
    CHECK_EQ(atomic_load(&r.read), 2000);
    covey_chan_unref(r.chan);
}

TASK_TEST(selects_race_for_descriptor_and_channel)
{
    int event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

    race_for(ctx, event, event);
    (void)close(event);
}

/* ---- lasting registrations
 * -------------------------------------------------------------------------------------- */

/* Two ends, and a number for the first that is watched. */
struct watched {
    int fds[2], fd;
};

static struct watched watched_pair(void)
{
    struct watched w;

    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, w.fds), 0);
    w.fd = covey_fd_watch(w.fds[0]);
    CHECK(w.fd >= 0 && w.fd != w.fds[0]);
    return w;
}

static void end_pair(struct watched *w)
{
    covey_fd_unwatch(w->fd);
    (void)close(w->fds[0]);
    (void)close(w->fds[1]);
}

static ssize_t read_all(int fd)
{
    static char buf[1 << 16];
    ssize_t n, sum = 0;

    while ((n = read(fd, buf, sizeof(buf))) > 0) {
        sum += n;
    }
    return sum;
}

/* Whether a look at it says that it is ready. */
static bool is_readable(int fd)
{
    return covey_select(NULL, COVEY_READABLE(fd), COVEY_AFTER(0)) == 0;
}

TASK_TEST(a_watched_descriptor_tells_what_is_ready)
{
    struct watched w = watched_pair();

    CHECK_EQ(covey_wait_fd(ctx, w.fd, COVEY_FD_WRITE), COVEY_FD_WRITE);
    CHECK(!is_readable(w.fd));
    CHECK_EQ(write(w.fds[1], "x", 1), 1);
    CHECK_EQ(covey_wait_fd(ctx, w.fd, COVEY_FD_READ), COVEY_FD_READ);
    CHECK_EQ(covey_wait_fd(ctx, w.fd, COVEY_FD_READ | COVEY_FD_WRITE),
             COVEY_FD_READ | COVEY_FD_WRITE);
    end_pair(&w);
}

/* The trap of edges: there will be none for what was left in the kernel. */
TASK_TEST(what_was_left_unread_of_a_watched_descriptor_is_told_of_again)
{
    struct watched w = watched_pair();
    covey_group *g = covey_group_new(ctx);
    char c;

    struct call call = {.fd = w.fd, .events = COVEY_FD_READ, .expected = COVEY_FD_READ};
    go_waiting(g, "waiter", wait_expecting, &call);
    CHECK_EQ(write(w.fds[1], "0123456789", 10), 10);
    JOIN(g);
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(covey_wait_fd(ctx, w.fd, COVEY_FD_READ), COVEY_FD_READ);
        CHECK_EQ(covey_select(ctx, COVEY_READABLE(w.fd)), 0);
        CHECK_EQ(read(w.fds[0], &c, 1), 1);
        CHECK_EQ(c, '0' + i);
    }
    CHECK(!is_readable(w.fd));
    end_pair(&w);
}

/* Round after round, so that events meet waits that begin, and waits that have begun. */
static int echo(covey_ctx *ctx, void *arg)
{
    struct watched *w = arg;
    char c;

    for (;;) {
        int code = covey_wait_fd(ctx, w->fds[1], COVEY_FD_READ);
        if (code < 0) {
            return 0;
        }
        if (read(w->fds[1], &c, 1) == 1) {
            CHECK_EQ(write(w->fds[1], &c, 1), 1);
        }
    }
}

TASK_TEST(a_drained_descriptor_tells_of_every_answer)
{
    struct watched w = watched_pair();
    covey_group *g = covey_group_new(ctx);

    GO(g, echo, &w);
    for (int i = 0; i < 2000; i++) {
        CHECK_EQ(write(w.fds[0], "x", 1), 1);
        covey_fd_drained(w.fd, COVEY_FD_READ);
        while (read_all(w.fds[0]) == 0) {
            CHECK_EQ(covey_wait_fd(ctx, w.fd, COVEY_FD_READ), COVEY_FD_READ);
        }
    }
    covey_group_cancel(g, 0);
    JOIN(g);
    end_pair(&w);
}

TASK_TEST(what_comes_after_a_drain_counts)
{
    struct watched w = watched_pair();

    CHECK(!is_readable(w.fd));
    CHECK_EQ(write(w.fds[1], "x", 1), 1);
    CHECK_EQ(covey_sleep(ctx, COVEY_MS), 0); /* sleeps: it should have come; right in any case */
    covey_fd_drained(w.fd, COVEY_FD_READ | COVEY_FD_WRITE);
    CHECK_EQ(covey_wait_fd(ctx, w.fd, COVEY_FD_READ), COVEY_FD_READ);
    end_pair(&w);
}

TASK_TEST(the_end_of_a_watched_stream_is_told_of_each_time)
{
    struct watched w = watched_pair();

    CHECK(!is_readable(w.fd));
    (void)close(w.fds[1]);
    for (int i = 0; i < 3; i++) {
        CHECK(covey_wait_fd(ctx, w.fd, COVEY_FD_READ) & (int)COVEY_FD_READ);
        covey_fd_drained(w.fd, COVEY_FD_READ);
    }
    covey_fd_unwatch(w.fd);
    (void)close(w.fds[0]);
}

TASK_TEST(several_wait_for_a_watched_descriptor)
{
    struct watched w = watched_pair();
    covey_group *g = covey_group_new(ctx), *h = covey_group_new(ctx);

    fill(w.fds[0]);
    struct call reader = {.fd = w.fd, .events = COVEY_FD_READ, .expected = COVEY_FD_READ};
    struct call writer = {.fd = w.fd, .events = COVEY_FD_WRITE, .expected = COVEY_FD_WRITE};
    go_waiting(g, "writer", wait_expecting, &writer);
    go_waiting(h, "reader 1", wait_expecting, &reader);
    go_waiting(h, "reader 2", wait_expecting, &reader);
    CHECK_EQ(write(w.fds[1], "x", 1), 1);
    JOIN(h);
    CHECK(is_waiting("writer"));
    CHECK(read_all(w.fds[1]) > 0);
    JOIN(g);
    end_pair(&w);
}

TASK_TEST(a_wait_for_a_watched_descriptor_ends_with_its_context)
{
    struct watched w = watched_pair();
    covey_group *g = covey_group_new(ctx);
    struct call call = {.ctx = covey_ctx_with_cancel(ctx),
                        .fd = w.fd,
                        .events = COVEY_FD_READ,
                        .expected = COVEY_ECANCELED};

    go_waiting(g, "waiter", wait_expecting, &call);
    covey_ctx_cancel(call.ctx);
    JOIN(g);
    covey_ctx_unref(call.ctx);
    covey_ctx *soon = covey_ctx_with_timeout(ctx, COVEY_MS);
    CHECK_EQ(covey_wait_fd(soon, w.fd, COVEY_FD_READ), COVEY_EDEADLINE);
    covey_ctx_unref(soon);
    CHECK_EQ(write(w.fds[1], "x", 1), 1);
    CHECK_EQ(covey_wait_fd(ctx, w.fd, COVEY_FD_READ), COVEY_FD_READ);
    end_pair(&w);
}

TASK_TEST(who_waits_for_a_descriptor_that_is_watched_no_more_is_told)
{
    struct watched w = watched_pair();
    covey_group *g = covey_group_new(ctx);
    int before = count_fds();

    struct call call = {.fd = w.fd, .events = COVEY_FD_READ, .expected = COVEY_ECLOSED};
    go_waiting(g, "waiter", wait_expecting, &call);
    covey_fd_unwatch(w.fd);
    JOIN(g);
    CHECK_EQ(covey_wait_fd(ctx, w.fd, COVEY_FD_READ), -EBADF);
    CHECK_EQ(count_fds(), before - 1);
    covey_fd_unwatch(-1);
    (void)close(w.fds[0]);
    (void)close(w.fds[1]);
}

/* The library closes its number, and somebody else gets it: that is nothing to the watched one. */
TASK_TEST(a_number_that_is_closed_under_a_watched_descriptor_can_be_used_again)
{
    for (int i = 0; i < 50; i++) {
        struct watched w = watched_pair();
        int other[2];
        (void)close(w.fds[0]);
        CHECK_EQ(pipe(other), 0);
        CHECK_EQ(other[0], w.fds[0]);
        CHECK(!is_readable(w.fd));
        CHECK(!is_readable(other[0]));
        CHECK_EQ(write(w.fds[1], "x", 1), 1);
        CHECK_EQ(covey_wait_fd(ctx, w.fd, COVEY_FD_READ), COVEY_FD_READ);
        CHECK(!is_readable(other[0]));
        covey_fd_unwatch(w.fd);
        /* Its own number too. */
        CHECK_EQ(dup2(other[0], w.fd), w.fd);
        covey_group *g = covey_group_new(ctx);
        struct call call = {.fd = w.fd, .events = COVEY_FD_READ, .expected = COVEY_FD_READ};
        go_waiting(g, "waiter", wait_expecting, &call);
        CHECK_EQ(write(other[1], "x", 1), 1);
        JOIN(g);
        (void)close(w.fd);
        (void)close(w.fds[1]);
        (void)close(other[0]);
        (void)close(other[1]);
    }
}

TASK_TEST(what_cannot_be_watched_is_told)
{
    int file = open("/proc/self/exe", O_RDONLY);
    int before = count_fds();

    CHECK(file >= 0);
    CHECK_EQ(covey_fd_watch(file), -EPERM);
    CHECK_EQ(covey_fd_watch(-1), -EBADF);
    CHECK_EQ(count_fds(), before);
    (void)close(file);
    covey_fd_drained(-1, COVEY_FD_READ);
    covey_fd_drained(file, COVEY_FD_READ);
}

static int watch_one(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    *(int *)arg = covey_fd_watch(*(int *)arg);
    return 0;
}

static int wait_for_one(covey_ctx *ctx, void *arg)
{
    CHECK_EQ(covey_wait_fd(ctx, *(int *)arg, COVEY_FD_READ), COVEY_FD_READ);
    return 0;
}

TEST(a_watched_descriptor_outlives_the_runtime)
{
    int fds[2];

    CHECK_EQ(pipe(fds), 0);
    CHECK_EQ(covey_fd_watch(fds[0]), COVEY_ECLOSED);
    int fd = fds[0];
    CHECK_EQ(covey_run(watch_one, &fd), 0);
    CHECK(fd >= 0);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(covey_run(wait_for_one, &fd), 0);
    covey_fd_unwatch(fd);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

TASK_TEST(a_plain_thread_waits_for_a_watched_descriptor)
{
    struct watched w = watched_pair();
    pthread_t thread;

    struct call call = {.fd = w.fd, .events = COVEY_FD_READ, .expected = COVEY_FD_READ};
    CHECK_EQ(pthread_create(&thread, NULL, wait_in_thread, &call), 0);
    CHECK_EQ(covey_sleep(ctx, COVEY_MS), 0); /* sleeps: it should be waiting; right in any case */
    CHECK_EQ(write(w.fds[1], "x", 1), 1);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    end_pair(&w);
}

static char *dump_text(void)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    CHECK(out);
    covey_dump(out);
    CHECK_EQ(fclose(out), 0);
    return text;
}

/* A connection of covey's own may be watched too. */
TASK_TEST(a_dump_shows_what_a_watched_descriptor_is_connected_to)
{
    covey_group *g = covey_group_new(ctx);
    covey_conn *a, *b;
    char words[64];

    tcp_pair(ctx, &a, &b);
    int fd = covey_fd_watch(covey_conn_fd(b));
    CHECK(fd >= 0);
    struct call call = {.fd = fd, .events = COVEY_FD_READ, .expected = COVEY_FD_READ};
    go_waiting(g, "waiter", wait_expecting, &call);
    char *text = dump_text();
    (void)snprintf(words, sizeof(words), "waiting in read (fd %d to %s)", fd, covey_conn_peer(b));
    CHECK(strstr(text, words));
    free(text);
    CHECK_EQ(covey_write(ctx, a, "x", 1), 1);
    JOIN(g);
    covey_fd_unwatch(fd);
    covey_close(a);
    covey_close(b);
}

TASK_TEST(many_watched_descriptors_at_once)
{
    covey_group *g = covey_group_new(ctx);
    static int fds[PIPES + 1][2], watched[PIPES + 1];

    for (int i = 0; i <= PIPES; i++) {
        CHECK_EQ(pipe(fds[i]), 0);
        watched[i] = fds[i][0];
        fds[i][0] = covey_fd_watch(watched[i]);
        CHECK(fds[i][0] >= 0);
    }
    for (int i = 0; i < PIPES; i++) {
        GO(g, pass_on, fds[i]);
    }
    CHECK_EQ(write(fds[0][1], "x", 1), 1);
    JOIN(g);
    CHECK_EQ(covey_wait_fd(ctx, fds[PIPES][0], COVEY_FD_READ), COVEY_FD_READ);
    for (int i = 0; i <= PIPES; i++) {
        covey_fd_unwatch(fds[i][0]);
        (void)close(watched[i]);
        (void)close(fds[i][1]);
    }
}

TASK_TEST(selects_race_for_a_watched_descriptor_and_a_channel)
{
    int event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), watched = covey_fd_watch(event);

    CHECK(watched >= 0);
    race_for(ctx, event, watched);
    covey_fd_unwatch(watched);
    (void)close(event);
}
