/* SPDX-License-Identifier: MIT
 * probe.h - the events as USDT probes (provider covey), where <sys/sdt.h> was there at build time.
 *
 * A probe's arguments cost something even while nobody listens, so the probes stand behind the same
 * look at the level as the rings. A tracer that arms one raises its semaphore; the watchdog sees
 * that within milliseconds and raises the level. */
#ifndef CVY_TRACE_PROBE_H
#define CVY_TRACE_PROBE_H

#include <stdbool.h>
#include <stdint.h>

/* Whether somebody listens. */
bool cvy_probe_is_armed(void);
void cvy_probe_fire(uint8_t type, uint32_t id, uint8_t arg, uint64_t object);

#endif
