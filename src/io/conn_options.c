/* SPDX-License-Identifier: MIT
 * conn_options.c - see conn_options.h. */
#include "io/conn_options.h"

#include "io/conn.h"

#include <covey/error.h>
#include <covey/time.h>

#include <netinet/tcp.h>

#undef errno

#define PROBES 3

/* Whole seconds, at least one. */
static int seconds(int64_t ns)
{
    int64_t s = ns / COVEY_SEC + (ns % COVEY_SEC > 0);
    return s < 1 ? 1 : s > INT16_MAX ? INT16_MAX : (int)s; /* the kernel's limit */
}

static int set_keepalive(int fd, int64_t ns)
{
    int code = cvy_net_set_option(fd, SOL_SOCKET, SO_KEEPALIVE, ns > 0);

    if (code == 0 && ns > 0) {
        code = cvy_net_set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, seconds(ns));
    }
    if (code == 0 && ns > 0) {
        code = cvy_net_set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, seconds(ns / PROBES));
    }
    return code == 0 && ns > 0 ? cvy_net_set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, PROBES) : code;
}

int cvy_conn_options_set(int fd, bool is_tcp, const covey_conn_options *opts)
{
    int code = 0;

    if (opts->send_buffer > 0) {
        code = cvy_net_set_option(fd, SOL_SOCKET, SO_SNDBUF, opts->send_buffer);
    }
    if (code == 0 && opts->receive_buffer > 0) {
        code = cvy_net_set_option(fd, SOL_SOCKET, SO_RCVBUF, opts->receive_buffer);
    }
    if (code == 0 && is_tcp && opts->keepalive_ns != 0) {
        code = set_keepalive(fd, opts->keepalive_ns);
    }
    return code == 0 && is_tcp ? cvy_net_set_option(fd, IPPROTO_TCP, TCP_NODELAY, !opts->delay)
                               : code;
}

int covey_conn_set_options(covey_conn *c, const covey_conn_options *opts)
{
    int fd = covey_conn_fd(c);
    struct cvy_sockaddr name;

    if (fd < 0) {
        return cvy_fail(cvy_task_self(), -EOPNOTSUPP);
    }
    int code = cvy_net_name(fd, &name);
    if (code == 0) {
        code = cvy_conn_options_set(fd, name.storage.ss_family != AF_UNIX, opts);
    }
    return code < 0 ? cvy_fail(cvy_task_self(), code) : 0;
}
