/* SPDX-License-Identifier: MIT
 * wheel.c - see wheel.h.
 *
 * A timer stands on the level of the highest 6-bit digit in which its tick differs from now, in the
 * slot of that digit. So a level-0 slot holds one tick, and when time enters the range of a slot of
 * a higher level its timers move down. Invariant: no occupied slot lies at or before now's digit on
 * its level. */
#include "base/wheel.h"

#include "base/panic.h"

#define DIGIT_BITS 6

static unsigned digit_of(uint64_t tick, unsigned level)
{
    return (unsigned)(tick >> (level * DIGIT_BITS)) & (CVY_WHEEL_SLOTS - 1);
}

void cvy_wheel_init(struct cvy_wheel *w, uint64_t now)
{
    w->now = now;
    w->count = 0;
    for (unsigned i = 0; i < CVY_WHEEL_LEVELS; i++) {
        w->used[i] = 0;
    }
    for (unsigned i = 0; i < CVY_WHEEL_LEVELS * CVY_WHEEL_SLOTS; i++) {
        cvy_list_init(&w->slots[i]);
    }
}

static void place(struct cvy_wheel *w, struct cvy_wheel_timer *t)
{
    uint64_t diff = t->tick ^ w->now;
    unsigned level = (63 - (unsigned)__builtin_clzll(diff)) / DIGIT_BITS;
    unsigned slot = digit_of(t->tick, level);

    t->slot = (uint16_t)(level * CVY_WHEEL_SLOTS + slot);
    w->used[level] |= UINT64_C(1) << slot;
    cvy_list_push_tail(&w->slots[t->slot], &t->node);
}

void cvy_wheel_add(struct cvy_wheel *w, struct cvy_wheel_timer *t, uint64_t tick)
{
    t->tick = tick <= w->now ? w->now + 1 : tick;
    place(w, t);
    w->count++;
}

void cvy_wheel_remove(struct cvy_wheel *w, struct cvy_wheel_timer *t)
{
    CVY_ASSERT(cvy_wheel_is_armed(t));
    cvy_list_remove(&t->node);
    if (cvy_list_is_empty(&w->slots[t->slot])) {
        w->used[t->slot / CVY_WHEEL_SLOTS] &= ~(UINT64_C(1) << (t->slot % CVY_WHEEL_SLOTS));
    }
    w->count--;
}

uint64_t cvy_wheel_next(const struct cvy_wheel *w)
{
    for (unsigned level = 0; level < CVY_WHEEL_LEVELS; level++) {
        if (w->used[level]) {
            /* Lower levels come first: their ticks share all higher digits with now. */
            unsigned slot = (unsigned)__builtin_ctzll(w->used[level]);
            unsigned shift = level * DIGIT_BITS;
            uint64_t base = (w->now >> shift) & ~(uint64_t)(CVY_WHEEL_SLOTS - 1);
            return (base | slot) << shift;
        }
    }
    return CVY_WHEEL_NEVER;
}

/* The slot that holds the timers that expire next; NULL: none. A tick's timers are never spread
 * over two slots. */
static const struct cvy_node *first_slot(const struct cvy_wheel *w)
{
    for (unsigned level = 0; level < CVY_WHEEL_LEVELS; level++) {
        if (w->used[level]) {
            return &w->slots[level * CVY_WHEEL_SLOTS + (unsigned)__builtin_ctzll(w->used[level])];
        }
    }
    return NULL;
}

static struct cvy_wheel_timer *timer_of(struct cvy_node *n)
{
    return CVY_CONTAINER_OF(n, struct cvy_wheel_timer, node);
}

size_t cvy_wheel_first(const struct cvy_wheel *w, uint64_t *tick)
{
    const struct cvy_node *slot = first_slot(w);
    size_t count = 0;

    *tick = CVY_WHEEL_NEVER;
    for (struct cvy_node *n = slot ? slot->next : NULL; n && n != slot; n = n->next) {
        if (timer_of(n)->tick < *tick) {
            *tick = timer_of(n)->tick;
            count = 0;
        }
        count += timer_of(n)->tick == *tick;
    }
    return count;
}

struct cvy_wheel_timer *cvy_wheel_nth(const struct cvy_wheel *w, uint64_t tick, size_t i)
{
    const struct cvy_node *slot = first_slot(w);

    for (struct cvy_node *n = slot->next; n != slot; n = n->next) {
        if (timer_of(n)->tick == tick && i-- == 0) {
            return timer_of(n);
        }
    }
    return NULL;
}

/* The first and the last in turn. Each timer of a crowd has left the cache, and is found through
 * its neighbour only: so two are on their way at a time. */
static struct cvy_node *pop_end(struct cvy_node *head, bool *is_last)
{
    struct cvy_node *n = *is_last ? head->prev : head->next;

    if (n == head) {
        return NULL;
    }
    *is_last = !*is_last;
    cvy_list_remove(n);
    return n;
}

void cvy_wheel_advance(struct cvy_wheel *w, uint64_t now, struct cvy_node *out)
{
    while (w->count > 0) {
        uint64_t next = cvy_wheel_next(w);
        if (next > now) {
            break;
        }
        unsigned level = 0;
        while (!w->used[level]) {
            level++;
        }
        unsigned slot = (unsigned)__builtin_ctzll(w->used[level]);
        struct cvy_node due;
        bool is_last = false;
        cvy_list_init(&due);
        cvy_list_move_all(&due, &w->slots[level * CVY_WHEEL_SLOTS + slot]);
        w->used[level] &= ~(UINT64_C(1) << slot);
        w->now = next;
        for (struct cvy_node *n; (n = pop_end(&due, &is_last)) != NULL;) {
            struct cvy_wheel_timer *t = CVY_CONTAINER_OF(n, struct cvy_wheel_timer, node);
            if (t->tick <= next) {
                w->count--;
                cvy_list_push_tail(out, n);
            } else {
                place(w, t);
            }
        }
    }
    if (now > w->now) {
        w->now = now;
    }
}
