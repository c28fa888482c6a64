/* SPDX-License-Identifier: MIT
 * postgres_cancel.c - tells the server to stop a connection's command.
 *
 * That goes over a connection of its own, made by libpq on a blocking thread. It must have arrived
 * before the command's connection is used again, or it could hit the next statement: so it is
 * waited for, as long as goodbyes may take. Its task owns what it uses and may stay behind. */
#include "sql/postgres.h"

struct cancellation {
    PGcancel *cancel;
    covey_chan *sent; /* a reference; receives whether it was */
};

static int cancel_in_thread(covey_ctx *ctx, void *arg)
{
    char words[256];

    (void)ctx;
    return PQcancel(arg, words, sizeof(words)) ? 1 : 0;
}

static int cancel_in_task(covey_ctx *ctx, void *arg)
{
    struct cancellation *x = arg;
    int is_sent = covey_blocking(NULL, cancel_in_thread, x->cancel) == 1;

    (void)ctx;
    PQfreeCancel(x->cancel);
    (void)covey_chan_try_send(x->sent, &is_sent);
    covey_chan_unref(x->sent);
    return 0;
}

bool cvy_postgres_cancel(struct cvy_postgres_conn *c)
{
    struct cancellation x = {.cancel = PQgetCancel(c->pg), .sent = covey_chan_new(sizeof(int), 1)};
    int is_sent = 0;

    covey_chan_ref(x.sent); /* the task's */
    if (!x.cancel || !x.sent || covey_go_copy(cancel_in_task, &x, sizeof(x)) < 0) {
        PQfreeCancel(x.cancel);
        covey_chan_unref(x.sent);
        covey_chan_unref(x.sent);
        return false;
    }
    bool is_told = covey_chan_recv(c->goodbye, x.sent, &is_sent) == 0 && is_sent;
    covey_chan_unref(x.sent);
    return is_told;
}
