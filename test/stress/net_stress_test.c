/* SPDX-License-Identifier: MIT
 * net_stress_test.c - connections made, cancelled, closed under their readers and writers at
 * random: what was acknowledged arrived, nobody hangs, no descriptor is left. */
#include "stress.h"

#include <fcntl.h>
#include <unistd.h>

/* A server that echoes; clients that hang up whenever they like. */

static int echo_conn(covey_ctx *ctx, void *arg)
{
    covey_conn *c = arg;
    char bytes[512];
    ssize_t n;

    while ((n = covey_read(ctx, c, bytes, sizeof(bytes))) > 0) {
        if (covey_write(ctx, c, bytes, (size_t)n) < 0) {
            break;
        }
    }
    covey_close(c);
    return 0;
}

static int serve(covey_ctx *ctx, void *arg)
{
    covey_group *g = covey_group_new(ctx);
    covey_conn *c;

    while (covey_accept(ctx, arg, &c) == 0) {
        GO(g, echo_conn, c);
    }
    JOIN(g);
    return 0;
}

struct client {
    const char *addr;
    int index;
};

static int use_server(covey_ctx *ctx, void *arg)
{
    struct client *me = arg;
    uint64_t random = random_of(me->index);

    (void)ctx;
    for (int i = 0; i < turns(200); i++) {
        covey_ctx *c = random_ctx(&random, NULL);
        covey_conn *conn = NULL;
        int rc = covey_dial(random_below(&random, 2) ? c : NULL, &conn, me->addr);

        CHECK(rc == 0 || rc == COVEY_ECANCELED || rc == COVEY_EDEADLINE);
        for (int j = random_below(&random, 6); rc == 0 && j > 0; j--) {
            unsigned char out[300], in[300];
            size_t len = 1 + (size_t)random_below(&random, 300);
            ssize_t n;

            memset(out, random_below(&random, 256), len);
            if (covey_write(NULL, conn, out, len) != (ssize_t)len) {
                break;
            }
            n = covey_read_full(random_below(&random, 4) ? NULL : c, conn, in, len);
            if (n < 0) {
                CHECK(n == COVEY_ECANCELED || n == COVEY_EDEADLINE);
                break;
            }
            CHECK_EQ(n, len);
            CHECK(memcmp(in, out, len) == 0);
        }
        covey_close(conn);
        covey_ctx_unref(c);
    }
    return 0;
}

static int serve_clients(covey_ctx *ctx, void *arg)
{
    enum { CLIENTS = 12 };
    const char *addr = arg;
    struct client me[CLIENTS];
    covey_listener *l = NULL;
    covey_group *server = covey_group_new(ctx), *clients = covey_group_new(ctx);

    CHECK_EQ(covey_listen(&l, addr, NULL), 0);
    GO(server, serve, l);
    for (int i = 0; i < CLIENTS; i++) {
        me[i] = (struct client){covey_listener_addr(l), i};
        GO(clients, use_server, &me[i]);
    }
    JOIN(clients);
    covey_listener_close(l);
    JOIN(server);
    return 0;
}

STRESS_TEST(clients_come_and_hang_up)
{
    char addr[64];
    int fds = count_fds();

    CHECK_EQ(covey_run(serve_clients, "tcp://127.0.0.1:0"), 0);
    (void)snprintf(addr, sizeof(addr), "unix://@covey-stress-%d", (int)getpid());
    CHECK_EQ(covey_run(serve_clients, addr), 0);
    CHECK_EQ(count_fds(), fds);
}

/* One connection closed while readers and writers are inside. */

struct torn {
    covey_listener *listener;
    covey_conn *conn;
    covey_ctx *ctx;
    const char *name;
    atomic_int ended;
};

static int read_torn(covey_ctx *ctx, void *arg)
{
    struct torn *t = arg;
    char bytes[100];
    ssize_t n = covey_read(t->ctx, t->conn, bytes, sizeof(bytes));

    (void)ctx;
    CHECK(n >= 0 || n == COVEY_ECLOSED || n == COVEY_ECANCELED || n == -ECONNRESET);
    atomic_store(&t->ended, 1);
    return 0;
}

