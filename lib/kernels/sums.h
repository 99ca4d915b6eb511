/* Template: sums over the rows of one block, column by column, in double. Wants a vector and a dtype header.
 *
 * Four rows at a time are added up in pairs, then to the sum; rows that are left at the end of a block one by one. So
 * the longest chain of additions in a block of 64 rows (of one lane) is 2 + 16, or 2 + 15 + 3 with rows left over. */

enum { TOGETHER = 4 };

/* What add_rows does with a value: the sum alone, with squares of values as they are, with squares around a pivot. */
enum { SUM, SQUARES, AROUND };

BN_INLINE vd load_some(const stored *p, size_t part) { return part == VD ? x_widen(p) : x_widen_part(p, part); }
BN_INLINE vd known_some(const double *p, size_t part) { return part == VD ? vd_load(p) : vd_load_part(p, part); }

/* The sum of 1 or of TOGETHER vectors. */
BN_INLINE vd total(const vd *v, size_t rows) { return rows == 1 ? v[0] : (v[0] + v[1]) + (v[2] + v[3]); }

/* One vector of columns over 1 or TOGETHER rows. Lanes beyond `part` add 0. */
BN_INLINE void add_rows(int what, const stored *x, size_t stride, size_t rows, size_t part, const double *pivot,
                        double *s, double *q)
{
    const vd p = what == AROUND ? known_some(pivot, part) : vd_zero();
    vd v[TOGETHER], squares = what == SUM ? vd_zero() : vd_load(q);

    for (size_t r = 0; r < rows; r++) {
        v[r] = load_some(x + r * stride, part);
        if (what == AROUND) v[r] -= p;
        if (what == SQUARES) squares = vd_add_exact_square(v[r], squares);
    }
    vd_store(s, vd_load(s) + total(v, rows));
    if (what == AROUND) {
        for (size_t r = 0; r < rows; r++) v[r] *= v[r];
        squares += total(v, rows);
    }
    if (what != SUM) vd_store(q, squares);
}

/* Bytes that are fetched ahead where a group of rows is less. */
enum { AHEAD = 6144 };

/* How many rows ahead the one to fetch is. */
BN_INLINE size_t rows_ahead(size_t stride, size_t least)
{
    const size_t enough = stride > 0 ? AHEAD / (stride * sizeof(stored)) : 0;
    return enough > least ? enough : least;
}

/* A group of rows. Its vectors stand in a pattern that the hardware's prefetcher does not follow, so each step fetches,
 * in the order of addresses, its share of a later group. */
BN_INLINE void add_row_group(int what, const stored *x, size_t stride, size_t rows, size_t columns, const double *pivot,
                             double *s, double *q)
{
    const size_t ahead = rows_ahead(stride, TOGETHER), share = rows * VD;
    size_t j = 0;

    for (size_t r = 0; r < rows; r++) {
        const stored *next = x + (r + ahead) * stride;
        for (const size_t end = columns / VD * (r + 1) / rows * VD; j < end; j += VD, next += share) {
            bn_fetch(next, share * sizeof *next);
            add_rows(what, x + j, stride, rows, VD, pivot + j, s + j, q + j);
        }
    }
    if (j < columns) add_rows(what, x + j, stride, rows, columns - j, pivot + j, s + j, q + j);
}

/* s += sum(x - pivot), q += sum((x - pivot)^2). s, q and pivot hold whole vectors. */
BN_INLINE void add_block(int what, const stored *x, size_t stride, size_t rows, size_t columns, const double *pivot,
                         double *s, double *q)
{
    size_t r = 0;
    for (; r + TOGETHER <= rows; r += TOGETHER)
        add_row_group(what, x + r * stride, stride, TOGETHER, columns, pivot, s, q);
    for (; r < rows; r++) add_row_group(what, x + r * stride, stride, 1, columns, pivot, s, q);
}

/* Rows of a strided narrow matrix, set side by side. */
BN_INLINE void pack(const stored *x, size_t stride, size_t rows, size_t columns, stored *packed)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < columns; j++) packed[r * columns + j] = x[r * stride + j];
}

/* The narrow tile as rows of lanes * columns values; the last may be short. */
BN_INLINE void add_lanes(int what, const stored *x, size_t stride, size_t rows, size_t columns, size_t lanes,
                         const double *pivot, double *s, double *q)
{
    const size_t wide = lanes * columns;
    stored packed[TOGETHER * BN_LANES_MOST];

    for (size_t r = 0; r < rows;) {
        const size_t full = (rows - r) / lanes, most = stride == columns ? full : TOGETHER;
        const size_t take = full < most ? full : most, here = take > 0 ? take * lanes : rows - r;
        const stored *from = x + r * stride;
        if (stride != columns) {
            pack(from, stride, here, columns, packed);
            from = packed;
        }
        if (take > 0)
            add_block(what, from, wide, take, wide, pivot, s, q);
        else
            add_row_group(what, from, wide, 1, here * columns, pivot, s, q);
        r += here;
    }
}

