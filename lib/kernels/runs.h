/* Template: runs added up along, in lanes. Wants integers.h, terms.h, fold.h and fetch.h. */

_Static_assert(BN_STEP == TOGETHER * BN_LANES, "as the plan counts");

/* A whole step. */
BN_INLINE void add_step(int what, source a, vd pivot, vd *s, vd *q)
{
    widened_room room;
    const wide_source w = widened(what, a, 1, BN_STEP, &room);
    vd x[TOGETHER], dy[TOGETHER];

    for (size_t k = 0; k < ACROSS; k++) {
        for (size_t r = 0; r < TOGETHER; r++) {
            x[r] = wide_at(w.x, r * BN_LANES + k * VD);
            if (what == GRADIENT) dy[r] = wide_at(w.dy, r * BN_LANES + k * VD);
        }
        add(what, x, dy, TOGETHER, VD, pivot, s + k, q + k);
    }
}

/* Of some lanes n vectors, of which the last may be a part. Pair by pair, where what is lost is kept: of a constant
 * column 3 values need not add up exactly, and its mean is the constant. Whether a lane has 3 of 3 vectors, or of 4
 * where the last is 0, depends on how wide these are: both give the same. */
BN_INLINE void add_lane(int what, source a, size_t n, size_t part, vd pivot, vd *s, vd *q)
{
    const size_t first = what == SUM && n > 2 ? 2 : n;
    vd x[TOGETHER], dy[TOGETHER];

    for (size_t r = 0; r < n; r++) {
        x[r] = load_some(a.x + r * BN_LANES, r + 1 < n ? VD : part);
        if (what == GRADIENT) dy[r] = load_some(a.dy + r * BN_LANES, r + 1 < n ? VD : part);
    }
    add(what, x, dy, first, part, pivot, s, q);
    if (first < n) add(what, x + first, dy + first, n - first, part, pivot, s, q);
}

/* What is left of a run, less than a step. The lanes of vector k have `before` whole vectors of it, and `last` values
 * more. Unless both loops are unrolled, gcc keeps s and q in memory, for whole steps too: sums of 14 x 14 take 1.12 to
 * 1.15 times as long (Zen 3). */
BN_INLINE void add_rest(int what, source a, size_t left, vd pivot, vd *s, vd *q)
{
    BN_UNROLL
    for (size_t k = 0; k < ACROSS; k++) {
        if (k * VD >= left) break;
        const size_t values = left - k * VD, before = (values - 1) / BN_LANES, last = values - before * BN_LANES;
        BN_UNROLL
        for (size_t n = 1; n <= TOGETHER; n++)
            if (n == before + 1) add_lane(what, moved_by(a, 0, k * VD), n, least(last, VD), pivot, s + k, q + k);
    }
}

/* While a step from value i on is read. What the leads say goes into the second cache, but a Zen 5's: images are often
 * a multiple of a page apart, and then the runs ahead share few sets of the first. */
BN_INLINE void fetch_step(int what, source a, later l, size_t i)
{
    if (l.pages) {
        for (size_t j = 0; j < BN_STEP; j += LINE_VALUES) fetch_by_pages((uintptr_t)(a.x + i + j));
    } else if (l.in_parts) {
        fetch_parts(a.x, l.x_parts, i, BN_STEP);
        if (what == GRADIENT) fetch_parts(a.dy, l.dy_parts, i, BN_STEP);
    } else if (!l.leaps || i >= l.x.until) {
        fetch(l.cache, ahead_of(a.x, l.x, i), BN_STEP * sizeof(stored));
        if (what == GRADIENT) fetch(l.cache, ahead_of(a.dy, l.dy, i), BN_STEP * sizeof(stored));
    }
}

/* Values [from, to) of a run or of the runs of a row. */
BN_INLINE void add_run(int what, source a, size_t from, size_t to, later l, vd pivot, vd *s, vd *q)
{
    size_t i = from;

    for (; i + BN_STEP <= to; i += BN_STEP) {
        fetch_step(what, a, l, i);
        add_step(what, moved_by(a, 0, i), pivot, s, q);
    }
    if (i < to) add_rest(what, moved_by(a, 0, i), to - i, pivot, s, q);
}

/* Adds the sums of lanes to s and q, which the first of them begin, and begins them again from 0. */
BN_INLINE void hand_over(int what, bool first, vd *part_s, vd *part_q, double *s, double *q)
{
    for (size_t k = 0; k < ACROSS; k++, s += VD, q += VD) {
        vd sum = part_s[k], other = part_q[k];
        if (!first) {
            sum = vd_load(s), other = vd_load(q);
            add_vectors(is_kept(what), &sum, &other, part_s[k], part_q[k]);
        }
        vd_store(s, sum);
        vd_store(q, other);
        part_s[k] = part_q[k] = vd_zero();
    }
}

