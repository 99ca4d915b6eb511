/* Template: sums over the rows of one block, column by column, in double. Wants a vector and a dtype header. */

enum { TOGETHER = 8 }; /* rows that share one trip of the sums through registers */

/* Adds a column's rows, in order. Without a pivot, squares are exact and may be fused. */
BN_INLINE void add_rows(const stored *x, size_t stride, size_t rows, size_t part, const double *pivot, double *s,
                        double *q)
{
    vd sum = vd_load(s), squares = vd_load(q);
    const vd p = pivot ? vd_load(pivot) : vd_zero();

    for (size_t r = 0; r < rows; r++) {
        const vd v = part == VD ? x_widen(x + r * stride) : x_widen_part(x + r * stride, part);
        const vd d = pivot ? v - p : v;
        sum += d;
        squares = pivot ? squares + d * d : vd_add_exact_square(d, squares);
    }
    vd_store(s, sum);
    vd_store(q, squares);
}

BN_INLINE void add_row_group(const stored *x, size_t stride, size_t rows, size_t columns, const double *pivot,
                             double *s, double *q)
{
    size_t j = 0;
    for (; j + VD <= columns; j += VD) add_rows(x + j, stride, rows, VD, pivot ? pivot + j : NULL, s + j, q + j);
    if (j < columns) add_rows(x + j, stride, rows, columns - j, pivot ? pivot + j : NULL, s + j, q + j);
}

/* s += sum(x - pivot), q += sum((x - pivot)^2). s, q and pivot hold whole vectors. */
BN_INLINE void add_block(const stored *x, size_t stride, size_t rows, size_t columns, const double *pivot, double *s,
                         double *q)
{
    size_t r = 0;
    for (; r + TOGETHER <= rows; r += TOGETHER)
        add_row_group(x + r * stride, stride, TOGETHER, columns, pivot, s, q);
    for (; r < rows; r++) add_row_group(x + r * stride, stride, 1, columns, pivot, s, q);
}

/* Rows of a strided narrow matrix, set side by side. */
BN_INLINE void pack(const stored *x, size_t stride, size_t rows, size_t columns, stored *packed)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < columns; j++) packed[r * columns + j] = x[r * stride + j];
}

