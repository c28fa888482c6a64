/* SPDX-License-Identifier: MIT
 * chan_test.c - channels: meeting, buffering, closing, order of waiters, cancellation. Situations
 * from Go's runtime/chan_test.go and test/chan/. */
#include "support.h"

/* One send or receive made by a task of its own. */
struct op {
    covey_ctx *ctx;
    covey_chan *ch;
    int value;
    int result;
    atomic_int ended;
};

static int send_op(covey_ctx *ctx, void *arg)
{
    struct op *op = arg;

    (void)ctx;
    op->result = covey_chan_send(op->ctx, op->ch, &op->value);
    atomic_store(&op->ended, 1);
    return 0;
}

static int recv_op(covey_ctx *ctx, void *arg)
{
    struct op *op = arg;

    (void)ctx;
    op->result = covey_chan_recv(op->ctx, op->ch, &op->value);
    atomic_store(&op->ended, 1);
    return 0;
}

/* Meeting and buffering. */

TASK_TEST(rendezvous_send_waits_for_its_receiver)
{
    covey_chan *ch = covey_chan_new(sizeof(int), 0);
    covey_group *g = covey_group_new(ctx);
    struct op op = {.ch = ch, .value = 7};

    GO(g, send_op, &op);
    settle();
    CHECK_EQ(atomic_load(&op.ended), 0);
    CHECK_EQ(recv_int(ch), 7);
    JOIN(g);
    CHECK_EQ(op.result, 0);
    covey_chan_unref(ch);
}

TASK_TEST(rendezvous_recv_waits_for_its_sender)
{
    covey_chan *ch = covey_chan_new(sizeof(int), 0);
    covey_group *g = covey_group_new(ctx);
    struct op op = {.ch = ch};

    GO(g, recv_op, &op);
    settle();
    CHECK_EQ(atomic_load(&op.ended), 0);
    send_int(ch, 8);
    JOIN(g);
    CHECK_EQ(op.result, 0);
    CHECK_EQ(op.value, 8);
    covey_chan_unref(ch);
}

TASK_TEST(buffered_sends_complete_without_a_receiver)
{
    enum { N = 10 };
    covey_chan *ch = covey_chan_new(sizeof(int), N);

    for (int i = 0; i < N; i++) {
        CHECK_EQ(covey_chan_len(ch), i);
        send_int(ch, i);
    }
    CHECK_EQ(covey_chan_len(ch), N);
    CHECK_EQ(covey_chan_cap(ch), N);
    for (int i = 0; i < N; i++) {
        CHECK_EQ(recv_int(ch), i);
    }
    CHECK_EQ(covey_chan_len(ch), 0);
    covey_chan_unref(ch);
}

TASK_TEST(send_on_full_buffer_waits)
{
    covey_chan *ch = covey_chan_new(sizeof(int), 1);
    covey_group *g = covey_group_new(ctx);
    struct op op = {.ch = ch, .value = 2};

    send_int(ch, 1);
    GO(g, send_op, &op);
    settle();
    CHECK_EQ(atomic_load(&op.ended), 0);
    CHECK_EQ(covey_chan_len(ch), 1);
    CHECK_EQ(recv_int(ch), 1);
    CHECK_EQ(recv_int(ch), 2);
    JOIN(g);
    covey_chan_unref(ch);
}

TASK_TEST(buffer_wraps_around_in_order)
{
    enum { CAP = 3, N = 1000 };
    covey_chan *ch = covey_chan_new(sizeof(int), CAP);
    int sent = 0, received = 0;

    for (int round = 0; received < N; round++) {
        for (int i = 0; i < 1 + round % CAP && covey_chan_len(ch) < CAP; i++) {
            send_int(ch, sent++);
        }
        for (int i = 0; i < 1 + round % 2 && covey_chan_len(ch) > 0; i++) {
            CHECK_EQ(recv_int(ch), received++);
        }
    }
    covey_chan_unref(ch);
}

static int send_series(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    for (int i = 0; i < 500; i++) {
        send_int(arg, i);
    }
    return 0;
}

TASK_TEST(one_sender_one_receiver_keep_order_at_any_capacity)
{
    for (size_t capacity = 0; capacity <= 17; capacity++) {
        covey_chan *ch = covey_chan_new(sizeof(int), capacity);
        covey_group *g = covey_group_new(ctx);

        GO(g, send_series, ch);
        for (int i = 0; i < 500; i++) {
            CHECK_EQ(recv_int(ch), i);
        }
        JOIN(g);
        covey_chan_unref(ch);
    }
}

TASK_TEST(rendezvous_has_no_length_even_with_waiters)
{
    covey_chan *ch = covey_chan_new(sizeof(int), 0);
    covey_group *g = covey_group_new(ctx);
    struct op op = {.ch = ch, .value = 1};

    go_waiting(g, "sender", send_op, &op);
    CHECK_EQ(covey_chan_len(ch), 0);
    CHECK_EQ(covey_chan_cap(ch), 0);
    CHECK_EQ(recv_int(ch), 1);
    JOIN(g);
    covey_chan_unref(ch);
}

TASK_TEST(len_counts_the_buffer_not_the_waiting_senders)
{
    covey_chan *ch = covey_chan_new(sizeof(int), 1);
    covey_group *g = covey_group_new(ctx);
    struct op op = {.ch = ch, .value = 2};

    send_int(ch, 1);
    go_waiting(g, "sender", send_op, &op);
    CHECK_EQ(covey_chan_len(ch), 1);
    CHECK_EQ(recv_int(ch), 1);
    CHECK_EQ(covey_chan_len(ch), 1);
    CHECK_EQ(recv_int(ch), 2);
    CHECK_EQ(covey_chan_len(ch), 0);
    JOIN(g);
    covey_chan_unref(ch);
}

