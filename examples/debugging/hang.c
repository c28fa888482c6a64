/* SPDX-License-Identifier: MIT
 * hang.c - an order is never answered: the worker that reserves stock returns early when there is
 * none, and forgets the reply that its customer waits for. The dump shows who waits, for what,
 * since when, and that no context can end it.
 *
 * The story, with its output, is in docs/debugging.md. --stay 1 leaves it hanging, for a look with
 * kill -USR2 (COVEY_DUMP_SIGNAL=USR2) or gdb. */
#include "../example.h"

enum { FAULT_LINE = 48 };

struct order {
    int items;
    covey_chan *reply; /* of int */
};

static int64_t stay = 0;

static int reserve_stock(covey_ctx *ctx, void *arg)
{
    covey_chan *orders = arg;
    struct order order;

    while (covey_chan_recv(ctx, orders, &order) == 0) {
        int left = 10 - order.items;
        if (left < 0) {
            continue; /* the fault: no reply */
        }
        (void)covey_chan_send(ctx, order.reply, &left);
    }
    return 0;
}

struct customer {
    covey_chan *orders;
    int items;
};

static int place_order(covey_ctx *ctx, void *arg)
{
    struct customer *c = arg;
    struct order order = {.items = c->items, .reply = covey_chan_new(sizeof(int), 0)};
    int left = 0;

    int code = covey_chan_send(ctx, c->orders, &order);
    if (code == 0) {
        /* NULL: no deadline of the order's ends this. */
        code = covey_chan_recv(NULL, order.reply, &left);
    }
    covey_chan_unref(order.reply);
    return code;
}

/* The text of a dump of all tasks. */
static char *dump(void)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    if (!out) {
        abort();
    }
    covey_dump(out);
    (void)fclose(out);
    return text;
}

static void check(const char *text, const covey_chan *orders)
{
    char frame[64], idle[80];

    snprintf(idle, sizeof(idle), "\"reserve_stock\" waiting in chan receive %p",
             (const void *)orders);
    snprintf(frame, sizeof(frame), "at place_order (hang.c:%d)", FAULT_LINE);
    fputs(text, stdout);
    expect(strstr(text, "\"place_order\" waiting in chan receive 0x") != NULL,
           "the dump names the order that hangs and the channel that it waits for");
    expect(strstr(text, "not cancellable") != NULL, "it says that no context can end this wait");
    expect(strstr(text, frame) || !strstr(text, "at covey_"), "it names the line");
    expect(strstr(text, idle) != NULL,
           "and that the worker, who should answer, waits for the next order");
}

static int shop(covey_ctx *ctx, void *arg)
{
    covey_group *g = covey_group_new(ctx);
    covey_chan *orders = covey_chan_new(sizeof(struct order), 0);
    struct customer small = {orders, 3}, large = {orders, 30};

    (void)arg;
    (void)covey_group_go(g, reserve_stock, orders);
    (void)covey_group_go(g, place_order, &small);
    (void)covey_group_go(g, place_order, &large);
    (void)covey_sleep(ctx, 500 * COVEY_MS);
    while (stay) {
        (void)covey_sleep(ctx, COVEY_SEC);
    }
    char *text = dump();
    check(text, orders);
    free(text);
    /* Nothing can end the order that hangs, so neither can its group be waited for; nor can what it
     * has be freed, which exit() would have a leak checker tell. */
    (void)fflush(stdout);
    _Exit(example_result(0));
}

int main(int argc, char **argv)
{
    struct example_option options[] = {{"--stay", &stay, "1: leave it hanging"}};

    example_options(argc, argv, "An order is never answered.", options, 1);
    return example_result(covey_run(shop, NULL));
}
