/* SPDX-License-Identifier: MIT
 * unlock_in_a_thread.c - the same misuse by a plain thread without a runtime. */
#include <covey.h>

int main(void)
{
    covey_mutex mutex = {0};

    covey_mutex_unlock(&mutex);
    return 0;
}