/* From a run to the one to fetch after it. Of parts, which are read feature by feature, that is the next part of the
 * same feature: while the parts of all are few bytes, it stays in cache until it is read, and nothing is fetched that
 * another strip has. Else it is the next feature's. With that for all, 56 x 56 forward, in two parts then, took 1.1
 * times as long, with the first for all, parts of 32 features backward 1.05 to 1.08; without fetching, 56 x 56
 * backward 1.05 to 1.15 (Xeon of family 6, model 207). */
BN_INLINE size_t next_run(const bn_tile *t, size_t stride)
{
    if (t->run < t->pitch && t->columns * t->run * sizeof(stored) > NEXT_BLOCK) return t->pitch;
    return t->from + t->run < t->pitch ? t->run : stride - t->from;
}

/* Rows that are added up together: they are read side by side, feature by feature, so that each is read in the order of
 * its addresses. */
BN_INLINE size_t rows_together(size_t run) { return larger(BN_STEPS / divide_up(run, BN_STEP), 1); }

/* Values so many further on. */
BN_INLINE void fetch_values(int what, int cache, source a, size_t x, size_t dy, size_t values)
{
    fetch(cache, beyond(a.x, x), values * sizeof(stored));
    if (what == GRADIENT) fetch(cache, beyond(a.dy, dy), values * sizeof(stored));
}

/* The lanes of each feature, of short runs. What follows in each of the rows that are read side by side is the next
 * feature's: past the last cache it is fetched into the first one meanwhile, and backward of 50 images of 9 x 9 to 15
 * x 15 is 1.02 to 1.18 times as fast; in cache 14 x 14 took 1.05 to 1.1 times as long so (Xeon of family 6, model
 * 167). A Zen 4 adds up 14 x 14 1.12 to 1.35 times as fast where it fetches into the second, but in resident strips,
 * which are in it already: backward would take 1.04 to 1.15 times as long. To keep at hand what longer runs need to
 * fetch costs as much as to add up few values: one image of 7 x 7 is 1.13 to 1.22 times as fast without (model 106). */
BN_INLINE void add_short_runs(int what, int cache, const bn_tile *t, source a, const double *pivot, double *s,
                              double *q)
{
    const size_t together = rows_together(t->run), steps = t->run / BN_STEP * BN_STEP, rest = t->run - steps;
    vd part_s[ACROSS], part_q[ACROSS]; /* of = {0} gcc makes rep stos: a tenth of the time of 14 x 14 in cache */

    for (size_t k = 0; k < ACROSS; k++) part_s[k] = part_q[k] = vd_zero();
    for (size_t r = 0, end; r < t->rows; r = end) {
        end = least(r + together, t->rows);
        for (size_t c = 0; c < t->columns; c++) {
            const vd p = has_pivot(what) ? vd_zero() + pivot[c] : vd_zero();
            const bool last = c + 1 == t->columns; /* after it come the next rows, as a rule */
            const size_t next = last ? together * a.x_stride - c * t->pitch : t->pitch;
            const size_t next_dy = last ? together * a.dy_stride - c * t->pitch : t->pitch;
            for (size_t i = r; i < end; i++) {
                const source here = moved_by(a, i, c * t->pitch);
                for (size_t j = 0; j < steps; j += BN_STEP) {
                    const source step = moved_by(here, 0, j);
                    fetch_values(what, cache, step, next, next_dy, BN_STEP);
                    add_step(what, step, p, part_s, part_q);
                }
                if (rest == 0) continue;
                const source left = moved_by(here, 0, steps);
                fetch_values(what, cache, left, next, next_dy, rest);
                add_rest(what, left, rest, p, part_s, part_q);
            }
            hand_over(what, r == 0, part_s, part_q, s + c * BN_LANES, q + c * BN_LANES);
        }
    }
}

