/* SPDX-License-Identifier: MIT
 * trace_tour.c - where does the time of these requests go? Start a trace, stop it, open it.
 *
 * A small shop answers requests, a few at a time. Each looks three things up at once, in a group:
 * the stock (a remote call: it sleeps), the price (computed under a mutex that all share) and the
 * shipping cost (asked of one clerk over a channel). Now and then a price takes long, and everybody
 * waits for the mutex. The program does not say so anywhere; its trace does:
 *
 *   covey trace trace_tour.w2.trace                        tables; the mutex is in "where tasks
 * waited" covey trace --group serve trace_tour.w2.trace          what the slowest request waited
 * for covey trace --html tour.html trace_tour.w2.trace       the same to look at: click a wait
 */
#include "example.h"

#include <sys/stat.h>

#define SLOW_EVERY 20

struct shop {
    covey_mutex prices;
    covey_chan *clerk; /* of struct question: asked for shipping costs */
    atomic_int answered, priced;
};

struct question {
    int weight;
    covey_chan *answer;
};

struct request {
    struct shop *shop;
    int number;
};

static int look_up_stock(covey_ctx *ctx, void *arg)
{
    (void)arg;
    return covey_sleep(ctx, 500 * COVEY_US);
}

/* Holds a CPU for some microseconds. */
static void compute(int64_t ns)
{
    int64_t until = covey_now() + ns;
    while (covey_now() < until) {
    }
}

static int work_out_price(covey_ctx *ctx, void *arg)
{
    struct request *r = arg;

    int err = covey_mutex_lock_ctx(ctx, &r->shop->prices);
    if (err < 0) {
        return err;
    }
    bool is_slow = atomic_fetch_add(&r->shop->priced, 1) % SLOW_EVERY == SLOW_EVERY - 1;
    compute(is_slow ? 5 * COVEY_MS : 20 * COVEY_US);
    covey_mutex_unlock(&r->shop->prices);
    return 0;
}

static int ask_for_shipping(covey_ctx *ctx, void *arg)
{
    struct request *r = arg;
    struct question q = {.weight = r->number, .answer = covey_chan_new(sizeof(int), 1)};
    int cost;

    int err = covey_chan_send(ctx, r->shop->clerk, &q);
    if (err == 0) {
        err = covey_chan_recv(ctx, q.answer, &cost);
    }
    covey_chan_unref(q.answer);
    return err;
}

static int clerk(covey_ctx *ctx, void *arg)
{
    struct shop *shop = arg;
    struct question q;
    int err;

    while ((err = covey_chan_recv(ctx, shop->clerk, &q)) == 0) {
        int cost = q.weight * 3;
        compute(5 * COVEY_US);
        (void)covey_chan_send(NULL, q.answer, &cost); /* it has room for one */
    }
    return err == COVEY_ECLOSED ? 0 : err;
}

static int serve(covey_ctx *ctx, void *arg)
{
    struct request *r = arg;

    covey_trace_region region = covey_trace_region_begin("request");
    covey_group *g = covey_group_new(ctx);
    int err = covey_group_go(g, look_up_stock, r);
    err = err < 0 ? err : covey_group_go(g, work_out_price, r);
    err = err < 0 ? err : covey_group_go(g, ask_for_shipping, r);
    int failed = covey_group_wait(g);
    covey_trace_region_end(&region);
    covey_trace_log("answered", r->number);
    atomic_fetch_add(&r->shop->answered, 1);
    return err < 0 ? err : failed;
}

static int64_t requests = 200;
static int64_t at_once = 8;

static int open_shop(covey_ctx *ctx, struct shop *shop)
{
    covey_group *staff = covey_group_new(ctx);
    covey_group *customers =
        covey_group_new_with(ctx, &(covey_group_options){.limit = (int)at_once});

    int err = covey_group_go(staff, clerk, shop);
    for (int i = 0; i < requests && err == 0; i++) {
        struct request r = {shop, i};
        err = covey_group_go_copy(customers, serve, &r, sizeof(r));
    }
    int failed = covey_group_wait(customers);
    (void)covey_chan_close(shop->clerk);
    int staff_failed = covey_group_wait(staff);
    return err < 0 ? err : failed < 0 ? failed : staff_failed;
}

static int tour(covey_ctx *ctx, void *arg)
{
    struct shop shop = {.clerk = covey_chan_new(sizeof(struct question), 4)};
    char path[64];
    struct stat file;

    (void)arg;
    snprintf(path, sizeof(path), "trace_tour.w%d.trace", covey_workers());
    expect(covey_trace_start(path) == 0, "start: everything is recorded to %s", path);
    expect(covey_trace_start(path) == -EBUSY, "one trace at a time");
    int err = open_shop(ctx, &shop);
    expect(covey_trace_stop() == 0, "stop: the file is whole");
    bool is_there = stat(path, &file) == 0 && file.st_size > 0;
    expect(is_there, "%lld bytes, for %d requests", is_there ? (long long)file.st_size : 0LL,
           atomic_load(&shop.answered));
    printf("open it:\n  covey trace %s\n  covey trace --group serve %s\n"
           "  covey trace --html tour.html %s && xdg-open tour.html\n",
           path, path, path);
    covey_chan_unref(shop.clerk);
    return err;
}

int main(int argc, char **argv)
{
    const struct example_option options[] = {
        {"--requests", &requests, "requests that are served"},
        {"--at-once", &at_once, "how many at a time"},
    };

    example_options(argc, argv, "Records a trace of a small shop, to be opened with covey trace.",
                    options, 2);
    return example_result(covey_run(tour, NULL));
}
