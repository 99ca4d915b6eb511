/* Template: what an element pass needs of each feature, as elements are computed: made once, looked up for each group
 * of values. Wants a vector and a dtype header, integers.h, rounding.h and fetch.h.
 *
 * The mean is taken off in two steps, high and low, each in the arithmetic type: x - high is exact where x is near the
 * mean, so cancellation costs nothing; y = x * a + b would lose |mean| / std units.
 *
 * For y of 16 bits the second step is part of the shift, beta - low * scale. As abs(low) is at most 2^-24 abs(mean),
 * that costs less than one of the 8 units of gamma that the bound allows, up to a |mean| / std of 2^22
 * (tests/support/bounds.c). Inference is 1.05 to 1.2 times as fast in cache (Xeon of family 6, model 167). */

/* In such an order that each pass has the first ones: forward as far as SHIFT or LOW, backward all. Forward has no
 * slope, backward no shift. */
enum { HIGH, SCALE, SHIFT, SLOPE = SHIFT, LOW, MEAN_DY, FACTORS };
_Static_assert((int)FACTORS == (int)BN_TABLES, "as the callers count");

/* Whether low is a factor by itself. */
BN_INLINE bool has_low(bool gradient) { return gradient || sizeof(stored) > 2; }

#define FACTORS_OF(gradient) ((gradient) ? FACTORS : has_low(false) ? MEAN_DY : LOW)

/* Values are passed over in groups of BN_HALVES vectors: value i of a group is in vector i % BN_HALVES. That is one, if
 * a dtype has no reason for more. Until it is put a group is held as_read: halves as words, in half the registers. */
#ifndef BN_HALVES
#define BN_HALVES 1
typedef vr as_read;
BN_INLINE as_read x_read(const stored *p) { return x_load(p); }
BN_INLINE as_read x_read_part(const stored *p, size_t n) { return x_load_part(p, n); }
BN_INLINE void x_halves(as_read a, vr *v) { *v = a; }
BN_INLINE void y_store_halves(stored *p, const vr *v) { y_store(p, *v); }
BN_INLINE void y_store_halves_part(stored *p, const vr *v, size_t n) { y_store_part(p, *v, n); }
BN_INLINE void y_stream_halves(stored *p, const vr *v) { y_stream(p, *v); }
#endif

enum { IN_GROUP = BN_HALVES * VR };

/* Of the first n values, how many are in half h. */
BN_INLINE size_t in_half(size_t n, size_t h) { return (n + BN_HALVES - 1 - h) / BN_HALVES; }

/* Table k; or, of a factor for each value, half of it, with in_half(n, h) of the first n. */
BN_INLINE real *table(const bn_coefficients *c, int k, size_t h)
{
    return (real *)c->factors + (size_t)k * c->table_pitch + h * c->half_pitch;
}

/* Of a factor for each value: every BN_HALVES-th from that place on. */
BN_INLINE real *in_table(const bn_coefficients *c, int k, size_t place)
{
    return table(c, k, place % BN_HALVES) + place / BN_HALVES;
}

/* A factor that float multiplies by without fear of overflow or of lost bits; of doubles nobody asks. NaN is as good
 * here as anywhere. */
BN_INLINE bool comfortable(double factor)
{
    const double size = fabs(factor);
    return !((size != 0) & ((size < 0x1p-100) | (size > 0x1p100)));
}

/* Whether y of 16 bits may go by this shift. Beyond 2^126 float may overflow, and y be NaN where it is an infinity: so
 * large is a beta, or low * scale of a mean and a scale that are given and fit no batch. Of a given mean that is beyond
 * float itself nobody asks. */
BN_INLINE bool is_shift(double shift) { return has_low(false) || !(fabs(shift) > 0x1p126); }

/* The same as a sign bit, which is set where it may not. */
BN_INLINE uint64_t sign_if_no_shift(double shift) { return has_low(false) ? 0 : bits_of(0x1p126 - fabs(shift)); }

/* As an element is computed. Of 16 bits a NaN becomes one whose lower bits are 0, as those of elements are, so that the
 * sum which rounds to 16 bits cannot carry it beyond NaN. */
BN_INLINE real narrowed(double v)
{
    const real r = (real)v;
    return sizeof(stored) == 2 && r != r ? (real)NAN : r;
}

BN_INLINE double gamma_of(const bn_coefficients *c, size_t f) { return c->gamma ? ((const param *)c->gamma)[f] : 1; }
BN_INLINE double beta_of(const bn_coefficients *c, size_t f) { return c->beta ? ((const param *)c->beta)[f] : 0; }
BN_INLINE double scale_of(const bn_coefficients *c, size_t f) { return gamma_of(c, f) * c->invstd[f]; }
BN_INLINE double low_of(const bn_coefficients *c, size_t f, real high) { return c->mean[f] - (double)high; }
BN_INLINE double shift_of(const bn_coefficients *c, size_t f, real high)
{
    const double beta = beta_of(c, f), rest = has_low(false) ? 0 : low_of(c, f, high) * scale_of(c, f);
    return rest != 0 ? beta - rest : beta; /* -0 stays -0 */
}
BN_INLINE double mean_dy_of(const bn_coefficients *c, size_t f) { return divided(c->sum_dy[f], c->values); }
BN_INLINE double slope_of(const bn_coefficients *c, size_t f)
{
    return divided(c->sum_dy_d[f], c->values) * c->invstd[f] * c->invstd[f];
}

