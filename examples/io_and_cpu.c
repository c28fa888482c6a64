/* SPDX-License-Identifier: MIT
 * io_and_cpu.c - many tasks that wait for a network beside a few that need a whole CPU each.
 *
 * All stand in one group. Requests to a remote service are not limited; the resizing of images
 * (libjpeg: decode, halve, encode) is held to as many at a time as there are CPUs, by a
 * semaphore. Each image is some ten milliseconds of C without a call into covey, so it runs in
 * covey_compute(): on a thread of its own, which gives its CPU up at once when a worker wants it.
 *
 * The requests' latencies are printed for a while with no image, and for a while with the CPUs
 * full. What must hold: no request waits for an image to be finished. */
#include "example.h"

#include <setjmp.h>
#include <unistd.h>

#include <jpeglib.h>

enum { WIDTH = 1200, HEIGHT = 900, CHANNELS = 3, SAMPLES_MAX = 1 << 18, TURNS_MAX = 100 };

static int64_t connections = 32, service_us = 5000, span_ms = 1000, images_at_once;

/* ---- images ---- */

struct image {
    unsigned char *bytes;
    unsigned long len;
};

struct failure {
    struct jpeg_error_mgr base;
    jmp_buf back; /* libjpeg would end the process */
};

static void give_up(j_common_ptr jpeg)
{
    longjmp(((struct failure *)(void *)jpeg->err)->back, 1);
}

/* pixels as JPEG. out->bytes stays NULL if it fails. */
static void encode(const unsigned char *pixels, unsigned width, unsigned height, struct image *out)
{
    struct jpeg_compress_struct jpeg;
    struct failure failure;

    jpeg.err = jpeg_std_error(&failure.base);
    failure.base.error_exit = give_up;
    jpeg_create_compress(&jpeg);
    if (setjmp(failure.back) == 0) {
        jpeg_mem_dest(&jpeg, &out->bytes, &out->len);
        jpeg.image_width = width;
        jpeg.image_height = height;
        jpeg.input_components = CHANNELS;
        jpeg.in_color_space = JCS_RGB;
        jpeg_set_defaults(&jpeg);
        jpeg_start_compress(&jpeg, TRUE);
        while (jpeg.next_scanline < height) {
            JSAMPROW row = (JSAMPROW)pixels + (size_t)jpeg.next_scanline * width * CHANNELS;
            (void)jpeg_write_scanlines(&jpeg, &row, 1);
        }
        jpeg_finish_compress(&jpeg);
    }
    jpeg_destroy_compress(&jpeg);
}

/* False: not an image of the size that is expected. */
static bool decode(const struct image *in, unsigned char *pixels)
{
    struct jpeg_decompress_struct jpeg;
    struct failure failure;
    volatile bool is_good = false;

    jpeg.err = jpeg_std_error(&failure.base);
    failure.base.error_exit = give_up;
    jpeg_create_decompress(&jpeg);
    if (setjmp(failure.back) == 0) {
        jpeg_mem_src(&jpeg, in->bytes, in->len);
        (void)jpeg_read_header(&jpeg, TRUE);
        is_good = jpeg.image_width == WIDTH && jpeg.image_height == HEIGHT;
        (void)jpeg_start_decompress(&jpeg);
        while (is_good && jpeg.output_scanline < HEIGHT) {
            JSAMPROW row = pixels + (size_t)jpeg.output_scanline * WIDTH * CHANNELS;
            (void)jpeg_read_scanlines(&jpeg, &row, 1);
        }
    }
    jpeg_destroy_decompress(&jpeg);
    return is_good;
}

/* Each pixel is the mean of four; in place. */
static void halve(unsigned char *pixels)
{
    const size_t line = (size_t)WIDTH * CHANNELS;
    unsigned char *to = pixels;

    for (size_t y = 0; y < HEIGHT / 2; y++) {
        const unsigned char *from = pixels + 2 * y * line;
        for (size_t x = 0; x < WIDTH / 2; x++, from += CHANNELS) {
            for (int c = 0; c < CHANNELS; c++, from++) {
                *to++ = (unsigned char)((from[0] + from[CHANNELS] + from[line] +
                                         from[line + CHANNELS] + 2) /
                                        4);
            }
        }
    }
}

