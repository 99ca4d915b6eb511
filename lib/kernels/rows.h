/* Template: rows added up on top of each other, column by column. Wants integers.h, terms.h, fold.h and fetch.h. */

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

/* So many columns from one on. The third of the rows is given apart, so that gcc has two places to count them from. */
BN_INLINE void add_rows_in_step(int what, source a, source third, size_t from, size_t columns, const double *pivot,
                                double *s, double *q)
{
    vd x[TOGETHER], dy[TOGETHER];

    BN_UNROLL
    for (size_t j = from; j < from + columns; j += VD) {
        for (size_t r = 0; r < TOGETHER; r++) {
            const source row = r < 2 ? moved_by(a, r, j) : moved_by(third, r - 2, j);
            x[r] = x_widen(row.x);
            if (what == GRADIENT) dy[r] = x_widen(row.dy);
        }
        add_column(what, x, dy, TOGETHER, has_pivot(what) ? vd_load(pivot + j) : vd_zero(), s + j, q + j);
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
 * through those of vectors, or through memory: gradient sums of f32 took 1.1 to 1.18 times as long with AVX-512 (Xeon
 * of family 6, model 207), past the cache 1.05 to 1.3 with AVX2 (Zen 3). Smaller vectors take more steps, and gain
 * nothing by it; clang's code is worse for it. */
BN_INLINE void hide_origin(int what, source *a)
{
    (void)what, (void)a;
#ifndef __clang__
    if (BN_VECTOR_BYTES < 32) return;
    __asm__("" : "+r"(a->x));
    if (what == GRADIENT) __asm__("" : "+r"(a->dy));
#endif
}

/* Columns of a step. Of what is in cache the arithmetic decides, and the instructions around it: with vectors of 32
 * bytes a line of each row at once takes 31 instead of 40 to 46 for 16 values, and sums of f32 are 1.05 to 1.2 times as
 * fast, of doubles 1.0 to 1.1. From memory they would take 0.97 to 1.1 times as long (Zen 3; vectors of 64 bytes not
 * measured). Not of 16 bits, where AT_ONCE is more than a vector: in cache they took 1.1 times as long by lines. */
enum { NEAR_STEP = BN_VECTOR_BYTES == 32 && (int)AT_ONCE == (int)VD ? (int)LINE_VALUES : (int)AT_ONCE };

/* By pages, each of TOGETHER rows that are fetched during a group is of another page. Steps take turns, so that a line
 * is asked for once. */
enum { STEPS_OF_LINE = LINE / (AT_ONCE * sizeof(stored)) };
_Static_assert((int)PAGES_TOGETHER == (int)TOGETHER && (!HAS_PAGES || (int)STEPS_OF_LINE <= (int)TOGETHER),
               "a row of each");

/* What is summed again has just been read. Of 16 bits backward arithmetic decides, not memory: by pages 1048576 x 16
 * takes 1.04 times as long (Xeon of family 6, model 106). */
BN_INLINE bool is_by_pages(int what, const bn_tile *t)
{
    const bool busy = what == GRADIENT && sizeof(stored) == 2;
    return HAS_PAGES && t->distance == BN_PAGES && what != AROUND && !busy;
}

/* Where the rows of a later group are that are fetched during this one. */
typedef struct group_ahead {
    size_t row, apart; /* the first from the first here, and the next from that; by pages */
} group_ahead;

/* How many rows later the one to fetch is. To divide for it with each group took 1.02 to 1.05 times as long in all (64
 * columns past the cache, Zen 3). */
typedef struct rows_later {
    size_t x, dy;
} rows_later;

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
    enum { LINES_OF_STEP = TOGETHER / STEPS_OF_LINE };
    for (size_t i = j / AT_ONCE % STEPS_OF_LINE * LINES_OF_STEP, end = i + LINES_OF_STEP; i < end; i++)
        fetch(cache, first + i * apart + j * sizeof(stored), LINE);
}

/* The address of a row of the tile, or, behind the last row of the arrays, of one of the next columns from the first
 * on, modulo 2^64. Asked of what goes into the second cache only: backward of 16 to 50 images of 7 x 7 is 1.02 to 1.08
 * times as fast so, a matrix of 16 or 32 rows and 100000 columns or more 1.03 to 1.06 (Xeon of family 6, model 207). */
BN_INLINE uintptr_t row_later(int cache, const bn_tile *t, const stored *x, size_t stride, size_t row, size_t columns)
{
    const bool behind = cache == SECOND && t->row + row >= t->rows_in_arrays;
    return beyond(x, row * stride + (behind ? columns - t->rows_in_arrays * stride : 0));
}

/* Doubles are all summed a second time, from cache, and the next block is fetched meanwhile: forward is 1.05 to 1.15
 * times as fast. Not larger ones: of 256 KB, two do not fit a second cache of 512 KB, 0.95 to 1.04 (Zen 3). By pages
 * the first trip has asked for it. */
enum { MOST_OF_NEXT = 128 << 10 }; /* bytes */
BN_INLINE bool is_next_block(int what, int cache) { return what == AROUND && cache == SECOND; }

/* How a block is read: the cache to fetch into, whether by pages, and the columns of a step. */
typedef struct way {
    int cache;
    bool pages;
    size_t step;
} way;

/* A group of rows. Its vectors stand in a pattern that the hardware's prefetcher does not follow, so each step fetches,
 * in the order of addresses, its share of a later group, or of several. */
BN_INLINE void add_row_group(int what, way w, const bn_tile *t, source tile, size_t from, rows_later ahead,
                             group_ahead g, size_t rows, size_t columns, const double *pivot, double *s, double *q)
{
    const source a = moved_by(tile, from, 0);
    const size_t share = rows * w.step * sizeof(stored);
    const uintptr_t first = beyond(a.x, g.row * a.x_stride), first_dy = beyond(a.dy, g.row * a.dy_stride);
    source third = moved_by(a, rows > 2 ? 2 : 0, 0);
    size_t j = 0;

    if (w.step > AT_ONCE) hide_origin(what, &third);
    for (size_t r = 0; r < rows; r++) {
        uintptr_t next = row_later(w.cache, t, tile.x, a.x_stride, from + r + ahead.x, columns);
        uintptr_t next_dy = row_later(w.cache, t, tile.dy, a.dy_stride, from + r + ahead.dy, columns);
        for (const size_t end = columns / w.step * (r + 1) / rows * w.step; j < end; j += w.step) {
            if (w.pages) {
                fetch_share(w.cache, first, g.apart * a.x_stride * sizeof(stored), j);
                if (what == GRADIENT) fetch_share(w.cache, first_dy, g.apart * a.dy_stride * sizeof(stored), j);
            } else {
                fetch(w.cache, next, share);
                next += share;
                if (what == GRADIENT) {
                    fetch(w.cache, next_dy, share);
                    next_dy += share;
                }
            }
            if (w.step > AT_ONCE) {
                add_rows_in_step(what, a, third, j, w.step, pivot, s, q);
            } else {
                source here = moved_by(a, 0, j);
                hide_origin(what, &here);
                add_rows_at_once(what, here, rows, pivot + j, s + j, q + j);
            }
        }
    }
    for (; j + VD <= columns; j += VD) add_rows(what, moved_by(a, 0, j), rows, VD, pivot + j, s + j, q + j);
    if (j < columns) add_rows(what, moved_by(a, 0, j), rows, columns - j, pivot + j, s + j, q + j);
}

BN_INLINE void add_block_by(int what, way w, const bn_tile *t, source a, size_t rows, size_t columns,
                            const double *pivot, double *s, double *q)
{
    const size_t to_page = w.pages ? rows_to_page(a.x_stride) : 1, fewest = w.cache == SECOND ? 2 * TOGETHER : TOGETHER;
    const rows_later ahead = {is_next_block(what, w.cache) ? t->rows : rows_ahead(t->ahead, a.x_stride, fewest),
                              rows_ahead(t->ahead, a.dy_stride, fewest)};
    size_t r = 0;

    for (; r + TOGETHER <= rows; r += TOGETHER)
        add_row_group(what, w, t, a, r, ahead, ahead_of_group(r / TOGETHER, to_page), TOGETHER, columns, pivot, s, q);
    for (; r < rows; r++)
        add_row_group(what, (way){w.cache, false, AT_ONCE}, t, a, r, ahead, (group_ahead){0}, 1, columns, pivot, s, q);
}

/* ---- in registers ---- */

enum { HELD = 8, HOLDS = BN_VECTOR_BYTES == 64 && sizeof(stored) == sizeof(float) };

/* Whether all sums of a row stay in registers: of 64 floats, where there are 32 of 64 bytes. Moments of 64 columns in
 * cache are 1.12 to 1.17 times as fast so, gradient sums 1.05 to 1.16; from memory they would be 0.95 to 1.05, of
 * doubles 0.89 to 1.02 (Zen 5). */
BN_INLINE bool is_held(int what, const bn_tile *t, size_t columns)
{
    return HOLDS && t->held && !is_far(t) && columns == HELD * VD && (what == SQUARES || what == GRADIENT);
}

/* Two rows of four: the sums of the first two go to half_s and half_q, those of all four to s and q. */
BN_INLINE void add_two_rows(int what, source a, bool last, const double *pivot, vd *half_s, vd *half_q, vd *s, vd *q)
{
    source b = moved_by(a, 1, 0);

    hide_origin(what, &a);
    hide_origin(what, &b);
    BN_UNROLL
    for (size_t k = 0; k < HELD; k++) {
        const size_t j = k * VD;
        const vd x[] = {x_widen(a.x + j), x_widen(b.x + j)};
        vd two, products = vd_zero();

        if (what == SQUARES) {
            two = x[0] + x[1];
            q[k] = vd_add_exact_square(x[1], vd_add_exact_square(x[0], q[k]));
        } else {
            const vd p = vd_load(pivot + j), dy[] = {x_widen(a.dy + j), x_widen(b.dy + j)};
            two = dy[0] + dy[1];
            products = dy[0] * vd_minus(x[0], p) + dy[1] * vd_minus(x[1], p);
        }
        if (last) {
            s[k] = vd_plus(s[k], half_s[k] + two);
            if (what == GRADIENT) q[k] = vd_plus(q[k], half_q[k] + products);
        } else {
            half_s[k] = two;
            half_q[k] = products;
        }
    }
}

BN_INLINE void add_held(int what, const bn_tile *t, source a, size_t rows, const double *pivot, double *s, double *q)
{
    vd sum[HELD], other[HELD], half_sum[HELD], half_other[HELD];
    size_t r = 0;

    BN_UNROLL
    for (size_t k = 0; k < HELD; k++) {
        sum[k] = vd_load(s + k * VD);
        other[k] = vd_load(q + k * VD);
    }
    for (; r + TOGETHER <= rows; r += TOGETHER) {
        add_two_rows(what, moved_by(a, r, 0), false, pivot, half_sum, half_other, sum, other);
        bn_from_memory(half_sum);
        bn_from_memory(half_other);
        add_two_rows(what, moved_by(a, r + 2, 0), true, pivot, half_sum, half_other, sum, other);
    }
    BN_UNROLL
    for (size_t k = 0; k < HELD; k++) {
        vd_store(s + k * VD, sum[k]);
        vd_store(q + k * VD, other[k]);
    }
    if (r < rows)
        add_block_by(what, (way){NOWHERE, false, AT_ONCE}, t, moved_by(a, r, 0), rows - r, HELD * VD, pivot, s, q);
}

/* Which cache far rows are fetched into. From memory a Zen 4 adds up narrow rows, and lanes, too, 1.0 to 1.4 times as
 * fast from the second cache, backward as a whole 1.04 to 1.27; of what is in the last cache moments would take 1.02 to
 * 1.05 times as long. A Zen 5, whose first cache has 48 KB, adds up all rows 1.0 to 1.1 times as fast from there. */
BN_INLINE int cache_for(const bn_tile *t, size_t columns)
{
    if (t->into == BN_INTO_EITHER) return is_wide(columns) ? SECOND : FIRST;
    return t->into == BN_INTO_FIRST ? FIRST : SECOND;
}

/* s and q hold whole vectors. What is summed again has just been read. */
BN_INLINE void add_block(int what, const bn_tile *t, source a, size_t columns, const double *pivot, double *s,
                         double *q)
{
    const size_t rows = t->rows;
    const bool pages = is_by_pages(what, t), wide = is_wide(columns);
    const bool fits = rows * columns * sizeof(stored) <= MOST_OF_NEXT;
    const bool next = what == AROUND && !BN_EXACT_SQUARES && t->distance == BN_FAR && fits;
    const bool near = is_close(t) || (!is_far(t) && is_long(columns));

    if (is_held(what, t, columns))
        add_held(what, t, a, rows, pivot, s, q);
    else if (what == AROUND ? !next : near)
        add_block_by(what, (way){NOWHERE, false, NEAR_STEP}, t, a, rows, columns, pivot, s, q);
    else if (pages && wide)
        add_block_by(what, (way){SECOND, true, AT_ONCE}, t, a, rows, columns, pivot, s, q);
    else if (pages)
        add_block_by(what, (way){FIRST, true, AT_ONCE}, t, a, rows, columns, pivot, s, q);
    else if (next || (is_far(t) && cache_for(t, columns) == SECOND))
        add_block_by(what, (way){SECOND, false, AT_ONCE}, t, a, rows, columns, pivot, s, q);
    else if (is_far(t) || (int)NEAR_STEP == (int)AT_ONCE) /* the latter lest there be two copies */
        add_block_by(what, (way){FIRST, false, AT_ONCE}, t, a, rows, columns, pivot, s, q);
    else
        add_block_by(what, (way){FIRST, false, NEAR_STEP}, t, a, rows, columns, pivot, s, q);
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
        const size_t full = (rows - r) / lanes;
        size_t take = dense ? full : least(full, TOGETHER);
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
        take = larger(take, 1);
        if (dense && is_held(what, t, values))
            add_held(what, t, from, take, pivot, s, q);
        else if (dense && is_by_pages(what, t))
            add_block_by(what, (way){FIRST, true, AT_ONCE}, t, from, take, values, pivot, s, q);
        else if (is_close(t) || !dense)
            add_block_by(what, (way){NOWHERE, false, NEAR_STEP}, t, from, take, values, pivot, s, q);
        else if (is_far(t) && t->into == BN_INTO_SECOND && what != AROUND)
            add_block_by(what, (way){SECOND, false, AT_ONCE}, t, from, take, values, pivot, s, q);
        else
            add_block_by(what, (way){FIRST, false, AT_ONCE}, t, from, take, values, pivot, s, q);
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
