/* SPDX-License-Identifier: MIT
 * held.h - the answer of a try that may not be the last one, kept from the caller's callbacks.
 *
 * A caller that streams is told of one answer only. One whose status asks for another try is held:
 * its head is not told, and its body is kept, up to a bound. Either the next try replaces it, or it
 * turns out to be the last one and is given after all. Once anything was given no try may follow.
 */
#ifndef CVY_HTTP_HELD_H
#define CVY_HTTP_HELD_H

#include "http/buffer.h"

#include <covey/http.h>

struct cvy_http_held {
    const covey_http_request *req; /* the caller's; it has callbacks */
    bool is_held, is_given;
    int callback_code; /* with which a callback of the caller's ended it; 0: none did */
    const covey_http_response *resp; /* of the try under way */
    struct cvy_http_buffer body;
};

/* A request like h->req whose callbacks hold back. h stays as long as it. */
covey_http_request cvy_http_held_request(struct cvy_http_held *h);
/* Forgets what is held. */
void cvy_http_held_drop(struct cvy_http_held *h);
/* Gives what is held. 0, or the code of a callback. */
int cvy_http_held_give(covey_ctx *ctx, struct cvy_http_held *h, const covey_http_response *resp);

#endif