/* The same of longer ones; where there are no pages, of all. */
BN_INLINE void add_long_runs(int what, bool fetched, const bn_tile *t, source a, const double *pivot, double *s,
                             double *q)
{
    enum { AT_A_TIME = BN_STEPS * BN_STEP };
    const size_t together = rows_together(t->run);
    const bool whole = t->run == t->pitch; /* runs follow each other in a row */
    const size_t values = whole ? t->columns * t->run : t->run, row = whole ? values : t->pitch;
    const size_t count = what == GRADIENT ? PAGES_TOGETHER / 2 : PAGES_TOGETHER;
    const bool large = row * sizeof(stored) > NEXT_BLOCK;
    /* Backward of large images took 0.97 to 1.18 times as long by pages, forward of other 16-bit ones 1.0 to 1.09, but
     * for parts: 112 x 112 is 1.02 times as fast, 56 x 56, in two parts then, if a strip has one feature, 1.2 (Xeon
     * of family 6, model 167). */
    const bool gains = large ? what != GRADIENT : what == GRADIENT || sizeof(stored) > 2 || !whole;
    const bool pages =
        HAS_PAGES && fetched && t->distance == BN_PAGES && what != AROUND && gains && (whole || t->columns == 1);
    /* A core has places for few lines that it is asked for, and more for those that the hardware fetches by itself:
     * sums of whole runs are 1.1 to 1.7 times as fast so past the cache, 1.0 to 1.3 in it; in rows of 9 KB they would
     * take 1.1 to 1.2 times as long (Zen 4). */
    const bool leaps = t->into == BN_INTO_SECOND && whole && row * sizeof(stored) >= LEAP_ROW;
    const size_t ahead = leaps ? LEAP : t->ahead, rows_on = leaps ? together : 1;
    const int cache = t->into == BN_INTO_FIRST ? FIRST : SECOND;
    const later l = {.x = lead_of(values, next_run(t, rows_on * a.x_stride), ahead),
                     .dy = lead_of(values, next_run(t, rows_on * a.dy_stride), ahead),
                     .leaps = leaps,
                     .cache = fetched && is_long_run(t->run) ? cache : NOWHERE,
                     .pages = pages && large,
                     .in_parts = pages && !large,
                     .x_parts = parts_of(row, t->from, a.x_stride, count),
                     .dy_parts = parts_of(row, t->from, a.dy_stride, count)};
    vd part_s[ACROSS], part_q[ACROSS];

    for (size_t k = 0; k < ACROSS; k++) part_s[k] = part_q[k] = vd_zero();
    for (size_t r = 0, end; r < t->rows; r = end) {
        end = least(r + together, t->rows);
        for (size_t c = 0; c < t->columns; c++) {
            const vd p = has_pivot(what) ? vd_zero() + pivot[c] : vd_zero();
            const size_t before = whole ? 0 : c * t->pitch, first = whole ? c * t->run : 0; /* that the leads count */
            for (size_t from = 0; from < t->run; from += AT_A_TIME) {
                const size_t to = least(from + AT_A_TIME, t->run);
                for (size_t i = r; i < end; i++)
                    add_run(what, moved_by(a, i, before), first + from, first + to, l, p, part_s, part_q);
                hand_over(what, r == 0 && from == 0, part_s, part_q, s + c * BN_LANES, q + c * BN_LANES);
            }
        }
    }
}

/* With vectors of 16 bytes arithmetic decides, and what is left of a run takes so much code that there is one copy. */
BN_INLINE void add_runs(int what, const bn_tile *t, source a, const double *pivot, double *s, double *q)
{
    double lanes_s[BN_LONG_RUNS * BN_LANES], lanes_q[BN_LONG_RUNS * BN_LANES];

    if (!HAS_PAGES || (is_long_run(t->run) && !is_close(t)))
        add_long_runs(what, true, t, a, pivot, lanes_s, lanes_q);
    else if (is_long_run(t->run))
        add_long_runs(what, false, t, a, pivot, lanes_s, lanes_q);
    else if (is_far(t) && t->into == BN_INTO_SECOND && what != AROUND)
        add_short_runs(what, SECOND, t, a, pivot, lanes_s, lanes_q);
    else if (is_far(t) && what != AROUND)
        add_short_runs(what, FIRST, t, a, pivot, lanes_s, lanes_q);
    else
        add_short_runs(what, NOWHERE, t, a, pivot, lanes_s, lanes_q);
    if (t->columns > VD / 2) {
        fold_runs(is_kept(what), t->columns, BN_LANES, lanes_s, lanes_q, s, q);
        return;
    }
    for (size_t c = 0; c < t->columns; c++) { /* for so few, vectors across runs would take longer */
        fold_lanes(is_kept(what), lanes_s + c * BN_LANES, lanes_q + c * BN_LANES);
        s[c] = lanes_s[c * BN_LANES];
        q[c] = lanes_q[c * BN_LANES];
    }
}
