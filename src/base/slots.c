/* SPDX-License-Identifier: MIT
 * slots.c - see slots.h. */
#include "base/slots.h"

#include "base/panic.h"

#define BITS 64u

static uint32_t word_count(uint32_t count)
{
    return (count + BITS - 1) / BITS;
}

size_t cvy_slots_bytes(uint32_t count)
{
    return word_count(count) * sizeof(struct cvy_slot_word);
}

void cvy_slots_init(struct cvy_slots *s, uint32_t count, void *words)
{
    *s = (struct cvy_slots){.count = count, .free_count = count, .words = words};
    for (uint32_t i = 0; i < word_count(count); i++) {
        uint32_t left = count - i * BITS;
        s->words[i].free = left >= BITS ? UINT64_MAX : (UINT64_C(1) << left) - 1;
    }
}

uint32_t cvy_slots_take(struct cvy_slots *s)
{
    CVY_ASSERT(s->free_count > 0);
    while (s->words[s->first_word].free == 0) {
        s->first_word++;
    }
    struct cvy_slot_word *w = &s->words[s->first_word];
    uint32_t at = (uint32_t)__builtin_ctzll(w->free);
    uint64_t bit = UINT64_C(1) << at;

    s->free_count--;
    s->dirty_count -= (w->dirty & bit) != 0;
    s->idle_count -= (w->idle & bit) != 0;
    w->free &= ~bit;
    w->aged &= ~bit;
    w->idle &= ~bit;
    w->dirty |= bit;
    uint32_t index = s->first_word * BITS + at;
    s->used = index >= s->used ? index + 1 : s->used;
    return index;
}

void cvy_slots_give(struct cvy_slots *s, uint32_t index)
{
    uint32_t at = index / BITS;

    CVY_ASSERT(index < s->used);
    CVY_ASSERT(!(s->words[at].free >> index % BITS & 1));
    s->words[at].free |= UINT64_C(1) << index % BITS;
    s->first_word = at < s->first_word ? at : s->first_word;
    s->free_count++;
    s->dirty_count++;
}

void cvy_slots_age(struct cvy_slots *s)
{
    if (s->dirty_count == 0) {
        return;
    }
    s->idle_count = 0;
    for (uint32_t i = 0; i < word_count(s->used); i++) {
        struct cvy_slot_word *w = &s->words[i];
        w->idle = w->aged;
        w->aged = w->free & w->dirty;
        s->idle_count += (uint32_t)__builtin_popcountll(w->idle);
    }
}

static bool has_bit(uint64_t map, uint32_t index)
{
    return map >> index % BITS & 1;
}

/* Free, and of no use to anybody: idle or clean. */
static bool is_spare(const struct cvy_slots *s, uint32_t index)
{
    const struct cvy_slot_word *w = &s->words[index / BITS];
    return has_bit(w->idle | (w->free & ~w->dirty), index);
}

bool cvy_slots_next_idle(const struct cvy_slots *s, uint32_t *first, uint32_t *count)
{
    uint32_t at = *first;

    while (at < s->used && !has_bit(s->words[at / BITS].idle, at)) {
        at++;
    }
    if (at >= s->used) {
        return false;
    }
    uint32_t end = at + 1;
    while (end < s->used && is_spare(s, end)) {
        end++;
    }
    while (at > 0 && is_spare(s, at - 1)) {
        at--;
    }
    *first = at;
    *count = end - at;
    return true;
}

void cvy_slots_clean(struct cvy_slots *s, uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < first + count; i++) {
        struct cvy_slot_word *w = &s->words[i / BITS];
        uint64_t bit = UINT64_C(1) << i % BITS;
        CVY_ASSERT(w->free & bit);
        s->dirty_count -= (w->dirty & bit) != 0;
        s->idle_count -= (w->idle & bit) != 0;
        w->dirty &= ~bit;
        w->aged &= ~bit;
        w->idle &= ~bit;
    }
}

void cvy_slots_check(const struct cvy_slots *s)
{
    uint32_t free_count = 0;
    uint32_t dirty_count = 0;
    uint32_t idle_count = 0;

    for (uint32_t i = 0; i < word_count(s->count); i++) {
        const struct cvy_slot_word *w = &s->words[i];
        COVEY_REQUIRE((w->idle & ~w->aged) == 0, "an idle slot that is not aged");
        COVEY_REQUIRE((w->aged & ~(w->free & w->dirty)) == 0, "an aged slot in use or clean");
        COVEY_REQUIRE(i >= s->first_word || w->free == 0, "a free slot below first_word");
        free_count += (uint32_t)__builtin_popcountll(w->free);
        dirty_count += (uint32_t)__builtin_popcountll(w->free & w->dirty);
        idle_count += (uint32_t)__builtin_popcountll(w->idle);
    }
    COVEY_REQUIRE(free_count == s->free_count, "free slots miscounted");
    COVEY_REQUIRE(dirty_count == s->dirty_count, "dirty slots miscounted");
    COVEY_REQUIRE(idle_count == s->idle_count, "idle slots miscounted");
}
