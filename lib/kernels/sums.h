/* Template: two sums over the values of each feature in one block, in double. Wants rows.h, runs.h and what these want.
 *
 * Runs of up to BN_SHORT_RUN values are columns, unless is_along: rows are added up on top of each other, and the
 * columns of a run, or lanes, are folded at the end. Four rows at a time are added up in pairs, then to the sum; rows
 * that are left at the end of a block one by one. So the longest chain of additions over 64 rows (of one lane) is
 * 2 + 16, or 2 + 15 + 3 with rows left over. Lanes are folded in halves; of a run every BN_LANES-th column in pairs,
 * and what is left as lanes: either adds at most 6.
 *
 * Other runs are added up along, in BN_LANES lanes: four vectors of lanes in pairs, then to a sum of up to BN_STEPS
 * such steps, then that to the sum of the block, which has at most four such sums (BN_LONG_BLOCK): 2 + 15 + 3
 * additions. Folding the lanes adds 4. */

enum { ROOM = BN_STRIP_BYTES / sizeof(real) };

/* Columns that are summed again together, of runs one for each value: of matrices 16 to 64, of runs 64 to 256. Those of
 * doubles and of narrow tiles all. */
enum {
    FEW_AGAIN = 16,
    MANY_AGAIN = 64,
    FEW_OF_RUNS = 64,
    MANY_OF_RUNS = 256,
    ROOM_AGAIN = BN_EXACT_SQUARES ? MANY_OF_RUNS : ROOM
};
_Static_assert((int)BN_SHORT_RUN <= (int)FEW_OF_RUNS, "a feature at least");
_Static_assert((int)BN_LANES_MOST <= (int)MANY_OF_RUNS && (int)BN_LONG_RUNS <= (int)MANY_OF_RUNS,
               "narrow tiles and runs along fit whole");

/* Rows so few that folding their columns would take longer than adding up along them: along, sums of one
 * image of 7 x 7 are 1.0 to 1.75 times as fast, of three 1.0 to 1.8, of runs of 32 values 0.92 to 1.4, by instruction
 * set and dtype (Xeon of family 6, model 207). */
static bool is_along(const bn_tile *t)
{
    return t->lanes == 1 && t->run >= 2 * BN_LANES && t->rows * BN_LANES <= t->run;
}
_Static_assert((int)BN_STRIP <= (int)BN_LONG_RUNS * 2 * (int)BN_LANES, "a tile has no more features of such runs");

static bool in_columns(const bn_tile *t) { return t->run == t->pitch && t->run <= BN_SHORT_RUN && !is_along(t); }

/* Sums of a tile. Where it is summed in columns, s and q have room for one of each lane and of each value of a run, in
 * whole vectors, and pivot is spread likewise. */
BN_INLINE void add_tile(int what, const bn_tile *t, source a, const double *pivot, double *s, double *q)
{
    if (in_columns(t))
        add_columns(what, t, a, pivot, s, q);
    else
        add_runs(what, t, a, pivot, s, q);
}

/* The mean of each feature, or of each column. */
BN_INLINE const double *pivot_of(const bn_tile *t, const double *mean, double *room)
{
    if (!in_columns(t) || t->lanes * t->run == 1) return mean;
    spread(mean, t, room);
    return room;
}

/* A column of n values, of which this is the reciprocal, cancels where n times the square of its mean exceeds its m2 by
 * this factor, or where they cannot be compared. To q, whose squares are added one by one, there are at most n - 1
 * additions, and 70 with those that fold lanes or runs; to s as many, and 26. s * s / n has the error of s twice, and 3
 * roundings. So m2 is left a relative error below 3 * 2^(16 - 53), or 125 * 2^(10 - 53): 2^-35; the promise for invstd
 * of float is 2^-30. Of two values of a normal distribution one column in 284 cancels so, by 2^10 one in 50: then each
 * group has one. */
BN_INLINE double cancels(double reciprocal) { return reciprocal > 0x1p-6 ? reciprocal * 0x1p16 : 0x1p10; }

