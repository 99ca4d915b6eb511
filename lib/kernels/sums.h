/* Template: two sums over the values of each feature in one block, in double. Wants a vector and a dtype header,
 * integers.h, rounding.h, fold.h and fetch.h.
 *
 * Runs of up to BN_SHORT_RUN values are columns, unless is_along: rows are added up on top of each other, and the
 * columns of a run, or lanes, are folded at the end. Four rows at a time are added up in pairs, then to the sum; rows
 * that are left at the end of a block one by one. So the longest chain of additions over 64 rows (of one lane) is
 * 2 + 16, or 2 + 15 + 3 with rows left over. Lanes are folded in halves; of a run every BN_LANES-th column in pairs,
 * and what is left as lanes: either adds at most 6.
 *
 * Other runs are added up along, in BN_LANES lanes: four vectors of lanes in pairs, then to a sum of up to
 * STEPS_TOGETHER such steps, then that to the sum of the block, which has at most 48 steps (BN_LONG_BLOCK): at worst 2
 * rows of 24 steps, added up by 16, 8, 16 and 8, which is 2 + 15 + 3 additions. Folding the lanes adds 4. */

enum { TOGETHER = 4, STEPS_TOGETHER = 16 }; /* rows, or vectors along a run, added up in pairs; and steps of them */

/* What is summed, to s and to q. */
enum {
    SUM,      /* x; what the additions of it lose */
    AROUND,   /* (x - pivot)^2; what the additions of it lose */
    SQUARES,  /* x; x * x, which is exact */
    GRADIENT, /* dy; dy * (x - pivot) */
};

BN_INLINE bool has_pivot(int what) { return what == AROUND || what == GRADIENT; }
BN_INLINE bool is_kept(int what) { return what == SUM || what == AROUND; } /* q is what additions to s lose */

typedef struct source {
    const stored *x, *dy; /* without GRADIENT dy is x, and not read */
    size_t x_stride, dy_stride;
} source;

BN_INLINE source moved_by(source a, size_t row, size_t place)
{
    a.x += row * a.x_stride + place;
    a.dy += row * a.dy_stride + place;
    return a;
}

BN_INLINE vd load_some(const stored *p, size_t part) { return part == VD ? x_widen(p) : x_widen_part(p, part); }

/* What doubles are made of: what is stored, unless a dtype has better. AT_ONCE values become it together. */
#ifndef BN_WIDENED
typedef stored wide_value;
enum { AT_ONCE = VD };
BN_INLINE vd wide_at(const wide_value *p, size_t i) { return x_widen(p + i); }
#endif

typedef struct wide_source {
    const wide_value *x, *dy;
    size_t x_stride, dy_stride;
} wide_source;

enum { WIDENED_ROOM = TOGETHER * ((int)AT_ONCE > (int)BN_LANES ? (int)AT_ONCE : (int)BN_LANES) };

typedef struct widened_room {
    _Alignas(BN_VECTOR_BYTES) wide_value x[WIDENED_ROOM], dy[WIDENED_ROOM];
} widened_room;

BN_INLINE wide_source widened(int what, source a, size_t rows, size_t values, widened_room *room)
{
#ifdef BN_WIDENED
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < values; j += AT_ONCE) {
            put_floats(room->x + r * values + j, a.x + r * a.x_stride + j);
            if (what == GRADIENT) put_floats(room->dy + r * values + j, a.dy + r * a.dy_stride + j);
        }
    bn_from_memory(room->x);
    if (what == GRADIENT) bn_from_memory(room->dy);
    return (wide_source){room->x, room->dy, values, values};
#else
    (void)what, (void)rows, (void)values, (void)room;
    return (wide_source){a.x, a.dy, a.x_stride, a.dy_stride};
#endif
}

/* The sum of up to TOGETHER vectors, in pairs. */
BN_INLINE vd total(const vd *v, size_t n)
{
    const vd first = n > 1 ? v[0] + v[1] : v[0];
    return n < 3 ? first : first + (n > 3 ? v[2] + v[3] : v[2]);
}

