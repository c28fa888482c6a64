/* SPDX-License-Identifier: MIT
 * descriptors.c - see descriptors.h. */
#include "tools/descriptors.h"

#include <dirent.h>
#include <limits.h>
#include <sys/resource.h>

static int count_entries(const char *path)
{
    DIR *dir = opendir(path);
    int n = 0;

    while (dir) {
        const struct dirent *entry = readdir(dir);
        if (!entry) {
            break;
        }
        n += entry->d_name[0] != '.';
    }
    if (dir) {
        (void)closedir(dir);
    }
    return n;
}

int cvy_descriptors_open(void)
{
    int n = count_entries("/proc/self/fd");

    return n > 0 ? n - 1 : 0; /* one was the directory's */
}

int cvy_threads_alive(void)
{
    return count_entries("/proc/self/task");
}

long cvy_descriptors_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return 256;
    }
    if (limit.rlim_cur < limit.rlim_max) {
        struct rlimit raised = {limit.rlim_max, limit.rlim_max};
        if (setrlimit(RLIMIT_NOFILE, &raised) == 0) {
            limit = raised;
        }
    }
    return limit.rlim_cur > INT_MAX ? INT_MAX : (long)limit.rlim_cur;
}

long cvy_descriptors_fit(long limit, long open, long each)
{
    long left = limit - open - CVY_DESCRIPTORS_RESERVED;

    return left < each ? 0 : left / each;
}
