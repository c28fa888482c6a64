/* SPDX-License-Identifier: MIT
 * sys.c - see sys.h. */
#define _GNU_SOURCE
#include "os/sys.h"

#include "base/rand.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define NS_PER_SEC 1000000000
#define DESCRIPTORS_WANTED 8 /* to read names from files, one after another */
#define LOWEST 19            /* of priorities, as nice counts them */

atomic_bool cvy_fence_needed = true;

_Atomic int64_t cvy_clock_virtual;
_Atomic uint64_t cvy_random_virtual;

int64_t cvy_clock_now(void)
{
    int64_t now = cvy_load_relaxed(&cvy_clock_virtual);
    return cvy_unlikely(now != 0) ? now : cvy_clock_real();
}

int64_t cvy_clock_real(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * NS_PER_SEC + ts.tv_nsec;
}

int64_t cvy_clock_thread(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (int64_t)ts.tv_sec * NS_PER_SEC + ts.tv_nsec;
}

int64_t cvy_clock_process(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (int64_t)ts.tv_sec * NS_PER_SEC + ts.tv_nsec;
}

void cvy_futex_wait(_Atomic uint32_t *word, uint32_t expected, int64_t timeout_ns)
{
    struct timespec ts = {.tv_sec = timeout_ns / NS_PER_SEC, .tv_nsec = timeout_ns % NS_PER_SEC};
    (void)syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, timeout_ns < 0 ? NULL : &ts, NULL,
                  0);
}

void cvy_futex_wake(_Atomic uint32_t *word, int count)
{
    (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

bool cvy_membarrier_init(void)
{
    bool works = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0 &&
                 syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0;
    if (works) {
        cvy_store_relaxed(&cvy_fence_needed, false);
    }
    return works;
}

void cvy_membarrier(void)
{
    if (cvy_load_relaxed(&cvy_fence_needed)) {
        atomic_thread_fence(memory_order_seq_cst);
    } else {
        (void)syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
    }
}

/* Reads "quota period" of one cgroup directory; CPUs rounded up, 0 if unlimited or unreadable. */
static int quota_of(const char *dir)
{
    char path[PATH_MAX];
    long long quota = 0;
    long long period = 0;

    if (snprintf(path, sizeof(path), "/sys/fs/cgroup%s/cpu.max", dir) >= (int)sizeof(path)) {
        return 0;
    }
    FILE *f = fopen(path, "re");
    if (!f) {
        return 0;
    }
    /* NOLINTNEXTLINE(cert-err34-c): the kernel writes them */
    int fields = fscanf(f, "%lld %lld", &quota, &period);
    (void)fclose(f);
    return fields == 2 && quota > 0 && period > 0 ? (int)((quota + period - 1) / period) : 0;
}

/* The smallest quota of this process's cgroup (version 2) and those above it. */
static int cgroup_quota(void)
{
    char line[PATH_MAX] = "";
    int least = 0;
    FILE *f = fopen("/proc/self/cgroup", "re");

    if (!f) {
        return 0;
    }
    while (fgets(line, sizeof(line), f) && strncmp(line, "0::", 3) != 0) {
        line[0] = '\0';
    }
    (void)fclose(f);
    line[strcspn(line, "\n")] = '\0';
    char *dir = strncmp(line, "0::", 3) == 0 ? line + 3 : line;
    for (;;) {
        int cpus = quota_of(strcmp(dir, "/") == 0 ? "" : dir);
        if (cpus > 0 && (least == 0 || cpus < least)) {
            least = cpus;
        }
        char *slash = strrchr(dir, '/');
        if (!slash) {
            return least;
        }
        *slash = '\0';
    }
}

int cvy_cpu_count(void)
{
    cpu_set_t set;
    int cpus = 0;

    if (sched_getaffinity(0, sizeof(set), &set) == 0) {
        cpus = CPU_COUNT(&set);
    }
    if (cpus < 1) {
        /* More CPUs than a cpu_set_t holds. */
        cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
    }
    int quota = cgroup_quota();
    if (quota > 0 && quota < cpus) {
        cpus = quota;
    }
    return cpus < 1 ? 1 : cpus;
}

int cvy_thread_count(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/task");

    if (!d) {
        return -errno;
    }
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        n += e->d_name[0] != '.';
    }
    (void)closedir(d);
    return n;
}

uint32_t cvy_thread_id(void)
{
    return (uint32_t)gettid();
}

bool cvy_thread_signal(uint32_t id, int number, void *value)
{
    siginfo_t info = {.si_signo = number, .si_code = SI_QUEUE};

    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value.sival_ptr = value;
    /* Not pthread_sigqueue(), which is not to be called of a thread that is gone. */
    return syscall(SYS_rt_tgsigqueueinfo, getpid(), id, number, &info) == 0;
}

void cvy_thread_stand_back(void)
{
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), LOWEST);
}

void cvy_thread_find_descriptors(void)
{
    struct rlimit limit;
    int fd = eventfd(0, EFD_CLOEXEC);

    if (fd >= 0) {
        (void)close(fd);
    } else if (errno == EMFILE && getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
               limit.rlim_cur > 2 * DESCRIPTORS_WANTED) {
        /* What is closed are the thread's references: nothing ends, and no lock is given up. Linux
         * before 5.9 cannot: then nothing has been gained. */
        (void)syscall(SYS_close_range, (unsigned)limit.rlim_cur - DESCRIPTORS_WANTED,
                      (unsigned)limit.rlim_cur - 1, CLOSE_RANGE_UNSHARE);
    }
}

void cvy_thread_block_sigpipe(void)
{
    sigset_t pipe;

    (void)sigemptyset(&pipe);
    (void)sigaddset(&pipe, SIGPIPE);
    (void)pthread_sigmask(SIG_BLOCK, &pipe, NULL);
}

uint64_t cvy_random_seed(void)
{
    uint64_t seed = cvy_load_relaxed(&cvy_random_virtual);
    if (seed != 0) {
        uint64_t drawn = cvy_rand_next(&seed);
        cvy_store_relaxed(&cvy_random_virtual, seed);
        return drawn;
    }
    if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed)) {
        seed = (uint64_t)cvy_clock_now();
    }
    return seed;
}

int *cvy_errno_ptr(void)
{
    return &errno;
}

void cvy_abort_after(int seconds)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGABRT};
    struct itimerspec at = {.it_value.tv_sec = seconds};
    timer_t timer;

    if (timer_create(CLOCK_MONOTONIC, &event, &timer) == 0) {
        (void)timer_settime(timer, 0, &at, NULL);
    }
}

const void *cvy_fault_pc(const void *context)
{
    const ucontext_t *c = context;
#ifdef __x86_64__
    return (const void *)(uintptr_t)c->uc_mcontext.gregs[REG_RIP];
#else
    return (const void *)(uintptr_t)c->uc_mcontext.pc;
#endif
}

const void *cvy_fault_sp(const void *context)
{
    const ucontext_t *c = context;
#ifdef __x86_64__
    return (const void *)(uintptr_t)c->uc_mcontext.gregs[REG_RSP];
#else
    return (const void *)(uintptr_t)c->uc_mcontext.sp;
#endif
}
