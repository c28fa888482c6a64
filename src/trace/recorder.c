/* SPDX-License-Identifier: MIT
 * recorder.c - see recorder.h.
 *
 * While a file is written, a thread moves what the rings hold to it every millisecond. It reads
 * behind the writers' backs (ring.h); what it comes too late for is counted in the file. A snapshot
 * is written by who asks for it.
 *
 * The tasks alive are listed when a file's events are recorded already: whoever starts or ends
 * while they are listed has an event that says so. The list is handed to the thread, a part of
 * which it writes at each turn, as rings may go round meanwhile. */
#include "trace/recorder.h"

#include "base/alloc.h"
#include "os/file.h"
#include "os/sys.h"
#include "trace/emit.h"
#include "trace/probe.h"

#include <covey/error.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define DRAIN_NS 1000000
#define RING_BYTES_DEFAULT ((size_t)4 << 20)
#define RING_BYTES_MAX ((size_t)1 << 30)
#define ROUNDS_A_CLOCK 128
#define TASKS_A_ROUND 4096u

_Alignas(CVY_CACHE_LINE) struct cvy_ring cvy_trace_rings[CVY_TRACE_WORKERS_MAX];

/* Everything below is guarded by control, but what says otherwise. */
static pthread_mutex_t control = PTHREAD_MUTEX_INITIALIZER;
static bool is_attached, has_flight, has_file;
static uint64_t files;                 /* that were begun */
static _Atomic int workers;            /* of the last run; read without control */
static int file_workers;               /* the most that ran while the file was written */
static covey_trace_clock flight_clock; /* when recording began: a snapshot's first */
static size_t ring_bytes = RING_BYTES_DEFAULT;

/* The recorder's thread; the file is its own while it runs. */
static pthread_t thread;
static _Atomic bool has_thread;      /* read without control */
static _Atomic uint32_t thread_stop; /* futex */
static struct cvy_trace_file file;
static struct cvy_trace_place *places; /* a worker's ring each, then the shared one */
/* What is alive and still to be written, with the file. has_listed: it is there; release by who
 * lists it, acquire. */
static struct cvy_trace_alive listed;
static size_t listed_at;
static _Atomic bool has_listed;

/* ---- rings; control is held ---- */

/* The workers' rings, then the shared one. */
#define RINGS (CVY_TRACE_WORKERS_MAX + 1)

static struct cvy_ring *ring_at(int i)
{
    return i < CVY_TRACE_WORKERS_MAX ? &cvy_trace_rings[i] : &cvy_trace_shared;
}

/* In files. */
static uint32_t number_of(int i)
{
    return i < CVY_TRACE_WORKERS_MAX ? (uint32_t)i : UINT32_MAX;
}

static int rings_make(void)
{
    int code = cvy_ring_make(&cvy_trace_shared, ring_bytes);

    for (int i = 0; code == 0 && i < workers; i++) {
        code = cvy_ring_make(&cvy_trace_rings[i], ring_bytes);
    }
    return code;
}

static void rings_drop(void)
{
    if (is_attached || has_flight || has_file) {
        return;
    }
    for (int i = 0; i < CVY_TRACE_WORKERS_MAX; i++) {
        cvy_ring_drop(&cvy_trace_rings[i]);
    }
}

static void level_update(void)
{
    bool was_off = cvy_load_relaxed(&cvy_trace_level) == 0;
    bool is_full = has_file || cvy_load_relaxed(&cvy_trace_has_probes);

    for (int i = 0; i < RINGS; i++) {
        struct cvy_ring *r = ring_at(i);
        cvy_store_relaxed(&r->share_max, is_full ? 0 : CVY_RING_SHARE_MAX);
        if (was_off) {
            /* Not known any more; the next switch tells. */
            cvy_store_relaxed(&r->is_resumed, true);
        }
        cvy_ring_restamp(r);
    }
    if (was_off) {
        cvy_trace_clock_now(&flight_clock);
        /* Who sees the level sees what his ring was told: writers pay nothing for that. */
        cvy_membarrier();
    }
    cvy_store_relaxed(&cvy_trace_level, is_full ? CVY_LEVEL_FULL : has_flight ? 1 : 0);
}

static void probes_look(void)
{
    bool is_armed = cvy_probe_is_armed();

    if (is_armed != cvy_load_relaxed(&cvy_trace_has_probes) &&
        pthread_mutex_trylock(&control) == 0) {
        cvy_store_relaxed(&cvy_trace_has_probes, is_armed);
        level_update();
        (void)pthread_mutex_unlock(&control);
    }
}