/* The first n lanes of a, and 0. */
BN_INLINE vd first_of(vd a, size_t n)
{
    vl lane;

    for (int i = 0; i < VD; i++) lane[i] = i;
    return (vd)((vl)(lane < (vl){0} + (int64_t)n) & (vl)a);
}

/* Adds up to TOGETHER vectors. Of the last only `part` values are there: the other lanes are 0, and add 0 whatever the
 * pivot is. */
BN_INLINE void add(int what, const vd *x, const vd *dy, size_t n, size_t part, vd pivot, vd *s, vd *q)
{
    vd d[TOGETHER], products[TOGETHER];

    if (what == SUM) {
        add_keeping(s, q, total(x, n));
        return;
    }
    if (what == SQUARES) {
        *s += total(x, n);
        for (size_t i = 0; i < n; i++) *q = vd_add_exact_square(x[i], *q);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        d[i] = x[i] - pivot;
        products[i] = what == AROUND ? d[i] * d[i] : dy[i] * d[i];
    }
    if (part < VD) products[n - 1] = first_of(products[n - 1], part);
    if (what == AROUND) {
        add_keeping(s, q, total(products, n));
        return;
    }
    *s += total(dy, n);
    *q += total(products, n);
}

/* ---- rows on top of each other ---- */

/* One vector of columns over 1 or TOGETHER rows. */
BN_INLINE void add_column(int what, const vd *x, const vd *dy, size_t rows, vd pivot, double *s, double *q)
{
    vd sum = vd_load(s), other = vd_load(q);

    add(what, x, dy, rows, VD, pivot, &sum, &other);
    vd_store(s, sum);
    vd_store(q, other);
}

/* AT_ONCE columns. */
BN_INLINE void add_rows_at_once(int what, source a, size_t rows, const double *pivot, double *s, double *q)
{
    widened_room room;
    const wide_source w = widened(what, a, rows, AT_ONCE, &room);
    vd x[TOGETHER], dy[TOGETHER];

    for (size_t j = 0; j < AT_ONCE; j += VD) {
        for (size_t r = 0; r < rows; r++) {
            x[r] = wide_at(w.x, r * w.x_stride + j);
            if (what == GRADIENT) dy[r] = wide_at(w.dy, r * w.dy_stride + j);
        }
        add_column(what, x, dy, rows, has_pivot(what) ? vd_load(pivot + j) : vd_zero(), s + j, q + j);
    }
}

/* A vector of columns, or a part of one: beyond it the pivot is 0 too. */
BN_INLINE void add_rows(int what, source a, size_t rows, size_t part, const double *pivot, double *s, double *q)
{
    vd x[TOGETHER], dy[TOGETHER];

    for (size_t r = 0; r < rows; r++) {
        x[r] = load_some(a.x + r * a.x_stride, part);
        if (what == GRADIENT) dy[r] = load_some(a.dy + r * a.dy_stride, part);
    }
    add_column(what, x, dy, rows, has_pivot(what) ? vd_load_some(pivot, part) : vd_zero(), s, q);
}

/* So that gcc counts rows from here. Else it keeps a pointer to each, more than there are registers, and moves them
 * through those of vectors: gradient sums of f32 took 1.1 to 1.18 times as long with AVX-512 (Xeon of family 6, model
 * 207). Smaller vectors take more steps, and gain nothing by it; clang's code is worse for it. */
BN_INLINE void hide_origin(int what, source *a)
{
    (void)what, (void)a;
#ifndef __clang__
    if (BN_VECTOR_BYTES < 64) return;
    __asm__("" : "+r"(a->x));
    if (what == GRADIENT) __asm__("" : "+r"(a->dy));
#endif
}

/* By pages, each of TOGETHER rows that are fetched during a group is of another page. Steps take turns, so that a line
 * is asked for once. */
