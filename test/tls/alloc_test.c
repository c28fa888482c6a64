/* SPDX-License-Identifier: MIT
 * alloc_test.c - each allocation of libcovey-tls and of OpenSSL fails once: configs, a handshake
 * and a talk, until all run through. Nothing crashes, hangs or leaks, and what fails says so. */
#include "../conformance/tls_pair.h"

#include <covey/tls.h>
#include <openssl/crypto.h>

static atomic_long to_fail = -1; /* counts down; the one that finds 0 fails */

static bool fails(void)
{
    return atomic_load(&to_fail) >= 0 && atomic_fetch_sub(&to_fail, 1) == 0;
}

static void *failing_malloc(size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return fails() ? NULL : malloc(n);
}

static void *failing_realloc(void *p, size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    if (n == 0) {
        free(p);
        return NULL;
    }
    return fails() ? NULL : realloc(p, n);
}

static void plain_free(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    free(p);
}

/* Whether all of it went well. */
static bool run_config(void)
{
    covey_tls_identity id = identity_of(&world.shop);
    covey_tls_options opts = {.identities = &id,
                              .identity_count = 1,
                              .ca_pem = world.authority.cert_pem,
                              .alpn = "h2,http/1.1"};
    covey_tls_config *config = NULL;

    int code = covey_tls_config_new(&config, &opts);
    if (code == 0) {
        covey_tls_config_unref(config);
    } else {
        CHECK(covey_errmsg()[0]);
    }
    return code == 0;
}

static bool run_talk(covey_ctx *ctx)
{
    struct pair p = {0};
    bool is_good;
    char b = 0;

    shake(ctx, &p);
    is_good = p.client_code == 0 && p.server_code == 0;
    if (p.client && p.server) {
        is_good = covey_write(ctx, p.client, "x", 1) == 1 && is_good;
        is_good = is_good && covey_read(ctx, p.server, &b, 1) == 1;
        is_good = is_good && covey_write(ctx, p.server, "y", 1) == 1;
        is_good = is_good && covey_read(ctx, p.client, &b, 1) == 1;
        is_good = is_good && b == 'y';
    }
    pair_close(&p);
    return is_good;
}

/* Fails the first, the second, ... until no allocation is left to fail. */
#define SWEEP(call)                                                                                \
    do {                                                                                           \
        long n = 0, failures = 0;                                                                  \
        for (;; n++) {                                                                             \
            atomic_store(&to_fail, n);                                                             \
            bool is_good = (call);                                                                 \
            bool is_over = atomic_exchange(&to_fail, -1) >= 0;                                     \
            failures += !is_good;                                                                  \
            if (is_over) {                                                                         \
                CHECK(is_good);                                                                    \
                break;                                                                             \
            }                                                                                      \
        }                                                                                          \
        fprintf(stderr, "# %ld allocations, %ld of them needed\n", n, failures);                   \
        CHECK(failures > 0);                                                                       \
    } while (0)

static int sweep_all(covey_ctx *ctx, void *arg)
{
    (void)arg;
    world_make();
    int fds = count_fds();
    CHECK(run_config());
    SWEEP(run_config());
    CHECK(run_talk(ctx));
    SWEEP(run_talk(ctx));
    CHECK_EQ(count_fds(), fds);
    world_free();
    return 0;
}

TEST(every_allocation_may_fail)
{
    CHECK_EQ(CRYPTO_set_mem_functions(failing_malloc, failing_realloc, plain_free), 1);
    CHECK_EQ(covey_run(sweep_all, NULL), 0);
}
