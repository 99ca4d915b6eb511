/* More than 2^31 elements, rows, columns. No such memory is needed: a small file is mapped over and over for x, another
 * for y; x is small integers, so that the exact statistics are known. The last pages of both are memory of their own: x
 * has other values there, and what belongs there of y can have been written nowhere else. */
#define _GNU_SOURCE
#include "support/check.h"
#include "support/problem.h"
#include "support/random.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { OWN = 4096 /* elements at the end */, VALUES = 8, LARGEST = VALUES + 3 };

/* ---- a large array ----------------------------------------------------------------------------------------------- */

struct wide {
    bnorm_dtype type;
    size_t period, count, bytes; /* elements of the file, elements, bytes that are mapped */
    unsigned char *at;
};

/* A period is whole pages and whole rows, where a row is not longer. */
static size_t period_of(size_t row, size_t size)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE) / size, most = (size_t)1 << 23;
    return row * page <= most ? most / (row * page) * row * page : most;
}

static struct wide wide_make(bnorm_dtype type, size_t row, size_t count)
{
    const size_t size = type_size(type), page = (size_t)sysconf(_SC_PAGESIZE), period = period_of(row, size);
    struct wide w = {.type = type, .period = period, .count = count};
    const int file = memfd_create("bnorm-huge", 0);
    w.bytes = (count * size + period * size - 1) / (period * size) * period * size;
    w.at = mmap(NULL, w.bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (file < 0 || w.at == MAP_FAILED || ftruncate(file, (off_t)(period * size)) != 0) abort();
    for (size_t i = 0; i < w.bytes; i += period * size)
        if (mmap(w.at + i, period * size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0) == MAP_FAILED)
            abort();
    close(file);
    const size_t own = (count - OWN) * size / page * page;
    if (mmap(w.at + own, w.bytes - own, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
        MAP_FAILED)
        abort();
    return w;
}

static void wide_free(struct wide *w) { munmap(w->at, w->bytes); }

/* What stands at a place of x: the last OWN elements, and those on their first page before, are 3 larger. */
static int value_at(const struct wide *x, size_t i)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), size = type_size(x->type);
    const int own = i >= (x->count - OWN) * size / page * page / size;
    assert(x->period > 0);
    return (int)(random_bits(test_seed(), i % x->period) % VALUES) + 3 * own;
}

static void fill(struct wide *x)
{
    const size_t own = x->count - OWN - (size_t)sysconf(_SC_PAGESIZE);
    for (size_t i = 0; i < x->period; i++) type_put(x->type, x->at, i, value_at(x, i));
    for (size_t i = own; i < x->count; i++) type_put(x->type, x->at, i, value_at(x, i));
}

/* ---- exact statistics of a feature ------------------------------------------------------------------------------- */

struct exact {
    long double sum, squares, mean, invstd; /* integers below 2^64, hence exact; the others to 2^-63 */
};

/* The value at place i counts so often. */
static void count(struct exact *e, int value, size_t often)
{
    e->sum += (long double)value * (long double)often;
    e->squares += (long double)(value * value) * (long double)often;
}

/* Values from `at` on, `step` apart: by their place in the period, then what the end has instead. */
static void count_all(struct exact *e, const struct wide *x, size_t at, size_t step, size_t n)
{
    const size_t cycle = step % x->period == 0 ? 1 : step < x->period ? x->period / step : n; /* values of a period */
    const size_t here = cycle < n ? cycle : n;
    for (size_t i = 0; i < here; i++) {
        const int value = (int)(random_bits(test_seed(), (at + i * step) % x->period) % VALUES);
        count(e, value, n / here + (i < n % here));
    }
    for (size_t i = n; i-- > 0 && at + i * step >= x->count - OWN - (size_t)sysconf(_SC_PAGESIZE);) {
        const int value = (int)(random_bits(test_seed(), (at + i * step) % x->period) % VALUES);
        e->sum += value_at(x, at + i * step) - value;
        e->squares += value_at(x, at + i * step) * value_at(x, at + i * step) - value * value;
    }
}

