/* SPDX-License-Identifier: MIT
 * explore.h - covey_run() under COVEY_SEED. */
#ifndef CVY_GROUP_EXPLORE_H
#define CVY_GROUP_EXPLORE_H

#include <covey/runtime.h>

/* An ordinary run with the schedule of seed, on the calling thread. */
int cvy_run_seeded(const covey_site *site, const covey_options *options, uint64_t seed,
                   covey_fn *fn, void *arg);

#endif
