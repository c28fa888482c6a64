/* SPDX-License-Identifier: MIT
 * chan_stress_test.c - sends, receives, selects, closes and cancellations at random. What senders
 * were told is sent is what receivers were told is received: a value is never both delivered and
 * cancelled, never lost, never doubled. */
#include "stress.h"

enum { CHANNELS = 4, SENDERS = 6, RECEIVERS = 6 };

struct exchange {
    covey_chan *ch[CHANNELS];
    covey_ctx *shared; /* replaced by nobody; cancelled by one task at some time, if that is on */
    int turns;
    atomic_ulong sent_sum, received_sum, sent, received, cancelled;
};

struct party {
    struct exchange *x;
    int index;
};

static void note_sent(struct exchange *x, uint64_t value)
{
    atomic_fetch_add(&x->sent_sum, value);
    atomic_fetch_add(&x->sent, 1);
}

static void note_received(struct exchange *x, uint64_t value)
{
    CHECK(value != 0);
    atomic_fetch_add(&x->received_sum, value);
    atomic_fetch_add(&x->received, 1);
}

/* Whether it was sent; the ways are all there are. */
static bool send_somehow(struct exchange *x, uint64_t *random, uint64_t value)
{
    covey_chan *ch = x->ch[random_below(random, CHANNELS)];
    covey_chan *other = x->ch[random_below(random, CHANNELS)];
    covey_ctx *c;
    uint64_t twice = value, got = 0;
    bool ok = false;
    int rc;

    switch (random_below(random, 6)) {
    case 0:
        return covey_chan_try_send(ch, &value) == 0;
    case 1:
        c = random_ctx(random, NULL);
        rc = covey_chan_send(c, ch, &value);
        CHECK(rc == 0 || rc == COVEY_ECANCELED || rc == COVEY_EDEADLINE || rc == COVEY_ECLOSED);
        covey_ctx_unref(c);
        return rc == 0;
    case 2:
        rc = covey_select(NULL, COVEY_SEND_OK(ch, &value, &ok), COVEY_SEND_OK(other, &twice, &ok),
                          COVEY_AFTER(random_below(random, 300) * COVEY_US));
        CHECK(rc >= 0);
        return rc < 2 && ok;
    case 3:
        rc = covey_select(NULL, COVEY_SEND_OK(ch, &value, &ok), COVEY_DEFAULT);
        return rc == 0 && ok;
    case 4: /* sends or receives, whatever comes first */
        c = random_ctx(random, NULL);
        rc = covey_select(c, COVEY_RECV_OK(other, &got, &ok), COVEY_SEND_OK(ch, &value, &ok),
                          COVEY_DONE(x->shared));
        covey_ctx_unref(c);
        if (rc == 0 && ok) {
            note_received(x, got);
        }
        return rc == 1 && ok;
    default:
        rc = covey_select(x->shared, COVEY_SEND_OK(ch, &value, &ok),
                          COVEY_AFTER(random_below(random, 500) * COVEY_US));
        return rc == 0 && ok;
    }
}

static uint64_t receive_somehow(struct exchange *x, uint64_t *random)
{
    covey_chan *ch = x->ch[random_below(random, CHANNELS)];
    covey_chan *other = x->ch[random_below(random, CHANNELS)];
    covey_ctx *c;
    uint64_t value = 0, second = 0;
    int rc;

    switch (random_below(random, 5)) {
    case 0:
        rc = covey_chan_try_recv(ch, &value);
        CHECK(rc == 0 || value == 0);
        return value;
    case 1:
    case 2:
        c = random_ctx(random, x->shared);
        rc = covey_chan_recv(c, ch, &value);
        CHECK(rc == 0 || value == 0);
        covey_ctx_unref(c);
        return value;
    case 3:
        rc = covey_select(NULL, COVEY_RECV(ch, &value), COVEY_RECV(other, &second),
                          COVEY_AFTER(random_below(random, 300) * COVEY_US));
        CHECK(rc >= 0);
        CHECK(value == 0 || second == 0); /* exactly one */
        return value + second;
    default:
        c = random_ctx(random, NULL);
        rc = covey_select(c, COVEY_RECV(x->ch[0], &value), COVEY_RECV(x->ch[1], &value),
                          COVEY_RECV(x->ch[2], &value), COVEY_RECV(x->ch[3], &value));
        CHECK(rc >= 0 || value == 0);
        covey_ctx_unref(c);
        return value;
    }
}

