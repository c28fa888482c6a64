/* SPDX-License-Identifier: MIT
 * config.h - what can be set: --name VALUE, else ORDERS_NAME in the environment, else a default. */
#ifndef ORDERS_CONFIG_H
#define ORDERS_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

struct config {
    const char *addr;        /* of the API */
    const char *cert_file;   /* PEM: the API speaks TLS, and HTTP/2 too; "": clear text */
    const char *key_file;    /* PEM; "": it is in cert_file */
    const char *debug_addr;  /* of covey_debug_serve(): on this machine only; "": none */
    const char *db_url;      /* sqlite:... or postgres://... */
    const char *redis_urls;  /* with commas between; "": leases and invoices stay in this process */
    const char *prices_url;  /* of the price service; "": one in this process */
    const char *prices_addr; /* not "": this process is nothing but a price service */
    bool is_worker;          /* this process makes invoices, and serves no API */
    int64_t deadline_ms;     /* of a request */
    int64_t orders_a_second; /* that are accepted, and as many at once */
    int64_t dead_ms;         /* a process not heard of for so long has lost its leases and jobs */
    int64_t invoice_jobs;    /* that a worker makes at once */
    int64_t invoice_ms;      /* what one takes, beside the database */
    int64_t settle_ms;       /* from "not ready" to the last accepted connection */
    int64_t grace_ms;        /* for requests and jobs that run then */
    int64_t log_requests;    /* 1: a line for each, and two for each invoice */
};

/* False: it said on standard error, or on standard output (--help), what there is to say. */
bool config_read(struct config *c, int argc, char **argv);

#endif