/* The narrow tile as rows of lanes * columns values; the last may be short. */
BN_INLINE void add_lanes(const stored *x, size_t stride, size_t rows, size_t columns, size_t lanes,
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
        if (take > 0) add_block(from, wide, take, wide, pivot, s, q);
        else add_row_group(from, wide, 1, here * columns, pivot, s, q);
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

/* All of it: s and q of a tile of any width, pivot NULL or one value a column, with room for the lanes. */
BN_INLINE void add_tile(const stored *x, size_t stride, size_t rows, size_t columns, size_t lanes, double *pivot,
                        double *s, double *q)
{
    const size_t room = (lanes * columns + VD - 1) / VD * VD;
    memset(s, 0, room * sizeof *s);
    memset(q, 0, room * sizeof *q);
    if (lanes == 1) {
        add_block(x, stride, rows, columns, pivot, s, q);
        return;
    }
    if (pivot) spread(pivot, lanes, columns);
    add_lanes(x, stride, rows, columns, lanes, pivot, s, q);
    fold(s, lanes, columns);
    fold(q, lanes, columns);
}

/* A column cancels where the square of its mean, seen from the pivot, exceeds its variance by this factor, or where
 * they cannot be compared. With exact squares 2^10 leaves m2 a relative error of 2^(6 - 53 + 10) = 2^-37 at worst,
 * where the promise for float is 2^-30. In double only what a pivot two standard deviations off costs is allowed: then
 * the error of q is at most 5 times that of m2. */
static const double cancels = BN_EXACT_SQUARES ? 0x1p10 : 4;

/* Sums again, around the mean, the group of columns in which some column cancels, and keeps what cancelled. */
static void sum_again(const stored *x, size_t stride, size_t rows, size_t columns, size_t lanes, double *mean,
                      double *m2)
{
    double pivot[BN_LANES_MOST], s[BN_LANES_MOST], q[BN_LANES_MOST];
    const double n = (double)rows;

    memcpy(pivot, mean, columns * sizeof *pivot);
    add_tile(x, stride, rows, columns, lanes, pivot, s, q);
    for (size_t j = 0; j < columns; j++) {
        if (m2[j] >= 0) continue;
        const double shift = s[j] / n, rest = q[j] - s[j] * shift;
        mean[j] = pivot[j] + shift;
        m2[j] = rest < 0 ? 0 : rest;
    }
}

/* The mean of eight rows, summed in pairs: exact for a constant column, and near the mean where rows are alike. */
BN_INLINE void make_pivot(const stored *x, size_t stride, size_t rows, size_t columns, double *pivot)
{
    for (size_t j = 0; j < columns; j++) {
        const stored *const c = x + j;
        double p = (double)c[0];
        if (rows >= 8)
            p = ((p + (double)c[stride]) + ((double)c[2 * stride] + (double)c[3 * stride]) +
                 (((double)c[4 * stride] + (double)c[5 * stride]) + ((double)c[6 * stride] + (double)c[7 * stride]))) /
                8;
        pivot[j] = p;
    }
}

static void moments(const void *px, size_t stride, size_t rows, size_t columns, size_t lanes, double *mean, double *m2)
{
    enum { ROOM = BN_STRIP_BYTES / sizeof(stored) };
    const stored *const x = px;
    const double n = (double)rows;
    double s[ROOM], q[ROOM];
    bool again = false;

#if BN_EXACT_SQUARES
    double *const pivot = NULL;
#else
    double first[ROOM], *const pivot = first;
    make_pivot(x, stride, rows, columns, pivot);
#endif
    add_tile(x, stride, rows, columns, lanes, pivot, s, q);
    for (size_t j = 0; j < columns; j++) {
        const double shift = s[j] / n, square = s[j] * shift, rest = q[j] - square;
        const bool kept = square <= cancels * rest;
        mean[j] = pivot ? pivot[j] + shift : shift;
        m2[j] = kept ? rest : -1; /* -1 marks what cancelled */
        again |= !kept;
    }
    if (!again) return;
    for (size_t j = 0; j < columns; j += BN_GROUP) {
        const size_t width = columns - j < BN_GROUP ? columns - j : BN_GROUP;
        bool here = false;
        for (size_t i = j; i < j + width; i++) here |= m2[i] < 0;
        if (here) sum_again(x + j, stride, rows, width, lanes, mean + j, m2 + j);
    }
}

BN_INLINE void add_gradient_rows(const stored *x, size_t x_stride, const stored *dy, size_t dy_stride, size_t rows,
                                 size_t part, const double *mean, double *s, double *q)
{
    const vd m = vd_load(mean);
    vd sum = vd_load(s), products = vd_load(q);

    for (size_t r = 0; r < rows; r++) {
        const stored *const xr = x + r * x_stride, *const gr = dy + r * dy_stride;
        const vd v = part == VD ? x_widen(xr) : x_widen_part(xr, part);
        const vd g = part == VD ? x_widen(gr) : x_widen_part(gr, part);
        sum += g;
        products += g * (v - m);
    }
    vd_store(s, sum);
    vd_store(q, products);
}

BN_INLINE void add_gradient_group(const stored *x, size_t x_stride, const stored *dy, size_t dy_stride, size_t rows,
                                  size_t columns, const double *mean, double *s, double *q)
{
    size_t j = 0;
    for (; j + VD <= columns; j += VD)
        add_gradient_rows(x + j, x_stride, dy + j, dy_stride, rows, VD, mean + j, s + j, q + j);
    if (j < columns)
        add_gradient_rows(x + j, x_stride, dy + j, dy_stride, rows, columns - j, mean + j, s + j, q + j);
}

BN_INLINE void add_gradient_block(const stored *x, size_t x_stride, const stored *dy, size_t dy_stride, size_t rows,
                                  size_t columns, const double *mean, double *s, double *q)
{
    enum { HALF = TOGETHER / 2 }; /* two arrays are read */
    size_t r = 0;
    for (; r + HALF <= rows; r += HALF)
        add_gradient_group(x + r * x_stride, x_stride, dy + r * dy_stride, dy_stride, HALF, columns, mean, s, q);
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
        if (take > 0) add_gradient_block(from, wide, from_dy, wide, take, wide, mean, s, q);
        else add_gradient_group(from, wide, from_dy, wide, 1, here * columns, mean, s, q);
        r += here;
    }
}

static void gradient_sums(const void *x, size_t x_stride, const void *dy, size_t dy_stride, size_t rows, size_t columns,
                          size_t lanes, const double *mean, double *sum_dy, double *sum_dy_d)
{
    enum { ROOM = BN_STRIP_BYTES / sizeof(stored) };
    const size_t room = (lanes * columns + VD - 1) / VD * VD;
    double m[ROOM], s[ROOM], q[ROOM];

    memcpy(m, mean, columns * sizeof *m);
    memset(s, 0, room * sizeof *s);
    memset(q, 0, room * sizeof *q);
    if (lanes == 1) {
        add_gradient_block(x, x_stride, dy, dy_stride, rows, columns, m, s, q);
    } else {
        spread(m, lanes, columns);
        add_gradient_lanes(x, x_stride, dy, dy_stride, rows, columns, lanes, m, s, q);
        fold(s, lanes, columns);
        fold(q, lanes, columns);
    }
    memcpy(sum_dy, s, columns * sizeof *s);
    memcpy(sum_dy_d, q, columns * sizeof *q);
}
