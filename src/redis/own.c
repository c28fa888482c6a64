/* SPDX-License-Identifier: MIT
 * own.c - connections of one's own: taken out of the client's store or made, used by one task at a
 * time, which writes and reads by itself, and put back if they are whole.
 *
 * The client's mutex guards the wire's pointer against the client's end, which aborts connections
 * in use; the task that is inside a call may use the wire without it. */
#include "redis/client.h"

#include <covey/chan.h>
#include <covey/ctx.h>
#include <covey/debug.h>

#include <stdlib.h>

struct cvy_redis_own {
    struct covey_redis handle;
    uint64_t holder;     /* who has it: covey_hold_begin() */
    atomic_bool is_busy; /* acquire, release: who sets it may use the wire */

    /* Guarded by the client's mutex. */
    struct cvy_redis_own *next, *previous;
    struct cvy_redis_wire *wire; /* NULL: it is lost */
};

/* ---- taking ---- */

static int wait_for_permit(covey_ctx *ctx, struct cvy_redis_client *c)
{
    covey_wait_note note = {.what = "Redis connection",
                            .text = "all of one's own are in use",
                            .object = c,
                            .shares = (size_t)c->config.options.own_max};
    covey_wait_note_begin(&note);
    int code = covey_chan_recv(ctx, c->permits, NULL);
    covey_wait_note_end(&note);

    return code == COVEY_ECLOSED ? cvy_redis_closed()
           : code < 0            ? covey_wrapf(code, "wait for a connection")
                                 : 0;
}

static struct cvy_redis_wire *pop_idle(struct cvy_redis_client *c)
{
    covey_mutex_lock(&c->mutex);
    struct cvy_redis_wire *w = c->idle;
    if (w) {
        c->idle = w->next;
        c->idle_count--;
    }
    covey_mutex_unlock(&c->mutex);
    return w;
}

static int find_or_make(covey_ctx *ctx, struct cvy_redis_client *c, struct cvy_redis_wire **wire)
{
    struct cvy_redis_wire *w;

    while ((w = pop_idle(c)) != NULL) {
        if (cvy_redis_wire_reset(ctx, &c->config, w) == 0) {
            *wire = w;
            return 0;
        }
        cvy_redis_wire_close(w); /* the server may have closed it long ago */
    }
    return cvy_redis_wire_open(ctx, &c->config, wire);
}

/* False: the client has ended. */
static bool enlist(struct cvy_redis_client *c, struct cvy_redis_own *own)
{
    covey_mutex_lock(&c->mutex);
    bool has_ended = c->has_ended;
    if (!has_ended) {
        own->next = c->owns;
        if (c->owns) {
            c->owns->previous = own;
        }
        c->owns = own;
    }
    covey_mutex_unlock(&c->mutex);
    return !has_ended;
}

static int make(covey_ctx *ctx, struct cvy_redis_client *c, struct cvy_redis_own **own)
{
    struct cvy_redis_own *o = calloc(1, sizeof(*o));

    if (!o) {
        return covey_errorf(-ENOMEM, "out of memory");
    }
    o->handle = (struct covey_redis){.node = {&cvy_redis_lease_ops}, .client = c, .own = o};
    int code = find_or_make(ctx, c, &o->wire);
    if (code == 0 && !enlist(c, o)) {
        cvy_redis_wire_close(o->wire);
        code = cvy_redis_closed();
    }
    if (code < 0) {
        free(o);
        return code;
    }
    *own = o;
    return 0;
}

int covey_redis_own(covey_ctx *ctx, covey_redis *r, covey_redis **own)
{
    struct cvy_redis_client *c = r->client;
    struct cvy_redis_own *made = NULL;

    if (r->own) {
        return covey_errorf(-EINVAL, "redis: it is a connection of one's own already");
    }
    cvy_redis_client_hold(c);
    int code = wait_for_permit(ctx, c);
    if (code == 0) {
        code = make(ctx, c, &made);
        if (code < 0) {
            (void)covey_chan_try_send(c->permits, NULL);
        }
    }
    if (code < 0) {
        cvy_redis_client_drop(c);
        return code;
    }
    CVY_COUNT(&c->counters.own, 1);
    made->holder = covey_hold_begin(c);
    *own = &made->handle;
    return 0;
}

/* ---- using ---- */

