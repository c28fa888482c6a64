/* SPDX-License-Identifier: MIT
 * lack_test.c - every allocation of libcovey-redis and of leases fails once: a scenario is run with
 * the n-th one failing, for n = 1, 2, ... until none did. Each run must end well or with the code
 * of a lack, and leave no descriptor and, under ASan, no byte. */
#include "server.h"
#include "lack.h"

#include <covey/lock.h>
#include <covey/redis.h>

/* A connection for which there was no memory is lost, and a lease for which there was none is not
 * had, by those whose allocation was another. */
static bool is_lack(int code)
{
    return code == -ENOMEM || code == COVEY_EAGAIN || code == -ECONNRESET || code == -ENOTCONN ||
           code == COVEY_ELOST;
}

/* A bit of everything on an open handle. */
static int use(covey_ctx *ctx, covey_redis *r)
{
    static covey_redis_script one = COVEY_REDIS_SCRIPT("return {1, ARGV[1]}");
    static const char *const words[] = {"MGET", "k", "none", "k"}, *const channel = "news";
    covey_redis_args commands[] = {{2, (const char *[]){"GET", "k"}, NULL}, {4, words, NULL}};
    covey_redis_reply *reply = NULL;
    covey_redis_subscription *s = NULL;
    covey_redis_message *m = NULL;
    covey_redis *own = NULL;
    int code = 0;

    TRY(covey_redis_command(ctx, r, NULL, "SET k %s", "some words that are not short, 123456789"));
    TRY(covey_redis_batch(ctx, r, &reply, commands, 2, 0));
    CHECK_EQ(covey_redis_at(covey_redis_at(reply, 1), 2)->len, 40);
    covey_redis_reply_free(reply);
    reply = NULL;
    TRY(covey_redis_eval(ctx, r, NULL, &one, 0, 1, &channel, NULL, 0));
    TRY(covey_redis_own(ctx, r, &own));
    TRY(covey_redis_command(ctx, own, NULL, "MULTI"));
    TRY(covey_redis_subscribe(ctx, r, &s, &channel, 1, NULL));
    TRY(covey_redis_command(ctx, r, NULL, "PUBLISH news words"));
    /* A message for which there is no memory is a gap. */
    TRY(covey_chan_recv(ctx, covey_redis_messages(s), &m));
out:
    covey_redis_message_free(m);
    covey_redis_unsubscribe(s);
    covey_redis_reply_free(reply);
    covey_redis_close(own);
    return code;
}

static int lease_it(covey_ctx *ctx, covey_redlock *rl)
{
    covey_lease *l = NULL;
    int code = rl ? covey_redlock_acquire(ctx, rl, "x", &l) : -ENOMEM;

    if (code == 0) {
        code = covey_lease_extend(ctx, l);
        int released = covey_lease_release(l);
        code = code < 0 ? code : released;
    }
    covey_redlock_free(rl);
    return code;
}

static int attempt(covey_ctx *ctx, const struct server *s)
{
    covey_redis_options opts = {.name = "lack", .reconnect = {.base_ns = COVEY_MS}};
    covey_redlock_options once = {.retry = {.max_tries = 1}};
    covey_redis *r = NULL;
    int code = covey_redis_open(ctx, &r, s->url, &opts);

    code = code < 0 ? code : use(ctx, r);
    code = code < 0 ? code : lease_it(ctx, covey_redlock_new(&r, 1, &once));
    code = code < 0 ? code : lease_it(ctx, covey_redlock_new(NULL, 0, &once));
    covey_redis_close(r);
    return code;
}

static int sweep(covey_ctx *ctx, void *arg)
{
    const struct server *s = arg;
    covey_redis *r;
    int n = 0;

    while (lack_next(&n)) {
        atomic_store(&countdown, n);
        int code = attempt(ctx, s);
        atomic_store(&countdown, 0);
        if (code != 0 && !is_lack(code)) {
            fprintf(stderr, "# allocation %d: %d: %s\n", n, code, covey_errmsg());
        }
        CHECK(code == 0 || is_lack(code));
        OK(covey_redis_open(ctx, &r, s->url, NULL)); /* what a failed release has left */
        OK(covey_redis_command(ctx, r, NULL, "FLUSHALL"));
        covey_redis_close(r);
    }
    CHECK(n > 40);
    return 0;
}

TEST(each_allocation_fails_once)
{
    struct server s = {0};

    if (!WITH_WRAPPED_HEAP) {
        SKIP("the library is linked dynamically");
    }
    server_start(&s);
    int fds = count_fds();
    CHECK_EQ(covey_run(sweep, &s), 0);
    CHECK_EQ(count_fds(), fds);
    server_end(&s);
}
