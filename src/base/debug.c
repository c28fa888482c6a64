/* SPDX-License-Identifier: MIT
 * debug.c - see debug.h. */
#include "base/debug.h"

#include "base/env.h"
#include "base/panic.h"
#include "base/rand.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

_Atomic uint32_t cvy_knobs = CVY_KNOBS_UNREAD;

#define NEED_SEED (CVY_KNOB_DELAY | CVY_KNOB_PAUSE)

static const struct {
    const char *name;
    uint32_t knob;
} names[] = {
    {"migrate", CVY_KNOB_MIGRATE}, {"delay", CVY_KNOB_DELAY},   {"pause", CVY_KNOB_PAUSE},
    {"freed", CVY_KNOB_FREED},     {"native", CVY_KNOB_NATIVE},
};

/* Written by whoever reads the environment first, before the release of cvy_knobs. */
static struct {
    struct cvy_alloc_plan alloc;
    uint64_t seed;
} settings;

static _Atomic uint64_t draws, allocations;

/* "alloc=7": the seventh fails; "alloc=7+": it and all after it; "alloc=1/50": one in fifty. */
static bool parse_alloc(const char *text, size_t len, struct cvy_alloc_plan *plan)
{
    char *end;

    if (len < 1 || *text < '0' || *text > '9') {
        return false;
    }
    unsigned long long n = strtoull(text, &end, 10);
    if (*end == '/' && n == 1 && end[1] >= '1' && end[1] <= '9') {
        plan->one_in = (uint32_t)strtoul(end + 1, &end, 10);
    } else {
        plan->first = n;
        plan->for_ever = *end == '+';
        end += plan->for_ever;
    }
    return end == text + len;
}

static uint32_t knob_of(const char *word, size_t len, struct cvy_alloc_plan *plan)
{
    static const char alloc[] = "alloc=";
    const size_t alloc_len = sizeof(alloc) - 1;

    if (len > alloc_len && strncmp(word, alloc, alloc_len) == 0) {
        return parse_alloc(word + alloc_len, len - alloc_len, plan) ? CVY_KNOB_ALLOC : 0;
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strlen(names[i].name) == len && strncmp(word, names[i].name, len) == 0) {
            return names[i].knob;
        }
    }
    return 0;
}

uint32_t cvy_knobs_parse(const char *text, struct cvy_alloc_plan *plan, const char **unknown,
                         size_t *unknown_len)
{
    uint32_t knobs = 0;

    *plan = (struct cvy_alloc_plan){0};
    *unknown = NULL;
    while (*text) {
        size_t len = strcspn(text, ",");
        uint32_t knob = len > 0 ? knob_of(text, len, plan) : 0;
        if (len > 0 && !knob) {
            *unknown = text;
            *unknown_len = len;
        }
        knobs |= knob;
        text += len + (text[len] == ',');
    }
    return knobs;
}

static uint64_t seed_read(void)
{
    struct timespec now = {0};
    uint64_t seed;

    if (cvy_env_seed("COVEY_DEBUG_SEED", &seed)) {
        return seed;
    }
    (void)timespec_get(&now, TIME_UTC);
    return cvy_rand_seed((uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec) >> 32;
}

static uint32_t environment_read(void)
{
    const char *text = getenv("COVEY_DEBUG");
    const char *unknown;
    size_t unknown_len;

    if (!text || !*text) {
        return 0;
    }
    uint32_t knobs = cvy_knobs_parse(text, &settings.alloc, &unknown, &unknown_len);
    if (unknown) {
        (void)fprintf(stderr, "covey: COVEY_DEBUG has no knob \"%.*s\"\n", (int)unknown_len,
                      unknown);
    }
    if (!CVY_DEBUG && (knobs & CVY_KNOB_DELAY)) {
        (void)fputs("covey: COVEY_DEBUG=delay needs a library built with -DCOVEY_DEBUG=ON\n",
                    stderr);
        knobs &= ~(uint32_t)CVY_KNOB_DELAY;
    }
    if ((knobs & NEED_SEED) || settings.alloc.one_in > 0) {
        settings.seed = seed_read();
        (void)fprintf(stderr, "covey: COVEY_DEBUG=%s COVEY_DEBUG_SEED=%llu\n", text,
                      (unsigned long long)settings.seed);
    }
    return knobs;
}

bool cvy_knob_slow(uint32_t knobs)
{
    static _Atomic uint32_t reading;
    uint32_t none = 0;

    /* Acquire: settings, from whoever read the environment. */
    uint32_t now = cvy_load_acquire(&cvy_knobs);
    if (now == CVY_KNOBS_UNREAD && cvy_cas_acquire(&reading, &none, 1)) {
        cvy_store_release(&cvy_knobs, environment_read());
    }
    while ((now = cvy_load_acquire(&cvy_knobs)) == CVY_KNOBS_UNREAD) {
        cvy_cpu_relax();
    }
    return now & knobs;
}

uint32_t cvy_debug_random(uint32_t n)
{
    /* Relaxed: a draw orders nothing, which a race detector must not believe either. */
    uint64_t i = atomic_fetch_add_explicit(&draws, 1, memory_order_relaxed);
    uint64_t state = cvy_rand_seed(settings.seed + i * UINT64_C(0x2545F4914F6CDD1D));
    return cvy_rand_below(&state, n);
}

bool cvy_alloc_fails_slow(void)
{
    const struct cvy_alloc_plan *plan = &settings.alloc;
    uint64_t i = atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed) + 1;

    if (plan->one_in > 0 && cvy_debug_random(plan->one_in) == 0) {
        return true;
    }
    if (plan->first > 0 && i == plan->first) {
        (void)fprintf(stderr, "covey: COVEY_DEBUG: allocation %llu fails\n", (unsigned long long)i);
        return true;
    }
    return plan->for_ever && i > plan->first;
}
