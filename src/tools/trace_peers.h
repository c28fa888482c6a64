/* SPDX-License-Identifier: MIT
 * trace_peers.h - what descriptors were connected to (cvy_trace_peer_of(), trace_model.h). */
#ifndef CVY_TOOLS_TRACE_PEERS_H
#define CVY_TOOLS_TRACE_PEERS_H

#include "tools/trace_model.h"

#include <stdio.h>

/* Once all are known. */
void cvy_trace_peers_sort(struct cvy_trace_model *m);
/* The table of waits by the other end; nothing if there are none. */
void cvy_trace_report_peers(const struct cvy_trace_model *m, size_t rows, FILE *out);

#endif
