/* SPDX-License-Identifier: MIT
 * conn_options.h - options of stream sockets. */
#ifndef CVY_IO_CONN_OPTIONS_H
#define CVY_IO_CONN_OPTIONS_H

#include <covey/net.h>

/* Sets what opts names; on a listener for all that it will accept. */
int cvy_conn_options_set(int fd, bool is_tcp, const covey_conn_options *opts);

#endif