/* Elements. */

TASK_TEST(elements_of_any_size_arrive_whole)
{
    static const size_t sizes[] = {1, 2, 3, 7, 8, 12, 16, 31, 64, 65, 255, 1000, 4096, 100000};

    for (size_t s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
        size_t size = sizes[s];
        unsigned char *out = malloc(size), *in = malloc(size + 1);
        covey_chan *ch = covey_chan_new(size, 2);

        CHECK(out && in && ch);
        for (int round = 0; round < 5; round++) {
            memset(out, 'a' + round, size);
            out[size - 1] = (unsigned char)(round * 3);
            CHECK_EQ(covey_chan_send(NULL, ch, out), 0);
            memset(out, 0xee, size); /* it was copied */
            memset(in, 0x55, size + 1);
            CHECK_EQ(covey_chan_recv(NULL, ch, in), 0);
            for (size_t i = 0; i + 1 < size; i++) {
                CHECK_EQ(in[i], 'a' + round);
            }
            CHECK_EQ(in[size - 1], round * 3);
            CHECK_EQ(in[size], 0x55);
        }
        covey_chan_unref(ch);
        free(out);
        free(in);
    }
}

static int send_block(covey_ctx *ctx, void *arg)
{
    unsigned char block[1000];

    (void)ctx;
    for (int i = 0; i < 100; i++) {
        memset(block, i, sizeof(block));
        CHECK_EQ(covey_chan_send(NULL, arg, block), 0);
    }
    return 0;
}

TASK_TEST(large_elements_cross_a_rendezvous_whole)
{
    covey_chan *ch = covey_chan_new(1000, 0);
    covey_group *g = covey_group_new(ctx);
    unsigned char block[1000];

    GO(g, send_block, ch);
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(covey_chan_recv(NULL, ch, block), 0);
        CHECK_EQ(block[0], i);
        CHECK(memcmp(block, block + 1, sizeof(block) - 1) == 0);
    }
    JOIN(g);
    covey_chan_unref(ch);
}

TASK_TEST(signals_carry_no_value_but_are_counted)
{
    covey_chan *ch = covey_chan_new(0, 3);

    for (int i = 0; i < 3; i++) {
        CHECK_EQ(covey_chan_send(NULL, ch, NULL), 0);
    }
    CHECK_EQ(covey_chan_try_send(ch, NULL), COVEY_EAGAIN);
    CHECK_EQ(covey_chan_len(ch), 3);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(covey_chan_recv(NULL, ch, NULL), 0);
    }
    CHECK_EQ(covey_chan_try_recv(ch, NULL), COVEY_EAGAIN);
    CHECK_EQ(covey_chan_close(ch), 0);
    CHECK_EQ(covey_chan_recv(NULL, ch, NULL), COVEY_ECLOSED);
    covey_chan_unref(ch);
}

static int signal_once(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    return covey_chan_send(NULL, arg, NULL);
}

TASK_TEST(signals_meet_at_a_rendezvous)
{
    covey_chan *ch = covey_chan_new(0, 0);
    covey_group *g = covey_group_new(ctx);

    for (int i = 0; i < 10; i++) {
        GO(g, signal_once, ch);
    }
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(covey_chan_recv(NULL, ch, NULL), 0);
    }
    JOIN(g);
    CHECK_EQ(covey_chan_try_recv(ch, NULL), COVEY_EAGAIN);
    covey_chan_unref(ch);
}

TASK_TEST(recv_into_null_drops_the_element)
{
    covey_chan *ch = covey_chan_new(sizeof(int), 2);

    send_int(ch, 1);
    send_int(ch, 2);
    CHECK_EQ(covey_chan_recv(NULL, ch, NULL), 0);
    CHECK_EQ(recv_int(ch), 2);
    send_int(ch, 3);
    CHECK_EQ(covey_chan_try_recv(ch, NULL), 0);
    CHECK_EQ(covey_chan_len(ch), 0);
    covey_chan_unref(ch);
}

static int reply_to(covey_ctx *ctx, void *arg)
{
    covey_chan *reply;

    (void)ctx;
    CHECK_EQ(covey_chan_recv(NULL, arg, &reply), 0);
    send_int(reply, 99);
    return 0;
}

TASK_TEST(channels_travel_through_channels)
{
    covey_chan *requests = covey_chan_new(sizeof(covey_chan *), 0);
    covey_chan *reply = covey_chan_new(sizeof(int), 0);
    covey_group *g = covey_group_new(ctx);

    GO(g, reply_to, requests);
    CHECK_EQ(covey_chan_send(NULL, requests, &reply), 0);
    CHECK_EQ(recv_int(reply), 99);
    JOIN(g);
    covey_chan_unref(requests);
    covey_chan_unref(reply);
}

/* Trying. */

TASK_TEST(try_send_on_full_returns_eagain)
{
    covey_chan *ch = covey_chan_new(sizeof(int), 1);
    int v = 1, w = 2;

    CHECK_EQ(covey_chan_try_send(ch, &v), 0);
    CHECK_EQ(covey_chan_try_send(ch, &w), COVEY_EAGAIN);
    CHECK_EQ(recv_int(ch), 1);
    CHECK_EQ(covey_chan_len(ch), 0);
    covey_chan_unref(ch);
}