static int write_torn(covey_ctx *ctx, void *arg)
{
    static const char bytes[1 << 20];
    struct torn *t = arg;
    ssize_t n = covey_write(t->ctx, t->conn, bytes, sizeof(bytes));

    (void)ctx;
    CHECK(n == sizeof(bytes) || n == COVEY_ECLOSED || n == COVEY_ECANCELED || n == -ECONNRESET);
    atomic_store(&t->ended, 1);
    return 0;
}

static int accept_torn(covey_ctx *ctx, void *arg)
{
    struct torn *t = arg;

    return covey_accept(ctx, t->listener, &t->conn);
}

/* Only who is inside a call may have the handle when it is closed. */
static void await_inside_or_end(struct torn *t)
{
    while (!atomic_load(&t->ended) && !is_waiting(t->name)) {
        covey_yield();
    }
}

STRESS_TASK_TEST(connections_closed_under_those_inside)
{
    static const char *const names[] = {"reader-1", "reader-2", "writer"};
    uint64_t random = random_of(0);
    covey_listener *l = NULL;

    CHECK_EQ(covey_listen(&l, "tcp://127.0.0.1:0", NULL), 0);
    for (int i = 0; i < turns(1000); i++) {
        struct torn far = {.listener = l}, near[3];
        covey_ctx *c = covey_ctx_with_cancel(ctx);
        covey_group *g = covey_group_new(NULL);
        covey_conn *conn = NULL;

        GO(g, accept_torn, &far);
        CHECK_EQ(covey_dial(NULL, &conn, covey_listener_addr(l)), 0);
        JOIN(g);
        g = covey_group_new(NULL);
        for (int j = 0; j < 3; j++) {
            covey_task_options opts = {.name = names[j]};

            near[j] = (struct torn){.conn = conn, .ctx = c, .name = names[j]};
            CHECK_EQ(covey_group_go_with(g, &opts, j < 2 ? read_torn : write_torn, &near[j]), 0);
        }
        for (int j = 0; j < 3; j++) {
            await_inside_or_end(&near[j]);
        }
        if (random_below(&random, 3) == 0) {
            covey_close(far.conn);
            far.conn = NULL;
        }
        if (random_below(&random, 3) == 0) {
            covey_ctx_cancel(c);
        }
        random_pause(&random);
        if (random_below(&random, 4) == 0) {
            covey_ctx_cancel(c);
            JOIN(g);
            covey_close(conn);
        } else {
            (void)covey_shutdown_write(conn);
            covey_close(conn);
            JOIN(g);
        }
        covey_close(far.conn);
        covey_ctx_unref(c);
    }
    covey_listener_close(l);
}

/* Pipes of our own under wait_fd and select, closed and opened in turn. */

static int pipe_churn(covey_ctx *ctx, void *arg)
{
    uint64_t random = random_of(*(int *)arg);

    (void)ctx;
    for (int i = 0; i < turns(2000); i++) {
        covey_ctx *c = random_ctx(&random, NULL);
        int p[2], rc;
        bool filled = random_below(&random, 2);

        CHECK_EQ(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
        if (filled) {
            CHECK_EQ(write(p[1], "x", 1), 1);
        }
        if (random_below(&random, 2)) {
            rc = covey_wait_fd(c, p[0], COVEY_FD_READ);
            CHECK(filled ? rc == COVEY_FD_READ || rc < 0
                         : rc == COVEY_ECANCELED || rc == COVEY_EDEADLINE);
        } else {
            rc = covey_select(NULL, COVEY_READABLE(p[0]),
                              COVEY_AFTER(random_below(&random, 100) * COVEY_US));
            CHECK_EQ(rc, filled ? 0 : 1);
        }
        CHECK_EQ(close(p[0]), 0);
        CHECK_EQ(close(p[1]), 0);
        covey_ctx_unref(c);
    }
    return 0;
}

STRESS_TASK_TEST(pipes_come_and_go_under_wait_fd)
{
    covey_group *g = covey_group_new(ctx);

    for (int i = 0; i < 8; i++) {
        CHECK_EQ(covey_group_go_copy(g, pipe_churn, &i, sizeof(i)), 0);
    }
    JOIN(g);
}
