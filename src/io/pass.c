/* SPDX-License-Identifier: MIT
 * pass.c - descriptors over Unix connections (covey/net.h).
 *
 * They go with bytes of the stream, under the turn of their way, as reads and writes do. */
#include "io/conn.h"

#include <covey/error.h>

#include <assert.h>

#undef errno

static_assert(COVEY_FDS_MAX == CVY_NET_FDS_MAX, "one limit");

/* One message, one way. */
struct message {
    enum cvy_way way;
    struct iovec bytes;
    const int *sent;
    int *received;
    size_t *count;
};

static int check(const struct covey_conn *c, const struct message *m)
{
    if (m->bytes.iov_len == 0 || (m->way == CVY_WAY_OUT && *m->count > COVEY_FDS_MAX)) {
        return -EINVAL;
    }
    return cvy_conn_is_with(c) ? -EOPNOTSUPP : 0;
}

/* With the turn, so that the socket is still open. */
static bool is_unix(const struct covey_conn *c)
{
    struct cvy_sockaddr name;

    return cvy_net_name(c->fd.fd, &name) == 0 && name.storage.ss_family == AF_UNIX;
}

static ssize_t pass_once(struct covey_conn *c, struct message *m)
{
    return m->way == CVY_WAY_OUT ? cvy_net_send_fds(c->fd.fd, &m->bytes, m->sent, *m->count)
                                 : cvy_net_recv_fds(c->fd.fd, &m->bytes, m->received, m->count);
}

static ssize_t pass(struct cvy_thread **thp, struct covey_conn *c, covey_ctx *ctx,
                    struct message *m)
{
    uint64_t bit = m->way == CVY_WAY_OUT ? CVY_POLL_OUT : CVY_POLL_IN;

    if (!is_unix(c)) {
        return cvy_fail((*thp)->task, -EOPNOTSUPP);
    }
    for (;;) {
        int code = cvy_conn_check(*thp, c, ctx);
        if (code < 0) {
            return code;
        }
        uint64_t seen = cvy_load_relaxed(&c->fd.ready);
        if (seen & bit) {
            ssize_t n = pass_once(c, m);
            if (n != -EAGAIN) {
                return n < 0 ? cvy_fail((*thp)->task, (int)n) : n;
            }
            cvy_fd_clear(&c->fd, seen, m->way == CVY_WAY_IN ? bit | CVY_POLL_HUP : bit);
        }
        code = cvy_fd_wait(thp, &c->fd, m->way, ctx);
        if (code < 0) {
            return code;
        }
    }
}

static ssize_t run(covey_ctx *ctx, covey_conn *c, struct message *m)
{
    struct cvy_thread *th = cvy_enter();

    ssize_t n = cvy_ctx_check(th->task, ctx);
    if (n == 0) {
        n = check(c, m);
        n = n < 0 ? cvy_fail(th->task, (int)n) : cvy_fd_enter_turn(&th, &c->fd, m->way, ctx);
    }
    if (n == 0) {
        n = pass(&th, c, ctx, m);
        cvy_fd_leave_turn(th, &c->fd, m->way);
    }
    cvy_leave(th);
    return n;
}

ssize_t covey_send_fds(covey_ctx *ctx, covey_conn *c, const void *buf, size_t len, const int *fds,
                       size_t n)
{
    struct message m = {CVY_WAY_OUT, {(void *)buf, len}, .sent = fds, .count = &n};

    ssize_t sent = run(ctx, c, &m);
    return sent < 0 ? covey_wrapf((int)sent, "send descriptors") : sent;
}

ssize_t covey_recv_fds(covey_ctx *ctx, covey_conn *c, void *buf, size_t len, int *fds, size_t *n)
{
    struct message m = {CVY_WAY_IN, {buf, len}, .received = fds, .count = n};

    ssize_t received = run(ctx, c, &m);
    return received < 0 ? covey_wrapf((int)received, "receive descriptors") : received;
}
