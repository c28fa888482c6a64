/* SPDX-License-Identifier: MIT
 * dial.h - connecting to one of several addresses. */
#ifndef CVY_IO_DIAL_H
#define CVY_IO_DIAL_H

#include "os/net.h"
#include "sched/wait.h"

#include <covey/net.h>

struct sockaddr_storage;

#define CVY_DIAL_ADDRS_MAX 16

/* How each attempt is made. */
struct cvy_dial_plan {
    covey_conn_options conn;
    bool has_conn;             /* conn counts */
    struct cvy_sockaddr local; /* len 0: the kernel's choice */
    int64_t stagger_ns;
};
extern const struct cvy_dial_plan cvy_dial_default;

/* dial_race.c */
/* Starts connecting to one: 0 or -EINPROGRESS, and *c, which is then to be registered; or why not.
 */
int cvy_dial_start(struct covey_conn **c, const struct cvy_sockaddr *to,
                   const struct cvy_dial_plan *plan);
/* Races the first CVY_DIAL_ADDRS_MAX of n TCP addresses; *c is the first that connects. Else the
 * first failure, or the context's error. The caller is in the runtime. May switch. */
int cvy_dial_any(struct cvy_thread **thp, covey_ctx *ctx, const struct cvy_dial_plan *plan,
                 const struct sockaddr_storage *addrs, size_t n, covey_conn **c);

#endif
