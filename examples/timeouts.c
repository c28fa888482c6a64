/* SPDX-License-Identifier: MIT
 * timeouts.c - a parent's time-out or cancel ends all that it started, and everyone can tell why.
 *
 * A family of tasks three generations deep sleeps for a minute: once under a deadline of 100 ms,
 * once until it is cancelled. COVEY_EDEADLINE and COVEY_ECANCELED are different codes, and the
 * time-out of a network peer is a third, -ETIMEDOUT, also when a context with a deadline was given.
 */
#include "example.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

enum { CHILDREN = 3, GENERATIONS = 3, FAMILY = 1 + 3 + 9 + 27 };

struct family {
    atomic_int started, deadline, canceled; /* tasks, and how they ended */
};

struct member {
    struct family *family;
    int generation; /* GENERATIONS: no children */
};

/* Starts its children, sleeps for a minute, and waits for them. */
static int live(covey_ctx *ctx, void *arg)
{
    struct member *self = arg;
    struct member child = {self->family, self->generation + 1};
    covey_group *children = covey_group_new(ctx);

    if (!children) {
        return -ENOMEM;
    }
    atomic_fetch_add(&self->family->started, 1);
    for (int i = 0; i < CHILDREN && self->generation < GENERATIONS; i++) {
        (void)covey_group_go_copy(children, live, &child, sizeof(child));
    }
    int err = covey_sleep(ctx, 60 * COVEY_SEC);
    (void)covey_group_wait(children);

    atomic_fetch_add(&self->family->deadline, err == COVEY_EDEADLINE);
    atomic_fetch_add(&self->family->canceled, err == COVEY_ECANCELED);
    return covey_wrapf(err, "generation %d", self->generation);
}

static void time_out(covey_ctx *ctx)
{
    struct family family = {0};
    struct member eldest = {&family, 0};
    int64_t start = covey_now();

    printf("a deadline of 100 ms over %d tasks that sleep for a minute:\n", FAMILY);
    covey_ctx *timed = covey_ctx_with_timeout(ctx, 100 * COVEY_MS);
    int err = live(timed, &eldest);
    covey_ctx_unref(timed);

    expect(err == COVEY_EDEADLINE, "it ended after %lld ms: \"%s\"", (long long)example_ms(start),
           covey_errmsg());
    expect(strstr(covey_errmsg(), "timeouts.c:") != NULL, "the words say who set the deadline");
    expect(family.deadline == FAMILY && family.canceled == 0,
           "all %d tasks ended, each with COVEY_EDEADLINE", family.deadline);
}

static int cancel(covey_ctx *ctx)
{
    struct family family = {0};
    struct member eldest = {&family, 0};
    covey_group *g = covey_group_new(ctx);

    printf("the same without a deadline, and a cancel once they are all alive:\n");
    if (!g) {
        return -ENOMEM;
    }
    int err = covey_group_go(g, live, &eldest);
    while (err == 0 && atomic_load(&family.started) < FAMILY) {
        err = covey_sleep(ctx, COVEY_MS);
    }
    int64_t start = covey_now();
    covey_group_cancel(g, 0);
    int ended = covey_group_wait(g);
    if (err < 0) {
        return err;
    }
    expect(ended == COVEY_ECANCELED, "it ended after %lld us: \"%s\"",
           (long long)((covey_now() - start) / COVEY_US), covey_errmsg());
    expect(family.canceled == FAMILY && family.deadline == 0,
           "all %d tasks ended, each with COVEY_ECANCELED", family.canceled);
    return 0;
}

/* Writes to a peer that does not read until the kernel gives the connection up. */
static int write_too_much(covey_ctx *ctx, covey_conn *conn)
{
    static char block[1 << 20];
    unsigned give_up_ms = 200; /* the kernel's default is many minutes */
    ssize_t n;

    (void)setsockopt(covey_conn_fd(conn), IPPROTO_TCP, TCP_USER_TIMEOUT, &give_up_ms,
                     sizeof(give_up_ms));
    do {
        n = covey_write(ctx, conn, block, sizeof(block));
    } while (n >= 0);
    return (int)n;
}

static int network_time_out(covey_ctx *ctx)
{
    covey_ctx *timed = covey_ctx_with_timeout(ctx, 30 * COVEY_SEC);
    covey_listener *listener = NULL;
    covey_conn *conn = NULL;

    printf("a peer that stops reading, under a context with a deadline of 30 s:\n");
    int err = covey_listen(&listener, "tcp://127.0.0.1:0", NULL); /* and never accepts */
    if (err == 0) {
        err = covey_dial(timed, &conn, covey_listener_addr(listener));
    }
    if (err == 0) {
        int code = write_too_much(timed, conn);
        expect(code == -ETIMEDOUT, "the write failed with the kernel's own code: \"%s\"",
               covey_errmsg());
        expect(covey_ctx_err(timed) == 0, "the context is not done");
    }
    covey_close(conn);
    covey_listener_close(listener);
    covey_ctx_unref(timed);
    return err;
}

static int tour(covey_ctx *ctx, void *arg)
{
    (void)arg;
    time_out(ctx);
    int err = cancel(ctx);
    return err == 0 ? network_time_out(ctx) : err;
}

int main(int argc, char **argv)
{
    example_options(argc, argv, "Tells a deadline, a cancel and a network's time-out apart.", NULL,
                    0);
    return example_result(covey_run(tour, NULL));
}
