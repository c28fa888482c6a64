/* SPDX-License-Identifier: MIT
 * done_chan.c - covey_ctx_done: a context's end as a channel, made when first asked for. */
#include "chan/chan.h"

#include <covey/ctx.h>

static void on_done(struct cvy_cancel_hook *h, struct cvy_wakelist *list)
{
    struct cvy_cancel *c = CVY_CONTAINER_OF(h, struct cvy_cancel, done_hook);
    cvy_chan_close(cvy_load_relaxed(&c->done_chan), list);
}

static void done_free(struct cvy_cancel *c)
{
    covey_chan_unref(cvy_load_relaxed(&c->done_chan));
}

/* Makes ch the done channel unless there is one; whether it did. *is_done: the caller closes it. */
static bool install(struct cvy_cancel *c, covey_chan *ch, bool *is_done)
{
    cvy_lock(&c->lock);
    bool is_first = !cvy_load_relaxed(&c->done_chan);
    if (is_first) {
        c->done_free = done_free;
        *is_done = cvy_cancel_is_done(c);
        if (!*is_done) {
            c->done_hook.fn = on_done;
            cvy_list_push_tail(&c->hooks, &c->done_hook.node);
        }
        /* Release: the channel's fields, to the acquire in covey_ctx_done(). */
        cvy_store_release(&c->done_chan, ch);
    }
    cvy_unlock(&c->lock);
    return is_first;
}

covey_chan *covey_ctx_done(covey_ctx *ctx)
{
    struct cvy_cancel *c = cvy_ctx_cancel_of(ctx);
    bool is_done = false;

    if (!c) {
        return NULL;
    }
    covey_chan *ch = cvy_load_acquire(&c->done_chan);
    if (ch) {
        return ch;
    }
    ch = covey_chan_new(0, 0);
    if (!ch) {
        return NULL;
    }
    struct cvy_thread *th = cvy_enter();
    CVY_WINDOW_NAMED(CVY_WINDOW_DONE);
    if (!install(c, ch, &is_done)) {
        covey_chan_unref(ch);
        ch = cvy_load_acquire(&c->done_chan);
    } else if (is_done) {
        struct cvy_wakelist list = {0};
        cvy_chan_close(ch, &list);
        cvy_ready_all(th, &list);
    }
    cvy_leave(th);
    return ch;
}