/* Values of a row that have their factors in the tables, or the same ones. */
BN_INLINE size_t width(const bn_coefficients *c) { return c->factor_a_value ? c->columns * c->run : c->run; }

/* Whether a feature may go by its factors. */
BN_INLINE bool goes_by_factors(const bn_coefficients *c, bool gradient, size_t f)
{
    const bool scale = comfortable(scale_of(c, f));
    const bool other = gradient ? comfortable(slope_of(c, f)) : is_shift(shift_of(c, f, narrowed(c->mean[f])));
    return scale & other; /* without a branch */
}

/* Features with 0 and NaN may too, though these are outside for sign_if_outside: where it finds one, this tells. As
 * gamma may be 0 of all features, it takes no longer than it has to. */
BN_INLINE bool all_go_by_factors(const bn_coefficients *c, bool gradient, size_t first, size_t n)
{
    int64_t all = -1; /* as wide as a double: the compiler makes vectors of this loop too */
    for (size_t f = first; f < first + n; f++) all &= goes_by_factors(c, gradient, f) ? -1 : 0;
    return all != 0;
}

/* HIGH, SCALE and, if there is one, LOW of n features; `other` is SHIFT, or for a gradient SLOPE, with MEAN_DY. Returns
 * whether all features may go by them. In a loop that the compiler makes vectors of: of small batches features are as
 * many as values. */
BN_INLINE bool make(const bn_coefficients *c, bool gradient, size_t first, size_t n, real *restrict high,
                    real *restrict scale, real *restrict other, real *restrict low, real *restrict mean_dy)
{
    uint64_t any = 0;

    for (size_t i = 0; i < n; i++) {
        const size_t f = first + i;
        const double s = scale_of(c, f);
        high[i] = narrowed(c->mean[f]);
        if (has_low(gradient)) low[i] = narrowed(low_of(c, f, high[i]));
        scale[i] = narrowed(s);
        any |= sign_if_outside(fabs(s), 100);
        if (!gradient) continue;
        other[i] = narrowed(slope_of(c, f));
        mean_dy[i] = narrowed(mean_dy_of(c, f));
        any |= sign_if_outside(fabs(slope_of(c, f)), 100);
    }
    for (size_t i = 0; !gradient && i < n; i++) {
        const double shift = shift_of(c, first + i, high[i]);
        other[i] = narrowed(shift);
        any |= sign_if_no_shift(shift);
    }
    return sizeof(real) == sizeof(double) || any >> 63 == 0 || all_go_by_factors(c, gradient, first, n);
}

/* A vector of one value. A sum with 0 would make 0 of -0. */
BN_INLINE vr vector_of(real value) { return value - (vr){0}; }

/* The value into [from, to) of a table. In whole vectors: what they write beyond `to` is filled next, or is room. */
BN_INLINE void fill(real *table, size_t from, size_t to, real value)
{
    const vr v = vector_of(value);
    for (size_t j = from; j < to; j += VR) memcpy(table + j, &v, sizeof v);
}

/* n factors into table k, one a value, from that place on. */
BN_INLINE void spread_factors(const bn_coefficients *c, int k, size_t place, size_t n, const real *made)
{
    const size_t run = c->run;

    for (size_t h = 0; h < BN_HALVES; h++) {
        if (run == 1) {
            real *const to = in_table(c, k, place + h);
            for (size_t i = 0; i < in_half(n, h); i++) to[i] = made[i * BN_HALVES + h];
        } else {
            real *const to = table(c, k, h);
            for (size_t i = 0; i < n; i++)
                fill(to, in_half(place + i * run, h), in_half(place + (i + 1) * run, h), made[i]);
        }
    }
}

/* For the rows side by side: as many values again as there are. Each step for all tables: a load waits for the stores
 * before it, which are of other sizes, and these waits overlap. */
BN_INLINE void repeat_made(real *const *made, bool gradient, size_t done, size_t all)
{
    for (size_t more; done < all; done += more) {
        more = least(done, all - done);
        for (int k = 0; k < FACTORS_OF(gradient); k++) memcpy(made[k] + done, made[k], more * sizeof(real));
    }
}

