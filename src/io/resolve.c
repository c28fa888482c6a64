/* SPDX-License-Identifier: MIT
 * resolve.c - covey_resolve: getaddrinfo on the blocking pool (covey/net.h).
 *
 * Nothing can interrupt getaddrinfo, so the lookup has a life of its own: the task that waits may
 * leave as soon as its context ends, and who is last, task or pool thread, frees the record. */
#include "io/resolve.h"

#include "base/alloc.h"
#include "io/addr.h"
#include "sched/view.h"

#include <covey/error.h>
#include <covey/net.h>

#include <limits.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#undef errno

#define ADDRS_MAX 64

struct lookup {
    struct cvy_job job;

    /* Immutable. */
    char *host, *port; /* behind found; port may be NULL */
    size_t n;          /* room in found */

    struct cvy_lock lock; /* rank CVY_RANK_FD; guards the two below */
    bool is_done;
    struct cvy_node waiters; /* the one task, while it waits */

    /* The job's; immutable once is_done. */
    int gai, code;
    size_t count;

    /* The task's, and the job's if there is one. Acq_rel by who drops one. */
    _Atomic uint32_t refs;

    struct sockaddr_storage found[];
};

static void lookup_unref(struct lookup *l)
{
    if (atomic_fetch_sub_explicit(&l->refs, 1, memory_order_acq_rel) == 1) {
        free(l);
    }
}

static struct lookup *lookup_new(const char *host, const char *port, size_t n)
{
    size_t host_size = strlen(host) + 1;
    size_t port_size = port ? strlen(port) + 1 : 0;

    n = n < ADDRS_MAX ? n : ADDRS_MAX;
    struct lookup *l =
        cvy_alloc_zeroed(sizeof(*l) + n * sizeof(l->found[0]) + host_size + port_size);
    if (!l) {
        return NULL;
    }
    l->n = n;
    l->host = (char *)(l->found + n);
    memcpy(l->host, host, host_size);
    if (port) {
        l->port = l->host + host_size;
        memcpy(l->port, port, port_size);
    }
    cvy_lock_init(&l->lock, CVY_RANK_FD);
    cvy_list_init(&l->waiters);
    cvy_store_relaxed(&l->refs, 1);
    return l;
}

/* From i on, the next that is (not) of family. */
static const struct addrinfo *next_of(const struct addrinfo *i, int family, bool is_family)
{
    while (i && (i->ai_family == family) != is_family) {
        i = i->ai_next;
    }
    return i;
}

/* Families alternate, the system's first choice first (RFC 8305, section 4). */
static size_t alternate(const struct addrinfo *list, struct sockaddr_storage *out, size_t n)
{
    int family = list ? list->ai_family : AF_UNSPEC;
    const struct addrinfo *next[2] = {list, next_of(list, family, false)};
    size_t count = 0;

    for (unsigned turn = 0; count < n && (next[0] || next[1]); turn ^= 1) {
        const struct addrinfo *i = next[turn];
        if (!i) {
            continue;
        }
        memcpy(&out[count++], i->ai_addr, i->ai_addrlen);
        next[turn] = next_of(i->ai_next, family, turn == 0);
    }
    return count;
}

static void look_up(struct lookup *l)
{
    struct addrinfo *list = NULL;

    l->gai = cvy_net_lookup(l->host, l->port, false, &list, &l->code);
    if (l->gai == 0) {
        l->count = alternate(list, l->found, l->n);
        freeaddrinfo(list);
    }
}

static void lookup_run(struct cvy_job *job)
{
    struct lookup *l = CVY_CONTAINER_OF(job, struct lookup, job);

    look_up(l);
    struct cvy_thread *th = cvy_enter();
    cvy_lock(&l->lock);
    l->is_done = true;
    struct cvy_waiter *w = cvy_waitq_claim(&l->waiters);
    struct cvy_task *t = w ? w->task : NULL;
    cvy_unlock(&l->lock);
    if (t) {
        cvy_ready(th, t);
    }
    lookup_unref(l);
    cvy_leave(th);
}