static struct image make_photo(void)
{
    unsigned char *pixels = malloc((size_t)WIDTH * HEIGHT * CHANNELS);
    struct image photo = {0};

    for (size_t i = 0; pixels && i < (size_t)WIDTH * HEIGHT * CHANNELS; i++) {
        pixels[i] = (unsigned char)((i / 97) ^ (i / (WIDTH * 3)));
    }
    if (pixels) {
        encode(pixels, WIDTH, HEIGHT, &photo);
    }
    free(pixels);
    return photo;
}

/* ---- the program's state ---- */

struct bench {
    struct image photo;
    covey_sem *cpus; /* images at a time */
    covey_listener *remote;
    atomic_bool is_over;
    atomic_int images, alone; /* alone: no request was answered meanwhile */
    atomic_llong image_ns;    /* together */

    atomic_int count;
    int64_t latencies[SAMPLES_MAX];
};

static int resize_once(struct bench *b)
{
    unsigned char *pixels = malloc((size_t)WIDTH * HEIGHT * CHANNELS);
    int64_t start = covey_now();
    struct image half = {0};

    if (pixels && decode(&b->photo, pixels)) {
        halve(pixels);
        encode(pixels, WIDTH / 2, HEIGHT / 2, &half);
    }
    free(pixels);
    atomic_fetch_add(&b->images, half.bytes != NULL);
    atomic_fetch_add(&b->image_ns, covey_now() - start);
    int code = half.bytes ? 0 : covey_errorf(-EIO, "an image could not be resized");
    free(half.bytes);
    return code;
}

/* Goes on until a request has been answered meanwhile: one that waits for the image never is. */
static int resize(covey_ctx *ctx, void *arg)
{
    struct bench *b = arg;
    int before = atomic_load(&b->count), code = 0, turns = 0;

    (void)ctx;
    while (code == 0 && turns++ < TURNS_MAX) {
        code = resize_once(b);
        if (atomic_load(&b->is_over) || atomic_load(&b->count) != before) {
            return code;
        }
    }
    atomic_fetch_add(&b->alone, 1);
    return code;
}

/* One image, when a CPU is free. */
static int image_task(covey_ctx *ctx, void *arg)
{
    struct bench *b = arg;
    int code = covey_sem_acquire(ctx, b->cpus, 1);

    if (code == 0) {
        code = atomic_load(&b->is_over) ? 0 : covey_compute(ctx, resize, b);
        covey_sem_release(b->cpus, 1);
    }
    return code;
}

/* ---- requests ---- */

/* The service: a byte is answered with a byte, after a while. */
static int answer(covey_ctx *ctx, void *arg)
{
    covey_conn *conn = arg;
    char byte;

    while (covey_read(ctx, conn, &byte, 1) == 1 && covey_sleep(ctx, service_us * COVEY_US) == 0 &&
           covey_write(ctx, conn, &byte, 1) == 1) {
    }
    covey_close(conn);
    return 0;
}

static int serve(covey_ctx *ctx, void *arg)
{
    struct bench *b = arg;
    covey_group *g = covey_group_new(ctx);
    covey_conn *conn;

    while (covey_accept(ctx, b->remote, &conn) == 0) {
        (void)covey_group_go(g, answer, conn);
    }
    return covey_group_wait(g);
}

static int request_task(covey_ctx *ctx, void *arg)
{
    struct bench *b = arg;
    covey_conn *conn;
    char byte = 'x';
    int code = covey_dial(ctx, &conn, covey_listener_addr(b->remote));

    if (code < 0) {
        return code;
    }
    while (!atomic_load(&b->is_over)) {
        int64_t start = covey_now();
        if (covey_write(ctx, conn, &byte, 1) != 1 || covey_read(ctx, conn, &byte, 1) != 1) {
            code = covey_errorf(-EIO, "the service went away");
            break;
        }
        int at = atomic_fetch_add(&b->count, 1);
        if (at < SAMPLES_MAX) {
            b->latencies[at] = covey_now() - start;
        }
    }
    covey_close(conn);
    return code;
}