BN_INLINE void fold(double *s, size_t lanes, size_t columns)
{
    for (size_t half = lanes / 2; half > 0; half /= 2)
        for (size_t i = 0; i < half * columns; i++) s[i] += s[i + half * columns];
}

BN_INLINE void spread(double *p, size_t lanes, size_t columns)
{
    for (size_t i = columns; i < lanes * columns; i++) p[i] = p[i - columns];
}

/* All of it: s and q of a tile of any width, from 0. pivot holds one value a column, with room for the lanes. */
BN_INLINE void add_tile(int what, const stored *x, size_t stride, size_t rows, size_t columns, size_t lanes,
                        double *pivot, double *s, double *q)
{
    const size_t room = (lanes * columns + VD - 1) / VD * VD;
    memset(s, 0, room * sizeof *s);
    memset(q, 0, room * sizeof *q);
    if (lanes == 1) {
        add_block(what, x, stride, rows, columns, pivot, s, q);
        return;
    }
    if (what == AROUND) spread(pivot, lanes, columns);
    add_lanes(what, x, stride, rows, columns, lanes, pivot, s, q);
    fold(s, lanes, columns);
    fold(q, lanes, columns);
}

/* A column cancels where the square of its mean exceeds its variance by this factor, or where they cannot be compared.
 * It leaves m2 a relative error of 64 * 2^(10 - 53) = 2^-37 at worst (squares are added one by one); the promise for
 * invstd of float is 2^-30. */
static const double cancels = 0x1p10;

/* Sums a group of columns again, around the mean, and keeps what cancelled: where m2 is below 0. The mean of a constant
 * column may be off by some ulps e; then s is n e, q is n e^2, both exact, so the mean becomes exact and m2 0. */
static void sum_again(const stored *x, size_t stride, size_t rows, size_t columns, size_t lanes, double *mean,
                      double *m2)
{
    double pivot[BN_LANES_MOST], s[BN_LANES_MOST], q[BN_LANES_MOST];
    const double n = (double)rows;

    for (size_t j = 0; j < columns; j++) pivot[j] = isfinite(mean[j]) ? mean[j] : (double)x[j]; /* the sum overflowed */
    add_tile(AROUND, x, stride, rows, columns, lanes, pivot, s, q);
    for (size_t j = 0; j < columns; j++) {
        const double shift = s[j] / n, rest = q[j] - s[j] * shift;
        const bool kept = m2[j] >= 0;
        mean[j] = kept ? mean[j] : pivot[j] + shift;
        m2[j] = kept ? m2[j] : rest < 0 ? 0 : rest;
    }
}

BN_INLINE bool any_cancelled(const double *m2, size_t columns)
{
    int64_t any = 0; /* as wide as a double: a vector of these is one comparison */
    for (size_t j = 0; j < columns; j++) any |= m2[j] < 0 ? -1 : 0;
    return any != 0;
}

/* Where squares are exact, one trip does unless a column cancels; where they are not, every column is summed again. */
static void moments(const void *px, size_t stride, size_t rows, size_t columns, size_t lanes, double *mean, double *m2)
{
    enum { ROOM = BN_STRIP_BYTES / sizeof(stored) };
    const stored *const x = px;
    const double share = 1 / (double)rows;
    double s[ROOM], q[ROOM];

    add_tile(BN_EXACT_SQUARES ? SQUARES : SUM, x, stride, rows, columns, lanes, s, s, q);
    for (size_t j = 0; j < columns; j++) {
        const double about = s[j] * share, square = s[j] * about, rest = q[j] - square;
        mean[j] = about;
        m2[j] = BN_EXACT_SQUARES && square <= cancels * rest ? rest : -1;
    }
    for (size_t j = 0; j < columns; j += BN_GROUP) {
        const size_t width = columns - j < BN_GROUP ? columns - j : BN_GROUP;
        if (any_cancelled(m2 + j, width)) sum_again(x + j, stride, rows, width, lanes, mean + j, m2 + j);
    }
}