TASK_TEST(try_on_rendezvous_with_nobody_there_returns_eagain)
{
    covey_chan *ch = covey_chan_new(sizeof(int), 0);
    int v = 1;

    CHECK_EQ(covey_chan_try_send(ch, &v), COVEY_EAGAIN);
    CHECK_EQ(covey_chan_try_recv(ch, &v), COVEY_EAGAIN);
    covey_chan_unref(ch);
}

TASK_TEST(try_send_meets_a_waiting_receiver)
{
    covey_chan *ch = covey_chan_new(sizeof(int), 0);
    covey_group *g = covey_group_new(ctx);
    struct op op = {.ch = ch};
    int v = 5;

    GO(g, recv_op, &op);
    while (covey_chan_try_send(ch, &v) == COVEY_EAGAIN) {
        covey_yield();
    }
    JOIN(g);
    CHECK_EQ(op.value, 5);
    CHECK_EQ(covey_chan_try_send(ch, &v), COVEY_EAGAIN);
    covey_chan_unref(ch);
}

TASK_TEST(try_recv_meets_a_waiting_sender)
{
    covey_chan *ch = covey_chan_new(sizeof(int), 0);
    covey_group *g = covey_group_new(ctx);
    struct op op = {.ch = ch, .value = 6};
    int v = 0;

    GO(g, send_op, &op);
    while (covey_chan_try_recv(ch, &v) == COVEY_EAGAIN) {
        covey_yield();
    }
    JOIN(g);
    CHECK_EQ(v, 6);
    CHECK_EQ(op.result, 0);
    covey_chan_unref(ch);
}

/* Closing. */

TASK_TEST(recv_on_closed_empty_returns_eclosed)
{
    covey_chan *ch = covey_chan_new(sizeof(int), 4);
    int v = 77;

    CHECK_EQ(covey_chan_close(ch), 0);
    for (int i = 0; i < 3; i++) {
        v = 77;
        CHECK_EQ(covey_chan_recv(NULL, ch, &v), COVEY_ECLOSED);
        CHECK_EQ(v, 0);
        v = 77;
        CHECK_EQ(covey_chan_try_recv(ch, &v), COVEY_ECLOSED);
        CHECK_EQ(v, 0);
    }
    CHECK_EQ(covey_chan_recv(NULL, ch, NULL), COVEY_ECLOSED);
    covey_chan_unref(ch);
}

TASK_TEST(recv_on_closed_zeroes_the_whole_element)
{
    covey_chan *ch = covey_chan_new(1000, 0);
    unsigned char block[1001];

    CHECK_EQ(covey_chan_close(ch), 0);
    memset(block, 0x55, sizeof(block));
    CHECK_EQ(covey_chan_recv(NULL, ch, block), COVEY_ECLOSED);
    for (int i = 0; i < 1000; i++) {
        CHECK_EQ(block[i], 0);
    }
    CHECK_EQ(block[1000], 0x55);
    covey_chan_unref(ch);
}

TASK_TEST(closed_channel_is_drained_before_eclosed)
{
    covey_chan *ch = covey_chan_new(sizeof(int), 4);
    int v = 0;

    send_int(ch, 1);
    send_int(ch, 2);
    CHECK_EQ(covey_chan_close(ch), 0);
    CHECK_EQ(covey_chan_len(ch), 2);
    CHECK_EQ(recv_int(ch), 1);
    CHECK_EQ(covey_chan_try_recv(ch, &v), 0);
    CHECK_EQ(v, 2);
    CHECK_EQ(covey_chan_recv(NULL, ch, &v), COVEY_ECLOSED);
    CHECK_EQ(v, 0);
    covey_chan_unref(ch);
}

TASK_TEST(send_on_closed_returns_eclosed)
{
    for (size_t capacity = 0; capacity < 3; capacity++) {
        covey_chan *ch = covey_chan_new(sizeof(int), capacity);
        int v = 1;

        CHECK_EQ(covey_chan_close(ch), 0);
        CHECK_EQ(covey_chan_send(NULL, ch, &v), COVEY_ECLOSED);
        CHECK_EQ(covey_chan_try_send(ch, &v), COVEY_ECLOSED);
        CHECK_EQ(covey_chan_len(ch), 0);
        covey_chan_unref(ch);
    }
}

TASK_TEST(second_close_returns_eclosed)
{
    covey_chan *ch = covey_chan_new(sizeof(int), 1);

    CHECK_EQ(covey_chan_close(ch), 0);
    CHECK_EQ(covey_chan_close(ch), COVEY_ECLOSED);
    CHECK_EQ(covey_chan_close(ch), COVEY_ECLOSED);
    covey_chan_unref(ch);
}

struct closing {
    covey_chan *ch;
    atomic_int first;
};

static int close_one(covey_ctx *ctx, void *arg)
{
    struct closing *c = arg;
    int rc = covey_chan_close(c->ch);

    (void)ctx;
    CHECK(rc == 0 || rc == COVEY_ECLOSED);
    atomic_fetch_add(&c->first, rc == 0);
    return 0;
}

TASK_TEST(of_many_closers_one_succeeds)
{
    struct closing c = {.ch = covey_chan_new(0, 0)};
    covey_group *g = covey_group_new(ctx);

    for (int i = 0; i < 20; i++) {
        GO(g, close_one, &c);
    }
    JOIN(g);
    CHECK_EQ(atomic_load(&c.first), 1);
    covey_chan_unref(c.ch);
}

