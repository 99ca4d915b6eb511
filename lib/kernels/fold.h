/* Template: folding. Two sums, s and q, are taken of lanes or of the values of runs; here they become one of each
 * feature. `kept`: q is what additions to s lose. Lanes fold in halves, the second onto the first. Wants a vector
 * header, integers.h and rounding.h. */

enum { ACROSS = BN_LANES / VD }; /* vectors of lanes */

/* A vector, or a part of one. */
BN_INLINE vd vd_load_some(const double *p, size_t part) { return part == VD ? vd_load(p) : vd_load_part(p, part); }

BN_INLINE void add_sums(bool kept, double *s, double *q, double other_s, double other_q)
{
    const double sum = *s + other_s;
    *q += kept ? other_q + lost_by(*s, other_s, sum) : other_q;
    *s = sum;
}

BN_INLINE void add_vectors(bool kept, vd *s, vd *q, vd other_s, vd other_q)
{
    const vd sum = *s + other_s;
    *q += kept ? other_q + vd_lost_by(*s, other_s, sum) : other_q;
    *s = sum;
}

/* The second half of the lanes onto the first until one is left; a lane is a row of columns. */
BN_INLINE void fold_rows(bool kept, size_t lanes, size_t columns, double *s, double *q)
{
    for (; lanes > 1; lanes /= 2) {
        const size_t half = lanes / 2 * columns;
        for (size_t i = 0; i < half; i++) add_sums(kept, s + i, q + i, s[half + i], q[half + i]);
    }
}

/* The same of a run's lanes, unrolled: moments of one image of 14 x 14 and 512 channels take 0.8 to 0.9 of the time. */
BN_INLINE void fold_lanes(bool kept, double *s, double *q)
{
    BN_UNROLL
    for (size_t half = BN_LANES / 2; half > 0; half /= 2)
        for (size_t i = 0; i < half; i++) add_sums(kept, s + i, q + i, s[half + i], q[half + i]);
}

/* Of a run of n values those from i on, as many as there are for a vector. */
BN_INLINE vd some_of(const double *run, size_t i, size_t n) { return vd_load_some(run + i, least(n - i, VD)); }

/* A run of n values, of which every BN_LANES-th is of one lane. Those of a lane in pairs, then the second half of the
 * lanes onto the first until they are a vector. How often a 0 is added depends on the vector's width: that shows in no
 * s, for none is -0, and in a q that is kept only beside an s that is infinite, where q is not looked at. */
BN_INLINE void fold_run(bool kept, size_t n, const double *s, const double *q, vd *to_s, vd *to_q)
{
    vd lanes_s[ACROSS], lanes_q[ACROSS];

    BN_UNROLL
    for (size_t k = 0; k < ACROSS; k++) {
        const size_t first = k * VD, second = first + BN_LANES, third = second + BN_LANES, fourth = third + BN_LANES;
        lanes_s[k] = lanes_q[k] = vd_zero();
        if (first < n) lanes_s[k] = some_of(s, first, n), lanes_q[k] = some_of(q, first, n);
        if (second < n) add_vectors(kept, lanes_s + k, lanes_q + k, some_of(s, second, n), some_of(q, second, n));
        if (third < n) {
            vd pair_s = some_of(s, third, n), pair_q = some_of(q, third, n);
            if (fourth < n) add_vectors(kept, &pair_s, &pair_q, some_of(s, fourth, n), some_of(q, fourth, n));
            add_vectors(kept, lanes_s + k, lanes_q + k, pair_s, pair_q);
        }
    }
    BN_UNROLL
    for (size_t half = ACROSS / 2; half > 0; half /= 2)
        for (size_t k = 0; k < half && half * VD < n; k++)
            add_vectors(kept, lanes_s + k, lanes_q + k, lanes_s[k + half], lanes_q[k + half]);
    *to_s = lanes_s[0];
    *to_q = lanes_q[0];
}

/* A vector of lanes for each run becomes a vector of one value for each. The second half of the lanes goes onto the
 * first, of two runs at a time, whose lanes alternate from then on. */
BN_INLINE void fold_vectors(bool kept, size_t runs, vd *s, vd *q)
{
    BN_UNROLL
    for (size_t half = VD / 2; half > 0; half /= 2)
        for (size_t i = 0; i < half && i < runs; i++) {
            const vd other_s = vd_zip_high(s[i], s[i + half]), other_q = vd_zip_high(q[i], q[i + half]);
            s[i] = vd_zip_low(s[i], s[i + half]);
            q[i] = vd_zip_low(q[i], q[i + half]);
            add_vectors(kept, s + i, q + i, other_s, other_q);
        }
}

BN_INLINE void fold_all_runs(bool kept, size_t runs, size_t n, const double *s, const double *q, double *to_s,
                             double *to_q)
{
    for (size_t c = 0; c < runs; c += VD) {
        const size_t some = least(runs - c, VD);
        vd some_s[VD], some_q[VD];
        for (size_t i = 0; i < some; i++) fold_run(kept, n, s + (c + i) * n, q + (c + i) * n, some_s + i, some_q + i);
        for (size_t i = some; i < VD; i++) some_s[i] = some_q[i] = vd_zero();
        fold_vectors(kept, some, some_s, some_q);
        vd_store(to_s + c, some_s[0]);
        vd_store(to_q + c, some_q[0]);
    }
}

/* Of each run of n values their sum, in whole vectors, which may stand where the runs do. Vectors across runs: moments
 * of 1, 4 or 8 images of 7 x 7 take 0.8 to 0.85 of the time that they take folded step by step in memory (Xeon of
 * family 6, model 207). Inline it would take registers from the loops that add up. */
static __attribute__((noinline)) void fold_runs(bool kept, size_t runs, size_t n, const double *s, const double *q,
                                                double *to_s, double *to_q)
{
    if (kept)
        fold_all_runs(true, runs, n, s, q, to_s, to_q);
    else
        fold_all_runs(false, runs, n, s, q, to_s, to_q);
}
