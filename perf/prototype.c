#include "prototype.h"

#if !defined __AVX512F__ || !defined _OPENMP

bool prototype_has(const work *w)
{
    (void)w;
    return false;
}
size_t prototype_scratch(const work *w)
{
    (void)w;
    return 0;
}
void prototype_run(const work *w, bool stream, double *scratch) { (void)w, (void)stream, (void)scratch; }

#else

#include <immintrin.h>
#include <math.h>
#include <omp.h>
#include <string.h>

/* Rows whose sums are taken around the first of them; columns that go together in registers: sums, and elements. */
enum { BLOCK = 64, SUMMED = 32, PASSED = 64, IN_DOUBLE = SUMMED / 8, IN_FLOAT = PASSED / 16 };

#define ALWAYS static inline __attribute__((always_inline))

bool prototype_has(const work *w)
{
    return __builtin_cpu_supports("avx512f") && w->op == FORWARD && w->dtype == BNORM_F32 && !w->shape.channels_first &&
           w->features % PASSED == 0 && w->rows >= (size_t)w->threads * BLOCK;
}

/* A thread's node and sums, and the factors. */
size_t prototype_scratch(const work *w) { return ((size_t)w->threads * 4 + 2) * w->features; }

typedef struct node {
    double *mean, *m2, *s, *q;
} node;

static node node_of(const work *w, double *scratch, int thread)
{
    double *const own = scratch + (size_t)thread * 4 * w->features;
    return (node){own, own + w->features, own + 2 * w->features, own + 3 * w->features};
}

static size_t first_row(const work *w, size_t thread, size_t team)
{
    const size_t blocks = (w->rows + BLOCK - 1) / BLOCK, row = blocks * thread / team * BLOCK;
    return row < w->rows ? row : w->rows;
}

static __m512d widen(const float *p) { return _mm512_cvtps_pd(_mm256_loadu_ps(p)); }

/* Reads a few lines of each row, a pattern that the hardware's prefetcher does not follow: so it fetches, in the order
 * of addresses, its share of the rows after these. */
ALWAYS void sum_rows(const float *x, size_t stride, size_t rows, const float *pivot, const float *ahead, double *s,
                     double *q)
{
    __m512d p[IN_DOUBLE], sum[IN_DOUBLE], square[IN_DOUBLE];
    for (int k = 0; k < IN_DOUBLE; k++) {
        p[k] = widen(pivot + 8 * k);
        sum[k] = _mm512_loadu_pd(s + 8 * k);
        square[k] = _mm512_loadu_pd(q + 8 * k);
    }
    for (size_t r = 0; r < rows; r++) {
        _mm_prefetch((const char *)(ahead + SUMMED * r), _MM_HINT_T0);
        _mm_prefetch((const char *)(ahead + SUMMED * r + 16), _MM_HINT_T0);
        for (int k = 0; k < IN_DOUBLE; k++) {
            const __m512d d = _mm512_sub_pd(widen(x + r * stride + 8 * k), p[k]);
            sum[k] = _mm512_add_pd(sum[k], d);
            square[k] = _mm512_add_pd(square[k], _mm512_mul_pd(d, d));
        }
    }
    for (int k = 0; k < IN_DOUBLE; k++) {
        _mm512_storeu_pd(s + 8 * k, sum[k]);
        _mm512_storeu_pd(q + 8 * k, square[k]);
    }
}

/* Chan's formula: so many rows before, and a block of n. */
static void merge(size_t columns, double before, double n, const float *pivot, node a)
{
    const double inverse = 1 / n, to_mean = n / (before + n), to_m2 = before * to_mean;
    if (before == 0) {
        memset(a.mean, 0, columns * sizeof *a.mean);
        memset(a.m2, 0, columns * sizeof *a.m2);
    }
    for (size_t j = 0; j < columns; j++) {
        const double shift = a.s[j] * inverse, d = pivot[j] + shift - a.mean[j];
        a.mean[j] += d * to_mean;
        a.m2[j] += a.q[j] - a.s[j] * shift + d * d * to_m2;
    }
}

