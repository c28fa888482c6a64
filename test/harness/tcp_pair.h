/* SPDX-License-Identifier: MIT
 * tcp_pair.h - the two ends of a TCP connection over loopback. Include harness.h first. */
#ifndef CVY_TEST_TCP_PAIR_H
#define CVY_TEST_TCP_PAIR_H

#include <covey/net.h>

static inline void tcp_pair(covey_ctx *ctx, covey_conn **client, covey_conn **server)
{
    covey_listener *l;

    CHECK_EQ(covey_listen(&l, "tcp://127.0.0.1:0", NULL), 0);
    CHECK_EQ(covey_dial(ctx, client, covey_listener_addr(l)), 0);
    CHECK_EQ(covey_accept(ctx, l, server), 0);
    covey_listener_close(l);
}

#endif
