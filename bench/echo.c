/* SPDX-License-Identifier: MIT
 * echo.c - row 18: a TCP echo server, a task a connection. It prints "port N" and serves until
 * SIGTERM; peers/c/echo_load.c makes the load and reads this process's processor time. */
#include "server.h"

#include <signal.h>

static int echo(covey_ctx *ctx, void *arg)
{
    covey_conn *c = *(covey_conn **)arg;
    char buf[512];
    ssize_t n;
    while ((n = covey_read(ctx, c, buf, sizeof buf)) > 0) {
        n = covey_write(ctx, c, buf, (size_t)n);
        if (n < 0) {
            break;
        }
    }
    covey_close(c);
    return 0;
}

static int serve(covey_ctx *parent, void *arg)
{
    (void)arg;
    const int stop[] = {SIGTERM, SIGINT};
    covey_ctx *ctx = covey_ctx_with_signals(parent, stop, 2);
    covey_listener *l = bench_listen();

    covey_group *g = covey_group_new(ctx);
    covey_conn *c;
    while (covey_accept(ctx, l, &c) == 0) {
        BENCH_CHECK(covey_group_go_copy(g, echo, &c, sizeof c) == 0);
    }
    covey_listener_close(l);
    int code = covey_group_wait(g);
    covey_ctx_unref(ctx);
    return code;
}

int main(int argc, char **argv)
{
    bench_raise_descriptor_limit();
    return bench_start(argc, argv, serve);
}
