/* SPDX-License-Identifier: MIT
 * coding.h - whether a response goes out compressed, and its body then. */
#ifndef CVY_HTTP_CODING_H
#define CVY_HTTP_CODING_H

#include "http/exchange.h"

/* Whether a client that says so (Accept-Encoding) takes gzip, and would not rather have none. */
bool cvy_http_accepts_gzip(const covey_http_server_request *req);
/* Whether that type of content gains by it: text, and what is text by another name. */
bool cvy_http_is_compressible(const char *type, size_t len);

/* Before the head is made: looks whether the response is to be compressed, and says so in its
 * headers. What was collected of the body is coded, and, if that is_whole, the data behind it:
 * unless that is too much to be held, the body is all there then. 0; 1: and data was used up; or
 * a code. */
int cvy_http_coding_begin(struct cvy_http_exchange *x, bool is_whole, const char *data, size_t len);

#endif
