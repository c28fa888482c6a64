/* SPDX-License-Identifier: MIT
 * serve_guard.h - who may ask the debug server: this machine, and of abstract Unix sockets, which
 * no file's mode protects, this user and root; and no page of a browser from elsewhere. */
#ifndef CVY_DEBUG_SERVE_GUARD_H
#define CVY_DEBUG_SERVE_GUARD_H

#include "debug/serve_answer.h"
#include "debug/serve_request.h"

/* Whether only this machine reaches that address; or it is none, which listening to it tells.
 * Nothing is looked up: "localhost" need not be, other names are not trusted. */
bool cvy_guard_address(const char *addr);
/* Why a request to a server that listens at addr is refused; NULL: it is not. */
const char *cvy_guard_request(const struct cvy_client *c, const char *addr, bool is_any_address,
                              const struct cvy_request *r);

#endif
