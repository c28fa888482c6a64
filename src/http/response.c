/* SPDX-License-Identifier: MIT
 * response.c - reading and freeing a response. */
#include <covey/http.h>

#include <stdlib.h>
#include <strings.h>

const char *covey_http_response_header(const covey_http_response *resp, const char *name)
{
    for (size_t i = 0; i < resp->header_count; i++) {
        if (strcasecmp(resp->headers[i].name, name) == 0) {
            return resp->headers[i].value;
        }
    }
    return NULL;
}

void covey_http_response_free(covey_http_response *resp)
{
    if (resp) {
        free(resp->owned);
        free(resp->body);
        *resp = (covey_http_response){0};
    }
}