enum { STEPS_OF_LINE = LINE / (AT_ONCE * sizeof(stored)) };
_Static_assert((int)PAGES_TOGETHER == (int)TOGETHER && (!HAS_PAGES || (int)STEPS_OF_LINE <= (int)TOGETHER),
               "a row of each");

/* What is summed again has just been read. Of 16 bits backward arithmetic decides, not memory: by pages 1048576 x 16
 * takes 1.04 times as long (Xeon of family 6, model 106). */
BN_INLINE bool is_by_pages(int what, bool pages)
{
    const bool busy = what == GRADIENT && sizeof(stored) == 2;
    return HAS_PAGES && pages && what != AROUND && !busy;
}

/* Where the rows of a later group are that are fetched during this one. */
typedef struct group_ahead {
    size_t row, apart; /* the first from the first here, and the next from that; by pages */
} group_ahead;

/* Of group `number` of a block, in whose pages `rows`, a power of two, make one: of the pages after those the first row
 * that is not fetched yet. */
BN_INLINE group_ahead ahead_of_group(size_t number, size_t rows)
{
    const size_t done = number & (rows - 1);
    return (group_ahead){TOGETHER * (rows > 1 ? rows - done : 2) + done, rows};
}

/* This step's share of a line of each row. */
BN_INLINE void fetch_share(int cache, uintptr_t first, size_t apart, size_t j)
{
    enum { LINES = TOGETHER / STEPS_OF_LINE };
    for (size_t i = j / AT_ONCE % STEPS_OF_LINE * LINES, end = i + LINES; i < end; i++)
        fetch(cache, first + i * apart + j * sizeof(stored), LINE);
}

/* A group of rows. Its vectors stand in a pattern that the hardware's prefetcher does not follow, so each step fetches,
 * in the order of addresses, its share of a later group, or of several. */
BN_INLINE void add_row_group(int what, int cache, bool pages, source a, group_ahead g, size_t rows, size_t columns,
                             const double *pivot, double *s, double *q)
{
    const size_t fewest = cache == SECOND ? 2 * TOGETHER : TOGETHER, share = rows * AT_ONCE * sizeof(stored);
    const size_t ahead = rows_ahead(a.x_stride, fewest), ahead_dy = rows_ahead(a.dy_stride, fewest);
    const uintptr_t first = beyond(a.x, g.row * a.x_stride), first_dy = beyond(a.dy, g.row * a.dy_stride);
    size_t j = 0;

    for (size_t r = 0; r < rows; r++) {
        uintptr_t next = beyond(a.x, (r + ahead) * a.x_stride);
        uintptr_t next_dy = beyond(a.dy, (r + ahead_dy) * a.dy_stride);
        for (const size_t end = columns / AT_ONCE * (r + 1) / rows * AT_ONCE; j < end; j += AT_ONCE) {
            if (pages) {
                fetch_share(cache, first, g.apart * a.x_stride * sizeof(stored), j);
                if (what == GRADIENT) fetch_share(cache, first_dy, g.apart * a.dy_stride * sizeof(stored), j);
            } else {
                fetch(cache, next, share);
                next += share;
                if (what == GRADIENT) {
                    fetch(cache, next_dy, share);
                    next_dy += share;
                }
            }
            source here = moved_by(a, 0, j);
            hide_origin(what, &here);
            add_rows_at_once(what, here, rows, pivot + j, s + j, q + j);
        }
    }
    for (; j + VD <= columns; j += VD) add_rows(what, moved_by(a, 0, j), rows, VD, pivot + j, s + j, q + j);
    if (j < columns) add_rows(what, moved_by(a, 0, j), rows, columns - j, pivot + j, s + j, q + j);
}

BN_INLINE void add_block_from(int what, int cache, bool pages, source a, size_t rows, size_t columns,
                              const double *pivot, double *s, double *q)
{
    const size_t to_page = pages ? rows_to_page(a.x_stride) : 1;
    size_t r = 0;

    for (; r + TOGETHER <= rows; r += TOGETHER)
        add_row_group(what, cache, pages, moved_by(a, r, 0), ahead_of_group(r / TOGETHER, to_page), TOGETHER, columns,
                      pivot, s, q);
    for (; r < rows; r++)
        add_row_group(what, cache, false, moved_by(a, r, 0), (group_ahead){0}, 1, columns, pivot, s, q);
}