static struct exact exact_of(const bnorm_desc *d, const struct wide *x, size_t feature)
{
    const long double m = (long double)(d->batch * d->spatial);
    struct exact e = {0};
    const bool first = d->layout == BNORM_CHANNELS_FIRST;
    const size_t run = first ? d->spatial : 1, row = d->features * run, rows = first ? d->batch : d->batch * d->spatial;
    for (size_t i = 0; run < rows && i < run; i++) count_all(&e, x, feature * run + i, row, rows);
    for (size_t i = 0; run >= rows && i < rows; i++) count_all(&e, x, i * row + feature * run, 1, run);
    e.mean = e.sum / m;
    e.invstd = 1 / sqrtl((e.squares - e.sum * e.mean) / m + (long double)d->eps);
    return e;
}

/* ---- checks ------------------------------------------------------------------------------------------------------ */

static size_t feature_of(const bnorm_desc *d, size_t i)
{
    return (d->layout == BNORM_CHANNELS_FIRST ? i / d->spatial : i) % d->features;
}

/* Half an ulp of a result of 16 bits is at most 2^-8 of it (bfloat16), and the rest is what bounds.c has for y: 8u (1 +
 * abs(xhat)), which is more than float needs. */
static double bound_of_y(double y) { return 0x1p-8 * fabs(y) + 0x1p-21 * (1 + fabs(y)); }

/* With dy = x: 8u invstd (terms) + 8u invstd (their means), all of which are below LARGEST, or xhat times what is; as
 * in bounds.c; and the last rounding. */
static double bound_of_dx(double dx, double xhat, double invstd)
{
    return 0x1p-8 * fabs(dx) + 0x1p-20 * invstd * LARGEST * (2 + fabs(xhat));
}

static void check_element(const bnorm_desc *d, const struct wide *x, const struct wide *out, bool backward, size_t i,
                          const struct exact *e)
{
    const double m = (double)d->batch * (double)d->spatial, got = type_get(out->type, out->at, i);
    const double xhat = (double)((value_at(x, i) - e->mean) * e->invstd), invstd = (double)e->invstd;
    const double dgamma = (double)((e->squares - e->mean * e->sum) * e->invstd);
    const double dx = invstd * (value_at(x, i) - (double)e->mean - xhat * dgamma / m);
    const double wanted = backward ? dx : xhat, bound = backward ? bound_of_dx(dx, xhat, invstd) : bound_of_y(xhat);
    CHECK(fabs(got - wanted) <= bound, "%s of element %zu is %g, not %g", backward ? "dx" : "y", i, got, wanted);
}

/* Of a few features all of the last OWN elements; of many, whose statistics take long, here and there one. */
static void check_far_end(const bnorm_desc *d, const struct wide *x, const struct wide *out, bool backward)
{
    const size_t from = x->count - OWN, step = d->features > 64 ? 341 : 1;
    for (size_t f = 0; step == 1 && f < d->features; f++) {
        const struct exact e = exact_of(d, x, f);
        for (size_t i = from; i < x->count; i++)
            if (feature_of(d, i) == f) check_element(d, x, out, backward, i, &e);
    }
    for (size_t i = from; step > 1 && i < x->count; i += step) {
        const struct exact e = exact_of(d, x, feature_of(d, i));
        check_element(d, x, out, backward, i, &e);
    }
    const struct exact e = exact_of(d, x, d->features - 1);
    check_element(d, x, out, backward, x->count - 1, &e);
}

/* Sums: 8 2^-53 of the mean of absolute values, all of which are below LARGEST; invstd 2^-30, dgamma one ulp of float
 * more. */
static void check_statistics(const bnorm_desc *d, const struct wide *x, const double *mean, const double *invstd)
{
    const size_t features[] = {0, d->features / 2, d->features - 1};
    for (size_t i = 0; i < LENGTH(features); i++) {
        const size_t f = features[i];
        const struct exact e = exact_of(d, x, f);
        CHECK(fabs(mean[f] - (double)e.mean) <= 0x1p-50 * LARGEST, "mean %zu is %.17g, not %.17g", f, mean[f],
              (double)e.mean);
        CHECK(fabs(invstd[f] / (double)e.invstd - 1) <= 0x1p-30, "invstd %zu is %g, not %g", f, invstd[f],
              (double)e.invstd);
    }
}

static void check_gradients(const bnorm_desc *d, const struct wide *x, const float *dgamma, const float *dbeta)
{
    const size_t features[] = {0, d->features / 2, d->features - 1};
    for (size_t i = 0; i < LENGTH(features); i++) {
        const size_t f = features[i];
        const struct exact e = exact_of(d, x, f);
        const double wanted = (double)((e.squares - e.mean * e.sum) * e.invstd);
        CHECK(fabs(dbeta[f] / (double)e.sum - 1) <= 0x1p-22, "dbeta %zu is %g, not %g", f, dbeta[f], (double)e.sum);
        CHECK(fabs(dgamma[f] / wanted - 1) <= 0x1p-22, "dgamma %zu is %g, not %g", f, dgamma[f], wanted);
    }
}