static int send_task(covey_ctx *ctx, void *arg)
{
    struct party *p = arg;
    uint64_t random = random_of(p->index);

    (void)ctx;
    for (int i = 0; i < p->x->turns; i++) {
        uint64_t value = (uint64_t)(p->index + 1) << 32 | (uint64_t)(i + 1);

        if (send_somehow(p->x, &random, value)) {
            note_sent(p->x, value);
        }
        random_pause(&random);
    }
    return 0;
}

static int receive_task(covey_ctx *ctx, void *arg)
{
    struct party *p = arg;
    uint64_t random = random_of(p->index);

    (void)ctx;
    for (int i = 0; i < p->x->turns; i++) {
        uint64_t value = receive_somehow(p->x, &random);

        if (value) {
            note_received(p->x, value);
        }
        random_pause(&random);
    }
    return 0;
}

static int disturb_task(covey_ctx *ctx, void *arg)
{
    struct party *p = arg;
    uint64_t random = random_of(p->index);

    (void)ctx;
    for (int i = random_below(&random, 200); i > 0; i--) {
        covey_yield();
    }
    if (random_below(&random, 2)) {
        covey_ctx_cancel(p->x->shared);
    } else {
        (void)covey_chan_close(p->x->ch[random_below(&random, CHANNELS)]);
    }
    return 0;
}

static void exchange_round(covey_ctx *ctx, int round, bool disturb)
{
    struct party parties[SENDERS + RECEIVERS + 1];
    struct exchange x = {.turns = 150};
    uint64_t random = random_of(1000 + round), value;
    covey_group *g = covey_group_new(ctx);

    x.shared = covey_ctx_with_cancel(ctx);
    for (int i = 0; i < CHANNELS; i++) {
        x.ch[i] = covey_chan_new(sizeof(uint64_t), (size_t)(i % 2 ? random_below(&random, 4) : 0));
    }
    for (int i = 0; i <= SENDERS + RECEIVERS; i++) {
        parties[i] = (struct party){&x, round * 100 + i};
        if (i < SENDERS) {
            GO(g, send_task, &parties[i]);
        } else if (i < SENDERS + RECEIVERS) {
            GO(g, receive_task, &parties[i]);
        } else if (disturb) {
            GO(g, disturb_task, &parties[i]);
        }
    }
    JOIN(g);
    for (int i = 0; i < CHANNELS; i++) {
        CHECK(covey_chan_len(x.ch[i]) <= covey_chan_cap(x.ch[i]));
        while (covey_chan_try_recv(x.ch[i], &value) == 0) {
            note_received(&x, value);
        }
        covey_chan_unref(x.ch[i]);
    }
    CHECK_EQ(atomic_load(&x.sent), atomic_load(&x.received));
    CHECK_EQ(atomic_load(&x.sent_sum), atomic_load(&x.received_sum));
    covey_ctx_unref(x.shared);
}

STRESS_TASK_TEST(sends_and_receives_of_all_kinds_conserve_values)
{
    for (int round = 0; round < turns(12); round++) {
        exchange_round(ctx, round, false);
    }
}

STRESS_TASK_TEST(closing_and_cancelling_in_the_middle_conserve_values)
{
    for (int round = 0; round < turns(20); round++) {
        exchange_round(ctx, round, true);
    }
}

/* One send against one receive against one cancellation, thousands of times: the tightest race. */

struct duel {
    covey_chan *ch;
    covey_ctx *ctx;
    int value, sent, received, by_select;
};

static int duel_send(covey_ctx *ctx, void *arg)
{
    struct duel *d = arg;
    int v = 7;

    (void)ctx;
    d->sent = d->by_select & 1 ? covey_select(d->ctx, COVEY_SEND(d->ch, &v))
                               : covey_chan_send(d->ctx, d->ch, &v);
    return 0;
}