/* s and q hold whole vectors. */
BN_INLINE void add_block(int what, const bn_tile *t, source a, size_t columns, const double *pivot, double *s,
                         double *q)
{
    const size_t rows = t->rows;
    const bool pages = is_by_pages(what, t->pages), wide = is_wide(columns);

    if (what == AROUND || (!t->far && is_long(columns))) /* the former has just been read */
        add_block_from(what, NOWHERE, false, a, rows, columns, pivot, s, q);
    else if (pages && wide)
        add_block_from(what, SECOND, true, a, rows, columns, pivot, s, q);
    else if (pages)
        add_block_from(what, FIRST, true, a, rows, columns, pivot, s, q);
    else if (t->far && wide)
        add_block_from(what, SECOND, false, a, rows, columns, pivot, s, q);
    else
        add_block_from(what, FIRST, false, a, rows, columns, pivot, s, q);
}

/* Rows of a strided narrow matrix, set side by side. */
BN_INLINE void pack(const stored *x, size_t stride, size_t rows, size_t columns, stored *packed)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < columns; j++) packed[r * columns + j] = x[r * stride + j];
}

/* The narrow tile as rows of lanes * columns values; the last may be short. */
BN_INLINE void add_lanes(int what, const bn_tile *t, source a, size_t columns, const double *pivot, double *s,
                         double *q)
{
    const size_t rows = t->rows, lanes = t->lanes, wide = lanes * columns;
    const bool dense = a.x_stride == columns && (what != GRADIENT || a.dy_stride == columns);
    stored packed_x[TOGETHER * BN_LANES_MOST], packed_dy[TOGETHER * BN_LANES_MOST];

    for (size_t r = 0; r < rows;) {
        const size_t full = (rows - r) / lanes, take = dense ? full : least(full, TOGETHER);
        const size_t here = take > 0 ? take * lanes : rows - r, values = take > 0 ? wide : here * columns;
        source from = moved_by(a, r, 0);
        if (!dense) {
            pack(from.x, a.x_stride, here, columns, packed_x);
            from.x = packed_x;
            if (what == GRADIENT) {
                pack(from.dy, a.dy_stride, here, columns, packed_dy);
                from.dy = packed_dy;
            }
        }
        from.x_stride = from.dy_stride = wide;
        if (dense && is_by_pages(what, t->pages))
            add_block_from(what, FIRST, true, from, larger(take, 1), values, pivot, s, q);
        else
            add_block_from(what, FIRST, false, from, larger(take, 1), values, pivot, s, q);
        r += here;
    }
}

/* One a feature becomes one a value of a run, in whole vectors, of which the next run takes back what is not this
 * one's; and one of each lane. Where each lane was copied from the one before, 200 x 1 backward took 1.2 times as long:
 * every load waits for a store. */
BN_INLINE void spread(const double *of_features, const bn_tile *t, double *p)
{
    const size_t columns = t->columns * t->run;
    const double *const of_columns = t->run > 1 ? p : of_features;

    if (t->run > 1)
        for (size_t c = 0; c < t->columns; c++)
            for (size_t r = 0; r < t->run; r += VD) vd_store(p + c * t->run + r, vd_zero() + of_features[c]);
    if (t->lanes > 1)
        for (size_t i = 0; i < columns; i++) {
            const double value = of_columns[i];
            for (size_t lane = 0; lane < t->lanes; lane++) p[lane * columns + i] = value;
        }
}

BN_INLINE void add_columns(int what, const bn_tile *t, source a, const double *pivot, double *s, double *q)
{
    const size_t columns = t->columns * t->run, room = round_up(t->lanes * columns, VD);

    memset(s, 0, room * sizeof *s);
    memset(q, 0, room * sizeof *q);
    if (t->lanes == 1) {
        add_block(what, t, a, columns, pivot, s, q);
    } else {
        add_lanes(what, t, a, columns, pivot, s, q);
        fold_rows(is_kept(what), t->lanes, columns, s, q);
    }
    if (t->run > 1) fold_runs(is_kept(what), t->columns, t->run, s, q, s, q);
}

