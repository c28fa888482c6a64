/* SPDX-License-Identifier: MIT
 * flash_sale.c - a stock of many items, and more demand than stock.
 *
 * Many tasks look at items and buy them, from three maps: covey's read-mostly map, libc's hash
 * table under one rwmutex, and covey's map of 32 shards. An item is bought by an atomic
 * read-modify-write of its entry: take one if there is one. Whatever the map, the stock never falls
 * below zero, and what was sold and what is left are what there was. The table shows what each map
 * is good for. */
#define _GNU_SOURCE
#include "example.h"

#include <search.h>

enum { ITEMS = 500, HOT = 20 };

static char names[ITEMS][20]; /* the keys */

/* ---- three maps from a name to a number in stock ---- */

struct store {
    covey_map *map;
    covey_rwmutex lock; /* guards table */
    struct hsearch_data table;
};

struct kind {
    const char *name;
    bool (*open)(struct store *s, int64_t stock);
    int64_t (*look)(struct store *s, int item);
    bool (*buy)(struct store *s, int item); /* false: sold out */
    void (*close)(struct store *s);
};

static bool map_fill(struct store *s, covey_map_kind kind, int64_t stock)
{
    s->map = covey_map_new(&(covey_map_options){.kind = kind, .shards = 32});
    for (int i = 0; s->map && i < ITEMS; i++) {
        if (covey_map_store(s->map, names[i], strlen(names[i]), (void *)stock) < 0) {
            return false;
        }
    }
    return s->map != NULL;
}

static bool read_mostly_open(struct store *s, int64_t stock)
{
    return map_fill(s, COVEY_MAP_READ_MOSTLY, stock);
}

static bool sharded_open(struct store *s, int64_t stock)
{
    return map_fill(s, COVEY_MAP_SHARDED, stock);
}

static int64_t map_look(struct store *s, int item)
{
    void *left = NULL;

    return covey_map_load(s->map, names[item], strlen(names[item]), &left) ? (int64_t)left : -1;
}

static bool take_one(void **value, bool present, void *bought)
{
    int64_t left = (int64_t)*value;

    if (left > 0) {
        *value = (void *)(left - 1);
        *(bool *)bought = true;
    }
    return present;
}

static bool map_buy(struct store *s, int item)
{
    bool bought = false;

    (void)covey_map_update(s->map, names[item], strlen(names[item]), take_one, &bought);
    return bought;
}

static void map_close(struct store *s)
{
    covey_map_free(s->map);
}

static bool locked_open(struct store *s, int64_t stock)
{
    ENTRY *e;

    memset(&s->table, 0, sizeof(s->table));
    if (!hcreate_r(2 * ITEMS, &s->table)) {
        return false;
    }
    for (int i = 0; i < ITEMS; i++) {
        if (!hsearch_r((ENTRY){names[i], (void *)stock}, ENTER, &e, &s->table)) {
            return false;
        }
    }
    return true;
}

static int64_t locked_look(struct store *s, int item)
{
    ENTRY *e;

    covey_rwmutex_rlock(&s->lock);
    int64_t left =
        hsearch_r((ENTRY){.key = names[item]}, FIND, &e, &s->table) ? (int64_t)e->data : -1;
    covey_rwmutex_runlock(&s->lock);
    return left;
}

static bool locked_buy(struct store *s, int item)
{
    bool bought = false;
    ENTRY *e;

    covey_rwmutex_lock(&s->lock);
    if (hsearch_r((ENTRY){.key = names[item]}, FIND, &e, &s->table)) {
        (void)take_one(&e->data, true, &bought);
    }
    covey_rwmutex_unlock(&s->lock);
    return bought;
}

static void locked_close(struct store *s)
{
    hdestroy_r(&s->table);
}

static const struct kind kinds[] = {
    {"read-mostly", read_mostly_open, map_look, map_buy, map_close},
    {"one rwmutex", locked_open, locked_look, locked_buy, locked_close},
    {"32 shards", sharded_open, map_look, map_buy, map_close},
};

/* ---- the sale ---- */

struct sale {
    const struct kind *kind;
    struct store store;
    int64_t tasks, turns, stock;
    int writes; /* of 100 */
    atomic_llong sold, refused, below_zero;
};

struct customer {
    struct sale *sale;
    uint64_t random;
};

static uint64_t next_random(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x;
}

