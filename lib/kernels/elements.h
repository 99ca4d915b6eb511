/* Template: one value out per value in, row by row. Wants a vector and a dtype header, and fetch.h.
 *
 * The mean is taken off in two steps, high and low, each in the arithmetic type: x - high is exact where x is near the
 * mean, so cancellation costs nothing; y = x * a + b would lose |mean| / std units. Nothing is fused. */

/* ---- factors ---- */

enum { HIGH, LOW, SCALE, SHIFT, SLOPE = SHIFT, MEAN_DY, FACTORS };
_Static_assert((int)FACTORS == (int)BN_TABLES, "as the callers count");

#define FACTORS_OF(gradient) ((gradient) ? FACTORS : MEAN_DY)

BN_INLINE real *row(const bn_coefficients *c, int k) { return (real *)c->factors + (size_t)k * c->pitch_of_tables; }

/* A factor that float multiplies by without fear of overflow or of lost bits. NaN is as good here as anywhere. */
BN_INLINE bool comfortable(double factor)
{
    const double size = fabs(factor);
    return sizeof(real) == sizeof(double) || !((size != 0) & ((size < 0x1p-100) | (size > 0x1p100)));
}

/* As an element is computed. A NaN becomes one whose lower bits are 0, as those of 16-bit elements are, so that the sum
 * which rounds to 16 bits cannot carry it beyond NaN. */
BN_INLINE real narrowed(double v)
{
    const real r = (real)v;
    return r != r ? (real)NAN : r;
}

BN_INLINE double gamma_of(const bn_coefficients *c, size_t f) { return c->gamma ? ((const param *)c->gamma)[f] : 1; }
BN_INLINE double beta_of(const bn_coefficients *c, size_t f) { return c->beta ? ((const param *)c->beta)[f] : 0; }
BN_INLINE double scale_of(const bn_coefficients *c, size_t f) { return gamma_of(c, f) * c->invstd[f]; }
BN_INLINE double mean_dy_of(const bn_coefficients *c, size_t f) { return c->sum_dy[f] / c->values; }
BN_INLINE double slope_of(const bn_coefficients *c, size_t f)
{
    return c->sum_dy_d[f] / c->values * c->invstd[f] * c->invstd[f];
}

/* Values of a row that have their factors in the tables, or the same ones. */
BN_INLINE size_t width(const bn_coefficients *c) { return c->table ? c->columns * c->run : c->run; }

/* From one a feature to one a value, from the end on, for they share the room; then for the rows side by side, each
 * step for all tables: a load waits for the stores before it, which are of other sizes, and these waits overlap. */
BN_INLINE void spread_factors(const bn_coefficients *c, bool gradient)
{
    if (!c->table) return;
    for (int k = 0; c->run > 1 && k < FACTORS_OF(gradient); k++)
        for (size_t f = c->columns; f-- > 0;) {
            const real factor = row(c, k)[f];
            for (size_t r = 0; r < c->run; r++) row(c, k)[f * c->run + r] = factor;
        }
    const size_t all = width(c) * c->repeat;
    for (size_t done = width(c), more; done < all; done += more) {
        more = done < all - done ? done : all - done;
        for (int k = 0; k < FACTORS_OF(gradient); k++) memcpy(row(c, k) + done, row(c, k), more * sizeof(real));
    }
}

/* HIGH and LOW, SCALE, and for a gradient SLOPE and MEAN_DY. In a loop that the compiler makes vectors of: features are
 * as many as values where the batch is small. */
BN_INLINE bool fill_rows(const bn_coefficients *c, bool gradient, real *restrict high, real *restrict low,
                         real *restrict scale, real *restrict slope, real *restrict mean_dy)
{
    int64_t all = -1; /* as wide as a double */

    for (size_t f = 0; f < c->columns; f++) {
        const double s = scale_of(c, f);
        high[f] = narrowed(c->mean[f]);
        low[f] = narrowed(c->mean[f] - (double)high[f]);
        scale[f] = narrowed(s);
        all &= comfortable(s) ? -1 : 0;
        if (!gradient) continue;
        slope[f] = narrowed(slope_of(c, f));
        mean_dy[f] = narrowed(mean_dy_of(c, f));
        all &= comfortable(slope_of(c, f)) ? -1 : 0;
    }
    return all != 0;
}

BN_INLINE void fill_factors(bn_coefficients *c, bool gradient)
{
    c->extreme = !fill_rows(c, gradient, row(c, HIGH), row(c, LOW), row(c, SCALE), row(c, SLOPE), row(c, MEAN_DY));
}