TASK_TEST(close_wakes_every_waiting_receiver)
{
    enum { N = 20 };
    covey_chan *ch = covey_chan_new(sizeof(int), 3);
    covey_group *g = covey_group_new(ctx);
    struct op ops[N];

    memset(ops, 0, sizeof(ops));
    for (int i = 0; i < N; i++) {
        ops[i] = (struct op){.ch = ch, .value = 77};
        GO(g, recv_op, &ops[i]);
    }
    settle();
    for (int i = 0; i < N; i++) {
        CHECK_EQ(atomic_load(&ops[i].ended), 0);
    }
    CHECK_EQ(covey_chan_close(ch), 0);
    JOIN(g);
    for (int i = 0; i < N; i++) {
        CHECK_EQ(ops[i].result, COVEY_ECLOSED);
        CHECK_EQ(ops[i].value, 0);
    }
    covey_chan_unref(ch);
}

TASK_TEST(close_fails_waiting_senders_and_delivers_none_of_theirs)
{
    enum { N = 10 };
    covey_chan *ch = covey_chan_new(sizeof(int), 2);
    covey_group *g = covey_group_new(ctx);
    struct op ops[N];
    int v = 0;

    send_int(ch, 1);
    send_int(ch, 2);
    for (int i = 0; i < N; i++) {
        ops[i] = (struct op){.ch = ch, .value = 100 + i};
        go_waiting_nth(g, "sender", i, send_op, &ops[i]);
    }
    CHECK_EQ(covey_chan_close(ch), 0);
    JOIN(g);
    for (int i = 0; i < N; i++) {
        CHECK_EQ(ops[i].result, COVEY_ECLOSED);
    }
    CHECK_EQ(recv_int(ch), 1);
    CHECK_EQ(recv_int(ch), 2);
    CHECK_EQ(covey_chan_recv(NULL, ch, &v), COVEY_ECLOSED);
    covey_chan_unref(ch);
}

TASK_TEST(close_fails_senders_waiting_at_a_rendezvous)
{
    covey_chan *ch = covey_chan_new(sizeof(int), 0);
    covey_group *g = covey_group_new(ctx);
    struct op op = {.ch = ch, .value = 1};

    go_waiting(g, "sender", send_op, &op);
    CHECK_EQ(covey_chan_close(ch), 0);
    JOIN(g);
    CHECK_EQ(op.result, COVEY_ECLOSED);
    covey_chan_unref(ch);
}

static int drain(covey_ctx *ctx, void *arg)
{
    struct op *op = arg;
    int v, n = 0;

    (void)ctx;
    while (covey_chan_recv(NULL, op->ch, &v) == 0) {
        n++;
    }
    op->value = n;
    return 0;
}

TASK_TEST(receivers_range_until_close)
{
    enum { RECEIVERS = 4, N = 1000 };
    covey_chan *ch = covey_chan_new(sizeof(int), 5);
    covey_group *g = covey_group_new(ctx);
    struct op ops[RECEIVERS];
    int total = 0;

    for (int i = 0; i < RECEIVERS; i++) {
        ops[i] = (struct op){.ch = ch};
        GO(g, drain, &ops[i]);
    }
    for (int i = 0; i < N; i++) {
        send_int(ch, i);
    }
    CHECK_EQ(covey_chan_close(ch), 0);
    JOIN(g);
    for (int i = 0; i < RECEIVERS; i++) {
        total += ops[i].value;
    }
    CHECK_EQ(total, N);
    covey_chan_unref(ch);
}

/* NULL. */

TASK_TEST(null_channel_is_einval)
{
    int v = 1;

    CHECK_EQ(covey_chan_send(NULL, NULL, &v), -EINVAL);
    CHECK_EQ(covey_chan_recv(NULL, NULL, &v), -EINVAL);
    CHECK_EQ(covey_chan_try_send(NULL, &v), -EINVAL);
    CHECK_EQ(covey_chan_try_recv(NULL, &v), -EINVAL);
    CHECK_EQ(covey_chan_close(NULL), -EINVAL);
    CHECK_EQ(covey_chan_len(NULL), 0);
    CHECK_EQ(covey_chan_cap(NULL), 0);
    covey_chan_unref(NULL);
}

/* References. */

TASK_TEST(channel_lives_as_long_as_a_reference)
{
    covey_chan *ch = covey_chan_new(sizeof(int), 1), *again = covey_chan_ref(ch);

    CHECK(again == ch);
    send_int(ch, 3);
    covey_chan_unref(ch);
    CHECK_EQ(recv_int(again), 3);
    covey_chan_unref(again);
}

TASK_TEST(unref_forgets_what_is_buffered)
{
    covey_chan *ch = covey_chan_new(sizeof(int), 3);

    send_int(ch, 1);
    send_int(ch, 2);
    covey_chan_unref(ch);
}

static int unref_after_recv(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    CHECK_EQ(recv_int(arg), 4);
    covey_chan_unref(arg);
    return 0;
}

TASK_TEST(receiver_may_drop_the_last_reference_as_soon_as_it_received)
{
    for (int i = 0; i < 500; i++) {
        covey_chan *ch = covey_chan_new(sizeof(int), 0);
        covey_group *g = covey_group_new(ctx);
        int v = 4;

        GO(g, unref_after_recv, covey_chan_ref(ch));
        CHECK_EQ(covey_chan_send(NULL, ch, &v), 0);
        covey_chan_unref(ch);
        JOIN(g);
    }
}

/* The one reference is the receiver's; who sends or closes has none of its own. */