static int duel_recv(covey_ctx *ctx, void *arg)
{
    struct duel *d = arg;

    (void)ctx;
    d->received = d->by_select & 2 ? covey_select(d->ctx, COVEY_RECV(d->ch, &d->value))
                                   : covey_chan_recv(d->ctx, d->ch, &d->value);
    return 0;
}

static int duel_cancel(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    covey_ctx_cancel(((struct duel *)arg)->ctx);
    return 0;
}

STRESS_TASK_TEST(a_value_is_never_both_delivered_and_cancelled)
{
    uint64_t random = random_of(0);
    int met = 0;

    for (int i = 0; i < turns(100000); i++) {
        struct duel d = {.ch = covey_chan_new(sizeof(int), 0),
                         .ctx = covey_ctx_with_cancel(ctx),
                         .sent = 1,
                         .received = 1,
                         .by_select = random_below(&random, 4)};
        covey_fn *order[3] = {duel_send, duel_recv, duel_cancel};
        covey_group *g = covey_group_new(NULL);

        for (int j = 2; j >= 0; j--) {
            int k = random_below(&random, j + 1);
            covey_fn *fn = order[k];

            order[k] = order[j];
            CHECK_EQ(covey_group_go(g, fn, &d), 0);
        }
        JOIN(g);
        CHECK(d.sent == 0 || d.sent == COVEY_ECANCELED);
        CHECK_EQ(d.sent, d.received);
        CHECK_EQ(d.value, d.sent == 0 ? 7 : 0);
        met += d.sent == 0;
        covey_ctx_unref(d.ctx);
        covey_chan_unref(d.ch);
    }
    fprintf(stderr, "# %d met\n", met);
}

/* Closing under full load: each receiver ends, each sender ends, the sums agree. */

struct flood {
    covey_chan *ch;
    atomic_ulong sent, received;
};

static int flood_send(covey_ctx *ctx, void *arg)
{
    struct flood *f = arg;
    unsigned long n = 0;
    int v = 1;

    (void)ctx;
    while (covey_chan_send(NULL, f->ch, &v) == 0) {
        n++;
    }
    CHECK_EQ(covey_errcode(), COVEY_ECLOSED);
    atomic_fetch_add(&f->sent, n);
    return 0;
}

static int flood_recv(covey_ctx *ctx, void *arg)
{
    struct flood *f = arg;
    unsigned long n = 0;
    int v;

    (void)ctx;
    while (covey_chan_recv(NULL, f->ch, &v) == 0) {
        CHECK_EQ(v, 1);
        n++;
    }
    atomic_fetch_add(&f->received, n);
    return 0;
}

STRESS_TASK_TEST(closing_under_full_load_conserves_values)
{
    uint64_t random = random_of(0);
    int64_t end = covey_now() + 20 * COVEY_SEC; /* with the knob delay one worker takes long */

    for (int i = 0; i < turns(1000) && covey_now() < end; i++) {
        struct flood f = {.ch = covey_chan_new(sizeof(int), (size_t)random_below(&random, 5))};
        covey_group *g = covey_group_new(ctx);

        for (int j = 0; j < 4; j++) {
            GO(g, flood_send, &f);
            GO(g, flood_recv, &f);
        }
        for (int j = random_below(&random, 100); j > 0; j--) {
            covey_yield();
        }
        CHECK_EQ(covey_chan_close(f.ch), 0);
        JOIN(g);
        CHECK_EQ(atomic_load(&f.sent), atomic_load(&f.received));
        covey_chan_unref(f.ch);
    }
}

/* A crowd on one channel: more than one batch of a close. */
struct crowd {
    covey_chan *ch, *to;
    covey_ctx *ctx; /* of every other one */
    covey_waitgroup here;
    atomic_int closed, cancelled;
};

struct waiting {
    struct crowd *crowd;
    int index;
};

