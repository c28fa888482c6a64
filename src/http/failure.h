/* SPDX-License-Identifier: MIT
 * failure.h - libcurl's failures as covey's codes and words. */
#ifndef CVY_HTTP_FAILURE_H
#define CVY_HTTP_FAILURE_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>

/* What is known of a failed transfer. */
struct cvy_http_failure {
    CURLcode result;
    int os_error;      /* a positive errno that libcurl kept; 0: none */
    const char *words; /* its error buffer; "" */
    const char *host;  /* not terminated */
    size_t host_len;
    bool is_in_head; /* it came while the response's head did */
};

/* The code; writes words for it to buf. */
int cvy_http_failure_code(const struct cvy_http_failure *f, char *buf, size_t size);

#endif
