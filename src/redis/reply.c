/* SPDX-License-Identifier: MIT
 * reply.c - see reply.h. */
#include "redis/reply.h"

#include <stdlib.h>
#include <string.h>

#define INSIDE_MAX 1024
#define CHUNK_MIN 256
#define CHUNK_MAX (64 * 1024)

struct cvy_redis_chunk {
    struct cvy_redis_chunk *next;
    size_t size, used; /* of bytes */
    alignas(max_align_t) char bytes[];
};

/* ---- memory ---- */

static struct cvy_redis_chunk *add_chunk(struct cvy_redis_root *root, size_t size)
{
    struct cvy_redis_chunk *last = root->chunks;
    size_t room = !last                        ? size
                  : 2 * last->size < CHUNK_MIN ? CHUNK_MIN
                  : last->size < CHUNK_MAX / 2 ? 2 * last->size
                                               : CHUNK_MAX;

    room = room < size ? size : room;
    struct cvy_redis_chunk *c = malloc(sizeof(*c) + room);
    if (c) {
        *c = (struct cvy_redis_chunk){.next = last, .size = room};
        root->chunks = c;
    }
    return c;
}

static size_t aligned(size_t size)
{
    size_t unit = alignof(max_align_t);

    return (size + unit - 1) / unit * unit;
}

/* With room for so many bytes, if that is not much. NULL: out of memory. */
static struct cvy_redis_root *root_new(size_t room)
{
    room = room <= INSIDE_MAX ? aligned(room) : 0;
    struct cvy_redis_root *root = malloc(sizeof(*root) + room);
    if (root) {
        *root = (struct cvy_redis_root){.room = room};
    }
    return root;
}

/* size bytes of the reply that is being read, aligned for any type; NULL: b->code says why. */
static void *take(struct cvy_redis_builder *b, size_t size)
{
    struct cvy_redis_root *root = b->root;

    if (size > b->max || root->used > b->max - size) {
        b->code = COVEY_ETOOLARGE;
        return NULL;
    }
    size = aligned(size);
    root->used += size;
    if (size <= root->room) {
        root->room -= size;
        return root->inside + root->room;
    }
    struct cvy_redis_chunk *c = root->chunks;
    if (!c || c->size - c->used < size) {
        c = add_chunk(root, size);
        if (!c) {
            b->code = -ENOMEM;
            return NULL;
        }
    }
    void *p = c->bytes + c->used;
    c->used += size;
    return p;
}

/* NOLINTNEXTLINE(misc-no-recursion): parts have no parts */
void cvy_redis_root_free(struct cvy_redis_root *root)
{
    while (root && root->chunks) {
        struct cvy_redis_chunk *c = root->chunks;
        root->chunks = c->next;
        free(c);
    }
    while (root && root->parts) {
        struct cvy_redis_root *part = root->parts;
        root->parts = part->next;
        cvy_redis_root_free(part);
    }
    free(root);
}

void covey_redis_reply_free(covey_redis_reply *reply)
{
    cvy_redis_root_free((struct cvy_redis_root *)reply);
}

struct cvy_redis_root *cvy_redis_root_gather(struct cvy_redis_root *parts, size_t n)
{
    struct cvy_redis_builder b = {.max = SIZE_MAX};
    struct cvy_redis_root *root = root_new(n * sizeof(covey_redis_reply));
    size_t i = 0;

    b.root = root;
    covey_redis_reply *elements = root ? take(&b, n * sizeof(*elements)) : NULL;
    if (!elements) {
        free(root);
        while (parts) {
            struct cvy_redis_root *next = parts->next;
            cvy_redis_root_free(parts);
            parts = next;
        }
        return NULL;
    }
    for (struct cvy_redis_root *part = parts; part; part = part->next) {
        elements[i++] = part->reply;
    }
    root->parts = parts;
    root->reply = (covey_redis_reply){.type = COVEY_REDIS_ARRAY, .count = n, .elements = elements};
    return root;
}

/* ---- what hiredis calls ---- */

/* The place of the reply that comes now: the root's, which needs so much room, or the parent's
 * next.
 */
static covey_redis_reply *place(const redisReadTask *task, size_t room)
{
    struct cvy_redis_builder *b = task->privdata;

    if (task->parent) {
        covey_redis_reply *parent = task->parent->obj;
        return (covey_redis_reply *)&parent->elements[task->idx];
    }
    b->root = root_new(room);
    if (!b->root) {
        b->code = -ENOMEM;
        return NULL;
    }
    return &b->root->reply;
}

static void *create_string(const redisReadTask *task, char *text, size_t len)
{
    struct cvy_redis_builder *b = task->privdata;
    covey_redis_reply *r = place(task, len + 1);
    char *copy = r && len < SIZE_MAX ? take(b, len + 1) : NULL;

    if (!copy) {
        return NULL;
    }
    memcpy(copy, text, len);
    copy[len] = '\0';
    r->type = task->type == REDIS_REPLY_ERROR    ? COVEY_REDIS_ERROR
              : task->type == REDIS_REPLY_STATUS ? COVEY_REDIS_STATUS
                                                 : COVEY_REDIS_STRING;
    r->text = copy;
    r->len = len;
    return r;
}

static void *create_array(const redisReadTask *task, int count)
{
    struct cvy_redis_builder *b = task->privdata;
    /* Strings of some bytes each may follow. */
    covey_redis_reply *r = place(task, count > 0 ? (size_t)count * (sizeof(*r) + 32) : 0);

    if (!r) {
        return NULL;
    }
    if (count < 0) {
        b->code = COVEY_EPROTO;
        return NULL;
    }
    size_t size = (size_t)count * sizeof(*r);
    covey_redis_reply *elements = take(b, size > 0 ? size : 1);
    if (!elements) {
        return NULL;
    }
    memset(elements, 0, size);
    r->type = COVEY_REDIS_ARRAY;
    r->count = (size_t)count;
    r->elements = elements;
    return r;
}

static void *create_integer(const redisReadTask *task, long long value)
{
    covey_redis_reply *r = place(task, 0);

    if (r) {
        r->type = COVEY_REDIS_INT;
        r->integer = value;
    }
    return r;
}

static void *create_nil(const redisReadTask *task)
{
    return place(task, 0); /* zeroed, which is nil */
}

/* Of a root that was not finished: the builder has it still. */
static void free_object(void *object)
{
    (void)object;
}

redisReplyObjectFunctions cvy_redis_reply_functions = {
    .createString = create_string,
    .createArray = create_array,
    .createInteger = create_integer,
    .createNil = create_nil,
    .freeObject = free_object,
};

/* ---- looking at them ---- */

/* Decimal digits and a sign, nothing else, within 64 bits. */
static int read_int(const char *text, size_t len, int64_t *n)
{
    bool is_negative = len > 0 && text[0] == '-';
    size_t i = is_negative;
    int64_t value = 0;

    if (i == len) {
        return COVEY_ETYPE;
    }
    for (; i < len; i++) {
        int digit = text[i] - '0';
        if (digit < 0 || digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, digit, &value)) { /* below 0: it reaches further */
            return COVEY_ETYPE;
        }
    }
    if (!is_negative && value == INT64_MIN) {
        return COVEY_ETYPE;
    }
    *n = is_negative ? value : -value;
    return 0;
}

int covey_redis_int(const covey_redis_reply *reply, int64_t *n)
{
    size_t len;
    const char *text = covey_redis_text(reply, &len);

    if (text) {
        return read_int(text, len, n);
    }
    if (!reply || reply->type != COVEY_REDIS_INT) {
        return COVEY_ETYPE;
    }
    *n = reply->integer;
    return 0;
}
