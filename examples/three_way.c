/* SPDX-License-Identifier: MIT
 * three_way.c - transactions, rule updates and heartbeats in one select, with an idle case.
 *
 * One task owns the state, so there is no lock. Select chooses evenly among the cases that are
 * ready: a flood of transactions does not keep a rule or a heartbeat waiting. When nothing has come
 * for 20 ms the idle case runs. */
#include "example.h"

struct desk {
    covey_chan *transactions; /* of int, an amount */
    covey_chan *rules;        /* of int, the new limit */
    covey_ticker *heartbeat;
    covey_chan *quiet; /* room for one: said once the transactions have ended and nothing came */

    /* Owned by the task that runs the desk, until it has ended. */
    int limit, accepted, refused, rule_changes, heartbeats, idle;
};

/* Serves until ctx is done, and then is told so by select. */
static int run_desk(covey_ctx *ctx, void *arg)
{
    struct desk *d = arg;
    covey_chan *transactions = d->transactions;
    int amount = 0;
    bool open = true;

    for (;;) {
        int which = covey_select(
            ctx, COVEY_RECV_OK(transactions, &amount, &open), COVEY_RECV(d->rules, &d->limit),
            COVEY_RECV(covey_ticker_chan(d->heartbeat), NULL), COVEY_AFTER(20 * COVEY_MS));
        switch (which) {
        case 0:
            if (!open) {
                transactions = NULL; /* a NULL channel is never ready: the case is out */
                covey_ticker_stop(d->heartbeat);
            } else if (amount <= d->limit) {
                d->accepted++;
            } else {
                d->refused++;
            }
            break;
        case 1:
            d->rule_changes++;
            break;
        case 2:
            d->heartbeats++;
            break;
        case 3:
            d->idle++;
            if (!transactions) {
                (void)covey_chan_try_send(d->quiet, NULL);
            }
            break;
        default:
            return which == COVEY_ECANCELED ? 0 : which;
        }
    }
}

/* The rush: clients that send as fast as they can, and a rule every 10 ms, until ctx is done. */

struct rush {
    struct desk *desk;
    atomic_int offered, rules; /* that were sent */
    int64_t longest_wait;      /* of a rule for the desk; the rule maker's */
};

static int send_transactions(covey_ctx *ctx, void *arg)
{
    struct rush *r = arg;

    for (int amount = 1;; amount = amount % 1000 + 1) {
        int err = covey_chan_send(ctx, r->desk->transactions, &amount);
        if (err < 0) {
            return err == COVEY_EDEADLINE ? 0 : err;
        }
        atomic_fetch_add(&r->offered, 1);
    }
}

static int send_rules(covey_ctx *ctx, void *arg)
{
    struct rush *r = arg;

    for (int limit = 100;; limit = limit % 1000 + 100) {
        int err = covey_sleep(ctx, 10 * COVEY_MS);
        int64_t start = covey_now();
        if (err == 0) {
            err = covey_chan_send(ctx, r->desk->rules, &limit);
        }
        if (err < 0) {
            return err == COVEY_EDEADLINE ? 0 : err;
        }
        int64_t waited = covey_now() - start;
        r->longest_wait = waited > r->longest_wait ? waited : r->longest_wait;
        atomic_fetch_add(&r->rules, 1);
    }
}

static int run_rush(covey_ctx *ctx, struct rush *r)
{
    covey_ctx *timed = covey_ctx_with_timeout(ctx, 500 * COVEY_MS);
    covey_group *g = covey_group_new(timed);

    if (!g) {
        covey_ctx_unref(timed);
        return -ENOMEM;
    }
    int err = covey_group_go(g, send_rules, r);
    for (int i = 0; i < 4 && err == 0; i++) {
        err = covey_group_go(g, send_transactions, r);
    }
    int failed = covey_group_wait(g);
    covey_ctx_unref(timed);
    return failed < 0 ? failed : err;
}

static int rush_hour(covey_ctx *ctx)
{
    covey_group *g = covey_group_new(ctx);

    if (!g) {
        return -ENOMEM;
    }
    struct desk d = {.transactions = covey_chan_new(sizeof(int), 64),
                     .rules = covey_chan_new(sizeof(int), 0),
                     .heartbeat = covey_ticker_new(10 * COVEY_MS),
                     .quiet = covey_chan_new(0, 1),
                     .limit = 500};
    struct rush r = {.desk = &d};
    bool is_made = d.transactions && d.rules && d.heartbeat && d.quiet;
    int err = is_made ? covey_group_go(g, run_desk, &d) : -ENOMEM;

    printf("half a second of transactions, with a rule and a heartbeat every 10 ms:\n");
    if (err == 0) {
        err = run_rush(ctx, &r);
        (void)covey_chan_close(d.transactions);
        (void)covey_chan_recv(ctx, d.quiet, NULL); /* nobody comes any more */
    }
    covey_group_cancel(g, 0);
    int failed = covey_group_wait(g);

    expect(d.accepted + d.refused == r.offered && r.offered > 0,
           "%d transactions, all served: %d accepted, %d refused", r.offered, d.accepted,
           d.refused);
    expect(d.rule_changes == r.rules && r.rules > 0,
           "%d rules, all applied; the longest wait was %lld us", r.rules,
           (long long)(r.longest_wait / COVEY_US));
    expect(d.heartbeats > 0, "%d heartbeats", d.heartbeats);
    expect(d.idle > 0, "then nobody came: idle %d times", d.idle);
    covey_ticker_free(d.heartbeat);
    covey_chan_unref(d.quiet);
    covey_chan_unref(d.rules);
    covey_chan_unref(d.transactions);
    return err < 0 ? err : failed;
}

/* Three channels that always have something to receive. */
static int all_ready(covey_ctx *ctx)
{
    enum { TURNS = 6000 };
    covey_chan *ch[3];
    int served[3] = {0}, err = 0;

    for (int i = 0; i < 3; i++) {
        ch[i] = covey_chan_new(0, TURNS); /* signals without a value */
        for (int j = 0; j < TURNS && err == 0; j++) {
            err = covey_chan_try_send(ch[i], NULL);
        }
    }
    for (int i = 0; i < TURNS && err >= 0; i++) {
        err = covey_select(ctx, COVEY_RECV(ch[0], NULL), COVEY_RECV(ch[1], NULL),
                           COVEY_RECV(ch[2], NULL));
        if (err >= 0) {
            served[err]++;
        }
    }
    printf("three channels that are always ready, %d turns:\n", TURNS);
    for (int i = 0; i < 3; i++) { /* a third is 2,000; 300 off is 8 standard deviations */
        expect(served[i] > 1700 && served[i] < 2300, "channel %d: %d turns", i, served[i]);
        covey_chan_unref(ch[i]);
    }
    return err < 0 ? err : 0;
}

static int tour(covey_ctx *ctx, void *arg)
{
    (void)arg;
    int err = rush_hour(ctx);
    return err < 0 ? err : all_ready(ctx);
}

int main(int argc, char **argv)
{
    example_options(argc, argv, "One task serves three channels.", NULL, 0);
    return example_result(covey_run(tour, NULL));
}