/* ---- what it shows ---- */

struct figures {
    int requests;
    double p50_ms, p99_ms;
};

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static struct figures figures_of(struct bench *b)
{
    int n = atomic_load(&b->count) < SAMPLES_MAX ? atomic_load(&b->count) : SAMPLES_MAX;
    struct figures f = {.requests = n};

    qsort(b->latencies, (size_t)n, sizeof(b->latencies[0]), compare);
    if (n > 0) {
        f.p50_ms = (double)b->latencies[n / 2] / 1e6;
        f.p99_ms = (double)b->latencies[n - 1 - n / 100] / 1e6;
    }
    return f;
}

/* A while of requests, with images beside them or not, in one group. */
static struct figures run_while(covey_ctx *ctx, struct bench *b, bool with_images, int *code)
{
    covey_group *g = covey_group_new(ctx);

    atomic_store(&b->count, 0);
    atomic_store(&b->is_over, false);
    for (int64_t i = 0; i < connections; i++) {
        (void)covey_group_go(g, request_task, b);
    }
    for (int i = 0; with_images && i < 5000; i++) {
        (void)covey_group_go(g, image_task, b); /* more than there is time for */
    }
    (void)covey_sleep(ctx, span_ms * COVEY_MS);
    atomic_store(&b->is_over, true);
    *code = covey_group_wait(g);
    struct figures f = figures_of(b); /* nobody writes latencies any more */
    printf("%s: %6d requests, p50 %.2f ms, p99 %.2f ms\n", with_images ? "CPUs full" : "CPUs idle",
           f.requests, f.p50_ms, f.p99_ms);
    return f;
}

static void show(covey_ctx *ctx, struct bench *b)
{
    int code = 0;
    struct figures idle = run_while(ctx, b, false, &code);
    expect(code == 0 && idle.requests > 0, "the requests were answered");

    struct figures full = run_while(ctx, b, true, &code);
    int images = atomic_load(&b->images);
    double image_ms = images ? (double)atomic_load(&b->image_ns) / images / 1e6 : 0;
    expect(code == 0 && images > 0, "%d images of %.1f ms each, %d at a time", images, image_ms,
           (int)images_at_once);
    printf("p99 with the CPUs full is %.1f times that with them idle (the goal is 2)\n",
           full.p99_ms / idle.p99_ms);
    expect(full.requests > 0 && atomic_load(&b->alone) == 0, "requests do not wait for images");
}

static int tour(covey_ctx *ctx, void *arg)
{
    struct bench *b = arg;
    covey_group *g = covey_group_new(ctx);

    b->photo = make_photo();
    b->cpus = covey_sem_new(images_at_once);
    int code = covey_listen(&b->remote, "tcp://127.0.0.1:0", NULL);
    if (code == 0 && b->photo.bytes && b->cpus) {
        (void)covey_group_go(g, serve, b);
        show(ctx, b);
    }
    covey_group_cancel(g, 0);
    (void)covey_group_wait(g);
    covey_listener_close(b->remote);
    covey_sem_free(b->cpus);
    free(b->photo.bytes);
    return code;
}

int main(int argc, char **argv)
{
    static struct bench bench;

    images_at_once = sysconf(_SC_NPROCESSORS_ONLN);
    const struct example_option options[] = {
        {"--connections", &connections, "requests at a time"},
        {"--service-us", &service_us, "what the remote service takes for one"},
        {"--images", &images_at_once, "images at a time"},
        {"--span-ms", &span_ms, "how long each of the two parts takes"},
    };

    example_options(argc, argv, "Requests beside images: do they wait for them?", options, 4);
    return example_result(covey_run(tour, &bench));
}