/* Of doubles whose sum overflows. Scaled, only a NaN or an infinity can make it so: that is the mean then. */
static double mean_of_large(const bn_tile *t, const stored *x, size_t stride, double reciprocal)
{
    double sum = 0, lost = 0;
    for (size_t r = 0; r < t->rows && !isnan(sum); r++)
        for (size_t i = 0; i < t->run; i++)
            add_sums(true, &sum, &lost, x_widen_part(x + r * stride + i, 1)[0] * 0x1p-100, 0);
    return quotient(sum, lost, (double)(t->rows * t->run), reciprocal) * 0x1p100;
}

/* Whether the sums of columns may be made in the arrays of the result: in whole vectors, so it needs no more room. Else
 * sums are loaded just after means are stored, and where both lie at the same place of a page the load waits for the
 * store. 2 x 3000 backward and 4 x 1024 are 1.05 times as fast so (Xeon of family 6, model 106), forward 1.07 to 1.1
 * (model 167). */
BN_INLINE bool fits_result(const bn_tile *t, const double *to_s, const double *to_q)
{
    return t->lanes * t->run == 1 && t->columns % VD == 0 && begins_line(to_s) && begins_line(to_q);
}

/* Of a column that is to be summed again mean[j] is its sum for now, and m2[j], in place of an m2: where squares are
 * exact -1, which no m2 is; of doubles, of which all columns are to be, what the additions of the sum lost. Where
 * squares are exact the loss is not known; what floats lose is not worth keeping. */
BN_INLINE double in_place_of_m2(double q) { return BN_EXACT_SQUARES ? -1 : q; }
BN_INLINE bool is_again(double m2) { return !BN_EXACT_SQUARES || m2 < 0; }
BN_INLINE double loss(double m2) { return BN_EXACT_SQUARES ? 0 : m2; }

BN_INLINE bool any_again(const double *m2, size_t columns)
{
    int64_t any = 0; /* as wide as a double: a vector of these is one comparison */
    for (size_t j = 0; j < columns; j++) any |= is_again(m2[j]) ? -1 : 0;
    return any != 0;
}

/* Sums columns again around their mean. Changes those that is_again says. The mean is put right first, so that of a
 * constant column it is the constant, and m2 is 0. What the mean is off by for being a double is taken off m2.
 *
 * All quotients and rests are taken, and then chosen from. Else gcc, for AVX-512, loads the sums of those columns
 * alone, and takes the quotients of what the stack has in the other lanes: where that is subnormal each operation takes
 * 100 cycles, and 8 x 1024 with a few such columns took 3.6 times as long (Xeon of family 6, model 167). */
static __attribute__((noinline)) void sum_again(const bn_tile *t, const stored *x, size_t stride, double *mean,
                                                double *m2, double *s, double *q)
{
    const double n = (double)(t->rows * t->run), reciprocal = 1 / n;
    _Alignas(64) double sum[ROOM_AGAIN], room[ROOM_AGAIN + VD];
    int64_t overflowed = 0;

    for (size_t j = 0; j < t->columns; j++) {
        const double right = quotient(mean[j], loss(m2[j]), n, reciprocal);
        sum[j] = mean[j];
        mean[j] = is_again(m2[j]) ? right : mean[j];
        overflowed |= isfinite(mean[j]) ? 0 : -1;
    }
    for (size_t j = 0; !BN_EXACT_SQUARES && overflowed && j < t->columns; j++)
        if (!isfinite(mean[j])) mean[j] = mean_of_large(t, x + j * t->pitch, stride, reciprocal);
    add_tile(AROUND, t, (source){x, x, stride, stride}, pivot_of(t, mean, room), s, q);
    for (size_t j = 0; j < t->columns; j++) {
        const double left = rest_of(sum[j], mean[j], n) + loss(m2[j]), off = isfinite(sum[j]) ? left : 0;
        const double rest = with_lost(s[j], q[j] - off * (off * reciprocal));
        if (is_again(m2[j])) m2[j] = rest < 0 ? 0 : rest;
    }
}

