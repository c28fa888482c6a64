/* SPDX-License-Identifier: MIT
 * descriptors.h - how many descriptors and threads there are, and how many there may be. */
#ifndef CVY_TOOLS_DESCRIPTORS_H
#define CVY_TOOLS_DESCRIPTORS_H

/* What covey, libcurl and name look-ups need beside the transfers' own. */
#define CVY_DESCRIPTORS_RESERVED 24

int cvy_descriptors_open(void); /* of this process */
int cvy_threads_alive(void);
/* Raises the soft limit to the hard one and gives it. */
long cvy_descriptors_limit(void);
/* How many transfers of `each` descriptors fit; 0: none. */
long cvy_descriptors_fit(long limit, long open, long each);

#endif