void cvy_resolve_describe(const void *object, char *out, size_t size)
{
    const struct lookup *l = object;
    (void)snprintf(out, size, "%s", l->host);
}

/* 0 once it is done; else the context's error. */
static int lookup_wait(struct cvy_thread **thp, struct lookup *l, covey_ctx *ctx)
{
    struct cvy_waiter wr = {0};

    cvy_lock(&l->lock);
    if (l->is_done) {
        cvy_unlock(&l->lock);
        return 0;
    }
    return cvy_wait_in(thp, ctx, &l->lock, &l->waiters, &wr, CVY_WAIT_RESOLVE, l);
}

static int take_result(struct lookup *l, struct sockaddr_storage *addrs)
{
    if (l->code < 0) {
        return covey_errorf(l->code, "resolve %s: %s", l->host, covey_strerror(l->code));
    }
    if (l->gai != 0) {
        return covey_errorf(COVEY_EDNS, "resolve %s: %s", l->host, gai_strerror(l->gai));
    }
    memcpy(addrs, l->found, l->count * sizeof(addrs[0]));
    return (int)l->count;
}

/* Hands the lookup to the pool; without a runtime the caller is a plain thread, which it may block.
 */
static int lookup_start(struct lookup *l)
{
    struct cvy_runtime *rt = cvy_runtime_open();

    if (!rt) {
        look_up(l);
        l->is_done = true;
        return 0;
    }
    l->job.run = lookup_run;
    cvy_store_relaxed(&l->refs, 2);
    int code = cvy_blocking_submit(rt, &l->job);
    if (code < 0) {
        /* There is no job. */
        cvy_store_relaxed(&l->refs, 1);
    }
    return code;
}

static int resolve_name(struct cvy_thread **thp, covey_ctx *ctx, const char *host, const char *port,
                        struct sockaddr_storage *addrs, size_t n)
{
    struct lookup *l = lookup_new(host, port, n);

    if (!l) {
        return cvy_fail((*thp)->task, -ENOMEM);
    }
    int code = lookup_start(l);
    if (code < 0) {
        (void)cvy_fail((*thp)->task, code);
    } else {
        code = lookup_wait(thp, l, ctx);
    }
    if (code == 0) {
        code = take_result(l, addrs);
    }
    lookup_unref(l);
    return code;
}

/* A port that is a number, or none: 1, and *out. 0: a service's name. -EINVAL: too large. */
static int port_number(const char *port, uint16_t *out)
{
    size_t digits = port ? strspn(port, "0123456789") : 0;

    *out = 0;
    if (!port) {
        return 1;
    }
    if (digits == 0 || port[digits] != '\0') {
        return 0;
    }
    unsigned long n = digits < 10 ? strtoul(port, NULL, 10) : ULONG_MAX;
    *out = (uint16_t)n;
    return n <= UINT16_MAX ? 1 : -EINVAL;
}

int cvy_resolve(struct cvy_thread **thp, covey_ctx *ctx, const char *host, const char *port,
                struct sockaddr_storage *addrs, size_t n)
{
    struct cvy_sockaddr numeric;
    uint16_t number;

    int code = cvy_ctx_check((*thp)->task, ctx);
    if (code < 0) {
        return code;
    }
    int kind = port_number(port, &number);
    if (!host || !*host || n == 0 || kind < 0) {
        return cvy_fail((*thp)->task, -EINVAL);
    }
    if (kind > 0 && cvy_addr_numeric(host, strlen(host), number, &numeric)) {
        addrs[0] = numeric.storage;
        return 1;
    }
    return resolve_name(thp, ctx, host, port, addrs, n);
}

int covey_resolve(covey_ctx *ctx, const char *host, const char *port,
                  struct sockaddr_storage *addrs, size_t n)
{
    struct cvy_thread *th = cvy_enter();
    int code = cvy_resolve(&th, ctx, host, port, addrs, n);
    cvy_leave(th);
    return code;
}
