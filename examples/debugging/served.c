/* SPDX-License-Identifier: MIT
 * served.c - a shop that is always open, with a debug server: what goes on in it can be looked at
 * with curl, a browser, `go tool pprof`, Prometheus and `covey top`. It says where it listens.
 *
 * The story is in docs/debugging.md. */
#include "../example.h"

#include <unistd.h>

enum { CUSTOMERS = 40, CLERKS = 3, ORDER_MS = 3 };

static int64_t port = -1, run_ms = 300;
static covey_mutex till;
static covey_chan *orders;
static atomic_long served;

/* One at a time. */
static int take_money(covey_ctx *ctx)
{
    covey_mutex_lock(&till);
    int code = covey_sleep(ctx, ORDER_MS * COVEY_MS);
    covey_mutex_unlock(&till);
    atomic_fetch_add(&served, 1);
    return code;
}

static int clerk(covey_ctx *ctx, void *arg)
{
    int code;

    (void)arg;
    while ((code = covey_chan_recv(ctx, orders, NULL)) == 0 && (code = take_money(ctx)) == 0) {
    }
    return 0;
}

static int customer(covey_ctx *ctx, void *arg)
{
    (void)arg;
    while (covey_chan_send(ctx, orders, NULL) == 0 && covey_sleep(ctx, 20 * COVEY_MS) == 0) {
    }
    return 0;
}

/* Groups below groups: the tree that covey top shows. */
static int counter(covey_ctx *ctx, void *arg)
{
    covey_group *g = covey_group_new(ctx);

    (void)arg;
    for (int i = 0; i < CLERKS; i++) {
        (void)covey_group_go(g, clerk, NULL);
    }
    return covey_group_wait(g);
}

static void on_listen(const char *addr, void *arg)
{
    (void)arg;
    printf("  listening on %s\n", addr);
    fflush(stdout);
}

static int debug_server(covey_ctx *ctx, void *arg)
{
    char addr[64];
    covey_debug_options options = {.on_listen = on_listen};

    (void)arg;
    if (port >= 0) {
        snprintf(addr, sizeof(addr), "tcp://127.0.0.1:%d", (int)port);
    } else {
        snprintf(addr, sizeof(addr), "unix://@covey-served-%d", (int)getpid());
    }
    return covey_debug_serve_with(ctx, addr, &options);
}

static int shop(covey_ctx *ctx, void *arg)
{
    covey_ctx *open = covey_ctx_with_cancel(ctx);
    covey_group *g = covey_group_new(open);

    (void)arg;
    orders = covey_chan_new(0, 0);
    (void)covey_group_go(g, counter, NULL);
    for (int i = 0; i < CUSTOMERS; i++) {
        (void)covey_group_go(g, customer, NULL);
    }
    (void)covey_group_go(g, debug_server, NULL);
    (void)covey_sleep(open, run_ms * COVEY_MS);
    while (atomic_load(&served) == 0 && covey_sleep(open, COVEY_MS) == 0) {
    }
    covey_ctx_cancel(open);
    int code = covey_group_wait(g);
    expect(atomic_load(&served) > 0, "%ld orders were served", atomic_load(&served));
    covey_ctx_unref(open);
    covey_chan_unref(orders);
    return code;
}

int main(int argc, char **argv)
{
    const struct example_option options[] = {
        {"--port", &port, "where to listen on 127.0.0.1; 0: anywhere; -1: an abstract socket"},
        {"--ms", &run_ms, "how long the shop is open"}};
    example_options(argc, argv, "A shop with a debug server.", options, 2);
    return example_result(covey_run(shop, NULL));
}
