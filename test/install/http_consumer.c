/* SPDX-License-Identifier: MIT
 * http_consumer.c - a user of libcovey-http: a refused connection is told by code and words. */
#include <covey.h>
#include <covey/http.h>

#include <stdio.h>
#include <string.h>

static int fetch(covey_ctx *ctx, void *arg)
{
    covey_http_client *client = covey_http_client_new(NULL);
    covey_http_response resp = {};
    int err = covey_http_get(ctx, client, (const char *)arg, &resp);

    covey_http_response_free(&resp);
    covey_http_client_free(client);
    return err;
}

int main(void)
{
    char url[] = "http://127.0.0.1:1/";
    int err = covey_run(fetch, url);

    printf("%d %s\n", err, covey_errmsg());
    return err == -ECONNREFUSED && strstr(covey_errmsg(), url) ? 0 : 1;
}