static int recv_all_then_unref(covey_ctx *ctx, void *ch)
{
    int v;

    while (covey_chan_recv(ctx, ch, &v) == 0) {
    }
    covey_chan_unref(ch);
    return 0;
}

TASK_TEST(receiver_may_drop_the_only_reference_as_soon_as_it_sees_the_close)
{
    for (int i = 0; i < 500; i++) {
        covey_chan *ch = covey_chan_new(sizeof(int), 0);
        covey_group *g = covey_group_new(NULL);
        int v = 4;

        GO(g, recv_all_then_unref, ch);
        CHECK_EQ(covey_chan_send(NULL, ch, &v), 0);
        CHECK_EQ(covey_chan_close(ch), 0);
        JOIN(g);
    }
}

static int recv_once_then_unref(covey_ctx *ctx, void *ch)
{
    int v, code = covey_chan_recv(ctx, ch, &v);

    covey_chan_unref(ch);
    return code;
}

TASK_TEST(receiver_may_drop_the_only_reference_as_soon_as_it_received)
{
    for (int i = 0; i < 500; i++) {
        covey_chan *ch = covey_chan_new(sizeof(int), 0);
        covey_group *g = covey_group_new(NULL);
        int v = 4;

        GO(g, recv_once_then_unref, ch);
        CHECK_EQ(covey_chan_send(NULL, ch, &v), 0);
        JOIN(g);
    }
}

TEST(a_channel_too_large_for_memory_is_null)
{
    if (WITH_ASAN || WITH_TSAN) {
        SKIP("the sanitizer's allocator does not return");
    }
    CHECK(covey_chan_new(SIZE_MAX, 1) == NULL);
    CHECK(covey_chan_new(SIZE_MAX / 2, 3) == NULL); /* the product wraps around */
    CHECK(covey_chan_new(16, SIZE_MAX / 16 + 1) == NULL);
    CHECK(covey_chan_new(1, SIZE_MAX) == NULL);
}

/* Order of waiters. */

TASK_TEST(receivers_are_served_first_come_first_served)
{
    enum { N = 8 };
    covey_chan *ch = covey_chan_new(sizeof(int), 0);
    covey_group *g = covey_group_new(ctx);
    struct op ops[N];

    for (int i = 0; i < N; i++) {
        ops[i] = (struct op){.ch = ch};
        go_waiting_nth(g, "receiver", i, recv_op, &ops[i]);
    }
    for (int i = 0; i < N; i++) {
        send_int(ch, 50 + i);
    }
    JOIN(g);
    for (int i = 0; i < N; i++) {
        CHECK_EQ(ops[i].value, 50 + i);
    }
    covey_chan_unref(ch);
}

TASK_TEST(senders_are_served_first_come_first_served)
{
    enum { N = 8 };

    for (int capacity = 0; capacity < 4; capacity++) {
        covey_chan *ch = covey_chan_new(sizeof(int), (size_t)capacity);
        covey_group *g = covey_group_new(ctx);
        struct op ops[N];

        for (int i = 0; i < capacity; i++) {
            send_int(ch, i);
        }
        for (int i = 0; i < N; i++) {
            ops[i] = (struct op){.ch = ch, .value = capacity + i};
            go_waiting_nth(g, "sender", i, send_op, &ops[i]);
        }
        for (int i = 0; i < capacity + N; i++) {
            CHECK_EQ(recv_int(ch), i);
        }
        JOIN(g);
        covey_chan_unref(ch);
    }
}

TASK_TEST(waiting_senders_come_before_a_later_try_send)
{
    covey_chan *ch = covey_chan_new(sizeof(int), 1);
    covey_group *g = covey_group_new(ctx);
    struct op op = {.ch = ch, .value = 2};
    int v = 3;

    send_int(ch, 1);
    go_waiting(g, "sender", send_op, &op);
    CHECK_EQ(recv_int(ch), 1);
    CHECK_EQ(covey_chan_try_send(ch, &v), COVEY_EAGAIN); /* the waiter took the place */
    CHECK_EQ(recv_int(ch), 2);
    JOIN(g);
    covey_chan_unref(ch);
}

TASK_TEST(a_cancelled_waiter_leaves_the_others_in_order)
{
    enum { N = 5 };
    covey_chan *ch = covey_chan_new(sizeof(int), 0);
    covey_group *g = covey_group_new(ctx);
    covey_ctx *middle = covey_ctx_with_cancel(ctx);
    struct op ops[N];

    for (int i = 0; i < N; i++) {
        ops[i] = (struct op){.ch = ch, .ctx = i == 2 ? middle : NULL};
        go_waiting_nth(g, "receiver", i, recv_op, &ops[i]);
    }
    covey_ctx_cancel(middle);
    while (!atomic_load(&ops[2].ended)) {
        covey_yield();
    }
    for (int i = 0; i < N; i++) {
        if (i != 2) {
            send_int(ch, i);
        }
    }
    JOIN(g);
    for (int i = 0; i < N; i++) {
        CHECK_EQ(ops[i].result, i == 2 ? COVEY_ECANCELED : 0);
        CHECK(i == 2 || ops[i].value == i);
    }
    covey_ctx_unref(middle);
    covey_chan_unref(ch);
}

