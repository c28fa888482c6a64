/* SPDX-License-Identifier: MIT
 * dial.h - connecting to one of several addresses. */
#ifndef CVY_IO_DIAL_H
#define CVY_IO_DIAL_H

#include "sched/wait.h"

#include <covey/net.h>

struct sockaddr_storage;

#define CVY_DIAL_ADDRS_MAX 16

/* Races the first CVY_DIAL_ADDRS_MAX of n TCP addresses; *c is the first that connects. Else the
 * first failure, or the context's error. The caller is in the runtime. May switch. */
int cvy_dial_any(struct cvy_thread **thp, covey_ctx *ctx, const struct sockaddr_storage *addrs,
                 size_t n, covey_conn **c);

#endif
