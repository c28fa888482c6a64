/* SPDX-License-Identifier: MIT
 * round.c - asks all nodes at once, each in a task with a time-out of its own. */
#include "lock/lock.h"

#include <covey/chan.h>
#include <covey/ctx.h>
#include <covey/group.h>
#include <covey/select.h>
#include <covey/time.h>

#include <stdio.h>
#include <string.h>

struct asking {
    struct cvy_lock_round *round;
    covey_chan *done; /* of size_t: who has answered */
    size_t i;
};

static int ask_node(covey_ctx *ctx, struct cvy_lock_round *r, size_t i)
{
    covey_redlock_node *node = r->rl->nodes[i];
    struct cvy_lock_answer *a = &r->answers[i];

    switch (r->question) {
    case CVY_LOCK_ACQUIRE:
        return node->ops->acquire(ctx, node, r->key, &a->token);
    case CVY_LOCK_EXTEND:
        return node->ops->extend(ctx, node, r->key, r->token);
    default:
        return node->ops->release(ctx, node, r->key);
    }
}

static void ask_one(covey_ctx *ctx, struct cvy_lock_round *r, size_t i)
{
    struct cvy_lock_answer *a = &r->answers[i];
    covey_ctx *limited = covey_ctx_with_timeout(ctx, r->rl->options.node_timeout_ns);

    a->code = ask_node(limited, r, i);
    covey_ctx_unref(limited);
    if (a->code < 0) {
        const char *words = covey_errcode() == a->code ? covey_errmsg() : covey_strerror(a->code);
        (void)snprintf(a->words, sizeof(a->words), "%s", words);
    }
}

static int ask_task(covey_ctx *ctx, void *arg)
{
    struct asking *a = arg;

    ask_one(ctx, a->round, a->i);
    (void)covey_chan_try_send(a->done, &a->i); /* it has room for all */
    return 0;
}

static void count(struct cvy_lock_round *r, size_t i)
{
    struct cvy_lock_answer *a = &r->answers[i];

    a->has_come = true;
    r->yes += a->code == 0;
    r->no += a->code < 0;
    r->busy += a->code == -EBUSY;
}

static bool is_certain(const struct cvy_lock_round *r)
{
    return r->yes + r->no == r->rl->n ||
           (r->question != CVY_LOCK_RELEASE && r->no > r->rl->n - r->rl->quorum);
}

/* Receives answers until no more are waited for. */
static void collect(covey_ctx *ctx, struct cvy_lock_round *r, covey_chan *done)
{
    int64_t begun = covey_now(), until = 0;
    size_t i;

    while (!is_certain(r)) {
        if (r->question != CVY_LOCK_RELEASE && r->yes >= r->rl->quorum && until == 0) {
            int64_t took = covey_now() - begun;
            until = covey_now() + (took > COVEY_MS ? took : COVEY_MS);
        }
        covey_case cases[] = {COVEY_RECV(done, &i), COVEY_AFTER(until - covey_now())};
        if (covey_select_n(ctx, cases, until > 0 ? 2 : 1) != 0) {
            return; /* late, or the context is done */
        }
        count(r, i);
    }
}

static void ask_many(covey_ctx *ctx, struct cvy_lock_round *r)
{
    covey_chan *done = covey_chan_new(sizeof(size_t), r->rl->n);
    covey_group *g = covey_group_new_with(ctx, &(covey_group_options){.policy = COVEY_ALL});
    size_t i;

    for (i = 0; done && i < r->rl->n; i++) {
        struct asking a = {r, done, i};
        if (covey_group_go_copy(g, ask_task, &a, sizeof(a)) < 0) {
            r->answers[i].code = -ENOMEM;
            (void)covey_chan_try_send(done, &i);
        }
    }
    if (done) {
        collect(ctx, r, done);
    }
    covey_group_cancel(g, 0);
    (void)covey_group_wait(g);
    while (done && covey_chan_try_recv(done, &i) == 0) {
        count(r, i); /* it came meanwhile */
    }
    covey_chan_unref(done);
}

void cvy_lock_ask(covey_ctx *ctx, struct cvy_lock_round *r)
{
    for (size_t i = 0; i < r->rl->n; i++) {
        r->answers[i] = (struct cvy_lock_answer){.code = COVEY_ECANCELED};
    }
    r->yes = r->no = r->busy = 0;
    if (r->rl->n == 1) {
        ask_one(ctx, r, 0);
        count(r, 0);
    } else {
        ask_many(ctx, r);
    }
}

int cvy_lock_refusal(covey_ctx *ctx, const struct cvy_lock_round *r)
{
    const char *words = "no answer in time";
    int code = covey_ctx_err(ctx);

    if (code < 0) {
        return covey_sleep(ctx, 0); /* its words */
    }
    if (r->yes + r->busy >= r->rl->quorum) {
        return covey_errorf(COVEY_EAGAIN, "lease %s: another has it", r->key->name);
    }
    for (size_t i = 0; i < r->rl->n; i++) {
        const struct cvy_lock_answer *a = &r->answers[i];
        if (a->has_come && a->code < 0 && a->code != -EBUSY) {
            words = a->words;
        }
    }
    return covey_errorf(-ENOTCONN, "lease %s: %zu of %zu servers answered, %zu must: %s",
                        r->key->name, r->yes + r->busy, r->rl->n, r->rl->quorum, words);
}
