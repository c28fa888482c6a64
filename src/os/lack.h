/* SPDX-License-Identifier: MIT
 * lack.h - lack of memory, or of threads, where nobody can be told of it: it is waited out. */
#ifndef CVY_OS_LACK_H
#define CVY_OS_LACK_H

#include "base/atomic.h"

/* After a failure: naps for a moment, for another try. False: it has lasted for some ten seconds.
 * *tries is 0 at the first call. */
bool cvy_lack_wait(unsigned *tries);

#endif