BN_INLINE void add_gradient_rows(const stored *x, size_t x_stride, const stored *dy, size_t dy_stride, size_t rows,
                                 size_t part, const double *mean, double *s, double *q)
{
    const vd m = known_some(mean, part);
    vd g[TOGETHER], products[TOGETHER];

    for (size_t r = 0; r < rows; r++) {
        g[r] = load_some(dy + r * dy_stride, part);
        products[r] = g[r] * (load_some(x + r * x_stride, part) - m);
    }
    vd_store(s, vd_load(s) + total(g, rows));
    vd_store(q, vd_load(q) + total(products, rows));
}

BN_INLINE void add_gradient_group(const stored *x, size_t x_stride, const stored *dy, size_t dy_stride, size_t rows,
                                  size_t columns, const double *mean, double *s, double *q)
{
    const size_t ahead = rows_ahead(x_stride, TOGETHER), ahead_dy = rows_ahead(dy_stride, TOGETHER), share = rows * VD;
    size_t j = 0;

    for (size_t r = 0; r < rows; r++) {
        const stored *next = x + (r + ahead) * x_stride, *next_dy = dy + (r + ahead_dy) * dy_stride;
        for (const size_t end = columns / VD * (r + 1) / rows * VD; j < end; j += VD) {
            bn_fetch(next, share * sizeof *next);
            bn_fetch(next_dy, share * sizeof *next_dy);
            next += share;
            next_dy += share;
            add_gradient_rows(x + j, x_stride, dy + j, dy_stride, rows, VD, mean + j, s + j, q + j);
        }
    }
    if (j < columns) add_gradient_rows(x + j, x_stride, dy + j, dy_stride, rows, columns - j, mean + j, s + j, q + j);
}

BN_INLINE void add_gradient_block(const stored *x, size_t x_stride, const stored *dy, size_t dy_stride, size_t rows,
                                  size_t columns, const double *mean, double *s, double *q)
{
    size_t r = 0;
    for (; r + TOGETHER <= rows; r += TOGETHER)
        add_gradient_group(x + r * x_stride, x_stride, dy + r * dy_stride, dy_stride, TOGETHER, columns, mean, s, q);
    for (; r < rows; r++)
        add_gradient_group(x + r * x_stride, x_stride, dy + r * dy_stride, dy_stride, 1, columns, mean, s, q);
}

BN_INLINE void add_gradient_lanes(const stored *x, size_t x_stride, const stored *dy, size_t dy_stride, size_t rows,
                                  size_t columns, size_t lanes, const double *mean, double *s, double *q)
{
    const size_t wide = lanes * columns;
    const bool dense = x_stride == columns && dy_stride == columns;
    stored packed_x[TOGETHER * BN_LANES_MOST], packed_dy[TOGETHER * BN_LANES_MOST];

    for (size_t r = 0; r < rows;) {
        const size_t full = (rows - r) / lanes, most = dense ? full : TOGETHER;
        const size_t take = full < most ? full : most, here = take > 0 ? take * lanes : rows - r;
        const stored *from = x + r * x_stride, *from_dy = dy + r * dy_stride;
        if (!dense) {
            pack(from, x_stride, here, columns, packed_x);
            pack(from_dy, dy_stride, here, columns, packed_dy);
            from = packed_x;
            from_dy = packed_dy;
        }
        if (take > 0)
            add_gradient_block(from, wide, from_dy, wide, take, wide, mean, s, q);
        else
            add_gradient_group(from, wide, from_dy, wide, 1, here * columns, mean, s, q);
        r += here;
    }
}

static void gradient_sums(const void *x, size_t x_stride, const void *dy, size_t dy_stride, size_t rows, size_t columns,
                          size_t lanes, const double *mean, double *sum_dy, double *sum_dy_d)
{
    enum { ROOM = BN_STRIP_BYTES / sizeof(stored) };
    const size_t room = (lanes * columns + VD - 1) / VD * VD;
    double s[ROOM], q[ROOM];

    memset(s, 0, room * sizeof *s);
    memset(q, 0, room * sizeof *q);
    if (lanes == 1) {
        add_gradient_block(x, x_stride, dy, dy_stride, rows, columns, mean, s, q);
    } else {
        double m[BN_LANES_MOST];
        memcpy(m, mean, columns * sizeof *m);
        spread(m, lanes, columns);
        add_gradient_lanes(x, x_stride, dy, dy_stride, rows, columns, lanes, m, s, q);
        fold(s, lanes, columns);
        fold(q, lanes, columns);
    }
    memcpy(sum_dy, s, columns * sizeof *s);
    memcpy(sum_dy_d, q, columns * sizeof *q);
}