/* Half of the interest is in a few hot items: they sell out. */
static int shop(covey_ctx *ctx, void *arg)
{
    struct customer *c = arg;
    struct sale *s = c->sale;
    int64_t sold = 0, refused = 0;

    for (int64_t i = 0; i < s->turns; i++) {
        uint64_t r = next_random(&c->random);
        int item = (int)((r >> 8) % (r & 1 ? HOT : ITEMS));
        if ((int)((r >> 32) % 100) < s->writes) {
            bool bought = s->kind->buy(&s->store, item);
            sold += bought;
            refused += !bought;
        } else if (s->kind->look(&s->store, item) < 0) {
            atomic_fetch_add(&s->below_zero, 1);
        }
        if (i % 1024 == 0 && covey_ctx_err(ctx) < 0) {
            break;
        }
    }
    atomic_fetch_add(&s->sold, sold);
    atomic_fetch_add(&s->refused, refused);
    return covey_ctx_err(ctx);
}

/* One sale; how many thousand turns a second, or a negative code. */
static double hold_sale(covey_ctx *ctx, struct sale *s, bool *is_right)
{
    int64_t left = 0;
    int err = 0;

    if (!s->kind->open(&s->store, s->stock)) {
        return -ENOMEM;
    }
    covey_group *g = covey_group_new(ctx);
    int64_t begun = covey_now();
    for (int64_t i = 1; i <= s->tasks && err == 0; i++) {
        struct customer c = {s, (uint64_t)i * UINT64_C(0x9E3779B97F4A7C15)};
        err = covey_group_go_copy(g, shop, &c, sizeof(c));
    }
    int failed = covey_group_wait(g);
    double seconds = (double)(covey_now() - begun) / (double)COVEY_SEC;

    *is_right = atomic_load(&s->below_zero) == 0;
    for (int i = 0; i < ITEMS; i++) {
        int64_t n = s->kind->look(&s->store, i);
        *is_right &= n >= 0 && n <= s->stock;
        left += n;
    }
    *is_right &= atomic_load(&s->sold) + left == ITEMS * s->stock;
    s->kind->close(&s->store);
    err = failed < 0 ? failed : err;
    return err < 0 ? err : (double)(s->tasks * s->turns) / seconds / 1000;
}

static int tour(covey_ctx *ctx, void *arg)
{
    static const int writes[] = {10, 50, 90};
    const struct sale *plan = arg;
    enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };
    double table[KINDS][3];

    for (int k = 0; k < KINDS; k++) {
        bool all_right = true;
        int64_t sold = 0, refused = 0;
        for (int w = 0; w < 3; w++) {
            struct sale s = {.kind = &kinds[k],
                             .tasks = plan->tasks,
                             .turns = plan->turns,
                             .stock = plan->stock,
                             .writes = writes[w]};
            bool is_right = false;
            table[k][w] = hold_sale(ctx, &s, &is_right);
            if (table[k][w] < 0) {
                return (int)table[k][w];
            }
            all_right &= is_right;
            sold += atomic_load(&s.sold);
            refused += atomic_load(&s.refused);
        }
        expect(all_right && sold > 0 && refused > 0,
               "%-11s %lld sold, %lld came too late; never below zero, nothing lost", kinds[k].name,
               (long long)sold, (long long)refused);
    }
    printf("%lld customers, %lld turns each, %d workers; thousand turns a second:\n",
           (long long)plan->tasks, (long long)plan->turns, covey_workers());
    printf("  reads/writes  %10s %10s %10s\n", "90/10", "50/50", "10/90");
    for (int k = 0; k < KINDS; k++) {
        printf("  %-13s %10.0f %10.0f %10.0f\n", kinds[k].name, table[k][0], table[k][1],
               table[k][2]);
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct sale plan = {.tasks = 64, .turns = EXAMPLE_SANITIZED ? 500 : 4000, .stock = 0};
    const struct example_option options[] = {
        {"--tasks", &plan.tasks, "customers"},
        {"--turns", &plan.turns, "looks and buys of each"},
        {"--stock", &plan.stock, "of each item; 0: enough for some"},
    };

    example_options(argc, argv, "Sells a limited stock to many tasks, from three maps.", options,
                    3);
    for (int i = 0; i < ITEMS; i++) {
        snprintf(names[i], sizeof(names[i]), "item-%03d", i);
    }
    if (plan.stock == 0) {
        plan.stock = plan.tasks * plan.turns / ITEMS / 4 + 1;
    }
    return example_result(covey_run(tour, &plan));
}
