/* SPDX-License-Identifier: MIT
 * error_test.c - codes and the words beside them: whose they are, how they are made, how they
 * travel. */
#include "support.h"

static const int own_codes[] = {COVEY_ECANCELED, COVEY_EDEADLINE, COVEY_ECLOSED, COVEY_EAGAIN,
                                COVEY_EOPEN,     COVEY_ELOST,     COVEY_EDNS,    COVEY_ETOOLARGE,
                                COVEY_EPROTO,    COVEY_ETLS,      -ECONNREFUSED, -EINVAL,
                                -ENOMEM,         -ETIMEDOUT,      -EADDRINUSE,   -ENOENT};

enum { OWN_CODES = sizeof(own_codes) / sizeof(*own_codes) };

TEST(strerror_tells_all_codes_apart)
{
    for (int i = 0; i < OWN_CODES; i++) {
        CHECK(covey_strerror(own_codes[i]));
        CHECK(covey_strerror(own_codes[i])[0] != '\0');
        for (int j = 0; j < i; j++) {
            CHECK(own_codes[i] != own_codes[j]);
            CHECK(strcmp(covey_strerror(own_codes[i]), covey_strerror(own_codes[j])) != 0);
        }
    }
    CHECK_STR(covey_strerror(-ECONNREFUSED), "connection refused");
}

TEST(strerror_never_gives_null)
{
    static const int odd[] = {0, 1, 5, 1000000, -3999, -9999, -20000, INT32_MAX, INT32_MIN};

    for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
        CHECK(covey_strerror(odd[i]));
        CHECK(covey_strerror(odd[i])[0] != '\0');
    }
    for (int code = -200; code < 0; code++) {
        CHECK(covey_strerror(code));
    }
}

TEST(before_the_first_failure_there_are_no_words)
{
    CHECK_STR(covey_errmsg(), "");
    CHECK_EQ(covey_errcode(), 0);
}

TASK_TEST(a_new_task_has_no_words)
{
    CHECK_STR(covey_errmsg(), "");
    CHECK_EQ(covey_errcode(), 0);
}

static void check_errorf(void)
{
    CHECK_EQ(covey_errorf(-EINVAL, "bad %s: %d", "port", 99), -EINVAL);
    CHECK_EQ(covey_errcode(), -EINVAL);
    CHECK_STR(covey_errmsg(), "bad port: 99");
    CHECK_EQ(covey_errorf(COVEY_ELOST, "lease"), COVEY_ELOST);
    CHECK_EQ(covey_errcode(), COVEY_ELOST);
    CHECK_STR(covey_errmsg(), "lease");
}

TEST(errorf_sets_code_and_words_outside_a_task)
{
    check_errorf();
}

TASK_TEST(errorf_sets_code_and_words_in_a_task)
{
    check_errorf();
}

TASK_TEST(errorf_may_quote_the_present_words)
{
    (void)covey_errorf(-EIO, "disk");
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(covey_errorf(-EINVAL, "<%s>", covey_errmsg()), -EINVAL);
    }
    CHECK_STR(covey_errmsg(), "<<<<<<<<<<<<<<<<<<<<disk>>>>>>>>>>>>>>>>>>>>");
}

TASK_TEST(long_words_begin_as_written)
{
    char text[5001];

    memset(text, 'x', sizeof(text));
    memcpy(text, "start", 5);
    text[5000] = '\0';
    CHECK_EQ(covey_errorf(-EIO, "%s", text), -EIO);
    CHECK(strlen(covey_errmsg()) >= 100);
    CHECK(strncmp(covey_errmsg(), text, 100) == 0);
    for (int i = 0; i < 200; i++) {
        (void)covey_wrapf(-EIO, "layer %d of a deep stack of callers that all add words", i);
    }
    CHECK(strncmp(covey_errmsg(), "layer 199 of a deep", 19) == 0);
}

