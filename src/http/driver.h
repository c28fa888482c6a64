/* SPDX-License-Identifier: MIT
 * driver.h - a task that runs transfers: it owns a libcurl multi handle, the descriptors in it
 * (in an epoll of their own) and its timer, and sleeps in one select over inbox, epoll and timer.
 *
 * Transfers to one host go to one driver, so that they share its connections. Started at its first
 * transfer, in the root group; ends when the client is freed or the root context is done, and may
 * be started again in another covey_run(). */
#ifndef CVY_HTTP_DRIVER_H
#define CVY_HTTP_DRIVER_H

#include "http/hosts.h"
#include "http/inbox.h"
#include "http/sockets.h"

struct covey_http_client;
struct cvy_http_easy;

struct cvy_http_driver {
    struct covey_http_client *client; /* immutable */

    struct cvy_http_inbox inbox;
    covey_chan *wake;        /* room for one */
    _Atomic bool is_stopped; /* the client is being freed */
    bool is_running;         /* guarded by the client's mutex */

    /* The task's own. */
    CURLM *multi;
    CURLSH *share;
    struct cvy_http_sockets sockets;
    struct cvy_http_hosts hosts;
    int64_t now;     /* covey_now() at the start of the turn */
    int64_t due_at;  /* when libcurl wants to be called; INT64_MAX: not at all */
    bool is_closing; /* the inbox is closed */
    size_t running;  /* transfers in the multi handle */
    size_t idle_count;
    long connections_kept; /* CURLMOPT_MAXCONNECTS */
    struct cvy_http_easy *idle;
    struct cvy_http_transfer *noted; /* a callback changed them: offer or publish */
    struct cvy_http_link ready;      /* transfers to start */
    struct cvy_http_link active;     /* in the multi handle */
    struct cvy_http_link held;       /* finished, with an order still on its way to the inbox */
};

/* Gives t an order. False: the driver has ended and knows nothing of t. Any task. */
bool cvy_http_driver_order(struct cvy_http_driver *d, struct cvy_http_transfer *t, uint32_t order);
/* Starts it if it does not run. 0, -EMFILE, -ENOMEM, COVEY_ECLOSED. May switch. */
int cvy_http_driver_start(struct cvy_http_driver *d);
/* Asks it to end. */
void cvy_http_driver_stop(struct cvy_http_driver *d);

/* For callbacks inside libcurl: offer or publish t once libcurl has returned. */
void cvy_http_driver_note(struct cvy_http_driver *d, struct cvy_http_transfer *t);

#endif
