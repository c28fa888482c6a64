/* SPDX-License-Identifier: MIT
 * A release without an acquire would free the snapshot under its readers. */
#include <covey.h>

static int snapshot;

int main(void)
{
    covey_value *v = covey_value_new(&snapshot, NULL);

    covey_value_release(v, covey_value_acquire(v));
    covey_value_release(v, &snapshot);
    return 0;
}