static int wait_in_crowd(covey_ctx *ctx, void *arg)
{
    struct waiting *w = arg;
    struct crowd *c = w->crowd;
    uint64_t value = 7;

    covey_waitgroup_done(&c->here);
    ctx = w->index % 2 ? c->ctx : ctx;
    int code =
        w->index % 3 ? covey_chan_recv(ctx, c->ch, &value) : covey_chan_send(ctx, c->to, &value);
    CHECK(code == COVEY_ECLOSED || (code == COVEY_ECANCELED && w->index % 2));
    CHECK(w->index % 3 == 0 || code == COVEY_ECANCELED || value == 0);
    atomic_fetch_add(code == COVEY_ECLOSED ? &c->closed : &c->cancelled, 1);
    /* Closed is closed, however many still wait to be told. */
    if (code == COVEY_ECLOSED) {
        covey_chan *ch = w->index % 3 ? c->ch : c->to;
        CHECK_EQ(covey_chan_try_recv(ch, &value), COVEY_ECLOSED);
        CHECK_EQ(covey_chan_try_send(ch, &value), COVEY_ECLOSED);
    }
    return 0;
}

static int cancel_crowd(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    covey_ctx_cancel(arg);
    return 0;
}

STRESS_TASK_TEST(closing_wakes_a_crowd_whatever_is_cancelled_meanwhile)
{
    enum { CROWD = 1000 };
    for (int turn = turns(30); turn > 0; turn--) {
        struct crowd c = {.ch = covey_chan_new(sizeof(uint64_t), 0),
                          .to = covey_chan_new(sizeof(uint64_t), 0)};
        covey_group *g = covey_group_new(ctx);
        c.ctx = covey_ctx_with_cancel(ctx);
        covey_waitgroup_add(&c.here, CROWD);
        for (int i = 0; i < CROWD; i++) {
            struct waiting w = {&c, i};
            CHECK_EQ(covey_group_go_copy(g, wait_in_crowd, &w, sizeof(w)), 0);
        }
        CHECK_EQ(covey_waitgroup_wait(ctx, &c.here), 0);
        GO(g, cancel_crowd, c.ctx);
        CHECK_EQ(covey_chan_close(c.ch), 0);
        CHECK_EQ(covey_chan_close(c.to), 0);
        JOIN(g);
        CHECK_EQ(atomic_load(&c.closed) + atomic_load(&c.cancelled), CROWD);
        covey_ctx_unref(c.ctx);
        covey_chan_unref(c.ch);
        covey_chan_unref(c.to);
    }
}

/* Nobody waits any more and one has seen the close: then the channel may go, though whoever closes
 * it has not yet got to the last, who has given up. */

static int receive_the_close(covey_ctx *ctx, void *arg)
{
    struct waiting *w = arg;
    struct crowd *c = w->crowd;

    covey_waitgroup_done(&c->here);
    int code = covey_chan_recv(w->index ? c->ctx : ctx, c->ch, NULL);
    atomic_fetch_add(code == COVEY_ECLOSED ? &c->closed : &c->cancelled, 1);
    return 0;
}

static int close_it(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    return covey_chan_close(arg);
}

STRESS_TASK_TEST(a_channel_may_go_while_its_closer_is_in_the_middle)
{
    enum { BATCH = 128, GIVE_UP = 2, ROOM = 1024 };
    for (int turn = turns(300); turn > 0; turn--) {
        struct crowd c = {.ch = covey_chan_new(sizeof(uint64_t), ROOM)};
        covey_group *g = covey_group_new(ctx), *closing = covey_group_new(ctx);
        c.ctx = covey_ctx_with_cancel(ctx);
        for (int i = 0; i < BATCH + GIVE_UP; i++) {
            struct waiting w = {&c, i >= BATCH};
            covey_waitgroup_add(&c.here, 1);
            CHECK_EQ(covey_group_go_copy(g, receive_the_close, &w, sizeof(w)), 0);
            if (i == BATCH - 1) {
                CHECK_EQ(covey_waitgroup_wait(ctx, &c.here), 0);
            }
        }
        CHECK_EQ(covey_waitgroup_wait(ctx, &c.here), 0);
        GO(closing, close_it, c.ch);
        GO(g, cancel_crowd, c.ctx);
        JOIN(g);
        bool was_seen = atomic_load(&c.closed) > 0;
        if (was_seen) {
            covey_chan_unref(c.ch);
        }
        JOIN(closing);
        if (!was_seen) {
            covey_chan_unref(c.ch);
        }
        covey_ctx_unref(c.ctx);
    }
}
