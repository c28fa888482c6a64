/* SPDX-License-Identifier: MIT
 * serve_pages.h - what the debug server has at which path. */
#ifndef CVY_DEBUG_SERVE_PAGES_H
#define CVY_DEBUG_SERVE_PAGES_H

#include "debug/serve_answer.h"
#include "debug/serve_request.h"

/* Answers a request. May switch, for as long as it asks to record. */
int cvy_page_answer(struct cvy_client *c, const struct cvy_request *r);

#endif
