/* SPDX-License-Identifier: MIT
 * config.c - covey_tls_config (covey/tls.h): a place for a setup, which is replaced as a whole. */
#include "tls/setup.h"

#include <covey/error.h>
#include <pthread.h>

struct covey_tls_config {
    _Atomic unsigned refs; /* relaxed up, acq_rel down */
    pthread_mutex_t lock;  /* guards setup; for a few instructions */
    struct cvy_tls_setup *setup;
};

static const covey_tls_options defaults;

int covey_tls_config_new(covey_tls_config **config, const covey_tls_options *opts)
{
    struct covey_tls_config *c = OPENSSL_zalloc(sizeof(*c));

    if (!c) {
        return covey_errorf(-ENOMEM, "tls: %s", covey_strerror(-ENOMEM));
    }
    int code = cvy_tls_setup_new(&c->setup, opts ? opts : &defaults);
    if (code < 0) {
        OPENSSL_free(c);
        return code;
    }
    atomic_init(&c->refs, 1);
    (void)pthread_mutex_init(&c->lock, NULL);
    *config = c;
    return 0;
}

int covey_tls_config_update(covey_tls_config *config, const covey_tls_options *opts)
{
    struct cvy_tls_setup *fresh;

    int code = cvy_tls_setup_new(&fresh, opts ? opts : &defaults);
    if (code < 0) {
        return code;
    }
    (void)pthread_mutex_lock(&config->lock);
    struct cvy_tls_setup *old = config->setup;
    config->setup = fresh;
    (void)pthread_mutex_unlock(&config->lock);
    cvy_tls_setup_unref(old);
    return 0;
}

struct cvy_tls_setup *cvy_tls_config_setup(covey_tls_config *config)
{
    (void)pthread_mutex_lock(&config->lock);
    struct cvy_tls_setup *setup = cvy_tls_setup_ref(config->setup);
    (void)pthread_mutex_unlock(&config->lock);
    return setup;
}

covey_tls_config *covey_tls_config_ref(covey_tls_config *config)
{
    atomic_fetch_add_explicit(&config->refs, 1, memory_order_relaxed);
    return config;
}

void covey_tls_config_unref(covey_tls_config *config)
{
    /* Acq_rel: every use happens before the free by the last one. */
    if (config && atomic_fetch_sub_explicit(&config->refs, 1, memory_order_acq_rel) == 1) {
        cvy_tls_setup_unref(config->setup);
        (void)pthread_mutex_destroy(&config->lock);
        OPENSSL_free(config);
    }
}