TASK_TEST(cancelled_sender_leaves_no_value_behind)
{
    enum { N = 3 };
    covey_chan *ch = covey_chan_new(sizeof(int), 0);
    covey_group *g = covey_group_new(ctx);
    covey_ctx *middle = covey_ctx_with_cancel(ctx);
    struct op ops[N];
    int v;

    for (int i = 0; i < N; i++) {
        ops[i] = (struct op){.ch = ch, .value = i, .ctx = i == 1 ? middle : NULL};
        go_waiting_nth(g, "sender", i, send_op, &ops[i]);
    }
    covey_ctx_cancel(middle);
    CHECK_EQ(recv_int(ch), 0);
    CHECK_EQ(recv_int(ch), 2);
    JOIN(g);
    CHECK_EQ(ops[1].result, COVEY_ECANCELED);
    CHECK_EQ(covey_chan_try_recv(ch, &v), COVEY_EAGAIN);
    covey_ctx_unref(middle);
    covey_chan_unref(ch);
}

/* Contexts. */

static void check_done_first(int code)
{
    covey_ctx *done = done_ctx(code);
    covey_chan *ch = covey_chan_new(sizeof(int), 2);
    int v = 1;

    CHECK_EQ(covey_chan_send(done, ch, &v), code);
    CHECK_EQ(covey_chan_len(ch), 0);
    send_int(ch, 5);
    CHECK_EQ(covey_chan_recv(done, ch, &v), code);
    CHECK_EQ(covey_chan_len(ch), 1);
    CHECK_EQ(covey_chan_close(ch), 0);
    CHECK_EQ(covey_chan_recv(done, ch, &v), code);
    CHECK_EQ(recv_int(ch), 5);
    CHECK_EQ(covey_chan_recv(done, ch, &v), code);
    CHECK_EQ(covey_chan_send(done, ch, &v), code);
    covey_chan_unref(ch);
    covey_ctx_unref(done);
}

TASK_TEST(a_done_context_comes_before_what_could_complete)
{
    check_done_first(COVEY_ECANCELED);
    check_done_first(COVEY_EDEADLINE);
}

TASK_TEST(a_loop_that_never_waits_ends_with_its_context)
{
    covey_ctx *c = covey_ctx_with_cancel(ctx);
    covey_chan *ch = covey_chan_new(sizeof(int), 100);
    int sent = 0;

    while (covey_chan_send(c, ch, &sent) == 0) {
        if (++sent == 10) {
            covey_ctx_cancel(c);
        }
    }
    CHECK_EQ(covey_errcode(), COVEY_ECANCELED);
    CHECK_EQ(sent, 10);
    CHECK_EQ(covey_chan_len(ch), 10);
    covey_chan_unref(ch);
    covey_ctx_unref(c);
}

TASK_TEST(a_done_context_does_not_take_from_a_waiting_sender)
{
    covey_ctx *done = done_ctx(COVEY_ECANCELED);
    covey_chan *ch = covey_chan_new(sizeof(int), 0);
    covey_group *g = covey_group_new(ctx);
    struct op op = {.ch = ch, .value = 9};
    int v;

    go_waiting(g, "sender", send_op, &op);
    CHECK_EQ(covey_chan_recv(done, ch, &v), COVEY_ECANCELED);
    settle();
    CHECK_EQ(atomic_load(&op.ended), 0);
    CHECK_EQ(recv_int(ch), 9);
    JOIN(g);
    covey_chan_unref(ch);
    covey_ctx_unref(done);
}

static void check_cancel_waiting(covey_ctx *ctx, covey_fn *fn, bool deadline)
{
    covey_ctx *c = deadline ? covey_ctx_with_timeout(ctx, COVEY_MS) : covey_ctx_with_cancel(ctx);
    covey_chan *ch = covey_chan_new(sizeof(int), 0);
    covey_group *g = covey_group_new(NULL);
    struct op op = {.ctx = c, .ch = ch, .value = 1};
    int v;

    GO(g, fn, &op);
    if (!deadline) {
        settle();
        CHECK_EQ(atomic_load(&op.ended), 0);
        covey_ctx_cancel(c);
    }
    JOIN(g);
    CHECK_EQ(op.result, deadline ? COVEY_EDEADLINE : COVEY_ECANCELED);
    v = 2;
    CHECK_EQ(covey_chan_try_recv(ch, &v), COVEY_EAGAIN);
    CHECK_EQ(covey_chan_try_send(ch, &v), COVEY_EAGAIN);
    covey_chan_unref(ch);
    covey_ctx_unref(c);
}

TASK_TEST(cancelling_wakes_a_waiting_sender)
{
    check_cancel_waiting(ctx, send_op, false);
}

TASK_TEST(cancelling_wakes_a_waiting_receiver)
{
    check_cancel_waiting(ctx, recv_op, false);
}

TASK_TEST(a_deadline_wakes_a_waiting_sender)
{
    check_cancel_waiting(ctx, send_op, true);
}

TASK_TEST(a_deadline_wakes_a_waiting_receiver)
{
    check_cancel_waiting(ctx, recv_op, true);
}

TASK_TEST(cancelling_an_ancestor_wakes_waiters_far_below)
{
    covey_ctx *top = covey_ctx_with_cancel(ctx), *mid = covey_ctx_with_value(top, &top, NULL);
    covey_ctx *low = covey_ctx_with_timeout(mid, 3600 * COVEY_SEC);
    covey_chan *ch = covey_chan_new(sizeof(int), 0);
    covey_group *g = covey_group_new(NULL);
    struct op op = {.ctx = low, .ch = ch};

    go_waiting(g, "receiver", recv_op, &op);
    covey_ctx_cancel(top);
    JOIN(g);
    CHECK_EQ(op.result, COVEY_ECANCELED);
    covey_chan_unref(ch);
    covey_ctx_unref(low);
    covey_ctx_unref(mid);
    covey_ctx_unref(top);
}

