/* SPDX-License-Identifier: MIT
 * with.c - connections that are no sockets: somebody else's functions read and write.
 *
 * They have a record without a descriptor, for the turns and the close. Each call enters it once
 * beside its turn, so that who leaves last does so here, outside the runtime's inner parts, where
 * the owner's functions may be called. */
#include "base/panic.h"
#include "io/conn.h"

#include <covey/error.h>

#undef errno

int covey_conn_new_with(covey_conn **c, const covey_conn_ops *ops, void *self, covey_conn *below)
{
    struct covey_conn *made = cvy_conn_new(-1, 0, NULL);

    if (!made) {
        return cvy_fail(cvy_task_self(), -ENOMEM);
    }
    made->with = (struct cvy_with){.ops = ops, .self = self, .below = below};
    *c = made;
    return 0;
}

void *covey_conn_self(const covey_conn *c, const covey_conn_ops *ops)
{
    return cvy_conn_is_with(c) && c->with.ops == ops ? c->with.self : NULL;
}

ssize_t cvy_with_read(struct cvy_thread **thp, struct covey_conn *c, covey_ctx *ctx, void *buf,
                      size_t len)
{
    ssize_t n = cvy_conn_check(*thp, c, ctx);

    if (n == 0) {
        cvy_leave(*thp);
        n = c->with.ops->read(ctx, c->with.self, buf, len);
        COVEY_REQUIRE(n <= (ssize_t)len, "a connection's read gave more than was asked for");
        *thp = cvy_enter();
    }
    return n;
}

ssize_t cvy_with_write(struct cvy_thread **thp, struct covey_conn *c, covey_ctx *ctx,
                       const struct iovec *iov, size_t count)
{
    ssize_t n = cvy_conn_check(*thp, c, ctx);

    if (n == 0) {
        cvy_leave(*thp);
        n = c->with.ops->write(ctx, c->with.self, iov, (int)count);
        COVEY_REQUIRE(n != 0, "a connection's write took nothing and did not fail");
        *thp = cvy_enter();
    }
    return n;
}

void cvy_with_leave(struct cvy_thread **thp, struct covey_conn *c)
{
    struct cvy_with with = c->with; /* c may be gone after this */

    if (cvy_fd_leave(&c->fd)) {
        cvy_leave(*thp);
        with.ops->free(with.self);
        *thp = cvy_enter();
    }
}

int cvy_with_shutdown_write(struct covey_conn *c)
{
    struct cvy_thread *th = cvy_enter();
    const struct cvy_with *w = &c->with;

    int code = cvy_fd_enter(&c->fd);
    if (code < 0) {
        (void)cvy_fail(th->task, code);
    } else {
        cvy_leave(th);
        code = w->ops->shutdown_write ? w->ops->shutdown_write(w->self)
                                      : covey_errorf(-EOPNOTSUPP, "shutdown: not supported");
        th = cvy_enter();
        cvy_with_leave(&th, c);
    }
    cvy_leave(th);
    return code;
}

void cvy_with_abort(struct covey_conn *c)
{
    if (c->with.ops->abort) {
        c->with.ops->abort(c->with.self);
    }
}

void cvy_with_close(struct covey_conn *c)
{
    if (c->with.ops->goodbye && !cvy_fd_is_closed(&c->fd)) {
        c->with.ops->goodbye(c->with.self);
    }
    struct cvy_thread *th = cvy_enter();
    cvy_fd_end(th, &c->fd, CVY_FD_GIVEN);
    cvy_leave(th);
    cvy_with_abort(c);
    th = cvy_enter();
    cvy_with_leave(&th, c);
    cvy_leave(th);
}