static void normalise_factors(bn_coefficients *c)
{
    real *const shift = row(c, SHIFT);

    fill_factors(c, false);
    for (size_t f = 0; f < c->columns; f++) shift[f] = narrowed(beta_of(c, f));
    spread_factors(c, false);
}

static void input_gradient_factors(bn_coefficients *c)
{
    fill_factors(c, true);
    spread_factors(c, true);
}

/* Those of a vector's values: from the tables, or of one feature, or of two. */
typedef struct factors {
    vr of[FACTORS];
} factors;

enum { PART, WHOLE, STREAM }; /* how a vector is stored */

/* Where the tables are, apart from what the compiler thinks that a store may change. */
typedef struct tables {
    const real *first;
    size_t pitch;
} tables;

/* Unless threads may share them, the pitch is known here, and one register does for all: inference of 1000 x 1000 takes
 * 0.8 of the time (Zen 3). */
BN_INLINE tables tables_of(const bn_coefficients *c, bool shared)
{
    return (tables){row(c, 0), shared ? c->pitch_of_tables : BN_STRIP_BYTES / sizeof(real)};
}

BN_INLINE factors factors_at(tables t, bool gradient, size_t j, size_t part)
{
    factors f;
    for (int k = 0; k < FACTORS_OF(gradient); k++) {
        const real *const p = t.first + (size_t)k * t.pitch + j;
        f.of[k] = part == VR ? vr_load(p) : vr_load_part(p, part);
    }
    return f;
}

BN_INLINE factors factors_of(const bn_coefficients *c, bool gradient, size_t feature)
{
    factors f;
    for (int k = 0; k < FACTORS_OF(gradient); k++) f.of[k] = (vr){0} + row(c, k)[feature];
    return f;
}

/* The first n lanes of one, the others of the next; n may be less than none, or more than all. */
BN_INLINE factors factors_across(factors one, factors next, bool gradient, ptrdiff_t n)
{
    factors f;
    vlane lane;

    for (int i = 0; i < VR; i++) lane[i] = i;
    const vlane mask = lane < (vlane){0} + (int)n;
    for (int k = 0; k < FACTORS_OF(gradient); k++)
        f.of[k] = (vr)((mask & (vlane)one.of[k]) | (~mask & (vlane)next.of[k]));
    return f;
}

/* ---- one vector ---- */

/* Arrays of an element pass: y = f(x), or dx = f(x, dy). */
typedef struct elements {
    const stored *x, *dy; /* without gradient dy is x, and not read */
    stored *out;
    bool gradient;
} elements;

BN_INLINE vr value(const stored *p, size_t part) { return part == VR ? x_load(p) : x_load_part(p, part); }

BN_INLINE vr computed(bool gradient, factors f, vr x, vr dy)
{
    const vr d = (x - f.of[HIGH]) - f.of[LOW];
    return gradient ? ((dy - f.of[MEAN_DY]) - d * f.of[SLOPE]) * f.of[SCALE] : d * f.of[SCALE] + f.of[SHIFT];
}

BN_INLINE vr result(elements a, factors f, size_t j, size_t part)
{
    return computed(a.gradient, f, value(a.x + j, part), a.gradient ? value(a.dy + j, part) : f.of[HIGH]);
}

BN_INLINE void put(stored *p, vr v, size_t part, int how)
{
    if (how == STREAM)
        y_stream(p, v);
    else if (how == WHOLE)
        y_store(p, v);
    else
        y_store_part(p, v, part);
}

/* Values of one feature, which may stand in any lanes: a dtype has one vector or more to a vector of memory. */
#ifndef BN_HALVES
#define BN_HALVES 1
BN_INLINE void x_load_halves(const stored *p, vr *v) { *v = x_load(p); }
BN_INLINE void y_store_halves(stored *p, const vr *v) { y_store(p, *v); }
BN_INLINE void y_stream_halves(stored *p, const vr *v) { y_stream(p, *v); }
#endif

BN_INLINE void put_halves(elements a, factors f, size_t j, int how)
{
    vr x[BN_HALVES], dy[BN_HALVES], v[BN_HALVES];

    x_load_halves(a.x + j, x);
    x_load_halves(a.dy + j, dy);
    for (int i = 0; i < BN_HALVES; i++) v[i] = computed(a.gradient, f, x[i], dy[i]);
    if (how == STREAM)
        y_stream_halves(a.out + j, v);
    else
        y_store_halves(a.out + j, v);
}