static int recv_twice(covey_ctx *ctx, void *arg)
{
    struct op *op = arg;

    (void)ctx;
    CHECK_EQ(covey_chan_recv(op->ctx, op->ch, &op->value), COVEY_ECANCELED);
    op->result = covey_chan_recv(NULL, op->ch, &op->value);
    return 0;
}

TASK_TEST(null_context_still_waits_after_a_cancellation)
{
    covey_ctx *c = covey_ctx_with_cancel(ctx);
    covey_chan *ch = covey_chan_new(sizeof(int), 0);
    covey_group *g = covey_group_new(NULL);
    struct op op = {.ctx = c, .ch = ch};

    GO(g, recv_twice, &op);
    covey_ctx_cancel(c);
    settle();
    send_int(ch, 12);
    JOIN(g);
    CHECK_EQ(op.result, 0);
    CHECK_EQ(op.value, 12);
    covey_chan_unref(ch);
    covey_ctx_unref(c);
}

static int recv_under_two(covey_ctx *ctx, void *arg)
{
    covey_ctx **both = arg;
    covey_chan *ch = covey_ctx_value(both[0], both);
    int v;

    (void)ctx;
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(covey_chan_recv(both[i % 2], ch, &v), 0);
        CHECK_EQ(v, i);
    }
    CHECK_EQ(covey_chan_recv(both[0], ch, &v), COVEY_ECANCELED);
    CHECK_EQ(covey_chan_recv(both[1], ch, &v), 0);
    return 0;
}

TASK_TEST(a_task_may_wait_under_one_context_then_under_another)
{
    covey_ctx *both[2];
    covey_chan *ch = covey_chan_new(sizeof(int), 0);
    covey_ctx *first = covey_ctx_with_cancel(ctx);
    covey_group *g = covey_group_new(NULL);
    int last = 1;

    both[0] = covey_ctx_with_value(first, both, ch);
    both[1] = covey_ctx_with_cancel(ctx);
    GO(g, recv_under_two, both);
    for (int i = 0; i < 100; i++) {
        send_int(ch, i);
    }
    covey_ctx_cancel(first);
    CHECK_EQ(covey_chan_send(NULL, ch, &last), 0);
    JOIN(g);
    covey_ctx_unref(both[0]);
    covey_ctx_unref(both[1]);
    covey_ctx_unref(first);
    covey_chan_unref(ch);
}

/* The memory model: plain data under ThreadSanitizer. */

struct shared {
    covey_chan *ch;
    int plain;
    int turns;
};

static int write_then_send(covey_ctx *ctx, void *arg)
{
    struct shared *s = arg;

    (void)ctx;
    s->plain = 41;
    return covey_chan_send(NULL, s->ch, NULL);
}

static int write_then_close(covey_ctx *ctx, void *arg)
{
    struct shared *s = arg;

    (void)ctx;
    s->plain = 42;
    return covey_chan_close(s->ch);
}

static int write_then_recv(covey_ctx *ctx, void *arg)
{
    struct shared *s = arg;

    (void)ctx;
    s->plain = 43;
    return covey_chan_recv(NULL, s->ch, NULL);
}

TASK_TEST(a_send_happens_before_its_receive)
{
    for (size_t capacity = 0; capacity < 2; capacity++) {
        struct shared s = {.ch = covey_chan_new(0, capacity)};
        covey_group *g = covey_group_new(ctx);

        GO(g, write_then_send, &s);
        CHECK_EQ(covey_chan_recv(NULL, s.ch, NULL), 0);
        CHECK_EQ(s.plain, 41);
        JOIN(g);
        covey_chan_unref(s.ch);
    }
}

TASK_TEST(a_close_happens_before_the_receive_that_sees_it)
{
    struct shared s = {.ch = covey_chan_new(0, 1)};
    covey_group *g = covey_group_new(ctx);

    GO(g, write_then_close, &s);
    CHECK_EQ(covey_chan_recv(NULL, s.ch, NULL), COVEY_ECLOSED);
    CHECK_EQ(s.plain, 42);
    JOIN(g);
    covey_chan_unref(s.ch);
}

TASK_TEST(a_rendezvous_receive_happens_before_its_send_completes)
{
    struct shared s = {.ch = covey_chan_new(0, 0)};
    covey_group *g = covey_group_new(ctx);

    GO(g, write_then_recv, &s);
    CHECK_EQ(covey_chan_send(NULL, s.ch, NULL), 0);
    CHECK_EQ(s.plain, 43);
    JOIN(g);
    covey_chan_unref(s.ch);
}

static int count_under_channel(covey_ctx *ctx, void *arg)
{
    struct shared *s = arg;

    (void)ctx;
    for (int i = 0; i < s->turns; i++) {
        CHECK_EQ(covey_chan_send(NULL, s->ch, NULL), 0);
        s->plain++;
        CHECK_EQ(covey_chan_recv(NULL, s->ch, NULL), 0);
    }
    return 0;
}

TASK_TEST(a_channel_of_capacity_one_is_a_mutex)
{
    struct shared s = {.ch = covey_chan_new(0, 1), .turns = 500};
    covey_group *g = covey_group_new(ctx);

    for (int i = 0; i < 8; i++) {
        GO(g, count_under_channel, &s);
    }
    JOIN(g);
    CHECK_EQ(s.plain, 8 * 500);
    covey_chan_unref(s.ch);
}

