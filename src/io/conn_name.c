/* SPDX-License-Identifier: MIT
 * conn_name.c - what a connection is between: its descriptor, its ends as text, and the news that
 * the other end is gone. */
#include "io/addr.h"
#include "io/conn.h"

#include "base/alloc.h"

#include <covey/error.h>

#include <stdlib.h>
#include <string.h>

#undef errno

/* The socket at the bottom; NULL: there is none. */
static const covey_conn *socket_of(const covey_conn *c)
{
    while (c && cvy_conn_is_with(c)) {
        c = c->with.below;
    }
    return c;
}

int covey_conn_fd(const covey_conn *c)
{
    const covey_conn *s = socket_of(c);
    return s ? s->fd.fd : -1;
}

static const char *peer_text(const covey_conn *c)
{
    char *_Atomic *place = (char *_Atomic *)&c->peer_text;
    char *text = cvy_load_acquire(place);
    struct cvy_sockaddr peer = {0};
    char made[CVY_ADDR_TEXT_SIZE];

    if (text || c->peer.sin6_family == AF_UNSPEC) {
        return text ? text : "";
    }
    peer.len = sizeof(c->peer);
    memcpy(&peer.storage, &c->peer, sizeof(c->peer));
    cvy_addr_format(&peer, made, sizeof(made));
    char *copy = cvy_strdup(made);
    if (!copy) {
        return "";
    }
    /* Acq_rel: another caller may have been faster; its text stands. */
    if (!cvy_cas_acq_rel(place, &text, copy)) {
        free(copy);
        return text;
    }
    return copy;
}

const char *covey_conn_peer(const covey_conn *c)
{
    const covey_conn *s = socket_of(c);
    return s ? peer_text(s) : "";
}

size_t covey_conn_local(const covey_conn *c, char *buf, size_t size)
{
    const covey_conn *s = socket_of(c);
    struct cvy_sockaddr name;

    buf[0] = '\0';
    if (s && cvy_net_name(s->fd.fd, &name) == 0) {
        cvy_addr_format(&name, buf, size);
    }
    return strlen(buf);
}

/* Inside a call. The bit is a hint, as all are: the kernel is asked. */
static int wait_socket(struct cvy_thread **thp, covey_ctx *ctx, covey_conn *c)
{
    for (;;) {
        int code = cvy_conn_check(*thp, c, ctx);
        if (code < 0) {
            return code;
        }
        uint64_t seen = cvy_load_relaxed(&c->fd.ready);
        if (seen & CVY_POLL_HUP) {
            if (cvy_net_is_hung_up(c->fd.fd)) {
                return 0;
            }
            cvy_fd_clear(&c->fd, seen, CVY_POLL_HUP);
        }
        code = cvy_fd_wait(thp, &c->fd, CVY_WAY_HUP, ctx);
        if (code < 0) {
            return code;
        }
    }
}

/* Inside a call: what is below stays. */
/* NOLINTNEXTLINE(misc-no-recursion): as deep as connections stand on one another */
static int wait_with(struct cvy_thread **thp, covey_ctx *ctx, covey_conn *c)
{
    const struct cvy_with *w = &c->with;
    int code = cvy_conn_check(*thp, c, ctx);

    if (code < 0) {
        return code;
    }
    if (!w->ops->wait_hangup && !w->below) {
        return cvy_fail((*thp)->task, -EOPNOTSUPP);
    }
    cvy_leave(*thp);
    code = w->ops->wait_hangup ? w->ops->wait_hangup(ctx, w->self)
                               : covey_conn_wait_hangup(ctx, w->below);
    *thp = cvy_enter();
    return code;
}

/* NOLINTNEXTLINE(misc-no-recursion): as above */
int covey_conn_wait_hangup(covey_ctx *ctx, covey_conn *c)
{
    struct cvy_thread *th = cvy_enter();

    int code = cvy_fd_enter(&c->fd);
    if (code < 0) {
        (void)cvy_fail(th->task, code);
    } else if (cvy_conn_is_with(c)) {
        code = wait_with(&th, ctx, c);
        cvy_with_leave(&th, c);
    } else {
        code = wait_socket(&th, ctx, c);
        (void)cvy_fd_leave(&c->fd);
    }
    cvy_leave(th);
    return code;
}