static int verrorf(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int verrorf(int code, const char *fmt, ...)
{
    va_list args;
    int rc;

    va_start(args, fmt);
    rc = covey_verrorf(code, fmt, args);
    va_end(args);
    return rc;
}

TASK_TEST(verrorf_is_errorf_for_wrappers)
{
    CHECK_EQ(verrorf(-EIO, "%d of %d", 3, 4), -EIO);
    CHECK_STR(covey_errmsg(), "3 of 4");
}

TASK_TEST(wrapf_puts_words_before_those_of_the_same_code)
{
    (void)covey_errorf(-ECONNREFUSED, "connection refused");
    CHECK_EQ(covey_wrapf(-ECONNREFUSED, "fetch %s", "http://x"), -ECONNREFUSED);
    CHECK_STR(covey_errmsg(), "fetch http://x: connection refused");
    CHECK_EQ(covey_wrapf(-ECONNREFUSED, "order %d", 7), -ECONNREFUSED);
    CHECK_STR(covey_errmsg(), "order 7: fetch http://x: connection refused");
    CHECK_EQ(covey_errcode(), -ECONNREFUSED);
}

TASK_TEST(wrapf_of_another_code_starts_from_strerror)
{
    char expected[200];

    (void)snprintf(expected, sizeof(expected), "load: %s", covey_strerror(-ENOENT));
    CHECK_EQ(covey_wrapf(-ENOENT, "load"), -ENOENT);
    CHECK_STR(covey_errmsg(), expected);
    (void)covey_errorf(-EIO, "of something else");
    CHECK_EQ(covey_wrapf(-ENOENT, "load"), -ENOENT);
    CHECK_STR(covey_errmsg(), expected);
    CHECK_EQ(covey_errcode(), -ENOENT);
}

TASK_TEST(wrapf_may_quote_the_present_words)
{
    (void)covey_errorf(-EIO, "disk");
    CHECK_EQ(covey_wrapf(-EIO, "again (%s)", covey_errmsg()), -EIO);
    CHECK_STR(covey_errmsg(), "again (disk): disk");
}

/* A failing call sets the words; a succeeding one and EAGAIN leave them. */

TASK_TEST(failing_calls_set_code_and_words)
{
    covey_chan *ch = covey_chan_new(sizeof(int), 1);
    covey_ctx *done = done_ctx(COVEY_ECANCELED);
    covey_sem *sem = covey_sem_new(1);
    int v;

    (void)covey_chan_close(ch);
    CHECK_EQ(covey_chan_recv(NULL, ch, &v), COVEY_ECLOSED);
    CHECK_EQ(covey_errcode(), COVEY_ECLOSED);
    CHECK(covey_errmsg()[0] != '\0');
    CHECK_EQ(covey_sleep(done, COVEY_SEC), COVEY_ECANCELED);
    CHECK_EQ(covey_errcode(), COVEY_ECANCELED);
    CHECK(covey_errmsg()[0] != '\0');
    CHECK_EQ(covey_sem_acquire(NULL, sem, 2), -EINVAL);
    CHECK_EQ(covey_errcode(), -EINVAL);
    CHECK(covey_errmsg()[0] != '\0');
    CHECK_EQ(covey_chan_send(NULL, NULL, &v), -EINVAL);
    CHECK_EQ(covey_errcode(), -EINVAL);
    CHECK_EQ(covey_select(done, COVEY_DEFAULT), COVEY_ECANCELED);
    CHECK_EQ(covey_errcode(), COVEY_ECANCELED);
    covey_sem_free(sem);
    covey_ctx_unref(done);
    covey_chan_unref(ch);
}

TASK_TEST(eagain_and_success_leave_the_words_alone)
{
    covey_chan *ch = covey_chan_new(sizeof(int), 1);
    covey_group *g = covey_group_new(ctx);
    covey_mutex m = {0};
    int v = 1;

    (void)covey_errorf(-EIO, "mine");
    CHECK_EQ(covey_chan_try_recv(ch, &v), COVEY_EAGAIN);
    CHECK_EQ(covey_chan_try_send(ch, &v), 0);
    CHECK_EQ(covey_chan_try_send(ch, &v), COVEY_EAGAIN);
    covey_group_set_limit(g, 0);
    CHECK_EQ(covey_chan_recv(ctx, ch, &v), 0);
    CHECK_EQ(covey_sleep(ctx, COVEY_US), 0);
    covey_mutex_lock(&m);
    CHECK(!covey_mutex_try_lock(&m));
    covey_mutex_unlock(&m);
    JOIN(g);
    covey_yield();
    CHECK_EQ(covey_errcode(), -EIO);
    CHECK_STR(covey_errmsg(), "mine");
    covey_chan_unref(ch);
}

TASK_TEST(a_cancellation_tells_itself_from_a_deadline)
{
    covey_ctx *done = done_ctx(COVEY_ECANCELED), *late = done_ctx(COVEY_EDEADLINE);

    CHECK_EQ(covey_sleep(done, COVEY_SEC), COVEY_ECANCELED);
    CHECK(!strstr(covey_errmsg(), "deadline"));
    CHECK_EQ(covey_sleep(late, COVEY_SEC), COVEY_EDEADLINE);
    CHECK(strstr(covey_errmsg(), "deadline exceeded"));
    CHECK(COVEY_EDEADLINE != -ETIMEDOUT);
    covey_ctx_unref(done);
    covey_ctx_unref(late);
}

/* Words are a task's own. */

static int keep_words(covey_ctx *ctx, void *arg)
{
    int mine = *(int *)arg;
    char expected[32];

    (void)ctx;
    CHECK_STR(covey_errmsg(), "");
    CHECK_EQ(covey_errcode(), 0);
    for (int i = 0; i < 30; i++) {
        (void)snprintf(expected, sizeof(expected), "task %d turn %d", mine, i);
        (void)covey_errorf(-1 - mine, "task %d turn %d", mine, i);
        covey_yield();
        CHECK_STR(covey_errmsg(), expected);
        CHECK_EQ(covey_errcode(), -1 - mine);
    }
    return 0;
}

TASK_TEST(each_task_has_words_of_its_own)
{
    for (int round = 0; round < 5; round++) { /* also in a task that was used before */
        covey_group *g = covey_group_new(ctx);

        for (int i = 0; i < 20; i++) {
            CHECK_EQ(covey_group_go_copy(g, keep_words, &i, sizeof(i)), 0);
        }
        JOIN(g);
    }
    CHECK_STR(covey_errmsg(), "");
}

TASK_TEST(words_stay_valid_until_the_next_failing_call)
{
    const char *words;
    covey_chan *ch = covey_chan_new(0, 1);
    char many[400];

    memset(many, 'y', sizeof(many) - 1);
    many[sizeof(many) - 1] = '\0';
    (void)covey_errorf(-EIO, "%s", many);
    words = covey_errmsg();
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(covey_chan_send(ctx, ch, NULL), 0);
        CHECK_EQ(covey_chan_try_send(ch, NULL), COVEY_EAGAIN);
        CHECK_EQ(covey_chan_recv(ctx, ch, NULL), 0);
        covey_yield();
        CHECK_STR(words, many);
    }
    covey_chan_unref(ch);
}

