/* SPDX-License-Identifier: MIT
 * contract.c - the public functions, types and constants, with the signatures that programs are
 * written against; compiled only, as C and C++ (headers.sh). Who changes one here breaks users.
 *
 * In parentheses a name is the function, not the macro that passes the call's place on. */
#include <covey.h>
#include <covey/db.h>
#include <covey/http.h>
#include <covey/redis.h>
#include <covey/tls.h>

#define IS(result, name, ...)                                                                      \
    result (*const check_##name)(__VA_ARGS__) = (name);                                            \
    (void)check_##name

#ifdef __cplusplus
#define ZERO(type) type()
#else
#define ZERO(type) ((type){0})
#endif

static void errors(void)
{
    IS(const char *, covey_strerror, int);
    IS(int, covey_errorf, int, const char *, ...);
    IS(int, covey_wrapf, int, const char *, ...);
    IS(const char *, covey_errmsg, void);
}

static void runtime(void)
{
    IS(int, covey_run, covey_fn *, void *);
    IS(int, covey_run_with, const covey_options *, covey_fn *, void *);
    IS(int, covey_go, covey_fn *, void *);
    IS(int, covey_go_with, const covey_task_options *, covey_fn *, void *);
    IS(int, covey_go_copy, covey_fn *, const void *, size_t);
    IS(uint64_t, covey_task_id, void);
    IS(const char *, covey_task_name, void);
    IS(void, covey_yield, void);
    IS(void, covey_pin, void);
    IS(void, covey_unpin, void);
    IS(int, covey_blocking, covey_ctx *, covey_fn *, void *);
}

static void groups(void)
{
    IS(covey_group *, covey_group_new, covey_ctx *);
    IS(covey_group *, covey_group_new_with, covey_ctx *, const covey_group_options *);
    IS(covey_ctx *, covey_group_ctx, covey_group *);
    IS(int, covey_group_go, covey_group *, covey_fn *, void *);
    IS(int, covey_group_go_with, covey_group *, const covey_task_options *, covey_fn *, void *);
    IS(int, covey_group_try_go, covey_group *, covey_fn *, void *);
    IS(int, covey_group_go_copy, covey_group *, covey_fn *, const void *, size_t);
    IS(int, covey_group_try_go_copy, covey_group *, covey_fn *, const void *, size_t);
    IS(void, covey_group_set_limit, covey_group *, int);
    IS(void, covey_group_cancel, covey_group *, int);
    IS(int, covey_group_wait, covey_group *);
    IS(covey_error_list *, covey_error_list_new, void);
    IS(size_t, covey_error_list_len, const covey_error_list *);
    IS(int, covey_error_list_code, const covey_error_list *, size_t);
    IS(const char *, covey_error_list_message, const covey_error_list *, size_t);
    IS(void, covey_error_list_free, covey_error_list *);
}

static void contexts(void)
{
    IS(covey_ctx *, covey_ctx_background, void);
    IS(covey_ctx *, covey_ctx_with_cancel, covey_ctx *);
    IS(covey_ctx *, covey_ctx_with_timeout, covey_ctx *, int64_t);
    IS(covey_ctx *, covey_ctx_with_deadline, covey_ctx *, int64_t);
    IS(covey_ctx *, covey_ctx_with_value, covey_ctx *, const void *, void *);
    IS(covey_ctx *, covey_ctx_without_cancel, covey_ctx *);
    IS(covey_ctx *, covey_ctx_for_cleanup, covey_ctx *, int64_t);
    IS(covey_ctx *, covey_ctx_with_signals, covey_ctx *, const int *, size_t);
    IS(void, covey_ctx_cancel, covey_ctx *);
    IS(void, covey_ctx_cancel_cause, covey_ctx *, int);
    IS(int, covey_ctx_err, covey_ctx *);
    IS(int, covey_ctx_cause, covey_ctx *);
    IS(covey_chan *, covey_ctx_done, covey_ctx *);
    IS(bool, covey_ctx_deadline, covey_ctx *, int64_t *);
    IS(void *, covey_ctx_value, covey_ctx *, const void *);
    IS(covey_stop *, covey_ctx_after_func, covey_ctx *, covey_fn *, void *);
    IS(bool, covey_stop_call, covey_stop *);
    IS(covey_ctx *, covey_ctx_ref, covey_ctx *);
    IS(void, covey_ctx_unref, covey_ctx *);
}

static void channels(void)
{
    IS(covey_chan *, covey_chan_new, size_t, size_t);
    IS(int, covey_chan_send, covey_ctx *, covey_chan *, const void *);
    IS(int, covey_chan_recv, covey_ctx *, covey_chan *, void *);
    IS(int, covey_chan_try_send, covey_chan *, const void *);
    IS(int, covey_chan_try_recv, covey_chan *, void *);
    IS(int, covey_chan_close, covey_chan *);
    IS(size_t, covey_chan_len, const covey_chan *);
    IS(size_t, covey_chan_cap, const covey_chan *);
    IS(covey_chan *, covey_chan_ref, covey_chan *);
    IS(void, covey_chan_unref, covey_chan *);
    IS(int, covey_select_n, covey_ctx *, const covey_case *, size_t);
}

static void time(void)
{
    IS(int64_t, covey_now, void);
    IS(int, covey_sleep, covey_ctx *, int64_t);
    IS(covey_timer *, covey_timer_new, int64_t);
    IS(covey_chan *, covey_timer_chan, covey_timer *);
    IS(bool, covey_timer_stop, covey_timer *);
    IS(bool, covey_timer_reset, covey_timer *, int64_t);
    IS(void, covey_timer_free, covey_timer *);
    IS(covey_timer *, covey_after_func, int64_t, covey_fn *, void *);
    IS(covey_ticker *, covey_ticker_new, int64_t);
    IS(covey_chan *, covey_ticker_chan, covey_ticker *);
    IS(void, covey_ticker_reset, covey_ticker *, int64_t);
    IS(void, covey_ticker_free, covey_ticker *);
}

static void locks(void)
{
    IS(void, covey_mutex_lock, covey_mutex *);
    IS(int, covey_mutex_lock_ctx, covey_ctx *, covey_mutex *);
    IS(bool, covey_mutex_try_lock, covey_mutex *);
    IS(void, covey_mutex_unlock, covey_mutex *);
    IS(void, covey_rwmutex_rlock, covey_rwmutex *);
    IS(void, covey_rwmutex_runlock, covey_rwmutex *);
    IS(void, covey_rwmutex_lock, covey_rwmutex *);
    IS(void, covey_rwmutex_unlock, covey_rwmutex *);
    IS(bool, covey_rwmutex_try_rlock, covey_rwmutex *);
    IS(bool, covey_rwmutex_try_lock, covey_rwmutex *);
    IS(int, covey_rwmutex_rlock_ctx, covey_ctx *, covey_rwmutex *);
    IS(int, covey_rwmutex_lock_ctx, covey_ctx *, covey_rwmutex *);
    IS(void, covey_waitgroup_add, covey_waitgroup *, int);
    IS(void, covey_waitgroup_done, covey_waitgroup *);
    IS(int, covey_waitgroup_wait, covey_ctx *, covey_waitgroup *);
    IS(int, covey_waitgroup_go, covey_waitgroup *, covey_fn *, void *);
    IS(void, covey_once, covey_once_flag *, void (*)(void *), void *);
    IS(int, covey_cond_wait, covey_ctx *, covey_cond *, covey_mutex *);
    IS(void, covey_cond_signal, covey_cond *);
    IS(void, covey_cond_broadcast, covey_cond *);
    IS(covey_sem *, covey_sem_new, int64_t);
    IS(int, covey_sem_acquire, covey_ctx *, covey_sem *, int64_t);
    IS(bool, covey_sem_try_acquire, covey_sem *, int64_t);
    IS(void, covey_sem_release, covey_sem *, int64_t);
    IS(void, covey_sem_free, covey_sem *);
    IS(covey_singleflight *, covey_singleflight_new, void);
    IS(void, covey_singleflight_free, covey_singleflight *);
    IS(int, covey_singleflight_do, covey_ctx *, covey_singleflight *, const char *,
       covey_singleflight_fn *, void *, void **, bool *);
    IS(void, covey_singleflight_forget, covey_singleflight *, const char *);
}

static void shared(void)
{
    IS(covey_map *, covey_map_new, const covey_map_options *);
    IS(int, covey_map_store, covey_map *, const void *, size_t, void *);
    IS(bool, covey_map_load, covey_map *, const void *, size_t, void **);
    IS(bool, covey_map_load_or_store, covey_map *, const void *, size_t, void *, void **);
    IS(bool, covey_map_load_and_delete, covey_map *, const void *, size_t, void **);
    IS(bool, covey_map_delete, covey_map *, const void *, size_t);
    IS(bool, covey_map_swap, covey_map *, const void *, size_t, void *, void **);
    IS(bool, covey_map_compare_and_swap, covey_map *, const void *, size_t, void *, void *);
    IS(bool, covey_map_compare_and_delete, covey_map *, const void *, size_t, void *);
    IS(void, covey_map_range, covey_map *, bool (*)(const void *, size_t, void *, void *), void *);
    IS(size_t, covey_map_len, covey_map *);
    IS(void, covey_map_clear, covey_map *);
    IS(void, covey_map_free, covey_map *);
    IS(int, covey_map_update, covey_map *, const void *, size_t, bool (*)(void **, bool, void *),
       void *);
    IS(covey_value *, covey_value_new, void *, void (*)(void *));
    IS(int, covey_value_store, covey_value *, void *);
    IS(const void *, covey_value_acquire, covey_value *);
    IS(void, covey_value_release, covey_value *, const void *);
    IS(void, covey_value_free, covey_value *);
}

static void net(void)
{
    IS(int, covey_listen, covey_listener **, const char *, const covey_listen_options *);
    IS(int, covey_accept, covey_ctx *, covey_listener *, covey_conn **);
    IS(int, covey_dial, covey_ctx *, covey_conn **, const char *);
    IS(ssize_t, covey_read, covey_ctx *, covey_conn *, void *, size_t);
    IS(ssize_t, covey_read_full, covey_ctx *, covey_conn *, void *, size_t);
    IS(ssize_t, covey_write, covey_ctx *, covey_conn *, const void *, size_t);
    IS(ssize_t, covey_writev, covey_ctx *, covey_conn *, const struct iovec *, int);
    IS(int, covey_shutdown_write, covey_conn *);
    IS(void, covey_close, covey_conn *);
    IS(int, covey_wait_fd, covey_ctx *, int, unsigned);
}

static void http(void)
{
    IS(covey_http_client *, covey_http_client_new, const covey_http_client_options *);
    IS(int, covey_http_get, covey_ctx *, covey_http_client *, const char *, covey_http_response *);
    IS(int, covey_http_do, covey_ctx *, covey_http_client *, const covey_http_request *,
       covey_http_response *);
    IS(void, covey_http_response_free, covey_http_response *);
    IS(int, covey_http_serve, covey_ctx *, covey_listener *, covey_http_handler *, void *,
       const covey_http_server_options *);
}

static void resilience(void)
{
    IS(int, covey_retry, covey_ctx *, const covey_backoff *, covey_fn *, void *);
    IS(void, covey_retry_after, covey_ctx *, int64_t);
    IS(covey_breaker *, covey_breaker_new, const covey_breaker_options *);
    IS(int, covey_breaker_do, covey_ctx *, covey_breaker *, covey_fn *, void *);
    IS(int, covey_breaker_allow, covey_breaker *, uint64_t *);
    IS(void, covey_breaker_report, covey_breaker *, uint64_t, int);
    IS(covey_breaker_state, covey_breaker_state_of, covey_breaker *);
    IS(covey_limiter *, covey_limiter_new, double, int);
    IS(int, covey_limiter_wait, covey_ctx *, covey_limiter *, int);
    IS(bool, covey_limiter_allow, covey_limiter *, int);
}

static void stores(void)
{
    IS(int, covey_db_open, covey_ctx *, covey_db **, const char *, const covey_db_options *);
    IS(int, covey_db_query, covey_ctx *, covey_db *, covey_rows **, const char *,
       const covey_db_value *, size_t);
    IS(int, covey_redis_open, covey_ctx *, covey_redis **, const char *,
       const covey_redis_options *);
    IS(int, covey_redis_command, covey_ctx *, covey_redis *, covey_redis_reply **, const char *,
       ...);
    IS(covey_redlock *, covey_redlock_new, covey_redis **, size_t, const covey_redlock_options *);
    IS(int, covey_redlock_acquire, covey_ctx *, covey_redlock *, const char *, covey_lease **);
    IS(covey_ctx *, covey_lease_ctx, covey_lease *);
    IS(uint64_t, covey_lease_token, covey_lease *);
    IS(int, covey_lease_release, covey_lease *);
}

static void sight(void)
{
    IS(void, covey_dump, FILE *);
    IS(int, covey_profile_write, const char *, int, FILE *);
    IS(int, covey_trace_snapshot, const char *);
    IS(int, covey_trace_start, const char *);
    IS(int, covey_trace_stop, void);
    IS(int, covey_metrics_write, FILE *);
    IS(int, covey_debug_serve, covey_ctx *, const char *);
}

static int work(covey_ctx *ctx, void *arg)
{
    return covey_ctx_err(ctx) < 0 || !arg ? COVEY_PERMANENT(-EINVAL) : 0;
}

/* As they are written in programs: macros with their arguments, options by field. */
static int cases(covey_ctx *ctx, covey_chan *ch, int fd, covey_group *g)
{
    static const int sent = 3;
    int value;
    bool ok = false;
    covey_case list[8];

    list[0] = COVEY_RECV(ch, &value);
    list[1] = COVEY_RECV_OK(ch, &value, &ok);
    list[2] = COVEY_SEND(ch, &sent);
    list[3] = COVEY_SEND_OK(ch, &sent, &ok);
    list[4] = COVEY_DONE(ctx);
    list[5] = COVEY_READABLE(fd);
    list[6] = COVEY_WRITABLE(fd);
    list[7] = COVEY_JOINED(g);
    switch (covey_select_n(ctx, list, 8)) {
    case COVEY_ECANCELED:
    case COVEY_EDEADLINE:
    case COVEY_ECLOSED:
    case COVEY_EAGAIN:
    case COVEY_EOPEN:
    case COVEY_ELOST:
        return covey_errorf(-EINVAL, "case %d", 1);
    default:
        return covey_select(ctx, COVEY_RECV(ch, &value), COVEY_AFTER(100 * COVEY_MS)) +
               covey_select(NULL, COVEY_AFTER(2 * COVEY_SEC + 5 * COVEY_US), COVEY_DEFAULT);
    }
}

static int fields(covey_group *g, int *arg)
{
    covey_options o = ZERO(covey_options);
    covey_task_options t = ZERO(covey_task_options);
    covey_group_options go = ZERO(covey_group_options);
    covey_map_options mo = ZERO(covey_map_options);
    covey_mutex m = {0};
    covey_rwmutex rw = {0};
    covey_waitgroup wg = {0};
    covey_once_flag once = {0};
    covey_cond c = {0};

    (void)m, (void)rw, (void)once, (void)c;
    o.workers = 1;
    o.stack_size = 65536;
    o.dump_signal = 3;
    o.exit_grace_ns = COVEY_SEC;
    o.no_fault_handler = true;
    o.on_error = NULL;
    t.name = "x";
    t.stack_size = 65536;
    t.compact = true;
    t.pinned = true;
    go.policy = COVEY_FIRST_SUCCESS;
    go.limit = 2;
    go.errors = NULL;
    mo.kind = COVEY_MAP_READ_MOSTLY;
    mo.shards = 4;
    mo.value_ref = mo.value_unref = NULL;
    return covey_go(work, arg) + covey_go_with(&t, work, arg) +
           covey_go_copy(work, arg, sizeof(*arg)) + covey_group_go(g, work, arg) +
           covey_waitgroup_go(&wg, work, arg) + (go.policy != COVEY_ALL) + (mo.shards > 0) +
           covey_run_with(&o, work, arg);
}

int main(void)
{
    int arg = 0;

    errors();
    runtime();
    groups();
    contexts();
    channels();
    time();
    locks();
    shared();
    net();
    http();
    resilience();
    stores();
    sight();
    return cases(NULL, NULL, 0, NULL) + fields(NULL, &arg) < 0;
}
