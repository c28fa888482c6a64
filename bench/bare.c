/* SPDX-License-Identifier: MIT
 * bare.c - what the machine itself takes for the parts of which the other rows are made: a switch
 * of stacks in assembly with nothing around it, an uncontended atomic exchange (each lock inside
 * covey is one), a copy of an element into a buffer and out of it, the wake of a sleeping thread,
 * and the load of a line that has long not been touched, in records and in pages as many as the
 * tasks of rows 11 and 16. No targets: the other figures are to be read beside these. */
#include "bench.h"

#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
void bench_bare_switch(void **save_sp, void *to_sp);
__asm__(".text\n"
        ".type bench_bare_switch, @function\n"
        "bench_bare_switch:\n"
        "    pushq %rbp\n    pushq %rbx\n    pushq %r12\n    pushq %r13\n    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n    movq %rsi, %rsp\n"
        "    popq %r15\n    popq %r14\n    popq %r13\n    popq %r12\n    popq %rbx\n    popq %rbp\n"
        "    ret\n"
        ".size bench_bare_switch, . - bench_bare_switch\n");

static void *here, *there;

static void other_side(void)
{
    for (;;) {
        bench_bare_switch(&there, here);
    }
}

static void measure_switch(int64_t n)
{
    enum { STACK = 16384, SAVED = 6 };
    char *stack = aligned_alloc(16, STACK);
    BENCH_CHECK(stack != NULL);
    memset(stack, 0, STACK);
    void **sp = (void **)(void *)(stack + STACK) - 2;
    *sp = (void *)(uintptr_t)other_side; /* a return address; the stack is then 8 mod 16 */
    there = sp - SAVED;

    struct bench_span s = bench_span_start();
    for (int64_t i = 0; i < n; i++) {
        bench_bare_switch(&here, there);
    }
    bench_span_end(&s);
    bench_print_span("bare_switch", &s, 2 * n);
    free(stack);
}
#else
static void measure_switch(int64_t n)
{
    (void)n; /* the figure is missing there */
}
#endif

static void measure_exchange(int64_t n)
{
    static atomic_uint word;
    struct bench_span s = bench_span_start();
    for (int64_t i = 0; i < n; i++) {
        (void)atomic_exchange_explicit(&word, 1, memory_order_acquire);
        atomic_store_explicit(&word, 0, memory_order_release);
    }
    bench_span_end(&s);
    bench_print_span("bare_exchange", &s, n);
}

static void measure_copy(int64_t n)
{
    enum { SLOTS = 128 };
    static int64_t ring[SLOTS];
    int64_t sum = 0;
    struct bench_span s = bench_span_start();
    for (int64_t i = 0; i < n; i++) {
        int64_t out;
        memcpy(&ring[i % SLOTS], &i, sizeof i);
        __asm__ volatile("" ::: "memory"); /* or the compiler keeps it in a register */
        memcpy(&out, &ring[i % SLOTS], sizeof out);
        sum += out;
    }
    bench_span_end(&s);
    BENCH_CHECK(sum == n * (n - 1) / 2);
    bench_print_span("bare_copy", &s, n);
}

static atomic_uint turn;

static void wait_for(unsigned value)
{
    for (unsigned now; (now = atomic_load(&turn)) != value;) {
        (void)syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, now, NULL, NULL, 0);
    }
}

static void pass_to(unsigned value)
{
    atomic_store(&turn, value);
    (void)syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void *answer(void *arg)
{
    int64_t n = *(int64_t *)arg;
    for (int64_t i = 0; i < n; i++) {
        wait_for(1);
        pass_to(0);
    }
    return NULL;
}

/* Two threads that wake each other: what a task switch would cost if each task were a thread. */
static void measure_threads(int64_t n)
{
    pthread_t other;
    BENCH_CHECK(pthread_create(&other, NULL, answer, &n) == 0);
    struct bench_span s = bench_span_start();
    for (int64_t i = 0; i < n; i++) {
        pass_to(1);
        wait_for(0);
    }
    bench_span_end(&s);
    pthread_join(other, NULL);
    bench_print_span("bare_threads", &s, n);
}

/* Follows pointers through lines, each somewhere in its own block, in random order: each load waits
 * for the one before. */
static void measure_miss(const char *name, size_t blocks, size_t block_size, int64_t n)
{
    enum { LINE = 64 };
    char *memory = aligned_alloc(4096, blocks * block_size);
    size_t *order = calloc(blocks, sizeof(*order));
    BENCH_CHECK(memory && order);
    memset(memory, 0, blocks * block_size);
    for (size_t i = 0; i < blocks; i++) {
        size_t other = (size_t)random() % (i + 1);
        order[i] = order[other];
        order[other] = i;
    }
    void **at = NULL;
    for (size_t i = 0; i <= blocks; i++) {
        size_t b = order[i % blocks];
        /* As stacks are coloured: not all in the same few sets of the cache. */
        void **next = (void **)(void *)(memory + b * block_size + b * 7 * LINE % block_size);
        if (at) {
            *at = next;
        }
        at = next;
    }
    struct bench_span s = bench_span_start();
    for (int64_t i = 0; i < n; i++) {
        at = *at;
    }
    bench_span_end(&s);
    BENCH_CHECK(at != NULL);
    bench_print_span(name, &s, n);
    free(order);
    free(memory);
}

static int measure_bare(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    int64_t n = bench_number(arg, 0, 20000000);
    measure_switch(n);
    measure_exchange(n);
    measure_copy(n);
    measure_threads(n / 200);
    measure_miss("bare_miss_record", 10000, 384, n / 4);
    measure_miss("bare_miss_page", 10000, 4096, n / 4);
    return 0;
}

int main(int argc, char **argv)
{
    return bench_start(argc, argv, measure_bare);
}