/* The same in the tables. */
BN_INLINE void repeat_tables(const bn_coefficients *c, bool gradient, size_t done, size_t all)
{
    for (size_t more; done < all; done += more) {
        more = least(done, all - done);
        for (int k = 0; k < FACTORS_OF(gradient); k++)
            for (size_t h = 0; h < BN_HALVES; h++)
                memcpy(in_table(c, k, c->place + done + h), in_table(c, k, c->place + h),
                       in_half(more, h) * sizeof(real));
    }
}

/* Made where they belong, or, to be spread, some at a time. A line that ends in the next row finds the factors of that
 * row's first values after those of the last. */
BN_INLINE void make_factors(bn_coefficients *c, bool gradient)
{
    enum { SOME = 64 };
    const bool in_place = !c->factor_a_value || (BN_HALVES == 1 && c->run == 1);
    const size_t most = in_place ? c->columns : SOME;
    real made[FACTORS][SOME], *to[FACTORS];
    size_t rows = 1;

    for (int k = 0; k < FACTORS; k++) to[k] = in_place ? table(c, k, 0) + c->place : made[k];
    c->extreme = false;
    for (size_t f = 0, n; f < c->columns; f += n) {
        n = least(c->columns - f, most);
        if (!make(c, gradient, f, n, to[HIGH], to[SCALE], to[SLOPE], to[LOW], to[MEAN_DY])) c->extreme = true;
        if (in_place) continue;
        if (n == c->columns) rows = least(SOME / n, c->repeat);
        repeat_made(to, gradient, n, n * rows);
        for (int k = 0; k < FACTORS_OF(gradient); k++) spread_factors(c, k, c->place + f * c->run, n * rows, made[k]);
    }
    if (c->factor_a_value)
        repeat_tables(c, gradient, width(c) * rows, width(c) * c->repeat + (c->shares_lines ? LINE_VALUES : 0));
}

static void normalise_factors(bn_coefficients *c) { make_factors(c, false); }
static void input_gradient_factors(bn_coefficients *c) { make_factors(c, true); }

/* Those of a vector's values: from the tables, or of one feature, or of two. */
typedef struct factors {
    vr of[FACTORS];
} factors;

/* Those of a group. */
typedef struct group {
    factors half[BN_HALVES];
} group;

/* The tables from some value on, apart from what the compiler thinks that a store may change. */
typedef struct tables {
    const real *half[BN_HALVES];
    size_t pitch;
} tables;

/* Rows as a whole, by tables that threads share: these have a pitch of their own. */
BN_INLINE bool exceeds_strip(const bn_coefficients *c) { return width(c) * sizeof(real) > BN_STRIP_BYTES; }

/* Unless elements are streamed or rows exceed a strip, the pitch is known here, and one register does for all:
 * inference of 1000 x 1000 takes 0.8 of the time (Zen 3), of 300 x 256 by lines 0.93 with AVX2 (Xeon of family 6, model
 * 106). */
BN_INLINE tables tables_from(const bn_coefficients *c, bool any_pitch, size_t value)
{
    const size_t table = BN_TABLE_BYTES / sizeof(real), pitch = any_pitch ? c->table_pitch : table;
    const size_t half = any_pitch ? c->half_pitch : table / 2;
    tables t = {.pitch = pitch};

    for (size_t h = 0, place = c->place + value; h < BN_HALVES; h++, place++)
        t.half[h] = (const real *)c->factors + place % BN_HALVES * half + place / BN_HALVES;
    return t;
}

/* Of n values from the j-th on, a multiple of BN_HALVES. */
BN_INLINE group factors_at(tables t, bool gradient, size_t j, size_t n)
{
    group g = {0};
    for (size_t h = 0; h < BN_HALVES; h++)
        for (int k = 0; k < FACTORS_OF(gradient); k++) {
            const real *const p = t.half[h] + (size_t)k * t.pitch + j / BN_HALVES;
            g.half[h].of[k] = n == IN_GROUP ? vr_load(p) : vr_load_part(p, in_half(n, h));
        }
    return g;
}

BN_INLINE factors factors_of(const bn_coefficients *c, bool gradient, size_t feature)
{
    factors f = {0};
    for (int k = 0; k < FACTORS_OF(gradient); k++) f.of[k] = vector_of(table(c, k, 0)[feature]);
    return f;
}

BN_INLINE group all_of(factors f)
{
    group g;
    for (size_t h = 0; h < BN_HALVES; h++) g.half[h] = f;
    return g;
}

/* The first n of one, the others of the next; n may be negative, or more than a group has. */
BN_INLINE group factors_across(factors one, factors next, bool gradient, ptrdiff_t n)
{
    group g = {0};
    vlane place;

    for (int i = 0; i < VR; i++) place[i] = i * BN_HALVES;
    for (int h = 0; h < BN_HALVES; h++) {
        const vlane mask = place < (vlane){0} + (int)(n - h);
        for (int k = 0; k < FACTORS_OF(gradient); k++)
            g.half[h].of[k] = (vr)((mask & (vlane)one.of[k]) | (~mask & (vlane)next.of[k]));
    }
    return g;
}
