/* Template: what is summed, and how up to four vectors of it become two sums. Wants a vector and a dtype header, and
 * rounding.h. */

enum { TOGETHER = 4 }; /* rows, or vectors along a run, added up in pairs */

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
        *s = vd_plus(*s, total(x, n));
        for (size_t i = 0; i < n; i++) *q = vd_add_exact_square(x[i], *q);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        d[i] = vd_minus(x[i], pivot);
        products[i] = what == AROUND ? d[i] * d[i] : dy[i] * d[i];
    }
    if (part < VD) products[n - 1] = first_of(products[n - 1], part);
    if (what == AROUND) {
        add_keeping(s, q, total(products, n));
        return;
    }
    *s = vd_plus(*s, total(dy, n));
    *q = vd_plus(*q, total(products, n));
}