/* ---- along a run ---- */

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

/* While a step from value i on is read. What the leads say goes into the second cache: images are often a multiple of a
 * page apart, and then the runs ahead share few sets of the first. */
BN_INLINE void fetch_step(int what, source a, later l, size_t i)
{
    if (l.pages) {
        for (size_t j = 0; j < BN_STEP; j += LINE_VALUES) fetch_by_pages((uintptr_t)(a.x + i + j));
    } else if (l.in_parts) {
        fetch_parts(a.x, l.x_parts, i, BN_STEP);
        if (what == GRADIENT) fetch_parts(a.dy, l.dy_parts, i, BN_STEP);
    } else {
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
 * another strip has. Else it is the next feature's. With that for all, 56 x 56 forward took 1.1 times as long, with the
 * first for all, parts of 32 features backward 1.05 to 1.08; without fetching, 56 x 56 backward 1.05 to 1.15 (Xeon of
 * family 6, model 207). */
BN_INLINE size_t next_run(const bn_tile *t, size_t stride)
{
    if (t->run < t->pitch && t->columns * t->run * sizeof(stored) > NEXT_BLOCK) return t->pitch;
    return t->from + t->run < t->pitch ? t->run : stride - t->from;
}

/* Rows that are added up together: they are read side by side, feature by feature, so that each is read in the order of
 * its addresses. */
BN_INLINE size_t rows_together(size_t run) { return larger(STEPS_TOGETHER / divide_up(run, BN_STEP), 1); }

/* Values so many further on. */
BN_INLINE void fetch_values(int what, int cache, source a, size_t x, size_t dy, size_t values)
{
    fetch(cache, beyond(a.x, x), values * sizeof(stored));
    if (what == GRADIENT) fetch(cache, beyond(a.dy, dy), values * sizeof(stored));
}

/* The lanes of each feature, of short runs. What follows in each of the rows that are read side by side is the next
 * feature's: past the cache it is fetched into the first one meanwhile, and backward of 50 images of 9 x 9 to 15 x 15
 * is 1.02 to 1.08 times as fast on two threads, of 14 x 14 on one 1.18; in cache one image of 14 x 14 took 1.05 to 1.1
 * times as long so (Xeon of family 6, model 167). To keep at hand what is needed to fetch as of longer runs costs as
 * much as to add up few values: without, one image of 7 x 7 or 8 x 8 is 1.13 to 1.22 times as fast, of 14 x 14 1.1,
 * fifty of these 1.0 to 1.05; by add_run with nothing to fetch 7 x 7 takes up to 1.09 times as long with AVX2 (Xeon of
 * family 6, model 106). */
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
            const bool last = c + 1 == t->columns; /* after it come the next rows */
            const size_t next = last ? together * a.x_stride - c * t->pitch : t->pitch;
            const size_t next_dy = last ? together * a.dy_stride - c * t->pitch : t->pitch;
            for (size_t i = r; i < end; i++) {
                const source here = moved_by(a, i, c * t->pitch);
                for (size_t j = 0; j < steps; j += BN_STEP) {
                    fetch_values(what, cache, moved_by(here, 0, j), next, next_dy, BN_STEP);
                    add_step(what, moved_by(here, 0, j), p, part_s, part_q);
                }
                if (rest == 0) continue;
                fetch_values(what, cache, moved_by(here, 0, steps), next, next_dy, rest);
                add_rest(what, moved_by(here, 0, steps), rest, p, part_s, part_q);
            }
            hand_over(what, r == 0, part_s, part_q, s + c * BN_LANES, q + c * BN_LANES);
        }
    }
}