static void sum_share(const work *w, size_t from, size_t to, node own)
{
    const size_t columns = w->features, group = columns >= 4096 ? 16 : 32; /* rows to which a block's sums are loaded */
    const float *const x = w->buffers.x;
    for (size_t block = from; block < to; block += BLOCK) {
        const size_t end = block + BLOCK < to ? block + BLOCK : to;
        const float *const pivot = x + block * columns;
        memset(own.s, 0, 2 * columns * sizeof *own.s);
        for (size_t r = block; r < end; r += group) {
            const size_t rows = r + group < end ? group : end - r;
            for (size_t j = 0; j < columns; j += SUMMED)
                sum_rows(x + r * columns + j, columns, rows, pivot + j, x + (r + group) * columns + j * group,
                         own.s + j, own.q + j);
        }
        merge(columns, (double)(block - from), (double)(end - block), pivot, own);
    }
}

typedef struct factors {
    float *high, *low, *scale;
} factors;

static void finish(const work *w, size_t team, double *scratch, factors f)
{
    const node all = node_of(w, scratch, 0);
    const float *const gamma = w->buffers.gamma;
    for (size_t t = 1; t < team; t++) {
        const node other = node_of(w, scratch, (int)t);
        const double before = (double)first_row(w, t, team), n = (double)first_row(w, t + 1, team) - before;
        for (size_t j = 0; j < w->features; j++) {
            const double d = other.mean[j] - all.mean[j];
            all.mean[j] += d * n / (before + n);
            all.m2[j] += other.m2[j] + d * d * before * n / (before + n);
        }
    }
    for (size_t j = 0; j < w->features; j++) {
        f.high[j] = (float)all.mean[j];
        f.low[j] = (float)(all.mean[j] - f.high[j]);
        f.scale[j] = (float)(gamma[j] / sqrt(all.m2[j] / (double)w->rows + w->desc.eps));
    }
}

ALWAYS void normalise(const work *w, size_t row, size_t rows, size_t column, factors f, bool stream)
{
    __m512 high[IN_FLOAT], low[IN_FLOAT], scale[IN_FLOAT], beta[IN_FLOAT];
    for (int k = 0; k < IN_FLOAT; k++) {
        const size_t j = column + 16 * (size_t)k;
        high[k] = _mm512_loadu_ps(f.high + j);
        low[k] = _mm512_loadu_ps(f.low + j);
        scale[k] = _mm512_loadu_ps(f.scale + j);
        beta[k] = _mm512_loadu_ps((const float *)w->buffers.beta + j);
    }
    for (size_t r = row + rows; r-- > row;)
        for (int k = 0; k < IN_FLOAT; k++) {
            const size_t i = r * w->features + column + 16 * (size_t)k;
            const __m512 d =
                _mm512_sub_ps(_mm512_sub_ps(_mm512_loadu_ps((const float *)w->buffers.x + i), high[k]), low[k]);
            const __m512 v = _mm512_add_ps(_mm512_mul_ps(d, scale[k]), beta[k]);
            if (stream)
                _mm512_stream_ps((float *)w->buffers.y + i, v);
            else
                _mm512_storeu_ps((float *)w->buffers.y + i, v);
        }
}

/* Backwards: what was read last is still in cache. */
ALWAYS void pass_share(const work *w, size_t from, size_t to, factors f, bool stream)
{
    for (size_t end = to, row; end > from; end = row) {
        row = end > from + 2 ? end - 2 : from;
        for (size_t j = 0; j < w->features; j += PASSED) normalise(w, row, end - row, j, f, stream);
    }
    _mm_sfence();
}

void prototype_run(const work *w, bool stream, double *scratch)
{
    float *const made = (float *)(scratch + (size_t)w->threads * 4 * w->features);
    const factors f = {made, made + w->features, made + 2 * w->features};
#pragma omp parallel num_threads(w->threads)
    {
        const size_t thread = (size_t)omp_get_thread_num(), team = (size_t)omp_get_num_threads();
        const size_t from = first_row(w, thread, team), to = first_row(w, thread + 1, team);
        sum_share(w, from, to, node_of(w, scratch, (int)thread));
#pragma omp barrier
#pragma omp single
        finish(w, team, scratch, f);
        if (stream)
            pass_share(w, from, to, f, true);
        else
            pass_share(w, from, to, f, false);
    }
}

#endif
