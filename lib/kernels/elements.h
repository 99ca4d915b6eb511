/* Template: one value out per value in, row by row. Wants a vector and a dtype header.
 *
 * The mean is taken off in two steps, high and low, each in the arithmetic type: x - high is exact where x is near the
 * mean, so cancellation costs nothing; y = x * a + b would lose |mean| / std units. Nothing is fused. */

enum { TABLE_ROOM = BN_STRIP_BYTES / sizeof(real) };

/* The rows of the coefficient table. */
enum { HIGH, LOW, SCALE, SHIFT, SLOPE = SHIFT, MEAN_DY };

BN_INLINE real *row(bn_coefficients *c, int k) { return (real *)c->table + (size_t)k * TABLE_ROOM; }
BN_INLINE const real *row_of(const bn_coefficients *c, int k)
{
    return (const real *)c->table + (size_t)k * TABLE_ROOM;
}

/* A factor that float multiplies by without fear of overflow or of lost bits. NaN is as good here as anywhere. */
BN_INLINE bool comfortable(double factor)
{
    const double size = fabs(factor);
    return sizeof(real) == sizeof(double) || size == 0 || !(size < 0x1p-100 || size > 0x1p100);
}

BN_INLINE double gamma_of(const bn_coefficients *c, size_t j) { return c->gamma ? ((const param *)c->gamma)[j] : 1; }
BN_INLINE double beta_of(const bn_coefficients *c, size_t j) { return c->beta ? ((const param *)c->beta)[j] : 0; }
BN_INLINE double scale_of(const bn_coefficients *c, size_t j) { return gamma_of(c, j) * c->invstd[j]; }
BN_INLINE double mean_dy_of(const bn_coefficients *c, size_t j) { return c->sum_dy[j] / c->rows; }
BN_INLINE double slope_of(const bn_coefficients *c, size_t j)
{
    return c->sum_dy_d[j] / c->rows * c->invstd[j] * c->invstd[j];
}

BN_INLINE void repeat_row(const bn_coefficients *c, real *p)
{
    for (size_t j = c->columns; j < c->columns * c->repeat; j++) p[j] = p[j - c->columns];
}

/* HIGH and LOW, and SCALE. */
BN_INLINE void mean_and_scale(bn_coefficients *c)
{
    real *const high = row(c, HIGH), *const low = row(c, LOW), *const scale = row(c, SCALE);
    bool all = true;

    for (size_t j = 0; j < c->columns; j++) {
        const double s = scale_of(c, j);
        high[j] = (real)c->mean[j];
        low[j] = (real)(c->mean[j] - (double)high[j]);
        scale[j] = (real)s;
        all &= comfortable(s);
    }
    c->extreme = !all;
}

static void normalise_coefficients(bn_coefficients *c)
{
    real *const shift = row(c, SHIFT);

    mean_and_scale(c);
    for (size_t j = 0; j < c->columns; j++) shift[j] = (real)beta_of(c, j);
    for (int k = HIGH; k <= SHIFT; k++) repeat_row(c, row(c, k));
}

static void input_gradient_coefficients(bn_coefficients *c)
{
    real *const slope = row(c, SLOPE), *const mean_dy = row(c, MEAN_DY);
    bool all = true;

    mean_and_scale(c);
    for (size_t j = 0; j < c->columns; j++) {
        const double s = slope_of(c, j);
        slope[j] = (real)s;
        mean_dy[j] = (real)mean_dy_of(c, j);
        all &= comfortable(s);
    }
    c->extreme |= !all;
    for (int k = HIGH; k <= MEAN_DY; k++) repeat_row(c, row(c, k));
}

/* Values of a row before the first multiple of 64 bytes: a streaming store wants whole lines. */
BN_INLINE size_t to_line(const stored *p, size_t columns)
{
    const size_t values = (size_t)(-(uintptr_t)p % 64) / sizeof(stored);
    return values < columns ? values : columns;
}

BN_INLINE size_t part_of(size_t from, size_t to) { return to - from < VR ? to - from : VR; }
BN_INLINE vr factor(const real *p, size_t part) { return part == VR ? vr_load(p) : vr_load_part(p, part); }
BN_INLINE vr value(const stored *p, size_t part) { return part == VR ? x_load(p) : x_load_part(p, part); }

enum { PART, WHOLE, STREAM }; /* how a vector is stored */

BN_INLINE void put(stored *p, vr v, size_t part, int how)
{
    if (how == STREAM)
        y_stream(p, v);
    else if (how == WHOLE)
        y_store(p, v);
    else
        y_store_part(p, v, part);
}

BN_INLINE void normalise_vector(const bn_coefficients *c, const stored *x, stored *y, size_t j, size_t part, int how)
{
    const vr high = factor(row_of(c, HIGH) + j, part), low = factor(row_of(c, LOW) + j, part);
    const vr scale = factor(row_of(c, SCALE) + j, part), shift = factor(row_of(c, SHIFT) + j, part);
    const vr d = (value(x + j, part) - high) - low;
    put(y + j, d * scale + shift, part, how);
}

BN_INLINE void normalise_row(const bn_coefficients *c, const stored *x, const stored *later, stored *y, int how)
{
    const size_t columns = c->columns * c->repeat, line = how == STREAM ? to_line(y, columns) : 0;
    size_t j = 0;

    for (; j < line; j += part_of(j, line)) normalise_vector(c, x, y, j, part_of(j, line), PART);
    for (; j + VR <= columns; j += VR) {
        bn_fetch(later + j, VR * sizeof *later);
        normalise_vector(c, x, y, j, VR, how);
    }
    if (j < columns) normalise_vector(c, x, y, j, columns - j, PART);
}