bool cvy_trace_look(void)
{
    probes_look();
    return cvy_load_relaxed(&cvy_trace_level) != 0;
}

int cvy_trace_attach(int n, uint16_t id_step)
{
    (void)pthread_mutex_lock(&control);
    is_attached = true;
    cvy_store_relaxed(&workers, n < CVY_TRACE_WORKERS_MAX ? n : CVY_TRACE_WORKERS_MAX);
    for (int i = 0; i < workers; i++) {
        cvy_ring_set_step(&cvy_trace_rings[i], id_step);
    }
    int code = 0;
    if (workers > file_workers) {
        file_workers = workers;
    }
    if (has_file || has_flight) {
        code = rings_make();
        level_update();
    }
    (void)pthread_mutex_unlock(&control);
    return code;
}

void cvy_trace_detach(void)
{
    (void)pthread_mutex_lock(&control);
    is_attached = false;
    rings_drop();
    (void)pthread_mutex_unlock(&control);
}

/* ---- snapshots ---- */

void cvy_trace_alive_drop(struct cvy_trace_alive *alive)
{
    free(alive->tasks);
    free(alive->groups);
}

static int snapshot_locked(const char *path, const struct cvy_trace_alive *alive)
{
    if (!has_flight && !has_file) {
        return -ENOENT;
    }
    struct cvy_trace_file *f = cvy_alloc(sizeof(*f));

    int code = f ? cvy_trace_file_open(f, path, workers, true) : -ENOMEM;
    if (code < 0) {
        free(f);
        return code;
    }
    cvy_trace_file_put_clock(f, &flight_clock);
    cvy_trace_file_alive(f, alive);
    /* When the snapshot ends. */
    cvy_trace_file_clock(f);
    for (int i = 0; i < RINGS; i++) {
        struct cvy_ring *r = ring_at(i);
        /* Not beyond what was there at the beginning: the writers go on. */
        uint64_t written = cvy_ring_written(r);
        struct cvy_trace_place place = {.at = cvy_trace_file_tail(f, r)};
        for (bool is_first = true; place.at < written; is_first = false) {
            if (!cvy_trace_file_drain(f, number_of(i), r, &place, is_first)) {
                break;
            }
        }
    }
    code = cvy_trace_file_close(f);
    free(f);
    return code;
}

int cvy_trace_snapshot_of(const char *path, const struct cvy_trace_alive *alive)
{
    (void)pthread_mutex_lock(&control);
    int code = snapshot_locked(path, alive);
    (void)pthread_mutex_unlock(&control);
    return code;
}

int cvy_trace_snapshot(const char *path, cvy_trace_alive_fn *look, bool may_wait)
{
    struct cvy_trace_alive alive = {0};
    int code = -EBUSY;

    /* Before control is held: this may switch tasks. */
    look(&alive);
    if (may_wait) {
        code = cvy_trace_snapshot_of(path, &alive);
    } else if (pthread_mutex_trylock(&control) == 0) {
        code = snapshot_locked(path, &alive);
        (void)pthread_mutex_unlock(&control);
    }
    cvy_trace_alive_drop(&alive);
    return code;
}

/* ---- the recorder's thread ---- */

static bool drain(int i)
{
    return cvy_trace_file_drain(&file, number_of(i), ring_at(i), &places[i], false);
}

static bool drain_all(void)
{
    bool is_more = false;

    for (int i = 0; i < cvy_load_relaxed(&workers); i++) {
        is_more |= drain(i);
    }
    return is_more | drain(CVY_TRACE_WORKERS_MAX);
}

/* Writes some of what is alive. True: there is more. */
static bool put_alive(void)
{
    if (!cvy_load_acquire(&has_listed)) {
        return false;
    }
    for (unsigned n = 0; n < TASKS_A_ROUND && listed_at < listed.task_count; n++) {
        cvy_trace_file_task(&file, &listed.tasks[listed_at++]);
    }
    if (listed_at < listed.task_count) {
        return true;
    }
    cvy_trace_file_groups(&file, &listed);
    cvy_trace_alive_drop(&listed);
    cvy_store_relaxed(&has_listed, false);
    return false;
}

/* What is there now: with the flight recorder on the writers go on, faster than that is written. */
static void drain_last(void)
{
    for (int i = 0; i < RINGS; i++) {
        uint64_t written = cvy_ring_written(ring_at(i));
        while (places[i].at < written && drain(i)) {
        }
    }
}

/* So that the times of a file that is never finished can be told, however short it is. */
static bool is_clock_due(unsigned round)
{
    return (round & (round - 1)) == 0 || round % ROUNDS_A_CLOCK == 0;
}

