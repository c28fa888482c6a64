/* SPDX-License-Identifier: MIT
 * dial.c - covey_dial (covey/net.h): reads an address and its options, and resolves a name, whose
 * addresses are then raced (dial_race.c). */
#include "io/dial.h"

#include "base/alloc.h"
#include "io/addr.h"
#include "io/conn.h"
#include "io/resolve.h"

#include <covey/error.h>
#include <covey/net.h>
#include <covey/time.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#undef errno

#define STAGGER_NS (250 * COVEY_MS)
#define PORT_TEXT_SIZE 6

/* A Unix listener whose backlog is full gives no event when it has room again. */
#define UNIX_RETRY_NS (1 * COVEY_MS)
#define UNIX_RETRY_NS_MAX (50 * COVEY_MS)

const struct cvy_dial_plan cvy_dial_default = {.stagger_ns = STAGGER_NS};

static int dial_name(struct cvy_thread **thp, covey_ctx *ctx, const struct cvy_dial_plan *plan,
                     covey_conn **c, const struct cvy_addr *a)
{
    struct sockaddr_storage *addrs = cvy_alloc_zeroed(CVY_DIAL_ADDRS_MAX * sizeof(*addrs));
    char *host = cvy_strndup(a->name, a->name_len);
    char port[PORT_TEXT_SIZE];
    int code = -ENOMEM;

    if (!addrs || !host) {
        (void)cvy_fail((*thp)->task, code);
        goto out;
    }
    (void)snprintf(port, sizeof(port), "%u", (unsigned)a->port);
    code = cvy_resolve(thp, ctx, host, port, addrs, CVY_DIAL_ADDRS_MAX);
    if (code >= 0) {
        code = cvy_dial_any(thp, ctx, plan, addrs, (size_t)code, c);
    }
out:
    free(host);
    free(addrs);
    return code;
}

static int dial_tcp(struct cvy_thread **thp, covey_ctx *ctx, const struct cvy_dial_plan *plan,
                    covey_conn **c, const struct cvy_addr *a)
{
    struct cvy_sockaddr numeric;

    if (!cvy_addr_numeric(a->name, a->name_len, a->port, &numeric)) {
        return dial_name(thp, ctx, plan, c, a);
    }
    return cvy_dial_any(thp, ctx, plan, &numeric.storage, 1, c);
}

/* Connects at once, or not at all. */
static int dial_unix(struct cvy_thread **thp, covey_ctx *ctx, const struct cvy_dial_plan *plan,
                     covey_conn **c, const struct cvy_addr *a)
{
    struct cvy_sockaddr to;
    int64_t pause = UNIX_RETRY_NS;
    int code;

    cvy_addr_unix(a, &to);
    while ((code = cvy_dial_start(c, &to, plan)) == -EAGAIN) {
        cvy_leave(*thp);
        code = covey_sleep(ctx, pause);
        *thp = cvy_enter();
        if (code < 0) {
            return code;
        }
        pause = pause * 2 < UNIX_RETRY_NS_MAX ? pause * 2 : UNIX_RETRY_NS_MAX;
    }
    return code < 0 ? cvy_fail((*thp)->task, code) : 0;
}

/* Only numeric: looking a name up might take long. */
static int read_local(const char *text, struct cvy_sockaddr *local)
{
    struct cvy_addr a;

    if (cvy_addr_parse(&a, text) < 0 || a.is_unix ||
        !cvy_addr_numeric(a.name, a.name_len, a.port, local)) {
        return covey_errorf(-EINVAL, "local: not a numeric TCP address");
    }
    return 0;
}

static int make_plan(struct cvy_dial_plan *plan, const covey_dial_options *opts, bool is_unix)
{
    *plan = cvy_dial_default;
    if (!opts) {
        return 0;
    }
    plan->has_conn = true;
    plan->conn = opts->conn;
    if (opts->stagger_ns < 0 || (opts->local && is_unix)) {
        return covey_errorf(-EINVAL, "an option is out of range");
    }
    plan->stagger_ns = opts->stagger_ns > 0 ? opts->stagger_ns : plan->stagger_ns;
    return opts->local ? read_local(opts->local, &plan->local) : 0;
}

static int dial(struct cvy_thread **thp, covey_ctx *ctx, covey_conn **c, const char *addr,
                const covey_dial_options *opts)
{
    struct cvy_dial_plan plan;
    struct cvy_addr a;

    int code = cvy_addr_parse(&a, addr);
    if (code < 0) {
        return covey_errorf(code, "not an address");
    }
    code = make_plan(&plan, opts, a.is_unix);
    if (code < 0) {
        return code;
    }
    if (!cvy_runtime_get()) {
        return cvy_fail((*thp)->task, COVEY_ECLOSED);
    }
    return a.is_unix ? dial_unix(thp, ctx, &plan, c, &a) : dial_tcp(thp, ctx, &plan, c, &a);
}

int covey_dial_with(covey_ctx *ctx, covey_conn **c, const char *addr,
                    const covey_dial_options *opts)
{
    struct cvy_thread *th = cvy_enter();

    int code = cvy_ctx_check(th->task, ctx);
    if (code == 0) {
        code = dial(&th, ctx, c, addr, opts);
    }
    if (code < 0) {
        code = covey_wrapf(code, "dial %s", addr ? addr : "(null)");
    }
    cvy_leave(th);
    return code;
}

int covey_dial(covey_ctx *ctx, covey_conn **c, const char *addr)
{
    return covey_dial_with(ctx, c, addr, NULL);
}
