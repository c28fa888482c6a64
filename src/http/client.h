/* SPDX-License-Identifier: MIT
 * client.h - what is behind a covey_http_client: its options, its drivers, its idle transfers. */
#ifndef CVY_HTTP_CLIENT_H
#define CVY_HTTP_CLIENT_H

#include "http/driver.h"
#include "http/transfer.h"

#include <covey.h>
#include <covey/http.h>

#define CVY_HTTP_DRIVERS_MAX 8

struct covey_http_client {
    /* Immutable after covey_http_client_new(). Strings are owned. */
    covey_http_client_options options;
    bool is_ca_path_unset; /* only a file of certificates is used, no directory */
    int driver_count;

    covey_mutex mutex;
    /* Guarded by mutex. */
    struct cvy_http_transfer *idle;

    /* Atomic, relaxed: counters. */
    _Atomic uint64_t started, finished, failed, connections_opened;

    covey_waitgroup alive; /* driver tasks */
    struct cvy_http_driver drivers[CVY_HTTP_DRIVERS_MAX];
};

#endif
