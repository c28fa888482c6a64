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

/* Makes ch the done channel unless there is one. False: c has ended, and ch must be closed first:
 * nobody may find it open then. */
static bool install(struct cvy_cancel *c, covey_chan *ch, bool is_closed)
{
    cvy_lock(&c->lock);
    bool is_first = !cvy_load_relaxed(&c->done_chan);
    bool is_late = is_first && !is_closed && cvy_cancel_is_done(c);
    if (is_first && !is_late) {
        c->done_free = done_free;
        if (!is_closed) {
            c->done_hook.fn = on_done;
            cvy_list_push_tail(&c->hooks, &c->done_hook.node);
        }
        /* Release: the channel's fields, to the acquire in covey_ctx_done(). */
        cvy_store_release(&c->done_chan, ch);
    }
    cvy_unlock(&c->lock);
    return !is_late;
}

covey_chan *covey_ctx_done(covey_ctx *ctx)
{
    struct cvy_cancel *c = cvy_ctx_cancel_of(ctx);
    bool is_closed = false;

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
    CVY_WINDOW_NAMED(CVY_WINDOW_DONE);
    do {
        if (cvy_cancel_is_done(c)) {
            is_closed = covey_chan_close(ch) == 0;
        }
    } while (!install(c, ch, is_closed));
    covey_chan *installed = cvy_load_acquire(&c->done_chan);
    if (installed != ch) {
        covey_chan_unref(ch);
    }
    return installed;
}
