/* SPDX-License-Identifier: MIT
 * listen.c - notifications as a channel (covey/db.h): a task with a connection of its own, which it
 * makes anew when it is lost.
 *
 * While the channel is full the task does not read: what comes waits in the sockets, then in the
 * server. The listener's context is a child of its pool's life. */
#include "sql/pool.h"

#include <stdlib.h>

#define PAUSE_NS (10 * COVEY_MS)
#define PAUSE_NS_MAX (2 * COVEY_SEC)

struct covey_db_listener {
    /* Immutable. */
    struct cvy_sql_pool *pool; /* a reference */
    char *name;
    covey_chan *notes;
    covey_chan *ended; /* closed by the task at its end */
    covey_ctx *life;

    struct cvy_sql_conn *conn; /* the task's; NULL: lost */
};

void covey_db_note_free(covey_db_note *note)
{
    free(note);
}

covey_db_note *cvy_sql_note_new(const char *payload)
{
    size_t len = payload ? strlen(payload) : 0;
    covey_db_note *note = malloc(sizeof(*note) + len + 1);

    if (note) {
        *note = (covey_db_note){.is_gap = payload == NULL, .len = len};
        note->payload = (char *)(note + 1);
        memcpy(note + 1, payload ? payload : "", len + 1);
    }
    return note;
}

static int connect(covey_ctx *ctx, struct covey_db_listener *l)
{
    struct cvy_sql_pool *p = l->pool;
    covey_ctx *limited = covey_ctx_with_timeout(ctx, p->config.options.connect_timeout_ns);
    int code = p->backend->connect(limited, p->shared, &l->conn);

    if (code == 0) {
        code = p->backend->listen(limited, l->conn, l->name);
        if (code < 0) {
            p->backend->disconnect(l->conn);
            l->conn = NULL;
        }
    }
    covey_ctx_unref(limited);
    return code;
}

/* Until it listens again, or its life ends. */
static int connect_again(struct covey_db_listener *l)
{
    int64_t pause = PAUSE_NS;
    int code;

    while ((code = connect(l->life, l)) < 0 && covey_ctx_err(l->life) == 0) {
        (void)covey_sleep(l->life, pause);
        pause = 2 * pause < PAUSE_NS_MAX ? 2 * pause : PAUSE_NS_MAX;
    }
    return code;
}

/* The next notification, or the gap that a lost connection leaves. */
static int next(struct covey_db_listener *l, covey_db_note **note)
{
    int code = l->pool->backend->next_note(l->life, l->conn, note);

    if (code == 0 || covey_ctx_err(l->life) < 0) {
        return code;
    }
    l->pool->backend->disconnect(l->conn);
    l->conn = NULL;
    code = connect_again(l);
    if (code < 0) {
        return code;
    }
    *note = cvy_sql_note_new(NULL);
    return *note ? 0 : -ENOMEM;
}

static int run(covey_ctx *ctx, void *arg)
{
    struct covey_db_listener *l = arg;
    covey_db_note *note;
    int code = 0;

    (void)ctx;
    while (code == 0) {
        code = next(l, &note);
        if (code == 0) {
            code = covey_chan_send(l->life, l->notes, &note);
            if (code < 0) {
                covey_db_note_free(note);
            }
        }
    }
    if (l->conn) {
        l->pool->backend->disconnect(l->conn);
    }
    (void)covey_chan_close(l->notes);
    (void)covey_chan_close(l->ended);
    return 0;
}

static void free_listener(struct covey_db_listener *l)
{
    covey_chan_unref(l->notes);
    covey_chan_unref(l->ended);
    covey_ctx_unref(l->life);
    cvy_sql_pool_unref(l->pool);
    free(l->name);
    free(l);
}

int covey_db_listen(covey_ctx *ctx, covey_db *db, covey_db_listener **listener, const char *channel,
                    size_t capacity)
{
    if (!db || db->conn || !channel || !channel[0]) {
        return covey_errorf(-EINVAL, "a listener needs a pool and a channel's name");
    }
    if (!db->pool->backend->listen) {
        return covey_errorf(-ENOTSUP, "%s: has no notifications", db->pool->backend->name);
    }
    struct covey_db_listener *l = calloc(1, sizeof(*l));
    if (!l) {
        return covey_errorf(-ENOMEM, "out of memory");
    }
    cvy_sql_pool_ref(db->pool);
    l->pool = db->pool;
    l->name = strdup(channel);
    l->notes = covey_chan_new(sizeof(covey_db_note *), capacity);
    l->ended = covey_chan_new(0, 0);
    l->life = covey_ctx_with_cancel(db->pool->life);
    int code = 0;
    if (!l->name || !l->notes || !l->ended) {
        code = covey_errorf(-ENOMEM, "out of memory");
    } else if (covey_ctx_err(l->life) < 0) {
        code = covey_errorf(COVEY_ECLOSED, "database is closed");
    }
    code = code < 0 ? code : connect(ctx, l);
    if (code == 0) {
        code = covey_go(run, l);
        if (code < 0) {
            db->pool->backend->disconnect(l->conn);
        }
    }
    if (code < 0) {
        free_listener(l);
        return code;
    }
    *listener = l;
    return 0;
}

covey_chan *covey_db_listener_chan(covey_db_listener *l)
{
    return l->notes;
}

void covey_db_listener_close(covey_db_listener *l)
{
    covey_db_note *note;

    if (!l) {
        return;
    }
    covey_ctx_cancel(l->life);
    (void)covey_chan_recv(NULL, l->ended, NULL);
    while (covey_chan_try_recv(l->notes, &note) == 0) {
        covey_db_note_free(note);
    }
    free_listener(l);
}
