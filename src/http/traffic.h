/* SPDX-License-Identifier: MIT
 * traffic.h - the transfers of a driver: their start and end, and what their tasks order and are
 * told.
 *
 * A transfer is new, then linked in a list while it waits (ready, or the hosts' lists), then active
 * in the multi handle, then finished: noted until its task is told, or held while an order for it
 * is still on its way to the inbox, since the node in there is part of it. */
#ifndef CVY_HTTP_TRAFFIC_H
#define CVY_HTTP_TRAFFIC_H

#include "http/driver.h"

/* All: the driver's task alone, outside libcurl. */
/* Takes orders. True: there was one. */
bool cvy_http_traffic_obey(struct cvy_http_driver *d, struct cvy_http_node *orders);
/* Starts those that are ready. */
void cvy_http_traffic_start(struct cvy_http_driver *d);
/* Finishes those that libcurl is done with. */
void cvy_http_traffic_collect(struct cvy_http_driver *d);
/* Tells the tasks of all that are noted. May switch. */
void cvy_http_traffic_tell(struct cvy_http_driver *d);
/* Finishes all with code; they are noted. */
void cvy_http_traffic_abort(struct cvy_http_driver *d, int code);
/* The inbox is closed and empty: finishes all, and tells their tasks. May switch. */
void cvy_http_traffic_close(struct cvy_http_driver *d);
void cvy_http_traffic_free_idle(struct cvy_http_driver *d);

#endif