/* Patterns. */

struct pair {
    covey_chan *in, *out;
};

static int echo(covey_ctx *ctx, void *arg)
{
    struct pair *p = arg;
    int v;

    (void)ctx;
    while (covey_chan_recv(NULL, p->in, &v) == 0) {
        v++;
        CHECK_EQ(covey_chan_send(NULL, p->out, &v), 0);
    }
    return covey_chan_close(p->out);
}

TASK_TEST(ping_pong_ten_thousand_times)
{
    struct pair p = {covey_chan_new(sizeof(int), 0), covey_chan_new(sizeof(int), 0)};
    covey_group *g = covey_group_new(ctx);
    int v = 0;

    GO(g, echo, &p);
    for (int i = 0; i < 10000; i++) {
        send_int(p.in, v);
        v = recv_int(p.out);
        CHECK_EQ(v, i + 1);
    }
    CHECK_EQ(covey_chan_close(p.in), 0);
    CHECK_EQ(covey_chan_recv(NULL, p.out, &v), COVEY_ECLOSED);
    JOIN(g);
    covey_chan_unref(p.in);
    covey_chan_unref(p.out);
}

TASK_TEST(a_value_passes_a_chain_of_a_thousand_tasks)
{
    enum { N = 1000 };
    struct pair *links = calloc(N, sizeof(*links));
    covey_chan *first = covey_chan_new(sizeof(int), 0), *last = first;
    covey_group *g = covey_group_new(ctx);

    CHECK(links);
    for (int i = 0; i < N; i++) {
        links[i] = (struct pair){last, covey_chan_new(sizeof(int), 0)};
        last = links[i].out;
        GO(g, echo, &links[i]);
    }
    send_int(first, 0);
    CHECK_EQ(recv_int(last), N);
    CHECK_EQ(covey_chan_close(first), 0);
    CHECK_EQ(covey_chan_recv(NULL, last, NULL), COVEY_ECLOSED);
    JOIN(g);
    for (int i = 0; i < N; i++) {
        covey_chan_unref(links[i].out);
    }
    covey_chan_unref(first);
    free(links);
}

struct filter {
    covey_chan *in, *out;
    int prime;
};

static int generate(covey_ctx *ctx, void *arg)
{
    for (int i = 2;; i++) {
        int rc = covey_chan_send(ctx, arg, &i);

        if (rc < 0) {
            return rc;
        }
    }
}

static int sift(covey_ctx *ctx, void *arg)
{
    struct filter *f = arg;
    int v, rc = 0;

    while (rc == 0) {
        rc = covey_chan_recv(ctx, f->in, &v);
        if (rc == 0 && v % f->prime != 0) {
            rc = covey_chan_send(ctx, f->out, &v);
        }
    }
    return rc;
}

TASK_TEST(prime_sieve_gives_primes_and_ends_when_cancelled)
{
    static const int primes[] = {2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59};
    enum { N = sizeof(primes) / sizeof(*primes) };
    struct filter filters[N];
    covey_chan *ch = covey_chan_new(sizeof(int), 0), *first = ch;
    covey_group *g = covey_group_new(ctx);

    GO(g, generate, ch);
    for (int i = 0; i < N; i++) {
        filters[i] = (struct filter){.in = ch, .prime = recv_int(ch)};
        CHECK_EQ(filters[i].prime, primes[i]);
        ch = filters[i].out = covey_chan_new(sizeof(int), 0);
        GO(g, sift, &filters[i]);
    }
    covey_group_cancel(g, 0);
    CHECK_EQ(covey_group_wait(g), COVEY_ECANCELED); /* what the tasks returned */
    for (int i = 0; i < N; i++) {
        covey_chan_unref(filters[i].out);
    }
    covey_chan_unref(first);
}

struct worker {
    covey_chan *in, *out;
    covey_waitgroup *alive;
};

static int square(covey_ctx *ctx, void *arg)
{
    struct worker *w = arg;
    int v;

    (void)ctx;
    while (covey_chan_recv(NULL, w->in, &v) == 0) {
        v *= v;
        CHECK_EQ(covey_chan_send(NULL, w->out, &v), 0);
    }
    covey_waitgroup_done(w->alive);
    return 0;
}

static int close_after_last(covey_ctx *ctx, void *arg)
{
    struct worker *w = arg;

    (void)ctx;
    CHECK_EQ(covey_waitgroup_wait(NULL, w->alive), 0);
    return covey_chan_close(w->out);
}

static int produce(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    for (int i = 1; i <= 200; i++) {
        send_int(arg, i);
    }
    return covey_chan_close(arg);
}

TASK_TEST(fan_out_fan_in_loses_nothing)
{
    covey_waitgroup alive = {0};
    struct worker w = {covey_chan_new(sizeof(int), 0), covey_chan_new(sizeof(int), 3), &alive};
    covey_group *g = covey_group_new(ctx);
    int v, count = 0;
    long sum = 0;

    covey_waitgroup_add(&alive, 7);
    for (int i = 0; i < 7; i++) {
        GO(g, square, &w);
    }
    GO(g, close_after_last, &w);
    GO(g, produce, w.in);
    while (covey_chan_recv(NULL, w.out, &v) == 0) {
        sum += v;
        count++;
    }
    JOIN(g);
    CHECK_EQ(count, 200);
    CHECK_EQ(sum, 200L * 201 * 401 / 6);
    covey_chan_unref(w.in);
    covey_chan_unref(w.out);
}