static void *recorder_main(void *arg)
{
    (void)arg;
    for (unsigned round = 1; !cvy_load_acquire(&thread_stop); round++) {
        if (is_clock_due(round)) {
            cvy_trace_file_clock(&file);
        }
        bool is_more = drain_all();
        if (!put_alive() && !is_more) {
            cvy_trace_file_flush(&file);
            cvy_futex_wait(&thread_stop, 0, DRAIN_NS);
        }
    }
    return NULL;
}

int cvy_trace_threads(void)
{
    return cvy_load_relaxed(&has_thread) ? 1 : 0;
}

/* ---- start and stop ---- */

/* From the beginning of the chunk that is being written, which brings its clock. If nothing is
 * recorded that chunk is of a trace before, and the next event brings one (cvy_ring_prepare()). */
static void places_set(void)
{
    bool is_off = cvy_load_relaxed(&cvy_trace_level) == 0;

    for (int i = 0; i < RINGS; i++) {
        uint64_t written = cvy_ring_written(ring_at(i));
        places[i].at = is_off ? written : written - written % CVY_RING_CHUNK;
    }
}

static int start_locked(const char *path)
{
    if (has_file) {
        return -EBUSY;
    }
    int code = rings_make();
    if (code < 0) {
        return code;
    }
    places = cvy_alloc_zeroed(RINGS * sizeof(*places));
    if (!places) {
        return -ENOMEM;
    }
    file_workers = is_attached ? workers : 0;
    code = cvy_trace_file_open(&file, path, file_workers, false);
    if (code < 0) {
        free(places);
        return code;
    }
    cvy_trace_file_clock(&file);
    places_set();
    cvy_store_relaxed(&thread_stop, 0);
    if (cvy_alloc_fails() || pthread_create(&thread, NULL, recorder_main, NULL) != 0) {
        (void)cvy_trace_file_close(&file);
        free(places);
        return -EAGAIN;
    }
    cvy_store_relaxed(&has_thread, true);
    has_file = true;
    files++;
    level_update();
    return 0;
}

/* Takes what is alive, for that file; it may be over, and another one have begun. */
static void hand_over(struct cvy_trace_alive *alive, uint64_t number)
{
    (void)pthread_mutex_lock(&control);
    if (has_file && files == number) {
        listed = *alive;
        listed_at = 0;
        cvy_store_release(&has_listed, true);
        *alive = (struct cvy_trace_alive){0};
    }
    (void)pthread_mutex_unlock(&control);
    cvy_trace_alive_drop(alive);
}

int cvy_trace_start(const char *path, cvy_trace_alive_fn *look)
{
    struct cvy_trace_alive alive = {0};

    (void)pthread_mutex_lock(&control);
    int code = start_locked(path);
    uint64_t number = files;
    if (code < 0) {
        rings_drop();
    }
    (void)pthread_mutex_unlock(&control);
    if (code == 0) {
        /* Who has not seen the level has set its task's state before: the list sees that. */
        cvy_membarrier();
        look(&alive);
        hand_over(&alive, number);
    }
    return code;
}

int cvy_trace_stop(void)
{
    (void)pthread_mutex_lock(&control);
    if (!has_file) {
        (void)pthread_mutex_unlock(&control);
        return -ENOENT;
    }
    has_file = false;
    level_update();
    cvy_store_release(&thread_stop, 1);
    cvy_futex_wake(&thread_stop, 1);
    (void)pthread_join(thread, NULL);
    cvy_store_relaxed(&has_thread, false);
    drain_last();
    while (put_alive()) {
    }
    cvy_trace_file_workers(&file, (uint32_t)file_workers);
    int code = cvy_trace_file_close(&file);
    free(places);
    places = NULL;
    rings_drop();
    (void)pthread_mutex_unlock(&control);
    return code;
}

int cvy_trace_flight_start(size_t bytes)
{
    if (bytes > RING_BYTES_MAX) {
        return -EINVAL;
    }
    (void)pthread_mutex_lock(&control);
    ring_bytes = bytes ? bytes : RING_BYTES_DEFAULT;
    int code = rings_make();
    if (code == 0) {
        has_flight = true;
        level_update();
    } else {
        rings_drop();
    }
    (void)pthread_mutex_unlock(&control);
    return code;
}

int cvy_trace_flight_stop(void)
{
    (void)pthread_mutex_lock(&control);
    int code = has_flight ? 0 : -ENOENT;
    has_flight = false;
    ring_bytes = RING_BYTES_DEFAULT;
    level_update();
    rings_drop();
    (void)pthread_mutex_unlock(&control);
    return code;
}
