/* SPDX-License-Identifier: MIT
 * easy.h - a libcurl easy handle and what it needs beside it. A driver's; used again and again. */
#ifndef CVY_HTTP_EASY_H
#define CVY_HTTP_EASY_H

#include "http/transfer.h"

struct cvy_http_easy {
    CURL *curl;
    struct cvy_http_driver *driver;
    struct cvy_http_transfer *transfer; /* NULL: idle */
    struct cvy_http_easy *next_idle;
    int socket_code; /* a socket could not be made */
    bool has_extras; /* options were set that the next request must not inherit */
    char words[CURL_ERROR_SIZE];
};

/* A setopt whose code is kept in worst if it failed: one look at the end is enough. */
#define CVY_HTTP_EASY_SET(e, worst, option, value)                                                 \
    do {                                                                                           \
        CURLcode result_ = curl_easy_setopt((e)->curl, (option), (value));                         \
        if (result_ != CURLE_OK) {                                                                 \
            (worst) = result_;                                                                     \
        }                                                                                          \
    } while (0)

/* easy_options.c */
/* NULL: out of memory. */
struct cvy_http_easy *cvy_http_easy_new(struct cvy_http_driver *d);
/* It is in no multi handle. */
void cvy_http_easy_free(struct cvy_http_easy *e);
/* Sets the options for t's request. 0; -EINVAL, -ENOMEM. */
int cvy_http_easy_prepare(struct cvy_http_easy *e, struct cvy_http_transfer *t);

/* easy.c */
CURLcode cvy_http_easy_set_callbacks(struct cvy_http_easy *e);
/* Reads what libcurl measured into e->transfer->figures. */
void cvy_http_easy_measure(struct cvy_http_easy *e);

#endif
