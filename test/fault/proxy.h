/* SPDX-License-Identifier: MIT
 * proxy.h - a proxy between a client and its server that cuts or stalls a connection after so many
 * bytes in either direction. It knows no protocol; both ends are Unix sockets, or TCP on this host.
 *
 * A rule holds for the connections there are when it is set, each counting from then on, or for
 * those that come later. Two plain threads a connection; any thread may call. */
#ifndef CVY_TEST_PROXY_H
#define CVY_TEST_PROXY_H

#include <stdbool.h>

struct proxy;

enum proxy_direction { PROXY_UP, PROXY_DOWN }; /* to the server, to the client */
enum proxy_action { PROXY_PASS, PROXY_CUT, PROXY_STALL };

/* The byte after so many in that direction meets the action. A cut ends both directions; a stall
 * holds up its own, until another rule is set. */
struct proxy_rule {
    enum proxy_action action;
    enum proxy_direction direction;
    long after;
};

/* Listens on a socket of the same name as target in a folder of its own. Aborts on failure. */
struct proxy *proxy_start(const char *target);
/* Listens on a port of its own, in front of this one. */
struct proxy *proxy_start_tcp(int port);
void proxy_stop(struct proxy *p);
/* Where it listens; valid until its end. */
const char *proxy_folder(const struct proxy *p);
int proxy_port(const struct proxy *p);

/* For the connections there are, whose counts begin anew. */
void proxy_set(struct proxy *p, struct proxy_rule rule);
/* For those to come. */
void proxy_set_new(struct proxy *p, struct proxy_rule rule);
/* Bytes that passed, all connections together, since proxy_set(). */
long proxy_passed(struct proxy *p, enum proxy_direction direction);
/* Whether bytes are held up by a stall now. */
bool proxy_is_stalling(struct proxy *p);
/* How many connections were made, ever. */
int proxy_connections(struct proxy *p);

#endif