/* The same in double, for factors that float shuns. */
BN_INLINE void extreme_value(const bn_coefficients *c, size_t f, elements a)
{
    const double d = x_widen_part(a.x, 1)[0] - c->mean[f];
    const double v = a.gradient ? ((x_widen_part(a.dy, 1)[0] - mean_dy_of(c, f)) - d * slope_of(c, f)) * scale_of(c, f)
                                : d * scale_of(c, f) + beta_of(c, f);
    const vr r = {narrowed(v)};
    y_store_part(a.out, r, 1);
}

/* ---- a row ---- */

enum { LINE_BYTES = 64, LINE_VALUES = LINE_BYTES / sizeof(stored) };
_Static_assert((int)LINE_BYTES <= (int)BN_TABLE_RUN, "of longer runs a line has two features at most");

/* Values before the first whole cache line: a streaming store wants it so. */
BN_INLINE size_t to_line(const stored *p, size_t values)
{
    const size_t before = (size_t)(-(uintptr_t)p % LINE_BYTES) / sizeof(stored);
    return before < values ? before : values;
}

BN_INLINE size_t part_of(size_t from, size_t to) { return to - from < VR ? to - from : VR; }

/* What to fetch meanwhile, along what is read. */
typedef struct later {
    int cache;
    lead x, dy;
} later;

BN_INLINE void fetch_line(elements a, size_t j, later l)
{
    if (l.cache == NOWHERE) return;
    fetch(l.cache, ahead_of(a.x, l.x, j), LINE_BYTES);
    if (a.gradient) fetch(l.cache, ahead_of(a.dy, l.dy, j), LINE_BYTES);
}

/* Values with a factor each. Only whole cache lines pass the cache by. */
BN_INLINE void pass_values(tables t, elements a, size_t values, later l, int how)
{
    const size_t line = how == STREAM ? to_line(a.out, values) : 0;
    const bool g = a.gradient;
    size_t j = 0;

    for (size_t part; j < line; j += part) {
        part = part_of(j, line);
        put(a.out + j, result(a, factors_at(t, g, j, part), j, part), part, PART);
    }
    for (; j + LINE_VALUES <= values; j += LINE_VALUES) {
        fetch_line(a, j, l);
        for (size_t i = j; i < j + LINE_VALUES; i += VR)
            put(a.out + i, result(a, factors_at(t, g, i, VR), i, VR), VR, how);
    }
    for (; j + VR <= values; j += VR) put(a.out + j, result(a, factors_at(t, g, j, VR), j, VR), VR, WHOLE);
    if (j < values) put(a.out + j, result(a, factors_at(t, g, j, values - j), j, values - j), values - j, PART);
}

/* Consecutive runs of the features from `first` on. Several are longer than a cache line each (BN_TABLE_RUN). */
BN_INLINE void pass_runs(const bn_coefficients *c, elements a, size_t first, size_t runs, later l, int how)
{
    const size_t line = how == STREAM ? to_line(a.out, runs * c->run) : 0;
    const bool g = a.gradient;
    factors here = factors_of(c, g, first);
    size_t j = 0;

    for (size_t part; j < line; j += part) {
        part = part_of(j, line);
        put(a.out + j, result(a, here, j, part), part, PART);
    }
    for (size_t f = 0; f < runs; f++) {
        const size_t end = (f + 1) * c->run;
        const bool last = f + 1 == runs;
        const factors next = factors_of(c, g, first + f + !last);

        for (; j + LINE_VALUES <= end; j += LINE_VALUES) {
            fetch_line(a, j, l);
            for (size_t i = j; i < j + LINE_VALUES; i += BN_HALVES * VR) put_halves(a, here, i, how);
        }
        if (!last && j < end) {
            fetch_line(a, j, l);
            for (size_t stop = j + LINE_VALUES; j < stop; j += VR)
                put(a.out + j, result(a, factors_across(here, next, g, (ptrdiff_t)end - (ptrdiff_t)j), j, VR), VR, how);
        } else {
            for (; j + VR <= end; j += VR) put(a.out + j, result(a, here, j, VR), VR, WHOLE);
            if (j < end) put(a.out + j, result(a, here, j, end - j), end - j, PART);
        }
        here = next;
    }
}

/* ---- a tile ---- */

typedef struct strides {
    size_t x, dy, out;
} strides;

BN_INLINE elements moved_to(elements a, strides s, size_t row, size_t place)
{
    a.x += row * s.x + place;
    a.dy += row * s.dy + place;
    a.out += row * s.out + place;
    return a;
}