/* The same of longer ones; where there are no pages, of all. */
BN_INLINE void add_long_runs(int what, const bn_tile *t, source a, const double *pivot, double *s, double *q)
{
    enum { PART = STEPS_TOGETHER * BN_STEP };
    const size_t together = rows_together(t->run);
    const bool whole = t->run == t->pitch; /* runs follow each other in a row */
    const size_t values = whole ? t->columns * t->run : t->run, row = whole ? values : t->pitch;
    const size_t count = what == GRADIENT ? PAGES_TOGETHER / 2 : PAGES_TOGETHER;
    const bool large = row * sizeof(stored) > NEXT_BLOCK;
    /* Backward of large images took 0.97 to 1.18 times as long by pages, forward of other 16-bit ones 1.0 to 1.09, but
     * for parts: 112 x 112 is 1.02 times as fast, 56 x 56, if a strip has one feature, 1.2 (Xeon of family 6, model
     * 167). */
    const bool gains = large ? what != GRADIENT : what == GRADIENT || sizeof(stored) > 2 || !whole;
    const bool pages = HAS_PAGES && t->pages && what != AROUND && gains && (whole || t->columns == 1);
    const later l = {.x = lead_of(values, next_run(t, a.x_stride), AHEAD),
                     .dy = lead_of(values, next_run(t, a.dy_stride), AHEAD),
                     .cache = is_long_run(t->run) ? SECOND : NOWHERE,
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
            for (size_t from = 0; from < t->run; from += PART) {
                const size_t to = least(from + PART, t->run);
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

    if (HAS_PAGES && !is_long_run(t->run) && t->far && what != AROUND)
        add_short_runs(what, FIRST, t, a, pivot, lanes_s, lanes_q);
    else if (HAS_PAGES && !is_long_run(t->run))
        add_short_runs(what, NOWHERE, t, a, pivot, lanes_s, lanes_q);
    else
        add_long_runs(what, t, a, pivot, lanes_s, lanes_q);
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

/* ---- a tile ---- */

enum { ROOM = BN_STRIP_BYTES / sizeof(real), ROOM_AGAIN = BN_EXACT_SQUARES ? BN_LANES_MOST : ROOM };
_Static_assert((int)BN_SHORT_RUN <= (int)BN_GROUP, "a group has a feature at least");

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

/* A column of n values, 1 / n is `share`, cancels where n times the square of its mean exceeds its m2 by this factor,
 * or where they cannot be compared. To q, whose squares are added one by one, there are at most n - 1 additions, and 70
 * with those that fold lanes or runs; to s as many, and 26. s * s / n has the error of s twice, and 3 roundings. So m2
 * is left a relative error below 3 * 2^(16 - 53), or 125 * 2^(10 - 53): 2^-35; the promise for invstd of float is
 * 2^-30. Of two values of a normal distribution one column in 284 cancels so, by 2^10 one in 50: then each group has
 * one. */
BN_INLINE double cancels(double share) { return share > 0x1p-6 ? share * 0x1p16 : 0x1p10; }

BN_INLINE bool any_cancelled(const double *m2, size_t columns)
{
    int64_t any = 0; /* as wide as a double: a vector of these is one comparison */
    for (size_t j = 0; j < columns; j++) any |= m2[j] < 0 ? -1 : 0;
    return any != 0;
}

/* Of doubles whose sum overflows. Scaled, only a NaN or an infinity can make it so: that is the mean then. */
static double mean_of_large(const bn_tile *t, const stored *x, size_t stride, double share)
{
    double sum = 0, lost = 0;
    for (size_t r = 0; r < t->rows && !isnan(sum); r++)
        for (size_t i = 0; i < t->run; i++)
            add_sums(true, &sum, &lost, x_widen_part(x + r * stride + i, 1)[0] * 0x1p-100, 0);
    return quotient(sum, lost, (double)(t->rows * t->run), share) * 0x1p100;
}

/* What the additions to s lost. Where squares are exact q has those instead; what floats lose is not worth keeping. */
BN_INLINE double loss(const double *q, size_t j) { return BN_EXACT_SQUARES ? 0 : q[j]; }

/* Sums a group of columns again, around the mean: those where m2 is below 0. Their mean is put right first, so that of
 * a constant column it is the constant, and m2 is 0. What the mean is off by for being a double is taken off m2. */
static void sum_again(const bn_tile *t, const stored *x, size_t stride, const double *sum, const double *losses,
                      double *mean, double *m2)
{
    const double n = (double)(t->rows * t->run), share = 1 / n;
    _Alignas(64) double s[ROOM_AGAIN], q[ROOM_AGAIN], room[ROOM_AGAIN + VD];
    int64_t overflowed = 0;

    for (size_t j = 0; j < t->columns; j++) {
        mean[j] = m2[j] < 0 ? quotient(sum[j], loss(losses, j), n, share) : mean[j];
        overflowed |= isfinite(mean[j]) ? 0 : -1;
    }
    for (size_t j = 0; !BN_EXACT_SQUARES && overflowed && j < t->columns; j++)
        if (!isfinite(mean[j])) mean[j] = mean_of_large(t, x + j * t->pitch, stride, share);
    add_tile(AROUND, t, (source){x, x, stride, stride}, pivot_of(t, mean, room), s, q);
    for (size_t j = 0; j < t->columns; j++) {
        const double off = isfinite(sum[j]) ? rest_of(sum[j], mean[j], n) + loss(losses, j) : 0;
        const double rest = with_lost(s[j], q[j] - off * (off * share));
        if (m2[j] < 0) m2[j] = rest < 0 ? 0 : rest;
    }
}

/* Where squares are exact, one trip does unless a column cancels; where they are not, it finds the mean, and every
 * column is summed again. */
static void moments(const bn_tile *t, const void *px, size_t stride, double *mean, double *m2)
{
    const stored *const x = px;
    const double share = 1 / (double)(t->rows * t->run), most = cancels(share);
    _Alignas(64) double s[ROOM], q[ROOM];
    int64_t all = -1; /* as wide as a double */

    add_tile(BN_EXACT_SQUARES ? SQUARES : SUM, t, (source){x, x, stride, stride}, mean, s, q); /* no pivot is read */
    for (size_t j = 0; j < t->columns; j++) {
        const double about = s[j] * share, square = s[j] * about, rest = q[j] - square;
        const bool good = BN_EXACT_SQUARES && square <= most * rest;
        mean[j] = about;
        m2[j] = good ? rest : -1;
        all &= good ? -1 : 0;
    }
    if (all) return; /* as a rule; by groups few images took 1.05 to 1.1 times as long */
    const size_t group = !BN_EXACT_SQUARES ? t->columns : in_columns(t) ? BN_GROUP / t->run : 1;
    for (size_t j = 0; j < t->columns; j += group) {
        bn_tile some = *t;
        some.columns = least(t->columns - j, group);
        if (any_cancelled(m2 + j, some.columns))
            sum_again(&some, x + j * t->pitch, stride, s + j, q + j, mean + j, m2 + j);
    }
}

/* Of columns in whole vectors the sums are made where they belong: 2 x 3000 and 4 x 1024 are 1.05 times as fast (Xeon
 * of family 6, model 106). */
static void gradient_sums(const bn_tile *t, const void *x, size_t x_stride, const void *dy, size_t dy_stride,
                          const double *mean, double *sum_dy, double *sum_dy_d)
{
    _Alignas(64) double s[ROOM], q[ROOM], room[ROOM + VD];
    const bool in_place =
        t->lanes * t->run == 1 && t->columns % VD == 0 && begins_line(sum_dy) && begins_line(sum_dy_d);

    add_tile(GRADIENT, t, (source){x, dy, x_stride, dy_stride}, pivot_of(t, mean, room), in_place ? sum_dy : s,
             in_place ? sum_dy_d : q);
    if (in_place) return;
    memcpy(sum_dy, s, t->columns * sizeof *s);
    memcpy(sum_dy_d, q, t->columns * sizeof *q);
}