void cvy_redis_own_abort_locked(struct cvy_redis_own *own)
{
    for (; own; own = own->next) {
        if (own->wire) {
            covey_conn_abort(own->wire->conn);
        }
    }
}

/* Out of the client's sight, so that it can be closed. */
static struct cvy_redis_wire *take_wire(struct cvy_redis_own *own)
{
    struct cvy_redis_client *c = own->handle.client;

    covey_mutex_lock(&c->mutex);
    struct cvy_redis_wire *w = own->wire;
    own->wire = NULL;
    covey_mutex_unlock(&c->mutex);
    return w;
}

static int exchange(covey_ctx *ctx, struct cvy_redis_wire *wire, struct cvy_redis_request *q)
{
    struct cvy_redis_root *root = NULL;
    bool is_last = false;

    ssize_t n = covey_write(ctx, wire->conn, q->bytes, q->len);
    int code = n < 0 ? (int)n : 0;
    while (code == 0 && !is_last) {
        code = cvy_redis_wire_read(ctx, wire, &root);
        if (code == 0) {
            is_last = cvy_redis_request_add(q, root);
        }
    }
    return code;
}

/* A code of the network says no more than that the connection is lost. */
static int lost(struct cvy_redis_own *own, int code)
{
    switch (code) {
    case COVEY_ECLOSED:
        return covey_ctx_err(own->handle.client->life) < 0
                   ? cvy_redis_closed()
                   : covey_errorf(-ECONNRESET, "redis: the connection was lost");
    default:
        return code;
    }
}

static int run_alone(covey_ctx *ctx, struct cvy_redis_own *own, struct cvy_redis_request *q)
{
    struct cvy_redis_counters *n = &own->handle.client->counters;

    if (covey_ctx_err(ctx) < 0) {
        return covey_waitgroup_wait(ctx, &q->ended); /* its words; nothing was sent */
    }
    if (covey_ctx_err(own->handle.client->life) < 0) {
        return cvy_redis_closed();
    }
    if (!own->wire) {
        return covey_errorf(-ECONNRESET, "redis: the connection was lost");
    }
    int code = exchange(ctx, own->wire, q);
    if (code < 0) {
        code = lost(own, code);
        cvy_redis_wire_close(take_wire(own));
        CVY_COUNT(&n->failed, 1);
        return code;
    }
    CVY_COUNT(&n->commands, q->replies);
    return 0;
}

int cvy_redis_own_run(covey_ctx *ctx, struct cvy_redis_own *own, struct cvy_redis_request *q,
                      struct cvy_redis_root **root)
{
    int code;

    /* Acquire: pairs with the release of who used it last. */
    if (atomic_exchange_explicit(&own->is_busy, true, memory_order_acquire)) {
        code = covey_errorf(-EBUSY, "redis: another task uses this connection");
    } else {
        code = run_alone(ctx, own, q);
        atomic_store_explicit(&own->is_busy, false, memory_order_release);
        if (code == 0) {
            code = cvy_redis_request_result(q, root);
            if (code == COVEY_EREDIS || code == -EACCES) {
                CVY_COUNT(&own->handle.client->counters.refused, 1);
            }
        }
    }
    return code;
}

/* ---- giving back ---- */

static void delist_locked(struct cvy_redis_client *c, struct cvy_redis_own *own)
{
    *(own->previous ? &own->previous->next : &c->owns) = own->next;
    if (own->next) {
        own->next->previous = own->previous;
    }
}

void cvy_redis_own_close(struct cvy_redis_own *own)
{
    struct cvy_redis_client *c = own->handle.client;

    covey_mutex_lock(&c->mutex);
    struct cvy_redis_wire *w = own->wire;
    delist_locked(c, own);
    bool is_kept = w && !c->has_ended && c->idle_count < c->config.options.own_idle;
    if (is_kept) {
        w->next = c->idle;
        c->idle = w;
        c->idle_count++;
    }
    bool has_ended = c->has_ended;
    covey_mutex_unlock(&c->mutex);
    if (!is_kept) {
        cvy_redis_wire_close(w);
    }
    CVY_COUNT(&c->counters.own, -1);
    covey_hold_end(c, own->holder);
    if (!has_ended) {
        (void)covey_chan_try_send(c->permits, NULL);
    }
    free(own);
    cvy_redis_client_drop(c);
}