/* Within the last cache the hardware does well enough: without ours inference of 1000 x 1000 is 1.25 times as fast. */
BN_INLINE void pass_table(const bn_coefficients *c, elements a, strides s, size_t rows, int how)
{
    const size_t step = c->repeat, values = step * width(c);
    const int cache = c->far ? SECOND : NOWHERE;
    const tables t = tables_of(c, how == STREAM);
    const later l = {cache, lead_of(values, values, step * s.x, NEAR), lead_of(values, values, step * s.dy, NEAR)};

    for (size_t r = 0; r < rows; r += step) {
        const size_t left = (rows - r) * width(c);
        pass_values(t, moved_to(a, s, r, 0), left < values ? left : values, l, how);
    }
}

/* Runs that are whole follow each other in a row. */
BN_INLINE void pass_rows(const bn_coefficients *c, elements a, strides s, size_t rows, int how)
{
    const size_t runs = c->run == c->pitch ? c->columns : 1, values = runs * c->run, pitch = runs * c->pitch;
    const int cache = c->far ? FIRST : NOWHERE;
    const later l = {cache, lead_of(values, pitch, s.x, AHEAD), lead_of(values, pitch, s.dy, AHEAD)};

    for (size_t r = 0; r < rows; r++)
        for (size_t f = 0; f < c->columns; f += runs) pass_runs(c, moved_to(a, s, r, f * c->pitch), f, runs, l, how);
}

BN_INLINE bool comfortable_feature(const bn_coefficients *c, size_t f, elements a)
{
    return comfortable(scale_of(c, f)) && (!a.gradient || comfortable(slope_of(c, f)));
}

/* Of value j in the tables, or of the runs of one feature. */
BN_INLINE size_t feature_of(const bn_coefficients *c, size_t first, size_t j) { return c->table ? j / c->run : first; }

/* A vector with features that are not comfortable. The output may be an input, so the inputs are kept. */
static void extreme_vector(const bn_coefficients *c, elements a, factors f, size_t first, size_t j, size_t part)
{
    stored x[VR], dy[VR];

    memcpy(x, a.x + j, part * sizeof *x);
    memcpy(dy, a.dy + j, part * sizeof *dy);
    put(a.out + j, result(a, f, j, part), part, PART);
    for (size_t i = 0; i < part; i++) {
        const size_t feature = feature_of(c, first, j + i);
        if (comfortable_feature(c, feature, a)) continue;
        extreme_value(c, feature, (elements){x + i, dy + i, a.out + j + i, a.gradient});
    }
}

/* A tile with such features, vector by vector, rows innermost. */
static void pass_extreme(const bn_coefficients *c, elements a, strides s, size_t rows)
{
    for (size_t first = 0; first < (c->table ? 1 : c->columns); first++)
        for (size_t j = 0; j < width(c); j += VR) {
            const size_t part = part_of(j, width(c));
            const factors f =
                c->table ? factors_at(tables_of(c, false), a.gradient, j, part) : factors_of(c, a.gradient, first);
            bool plain = true;
            for (size_t i = j; i < j + part; i++) plain &= comfortable_feature(c, feature_of(c, first, i), a);
            for (size_t r = 0; r < rows; r++) {
                const elements here = moved_to(a, s, r, first * c->pitch);
                if (plain)
                    put(here.out + j, result(here, f, j, part), part, PART);
                else
                    extreme_vector(c, here, f, first, j, part);
            }
        }
}

BN_INLINE void pass_how(const bn_coefficients *c, elements a, strides s, size_t rows, int how)
{
    if (c->table)
        pass_table(c, a, s, rows, how);
    else
        pass_rows(c, a, s, rows, how);
}

BN_INLINE void pass(const bn_coefficients *c, elements a, strides s, size_t rows)
{
    if (c->extreme) {
        pass_extreme(c, a, s, rows);
    } else if (c->stream) {
        pass_how(c, a, s, rows, STREAM);
        bn_stream_fence();
    } else {
        pass_how(c, a, s, rows, WHOLE);
    }
}

static void normalise(const bn_coefficients *c, const void *x, size_t x_stride, void *y, size_t y_stride, size_t rows)
{
    pass(c, (elements){x, x, y, false}, (strides){x_stride, x_stride, y_stride}, rows);
}

static void input_gradient(const bn_coefficients *c, const void *x, size_t x_stride, const void *dy, size_t dy_stride,
                           void *dx, size_t dx_stride, size_t rows)
{
    pass(c, (elements){x, dy, dx, true}, (strides){x_stride, dy_stride, dx_stride}, rows);
}
