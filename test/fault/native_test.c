/* SPDX-License-Identifier: MIT
 * native_test.c - COVEY_DEBUG=native with libcovey-native.so: what is told of, and what is not. The
 * programs are tests of this file, too, which each other test runs in a process of its own. */
#include "../conformance/support.h"

#include <pthread.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* ---- programs ---- */

__attribute__((noinline)) static void take_the_mutex(void)
{
    CHECK(pthread_mutex_lock(&mutex) == 0);
}

static int sleep_with_it(covey_ctx *ctx, void *arg)
{
    (void)arg;
    covey_pin(); /* so that the thread that unlocks is the one that locked */
    for (int i = 0; i < 3; i++) {
        take_the_mutex();
        CHECK(covey_sleep(ctx, COVEY_MS) == 0);
        CHECK(pthread_mutex_unlock(&mutex) == 0);
    }
    covey_unpin();
    return 0;
}

static int end_with_it(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    take_the_mutex();
    return 0;
}

static int sleep_without_it(covey_ctx *ctx, void *arg)
{
    (void)arg;
    take_the_mutex();
    CHECK(pthread_mutex_unlock(&mutex) == 0);
    return covey_sleep(ctx, COVEY_MS);
}

TEST(program_that_sleeps_with_a_mutex)
{
    CHECK(covey_run(sleep_with_it, NULL) == 0);
}

TEST(program_that_ends_with_a_mutex)
{
    CHECK(covey_run(end_with_it, NULL) == 0);
}

TEST(program_that_gives_it_back)
{
    CHECK(covey_run(sleep_without_it, NULL) == 0);
}

/* ---- what is said of them ---- */

/* What the program writes; a buffer that lasts until the next call. */
static const char *said_of(const char *program, bool with_library)
{
    static char text[65536];
    char command[8192];
    char self[4096];
    const char *build = getenv("COVEY_BUILD_DIR");
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

    if (!build || WITH_ASAN || WITH_TSAN) {
        SKIP("a sanitizer's own functions stand in front of libpthread");
    }
    CHECK(len > 0);
    self[len] = '\0';
    snprintf(command, sizeof(command),
             "COVEY_TEST_NOFORK=1 COVEY_DEBUG=native LD_PRELOAD=%s%s '%s' %s 2>&1",
             with_library ? build : "", with_library ? "/libcovey-native.so" : "", self, program);
    FILE *out = popen(command, "r");
    CHECK(out != NULL);
    text[fread(text, 1, sizeof(text) - 1, out)] = '\0';
    CHECK(pclose(out) == 0);
    return text;
}

static size_t count(const char *text, const char *word)
{
    size_t n = 0;

    while ((text = strstr(text, word)) != NULL) {
        text += strlen(word);
        n++;
    }
    return n;
}

TEST(a_task_that_parks_with_a_mutex_is_told_of_once_with_both_stacks)
{
    const char *text = said_of("program_that_sleeps_with_a_mutex", true);

    CHECK_EQ(count(text, "leaves its thread, which holds pthread mutex"), 1);
    const char *lock = strstr(text, "  locked\n");
    CHECK(strstr(text, "covey_sleep") && lock);
    CHECK(strstr(text, "covey_sleep") < lock);
    CHECK(strstr(lock, "take_the_mutex"));
}

TEST(a_task_that_ends_with_a_mutex_is_told_of)
{
    CHECK_EQ(count(said_of("program_that_ends_with_a_mutex", true), "leaves its thread"), 1);
}

TEST(a_mutex_that_was_given_back_is_no_matter)
{
    CHECK_EQ(count(said_of("program_that_gives_it_back", true), "native"), 0);
}

TEST(without_the_library_the_knob_says_what_it_needs)
{
    CHECK_EQ(count(said_of("program_that_gives_it_back", false), "needs LD_PRELOAD"), 1);
}
