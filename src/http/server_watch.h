/* SPDX-License-Identifier: MIT
 * server_watch.h - the task that looks after a server's connections: notices clients that hang up
 * while nobody reads, and ends waits that last too long. */
#ifndef CVY_HTTP_SERVER_WATCH_H
#define CVY_HTTP_SERVER_WATCH_H

#include "http/server.h"

/* The task; arg is the server. Ends with ctx. */
int cvy_http_watch_run(covey_ctx *ctx, void *server);

/* Into the server's list, and out of it before its connection is closed. 0 or -errno. */
int cvy_http_watch_add(struct cvy_http_server_conn *c);
void cvy_http_watch_remove(struct cvy_http_server_conn *c);

/* From now on a wait for c's reading is ended by that of ctx (NULL: the socket's). */
void cvy_http_watch_set_read_ctx(struct cvy_http_server_conn *c, covey_ctx *ctx);

/* Ends the waits of all connections that are idle, and of all that look after themselves. */
void cvy_http_watch_end_idle(struct cvy_http_server *s);
/* Reads of c get what has come and then the end. */
void cvy_http_watch_end_read(struct cvy_http_server_conn *c);
/* Cuts all connections. */
void cvy_http_watch_cut(struct cvy_http_server *s);

#endif