/* Features that are summed again together, at least and at most. */
typedef struct again {
    size_t few, many;
} again;

BN_INLINE again again_of(const bn_tile *t)
{
    if (!BN_EXACT_SQUARES || t->lanes > 1) return (again){t->columns, t->columns};
    if (!in_columns(t)) return (again){1, t->columns};
    if (t->run == 1) return (again){FEW_AGAIN, MANY_AGAIN};
    return (again){FEW_OF_RUNS / t->run, MANY_OF_RUNS / t->run};
}

/* Sums again what is to be: few features at a time where one of them is, and as many more as have one in each next few.
 * s and q have room for a tile. */
static void sum_those_again(const bn_tile *t, const stored *x, size_t stride, double *mean, double *m2, double *s,
                            double *q)
{
    const again g = again_of(t);

    for (size_t from = 0, to; from < t->columns; from = to) {
        bn_tile some = *t;
        to = least(from + g.few, t->columns);
        if (!any_again(m2 + from, to - from)) continue;
        while (to < t->columns && to + g.few <= from + g.many && any_again(m2 + to, least(g.few, t->columns - to)))
            to = least(to + g.few, t->columns);
        some.columns = to - from;
        sum_again(&some, x + from * t->pitch, stride, mean + from, m2 + from, s, q);
    }
}

/* Moments of columns from their sums, which may stand where these go; of those that are to be summed again see
 * in_place_of_m2. Returns whether there are any. */
BN_INLINE bool moments_of_sums(size_t columns, double reciprocal, const double *s, const double *q, double *mean,
                               double *m2)
{
    const double most = cancels(reciprocal);
    int64_t all = -1; /* as wide as a double */

    for (size_t j = 0; j < columns; j++) {
        const double about = s[j] * reciprocal, square = s[j] * about, rest = q[j] - square;
        const bool good = BN_EXACT_SQUARES && square <= most * rest;
        mean[j] = good ? about : s[j];
        m2[j] = good ? rest : in_place_of_m2(q[j]);
        all &= good ? -1 : 0;
    }
    return all == 0;
}

/* Where squares are exact, one trip does unless a column cancels; where they are not, it finds the mean, and every
 * column is summed again. */
static void moments(const bn_tile *t, const void *px, size_t stride, double *mean, double *m2)
{
    const stored *const x = px;
    const source a = {x, x, stride, stride};
    const double reciprocal = 1 / (double)(t->rows * t->run);
    _Alignas(64) double s[ROOM], q[ROOM];
    const bool direct = fits_result(t, mean, m2);

    add_tile(BN_EXACT_SQUARES ? SQUARES : SUM, t, a, mean, direct ? mean : s, direct ? m2 : q); /* no pivot is read */
    /* Two calls, for in one the compiler does not know whether both are the same arrays: 4 x 1024 took 1.02 times as
     * long. */
    if (direct ? moments_of_sums(t->columns, reciprocal, mean, m2, mean, m2)
               : moments_of_sums(t->columns, reciprocal, s, q, mean, m2))
        sum_those_again(t, x, stride, mean, m2, s, q);
}

static void gradient_sums(const bn_tile *t, const void *x, size_t x_stride, const void *dy, size_t dy_stride,
                          const double *mean, double *sum_dy, double *sum_dy_d)
{
    const source a = {x, dy, x_stride, dy_stride};
    _Alignas(64) double s[ROOM], q[ROOM], room[ROOM + VD];
    const bool direct = fits_result(t, sum_dy, sum_dy_d);

    add_tile(GRADIENT, t, a, pivot_of(t, mean, room), direct ? sum_dy : s, direct ? sum_dy_d : q);
    if (direct) return;
    memcpy(sum_dy, s, t->columns * sizeof *s);
    memcpy(sum_dy_d, q, t->columns * sizeof *q);
}