/* Rows with a column that is not comfortable: vectors as ever, then such columns again in double. y may be x, so its
 * values are kept. */
static void normalise_extreme(const bn_coefficients *c, const stored *x, size_t x_stride, stored *y, size_t y_stride,
                              size_t rows)
{
    const size_t columns = c->columns * c->repeat;

    for (size_t j = 0; j < columns; j += VR) {
        const size_t part = part_of(j, columns);
        bool plain = true;
        for (size_t i = j; i < j + part; i++) plain &= comfortable(scale_of(c, i % c->columns));
        for (size_t r = 0; r < rows; r++) {
            const stored *const from = x + r * x_stride;
            stored *const to = y + r * y_stride, before[VR];
            memcpy(before, from + j, part * sizeof *before);
            normalise_vector(c, from, to, j, part, part == VR ? WHOLE : PART);
            for (size_t i = 0; !plain && i < part; i++) {
                const size_t k = (j + i) % c->columns;
                const double scale = scale_of(c, k);
                if (!comfortable(scale)) to[j + i] = (real)(((double)before[i] - c->mean[k]) * scale + beta_of(c, k));
            }
        }
    }
}

static void normalise(const bn_coefficients *c, const void *px, size_t x_stride, void *py, size_t y_stride, size_t rows,
                      bool stream)
{
    const stored *x = px;
    stored *y = py;
    const size_t ahead = rows_ahead(x_stride, 1) * x_stride;

    if (c->extreme) {
        normalise_extreme(c, x, x_stride, y, y_stride, rows);
        return;
    }
    for (size_t r = 0; r < rows; r++, x += x_stride, y += y_stride) {
        if (stream)
            normalise_row(c, x, x + ahead, y, STREAM);
        else
            normalise_row(c, x, x + ahead, y, WHOLE);
    }
    if (stream) bn_stream_fence();
}

BN_INLINE void gradient_vector(const bn_coefficients *c, const stored *x, const stored *dy, stored *dx, size_t j,
                               size_t part, int how)
{
    const vr high = factor(row_of(c, HIGH) + j, part), low = factor(row_of(c, LOW) + j, part);
    const vr scale = factor(row_of(c, SCALE) + j, part), slope = factor(row_of(c, SLOPE) + j, part);
    const vr d = (value(x + j, part) - high) - low;
    const vr g = value(dy + j, part) - factor(row_of(c, MEAN_DY) + j, part);
    put(dx + j, (g - d * slope) * scale, part, how);
}

BN_INLINE void gradient_row(const bn_coefficients *c, const stored *x, const stored *later, const stored *dy,
                            const stored *later_dy, stored *dx, int how)
{
    const size_t columns = c->columns * c->repeat, line = how == STREAM ? to_line(dx, columns) : 0;
    size_t j = 0;

    for (; j < line; j += part_of(j, line)) gradient_vector(c, x, dy, dx, j, part_of(j, line), PART);
    for (; j + VR <= columns; j += VR) {
        bn_fetch(later + j, VR * sizeof *later);
        bn_fetch(later_dy + j, VR * sizeof *later_dy);
        gradient_vector(c, x, dy, dx, j, VR, how);
    }
    if (j < columns) gradient_vector(c, x, dy, dx, j, columns - j, PART);
}

BN_INLINE bool comfortable_gradient(const bn_coefficients *c, size_t k)
{
    return comfortable(scale_of(c, k)) && comfortable(slope_of(c, k));
}

/* As normalise_extreme; dx may be dy. */
static void gradient_extreme(const bn_coefficients *c, const stored *x, size_t x_stride, const stored *dy,
                             size_t dy_stride, stored *dx, size_t dx_stride, size_t rows)
{
    const size_t columns = c->columns * c->repeat;

    for (size_t j = 0; j < columns; j += VR) {
        const size_t part = part_of(j, columns);
        bool plain = true;
        for (size_t i = j; i < j + part; i++) plain &= comfortable_gradient(c, i % c->columns);
        for (size_t r = 0; r < rows; r++) {
            const stored *const from = x + r * x_stride, *const from_dy = dy + r * dy_stride;
            stored *const to = dx + r * dx_stride, before[VR];
            memcpy(before, from_dy + j, part * sizeof *before);
            gradient_vector(c, from, from_dy, to, j, part, part == VR ? WHOLE : PART);
            for (size_t i = 0; !plain && i < part; i++) {
                const size_t k = (j + i) % c->columns;
                const double d = (double)from[j + i] - c->mean[k], g = (double)before[i] - mean_dy_of(c, k);
                if (!comfortable_gradient(c, k)) to[j + i] = (real)((g - d * slope_of(c, k)) * scale_of(c, k));
            }
        }
    }
}

static void input_gradient(const bn_coefficients *c, const void *px, size_t x_stride, const void *pdy, size_t dy_stride,
                           void *pdx, size_t dx_stride, size_t rows, bool stream)
{
    const stored *x = px, *dy = pdy;
    stored *dx = pdx;
    const size_t ahead = rows_ahead(x_stride, 1) * x_stride, ahead_dy = rows_ahead(dy_stride, 1) * dy_stride;

    if (c->extreme) {
        gradient_extreme(c, x, x_stride, dy, dy_stride, dx, dx_stride, rows);
        return;
    }
    for (size_t r = 0; r < rows; r++, x += x_stride, dy += dy_stride, dx += dx_stride) {
        if (stream)
            gradient_row(c, x, x + ahead, dy, dy + ahead_dy, dx, STREAM);
        else
            gradient_row(c, x, x + ahead, dy, dy + ahead_dy, dx, WHOLE);
    }
    if (stream) bn_stream_fence();
}
