/* SPDX-License-Identifier: MIT
 * tls_consumer.c - a user of libcovey-tls: a file that is not there is told by code and words. */
#include <covey.h>
#include <covey/tls.h>

#include <stdio.h>
#include <string.h>

int main(void)
{
    covey_tls_options opts = {};
    covey_tls_config *config;

    if (covey_tls_config_new(&config, NULL) != 0) {
        return 1;
    }
    opts.ca_file = "/no/such/file";
    int err = covey_tls_config_update(config, &opts);
    printf("%d %s\n", err, covey_errmsg());
    covey_tls_config_unref(config);
    return err == -ENOENT && strstr(covey_errmsg(), opts.ca_file) ? 0 : 1;
}
