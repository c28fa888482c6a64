/* SPDX-License-Identifier: MIT
 * response.c - reading and freeing a response. */
#include <covey/http.h>

#include <stdlib.h>
#include <strings.h>

static const char *find(const covey_http_header *list, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcasecmp(list[i].name, name) == 0) {
            return list[i].value;
        }
    }
    return NULL;
}

const char *covey_http_response_header(const covey_http_response *resp, const char *name)
{
    return find(resp->headers, resp->header_count, name);
}

const char *covey_http_response_trailer(const covey_http_response *resp, const char *name)
{
    return find(resp->trailers, resp->trailer_count, name);
}

void covey_http_response_free(covey_http_response *resp)
{
    if (resp) {
        free(resp->owned);
        free(resp->trailers);
        free(resp->body);
        *resp = (covey_http_response){0};
    }
}
