/* SPDX-License-Identifier: MIT
 * hosts.h - who may look a host's name up: one transfer for each name, and few in all.
 *
 * libcurl starts a thread for every look-up, and a thousand transfers to one host that start
 * together would start a thousand. So the first one leads; the others wait until it has an address,
 * and then find it in libcurl's cache. If the name does not resolve, they all share that failure.
 * Addresses need no look-up and pass at once. One driver's; no locks. */
#ifndef CVY_HTTP_HOSTS_H
#define CVY_HTTP_HOSTS_H

#include "http/list.h"
#include "http/transfer.h"

#define CVY_HTTP_LOOKUPS_MAX 32u

struct cvy_http_hosts {
    struct cvy_http_host **buckets;
    size_t count;
    unsigned looking, looking_max;  /* names with a leader */
    struct cvy_http_link unstarted; /* transfers that may not even lead yet */
};

/* max_connections (0: no limit) stands for how scarce descriptors are: a look-up takes a few. 0 or
 * -ENOMEM. */
int cvy_http_hosts_init(struct cvy_http_hosts *h, int max_connections);
void cvy_http_hosts_fini(struct cvy_http_hosts *h);

/* True: t may start now, maybe as leader. False: it was linked into a list, and comes out of a
 * later leave in `ready`, or is removed by who cancels it (t->host is NULL then or is cleared). */
bool cvy_http_hosts_enter(struct cvy_http_hosts *h, struct cvy_http_transfer *t, int64_t now);
bool cvy_http_hosts_is_leader(const struct cvy_http_transfer *t);
/* The leader t has an address, or has ended without. Appends to ready who may start now. */
void cvy_http_hosts_leave(struct cvy_http_hosts *h, struct cvy_http_transfer *t, bool has_address,
                          int64_t now, struct cvy_http_link *ready);
/* Appends all who wait, for whatever, to list. */
void cvy_http_hosts_drain(struct cvy_http_hosts *h, struct cvy_http_link *list);
/* The name of leader t does not resolve: appends to failed who waited for it. leave comes after. */
void cvy_http_hosts_fail(struct cvy_http_transfer *t, struct cvy_http_link *failed);

#endif
