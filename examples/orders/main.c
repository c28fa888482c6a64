/* SPDX-License-Identifier: MIT
 * main.c - an order service, and what belongs to it, in one program: what a process of it is, its
 * arguments say. README.md has a tour.
 *
 *   orders --db sqlite:/tmp/orders.db &
 *   curl -d user=ann -d item=tea -d quantity=2 http://127.0.0.1:8080/orders
 *   curl -X POST http://127.0.0.1:8080/invoices
 *   curl http://127.0.0.1:8080/orders/1/invoice
 *   kill %1
 * With --cert and --key it speaks HTTPS, and HTTP/2.
 *
 * The line "debug" on standard error has the address of its metrics, tasks and profiles. */
#include "service.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    struct config config = {0};

    if (!config_read(&config, argc, argv)) {
        return 2;
    }
    int code = covey_run(config.is_worker        ? worker_main
                         : config.prices_addr[0] ? upstream_main
                                                 : serve_main,
                         &config);
    if (code < 0) {
        fprintf(stderr, "orders: %s\n", covey_errmsg());
    }
    return code < 0;
}