/* Features of which there are too many for arrays of their own go without. */
static void check_shape(const bnorm_desc *d, bool backward)
{
    const size_t row = d->features * (d->layout == BNORM_CHANNELS_FIRST ? d->spatial : 1);
    const bool few = d->features <= (size_t)1 << 20;
    struct wide x = wide_make(d->dtype, row, d->batch * d->features * d->spatial);
    struct wide y = wide_make(d->dtype, row, x.count);
    const size_t c = few ? d->features : 1;
    double *const mean = calloc(2 * c, sizeof *mean);
    float *const gradients = calloc(2 * c, sizeof *gradients);
    if (!mean || !gradients) abort();
    describe("%zu x %zu x %zu %s, channels %s", d->batch, d->features, d->spatial, type_name(d->dtype),
             layout_name(d->layout));
    fill(&x);

    bnorm_buffers b = {.x = x.at, .y = y.at};
    if (few) {
        b.mean = mean;
        b.invstd = mean + c;
    }
    bnorm_status s = bnorm_forward_training(d, &b);
    CHECK(s == BNORM_OK, "%s", bnorm_status_string(s));
    check_far_end(d, &x, &y, false);
    if (few) check_statistics(d, &x, b.mean, b.invstd);
    if (few && backward) {
        b.dy = x.at;
        b.dx = y.at;
        b.y = NULL;
        b.dgamma = gradients;
        b.dbeta = gradients + c;
        s = bnorm_backward(d, &b);
        CHECK(s == BNORM_OK, "%s", bnorm_status_string(s));
        check_far_end(d, &x, &y, true);
        check_gradients(d, &x, b.dgamma, b.dbeta);
    }
    free(mean);
    free(gradients);
    wide_free(&x);
    wide_free(&y);
}

CASE(huge, more_than_2_to_31)
{
    static const struct {
        bnorm_dtype type;
        bnorm_layout layout;
        size_t batch, features, spatial;
    } shapes[] = {
        {BNORM_BF16, BNORM_CHANNELS_LAST, ((size_t)1 << 21) + 3, 1024, 1}, /* elements */
        {BNORM_BF16, BNORM_CHANNELS_LAST, ((size_t)1 << 31) + 77, 1, 1},   /* rows */
        {BNORM_BF16, BNORM_CHANNELS_LAST, 2, ((size_t)1 << 31) + 65, 1},   /* columns */
        {BNORM_BF16, BNORM_CHANNELS_LAST, 3, 5, ((size_t)1 << 28) + 1},    /* pixels */
        {BNORM_F32, BNORM_CHANNELS_LAST, 1000003, 2200, 1},
        {BNORM_F32, BNORM_CHANNELS_LAST, 300, ((size_t)1 << 23) + 1, 1},
        {BNORM_F32, BNORM_CHANNELS_FIRST, 3, 5, ((size_t)1 << 28) + 1},
        {BNORM_BF16, BNORM_CHANNELS_FIRST, 1, 1, ((size_t)1 << 31) + 99}, /* a run */
        {BNORM_BF16, BNORM_CHANNELS_FIRST, 700001, 64, 49},
        {BNORM_BF16, BNORM_CHANNELS_FIRST, ((size_t)1 << 31) + 5, 1, 1},
        {BNORM_BF16, BNORM_CHANNELS_LAST, ((size_t)1 << 22) + 1, 1025, 1}, /* beyond 2^32 */
    };
    const bool longer = getenv("BNORM_TEST_LONG");
    if (test_quick()) return;
    for (size_t i = 0; i < (longer ? LENGTH(shapes) : 1); i++) {
        const bnorm_desc d =
            bnorm_image(shapes[i].type, shapes[i].layout, shapes[i].batch, shapes[i].features, shapes[i].spatial);
        const clock_t before = clock();
        check_shape(&d, longer);
        note("%zu x %zu x %zu %s, channels %s: %.1f s of processor", d.batch, d.features, d.spatial, type_name(d.dtype),
             layout_name(d.layout), (double)(clock() - before) / CLOCKS_PER_SEC);
    }
}