static int fail_with_words(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    return covey_errorf(-ENOENT, "no %s", (const char *)arg);
}

TEST(run_carries_the_words_to_its_caller)
{
    CHECK_EQ(covey_run(fail_with_words, "luck"), -ENOENT);
    CHECK_EQ(covey_errcode(), -ENOENT);
    CHECK_STR(covey_errmsg(), "no luck");
}

static int fail_silent(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return COVEY_EPROTO;
}

TEST(run_gives_strerrors_words_to_a_silent_failure)
{
    CHECK_EQ(covey_run(fail_silent, NULL), COVEY_EPROTO);
    CHECK_STR(covey_errmsg(), covey_strerror(COVEY_EPROTO));
}

static int wrap_after_wait(covey_ctx *ctx, void *arg)
{
    covey_group *g = covey_group_new(ctx);
    int rc;

    GO(g, fail_with_words, arg);
    rc = covey_group_wait(g);
    return covey_wrapf(rc, "second");
}

static int wrap_twice(covey_ctx *ctx, void *arg)
{
    covey_group *g = covey_group_new(ctx);
    int rc;

    GO(g, wrap_after_wait, arg);
    rc = covey_group_wait(g);
    return covey_wrapf(rc, "first");
}

TEST(words_gather_on_the_way_up)
{
    CHECK_EQ(covey_run(wrap_twice, "luck"), -ENOENT);
    CHECK_STR(covey_errmsg(), "first: second: no luck");
}

TEST(errno_is_an_lvalue)
{
    int *place = &errno;

    errno = 5;
    CHECK_EQ(*place, 5);
    errno++;
    CHECK_EQ(errno, 6);
    CHECK(place == covey_errno_location());
}
