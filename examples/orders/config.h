/* SPDX-License-Identifier: MIT
 * config.h - what can be set: --name VALUE, else ORDERS_NAME in the environment, else a default. */
#ifndef ORDERS_CONFIG_H
#define ORDERS_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

struct config {
    const char *addr; /* of the API */
    const char
        *cert_file; /* PEM: the API speaks TLS, and HTTP/2 with who wants it; "": clear text */
    const char *key_file;    /* PEM; "": it is in cert_file */
    const char *debug_addr;  /* of covey_debug_serve(): on this machine only; "": none */
    const char *db_url;      /* sqlite:... or postgres://... */
    const char *prices_url;  /* of the price service; "": one in this process */
    const char *prices_addr; /* not "": this process is nothing but a price service */
    int64_t deadline_ms;     /* of a request */
    int64_t orders_a_second; /* that are accepted, and as many at once */
    int64_t settle_ms;       /* from "not ready" to the last accepted connection */
    int64_t grace_ms;        /* for requests that run then */
    int64_t log_requests;    /* 1: a line for each */
};

/* False: it said on standard error, or on standard output (--help), what there is to say. */
bool config_read(struct config *c, int argc, char **argv);

#endif
