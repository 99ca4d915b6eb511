/* Template: one value out per value in, row by row. Nothing is fused. Wants integers.h, factors.h and fetch.h. */

/* ---- one group ---- */

/* Arrays of an element pass: y = f(x), or dx = f(x, dy). */
typedef struct elements {
    const stored *x, *dy; /* without gradient dy is x, and not read */
    stored *out;
    bool gradient;
} elements;

BN_INLINE vr computed(bool gradient, factors f, vr x, vr dy)
{
    const vr near = x - f.of[HIGH], d = has_low(gradient) ? near - f.of[LOW] : near;
    return gradient ? ((dy - f.of[MEAN_DY]) - d * f.of[SLOPE]) * f.of[SCALE] : d * f.of[SCALE] + f.of[SHIFT];
}

/* How a group is stored: a part of it; whole; whole, in the output's cache lines; in those of rows that exceed a strip;
 * in those past the cache. The order counts: in_lines and has_any_pitch compare. */
enum { PART, WHOLE, LINES, ROWS, STREAM };

/* Whether that is in the output's cache lines, and by tables of any pitch, see tables_from. */
BN_INLINE bool in_lines(int how) { return how >= LINES; }
BN_INLINE bool has_any_pitch(int how) { return how >= ROWS; }

/* A group of each array. */
typedef struct inputs {
    as_read x, dy;
} inputs;

/* n values from the j-th on. */
BN_INLINE inputs inputs_at(elements a, size_t j, size_t n, int how)
{
    if (how == PART) return (inputs){x_read_part(a.x + j, n), x_read_part(a.dy + j, n)};
    return (inputs){x_read(a.x + j), x_read(a.dy + j)};
}

BN_INLINE void put_of(elements a, group g, inputs in, size_t j, size_t n, int how)
{
    vr x[BN_HALVES], dy[BN_HALVES], v[BN_HALVES];

    x_halves(in.x, x);
    x_halves(in.dy, dy);
    for (int h = 0; h < BN_HALVES; h++) v[h] = computed(a.gradient, g.half[h], x[h], dy[h]);
    if (how == STREAM)
        y_stream_halves(a.out + j, v);
    else if (how == PART)
        y_store_halves_part(a.out + j, v, n);
    else
        y_store_halves(a.out + j, v);
}

BN_INLINE void put(elements a, group g, size_t j, size_t n, int how)
{
    put_of(a, g, inputs_at(a, j, n, how), j, n, how);
}

/* The same in double, for factors that float shuns. */
BN_INLINE void extreme_value(const bn_coefficients *c, size_t f, elements a)
{
    const double d = x_widen_part(a.x, 1)[0] - c->mean[f];
    const double v = a.gradient ? ((x_widen_part(a.dy, 1)[0] - mean_dy_of(c, f)) - d * slope_of(c, f)) * scale_of(c, f)
                                : d * scale_of(c, f) + beta_of(c, f);
    const vr r = {narrowed(v)};
    y_store_part(a.out, r, 1);
}

/* ---- a row ---- */

_Static_assert(2 * (int)LINE <= (int)BN_TABLE_RUN, "of runs from half of it on a line has two features at most");

/* Values before the first whole cache line: a streaming store wants it so. */
BN_INLINE size_t to_line(const stored *p, size_t values)
{
    return least((size_t)(-(uintptr_t)p % LINE) / sizeof(stored), values);
}

/* Where to fetch while elements are passed over: what is read of these next, or what is summed next, where it stands
 * alike. */
BN_INLINE lead lead_from(const bn_coefficients *c, size_t run, size_t next, size_t ahead)
{
    return c->next > 0 ? (lead){.until = SIZE_MAX, .before = c->next} : lead_of(run, next, ahead);
}

BN_INLINE void fetch_line(elements a, size_t j, later l)
{
    if (l.pages) {
        fetch_by_pages((uintptr_t)(a.x + j));
        if (a.gradient) fetch_by_pages((uintptr_t)(a.dy + j));
        return;
    }
    fetch(l.cache, ahead_of(a.x, l.x, j), LINE);
    if (a.gradient) fetch(l.cache, ahead_of(a.dy, l.dy, j), LINE);
}

/* Values [from, to), which are not whole cache lines; the tables begin with value `start`. Whole groups and the part
 * are told apart once: two questions a group cost 6 % at 64 x 250, backward (Zen 3). */
BN_INLINE void pass_few(tables t, size_t start, elements a, size_t from, size_t to)
{
    for (size_t j = from; j < to; j += IN_GROUP) {
        if (to - j >= IN_GROUP)
            put(a, factors_at(t, a.gradient, j - start, IN_GROUP), j, IN_GROUP, WHOLE);
        else
            put(a, factors_at(t, a.gradient, j - start, to - j), j, to - j, PART);
    }
}

/* The same of one feature. */
BN_INLINE void pass_few_of(factors f, elements a, size_t from, size_t to)
{
    for (size_t j = from; j < to; j += IN_GROUP) {
        if (to - j >= IN_GROUP)
            put(a, all_of(f), j, IN_GROUP, WHOLE);
        else
            put(a, all_of(f), j, to - j, PART);
    }
}

typedef struct strides {
    size_t x, dy, out;
} strides;

BN_INLINE elements moved_to(elements a, strides s, size_t row, size_t place)
{
    a.x += row * s.x + place;
    a.dy += row * s.dy + place;
    a.out += row * s.out + place;
    return a;
}

enum { ROWS_AT_ONCE = 4 };

/* A cache line of each input. */
enum { GROUPS_OF_LINE = LINE_VALUES / IN_GROUP };

typedef struct line {
    inputs of[GROUPS_OF_LINE];
} line;

BN_INLINE line line_at(elements a, size_t j)
{
    line l;
    for (size_t i = 0; i < GROUPS_OF_LINE; i++) l.of[i] = inputs_at(a, j + i * IN_GROUP, IN_GROUP, WHOLE);
    return l;
}

/* A line that has been read, of one feature; or its first n values of one, and the others of the next. */
BN_INLINE void put_line_of(elements a, line in, factors f, size_t j, int how)
{
    for (size_t i = 0; i < LINE_VALUES; i += IN_GROUP) put_of(a, all_of(f), in.of[i / IN_GROUP], j + i, IN_GROUP, how);
}

BN_INLINE void put_line_across(elements a, line in, factors one, factors next, size_t n, size_t j, int how)
{
    for (size_t i = 0; i < LINE_VALUES; i += IN_GROUP)
        put_of(a, factors_across(one, next, a.gradient, (ptrdiff_t)n - (ptrdiff_t)i), in.of[i / IN_GROUP], j + i,
               IN_GROUP, how);
}

/* A cache line of each row, from value j on, which is value `place` of the tables. All is read before anything is
 * written, see take_line. And each line is written as a whole: where rows took turns with less, parts of
 * lines went to memory, and inference of 1225 x 2048 floats took 6 times as long with AVX2. Not so several rows in
 * vectors of 16 bytes, for which there are not registers enough: bfloat16 takes 1.1 times as long by lines (Xeon of
 * family 6, model 106). */
BN_INLINE void put_lines(elements a, strides s, size_t rows, size_t j, tables t, size_t place, int how)
{
    group g[GROUPS_OF_LINE];
    line in[ROWS_AT_ONCE];

    if (BN_VECTOR_BYTES <= 16) {
        for (size_t i = 0; i < LINE_VALUES; i += IN_GROUP) {
            const group here = factors_at(t, a.gradient, place + i, IN_GROUP);
            for (size_t r = 0; r < rows; r++) put(moved_to(a, s, r, 0), here, j + i, IN_GROUP, how);
        }
        return;
    }
    for (size_t i = 0; i < GROUPS_OF_LINE; i++) g[i] = factors_at(t, a.gradient, place + i * IN_GROUP, IN_GROUP);
    for (size_t r = 0; r < rows; r++) in[r] = line_at(moved_to(a, s, r, 0), j);
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < GROUPS_OF_LINE; i++)
            put_of(moved_to(a, s, r, 0), g[i], in[r].of[i], j + i * IN_GROUP, IN_GROUP, how);
}

/* A line is read before the one before it is written. A load waits for a store before it whose address is a multiple of
 * 4 KB away, as if it were the same: where the output began 16 to 64 bytes later in its page than an input, as it does
 * where malloc has put it behind, calls past the cache took 1.2 to 3 times as long, inference of 64 x 256 1.1 to 1.3
 * times (Xeon of family 6, model 106). Takes the line at j, and reads the next, if there is one before `end`. */
BN_INLINE line take_line(line *ahead, elements a, size_t j, size_t end)
{
    const line here = *ahead;
    if (j + 2 * LINE_VALUES <= end) *ahead = line_at(a, j + LINE_VALUES);
    return here;
}

BN_INLINE line first_line(elements a, size_t j, size_t end)
{
    const line none = {0};
    return j + LINE_VALUES <= end ? line_at(a, j) : none;
}

/* Values that follow each other, with the factors of the tables again and again, in the output's lines; what is before
 * the first whole one only with `head`:
 *
 *     lines of the output   | head|        |        |        |        |        | rest
 *     value                   0    before             period               2 * period
 *     its factor              0    before             0                    0
 *
 * A line that begins before a multiple of the period finds behind the tables' last factor the first ones again. Where
 * factors are in halves, a line whose first value is odd from `begin` on has the halves in the other order.
 *
 * As one stretch, for what is begun anew reads no line ahead: row by row, and where the output began 16 bytes later in
 * its page than the input, inference of 50 x 28 x 28 x 512 took 1.3 times as long in bfloat16 and twice in IEEE half
 * with AVX2, 1.0 to 1.1 times where they begin alike (Xeon of family 6, model 106). */
BN_INLINE void pass_stretch(const bn_coefficients *c, elements a, size_t values, bool head, later l, int how)
{
    const size_t period = c->repeat * width(c), before = to_line(a.out, values);
    size_t j = before;
    line ahead = first_line(a, j, values);

    if (head) pass_few(tables_from(c, has_any_pitch(how), 0), 0, a, 0, before);
    for (size_t begin = 0;; begin += period) { /* the value that has the tables' first factors */
        const size_t odd = (j - begin) % BN_HALVES, end = least(begin + period + LINE_VALUES - 1, values);
        const tables t = tables_from(c, has_any_pitch(how), odd);

        for (; j + LINE_VALUES <= end; j += LINE_VALUES) {
            fetch_line(a, j, l);
            const line in = take_line(&ahead, a, j, values);
            for (size_t i = 0; i < LINE_VALUES; i += IN_GROUP)
                put_of(a, factors_at(t, a.gradient, j - begin - odd + i, IN_GROUP), in.of[i / IN_GROUP], j + i,
                       IN_GROUP, how);
        }
        if (j >= begin + period) continue;
        pass_few(t, begin + odd, a, j, values);
        return;
    }
}

/* The same in groups as they come. */
BN_INLINE void pass_row(const bn_coefficients *c, elements a, size_t values, later l)
{
    const tables t = tables_from(c, false, 0);
    size_t j = 0;

    for (; j + LINE_VALUES <= values; j += LINE_VALUES) {
        fetch_line(a, j, l);
        for (size_t i = 0; i < LINE_VALUES; i += IN_GROUP)
            put(a, factors_at(t, a.gradient, j + i, IN_GROUP), j + i, IN_GROUP, WHOLE);
    }
    pass_few(t, 0, a, j, values);
}

/* Several rows of values with a factor each, whose lines begin at the same place of each. The first `heads` rows begin
 * with a part of a line that is theirs alone, the last `tails` end with one; any other line that two rows share is
 * written with the one before. */
BN_INLINE void pass_values(const bn_coefficients *c, elements a, strides s, size_t values, size_t heads, size_t tails,
                           later l, int how)
{
    const size_t before = to_line(a.out, values), odd = before % BN_HALVES;
    const tables t = tables_from(c, true, odd);
    size_t j = before;

    for (size_t r = 0; r < heads && before > 0; r++)
        pass_few(tables_from(c, true, 0), 0, moved_to(a, s, r, 0), 0, before);
    for (; j + LINE_VALUES <= values; j += LINE_VALUES) {
        for (size_t r = 0; r < ROWS_AT_ONCE; r++) fetch_line(moved_to(a, s, r, 0), j, l);
        put_lines(a, s, ROWS_AT_ONCE, j, t, j - odd, how);
    }
    for (size_t r = 0; r < ROWS_AT_ONCE && j < values; r++) {
        const elements here = moved_to(a, s, r, 0);
        if (r + tails < ROWS_AT_ONCE) {
            fetch_line(here, j, l);
            put_lines(here, s, 1, j, t, j - odd, how);
        } else {
            pass_few(t, odd, here, j, values);
        }
    }
}

/* Consecutive runs of the features from one on, after the last of which comes the first of the next row. Where there
 * are several, each is a cache line or longer, so that no line holds parts of three. */
BN_INLINE void pass_runs(const bn_coefficients *c, elements a, size_t feature, size_t runs, later l, int how)
{
    const bool stream = how == STREAM;
    const size_t values = runs * c->run, before = stream ? to_line(a.out, values) : 0;
    factors here = factors_of(c, a.gradient, feature);
    size_t j = before;
    line ahead = first_line(a, j, stream ? values : 0);

    pass_few_of(here, a, 0, before);
    for (size_t f = 0; f < runs; f++) {
        const size_t end = (f + 1) * c->run;
        const bool last = f + 1 == runs;
        feature = feature + 1 < c->columns ? feature + 1 : 0;
        const factors next = factors_of(c, a.gradient, feature);

        for (; j + LINE_VALUES <= end; j += LINE_VALUES) {
            fetch_line(a, j, l);
            put_line_of(a, stream ? take_line(&ahead, a, j, values) : line_at(a, j), here, j, how);
        }
        if (last) {
            pass_few_of(here, a, j, end);
        } else if (j < end) {
            fetch_line(a, j, l);
            put_line_across(a, stream ? take_line(&ahead, a, j, values) : line_at(a, j), here, next, end - j, j, how);
            j += LINE_VALUES;
        }
        here = next;
    }
}

/* ---- a tile ---- */

/* Factors of 4 bytes of values of 2, and not in halves: tables are read at twice the pace of the output. */
enum { TABLES_RUN_AHEAD = sizeof(real) > BN_HALVES * sizeof(stored) };

/* Rows of the tile from one to the next of those that are passed over together. */
BN_INLINE size_t rows_apart(const bn_coefficients *c, strides s)
{
    return c->repeat * times_to_line(c->repeat * s.out * sizeof(stored));
}

/* Whether of rows so many bytes apart those next but one begin within four lines of the same place of a page, as then
 * neighbours do within two. */
BN_INLINE bool share_places(size_t apart)
{
    const size_t twice = 2 * apart % PAGE;
    return twice < 4 * LINE || twice > PAGE - 4 * LINE;
}

/* Whether the output begins a few lines after the input in its page. */
BN_INLINE bool is_just_after(const stored *out, const stored *in)
{
    return ((uintptr_t)out - (uintptr_t)in - 1) % PAGE < 4 * LINE;
}

/* Whether several rows are passed over together. They share what is loaded of the tables, are read and written in
 * several pages at once, and their lines are written as a whole wherever they begin. As many times as fast, with
 * vectors of 64 bytes:
 *
 *     rows whose tables do not stay in the first cache   inference 1.02 to 1.4 past the last cache, 0.97 to 1.35 in it
 *     others written past it, but not backward (0.96)    0.98 to 1.1, bfloat16 to 1.19
 *     backward too, where rows begin at several places   1.08 to 1.5; dense ones, see `shared`, 0.95 to 1.0
 *     of a line and each writes its edges
 *     in cache, where rows begin at several places of    inference 1.0 to 1.28, backward 1.0 to 1.1
 *     a line
 *
 * (the first on a Xeon of family 6, model 106, the third on a Zen 5, the others on model 207). But for the first, not
 * instead of reading by pages, unless tables run ahead: every other 2 KB of the output are written just before these
 * are read at the same place of a page, see make_own in walk.c, and with fewer loads inference is 1.02 to 1.22 times as
 * fast (model 106). Nor where a line of the output begins within one of the input: together no line is read ahead, see
 * take_line. For the same reason none of them past the cache where rows share places of a page and the output begins a
 * few lines after an input: with vectors of 32 bytes it took 4 to 6 times as long (Zen 3; with 64 not measured).
 *
 * Smaller vectors want more registers than there are. In cache only the first go together, 1.0 to 1.6 times as fast;
 * past it rows of a page or more, forward, that share no places, 1.03 to 1.4. Others take 1.05 to 1.25 times as long
 * (Zen 3). */
BN_INLINE bool is_together(const bn_coefficients *c, elements a, strides s, bool shared, bool pages, int how)
{
    const bool wide = has_any_pitch(how) && exceeds_strip(c);
    const bool same_page = share_places(rows_apart(c, s) * s.out * sizeof(stored));
    const bool places = c->repeat * s.out * sizeof(stored) % LINE != 0; /* several */
    const bool alike = (uintptr_t)a.x % LINE == (uintptr_t)a.out % LINE;

    if (BN_VECTOR_BYTES < 64) return how == STREAM ? !a.gradient && !same_page && s.out * sizeof(stored) >= PAGE : wide;
    if (how == STREAM && same_page && (is_just_after(a.out, a.x) || is_just_after(a.out, a.dy))) return false;
    if (wide) return true;
    if (!alike) return false;
    if (how == STREAM) return (!a.gradient || (places && !shared)) && (TABLES_RUN_AHEAD || !pages);
    return c->distance < BN_FAR && places;
}

/* Values of a tile after so many of its rows. */
BN_INLINE size_t values_after(const bn_coefficients *c, size_t rows, size_t done) { return (rows - done) * width(c); }

/* Whether n values, and others that begin `next` further on, only begin or end in some lines. These do not pass the
 * cache by, and all stores after them would wait for them. */
BN_INLINE bool has_edges(const stored *out, size_t next, size_t n)
{
    return ((uintptr_t)out | next * sizeof *out | n * sizeof *out) % LINE != 0;
}

/* Such lines of n values `ahead` of `out`. Asked for one row before, images of 7 x 7 and 16 bits are 1.01 to 1.08 times
 * as fast (Xeon of family 6, model 106). */
BN_INLINE void fetch_edges(const stored *out, size_t ahead, size_t n)
{
    const uintptr_t start = beyond(out, ahead), end = beyond(out, ahead + n);
    if (start % LINE != 0) __builtin_prefetch((const void *)start, 1, 3);
    if (end % LINE != 0) __builtin_prefetch((const void *)end, 1, 3);
}

/* `rows` rows, or as many side by side as tables have factors for. Returns how many it took: all, but for less than it
 * takes for each place in a cache line to have its rows. */
BN_INLINE size_t pass_together(const bn_coefficients *c, elements a, strides s, size_t rows, bool shared, int cache,
                               int how)
{
    const size_t beside = c->repeat, values = beside * width(c);
    const size_t apart = rows_apart(c, s), step = ROWS_AT_ONCE * apart;
    const size_t most = rows / step * step, next = apart == beside ? step : beside;
    const strides between = {apart * s.x, apart * s.dy, apart * s.out};
    const later l = {.cache = cache,
                     .x = lead_from(c, values, next * s.x, c->ahead),
                     .dy = lead_from(c, values, next * s.dy, c->ahead)};
    const bool edges = how == STREAM && !shared && has_edges(a.out, next * s.out, values);

    for (size_t i = 0; i < most; i += step)
        for (size_t r = i; r < i + apart; r += beside) {
            for (size_t k = 0; edges && k < ROWS_AT_ONCE; k++)
                fetch_edges(a.out, (r + next + k * apart) * s.out, values);
            const bool last = values_after(c, rows, r + step - apart + beside) < LINE_VALUES;
            pass_values(c, moved_to(a, s, r, 0), between, values, shared ? r == 0 : ROWS_AT_ONCE,
                        shared ? last : ROWS_AT_ONCE, l, how);
        }
    return most;
}

/* Whether all factors of a row, or of rows side by side, stay in registers: of 64 floats, where there are 32 of 64
 * bytes, and rows are dense in all arrays. Backward of 1 to 64 features is 1.01 to 1.04 times as fast so (Zen 5). */
enum { HELD_LINES = 4, HELD_VALUES = HELD_LINES * LINE_VALUES };

BN_INLINE bool holds_factors(const bn_coefficients *c, elements a, strides s)
{
    const size_t w = width(c);
    const bool dense = s.x == w && s.dy == w && s.out == w, lines = (uintptr_t)a.out % LINE == 0;
    const bool after = is_just_after(a.out, a.x) || is_just_after(a.out, a.dy); /* see take_line */
    return HOLDS && dense && lines && !after && HELD_VALUES % w == 0 && c->repeat * w % HELD_VALUES == 0;
}

/* Returns how many rows it took: all, but for what is left of HELD_VALUES. */
BN_INLINE size_t pass_held(const bn_coefficients *c, elements a, size_t rows, int how)
{
    const size_t values = rows * width(c) / HELD_VALUES * HELD_VALUES;
    const tables t = tables_from(c, has_any_pitch(how), 0);
    group g[HELD_LINES];

    BN_UNROLL
    for (size_t i = 0; i < HELD_LINES; i++) g[i] = factors_at(t, a.gradient, i * LINE_VALUES, IN_GROUP);
    for (size_t j = 0; j < values; j += HELD_VALUES) {
        BN_UNROLL
        for (size_t i = 0; i < HELD_LINES; i++) put(a, g[i], j + i * LINE_VALUES, IN_GROUP, how);
    }
    return values / width(c);
}

/* Within the last cache the hardware does well enough: without ours inference of 1000 x 1000 is 1.25 times as fast
 * (Zen 3). */
BN_INLINE void pass_table(const bn_coefficients *c, elements a, strides s, size_t rows, int cache, bool by_pages,
                          int how)
{
    const size_t step = c->repeat, values = step * width(c);
    const later l = {.cache = cache,
                     .x = lead_from(c, values, step * s.x, c->ahead),
                     .dy = lead_from(c, values, step * s.dy, c->ahead),
                     .pages = by_pages && s.x == width(c) && s.dy == width(c)};
    const bool shared = in_lines(how) && c->shares_lines;
    const bool edges = how == STREAM && !shared && has_edges(a.out, step * s.out, values);
    const bool held = how == STREAM && a.gradient && cache == NOWHERE && holds_factors(c, a, s);
    size_t r = 0;

    if (held)
        r = pass_held(c, a, rows, how);
    else if (is_together(c, a, s, shared, l.pages, how))
        r = pass_together(c, a, s, rows, shared, cache, how);

    for (; r < rows; r += shared ? rows : step) {
        const elements here = moved_to(a, s, r, 0);
        const size_t left = values_after(c, rows, r), most = shared ? left : least(left, values);
        if (edges) fetch_edges(a.out, (r + step) * s.out, values);
        if (in_lines(how))
            pass_stretch(c, here, most, !shared || r == 0 || left < LINE_VALUES, l, how);
        else
            pass_row(c, here, most, l);
    }
}

/* Runs that are whole follow each other in a row, and so do rows that are dense in all arrays: a line that two share is
 * written as a whole. Row by row 1 to 4 features of 36 to 100 pixels took 1.5 to 4 times as long, 10 of them 1.1 (Zen
 * 5). After a part of a run comes that of the next feature. */
BN_INLINE void pass_rows(const bn_coefficients *c, elements a, strides s, size_t rows, bool far, bool by_pages, int how)
{
    const bool whole = c->run == c->pitch;
    const size_t row = c->columns * c->run;
    size_t runs = whole ? c->columns : 1;

    if (whole && s.x == row && s.dy == row && s.out == row) {
        s.x = s.dy = s.out = rows * row;
        runs *= rows;
        rows = 1;
    }
    const size_t values = runs * c->run, next = whole ? s.out : c->pitch;
    const int cache = c->next > 0 && c->into != BN_INTO_FIRST ? SECOND : FIRST;
    const later l = {.cache = far ? cache : NOWHERE,
                     .x = lead_from(c, values, whole ? s.x : c->pitch, BN_AHEAD),
                     .dy = lead_from(c, values, whole ? s.dy : c->pitch, BN_AHEAD),
                     .pages = by_pages && whole && row * sizeof(stored) > NEXT_BLOCK};
    const bool edges = how == STREAM && has_edges(a.out, next, values);

    for (size_t r = 0; r < rows; r++)
        for (size_t f = 0; f < c->columns; f += runs) {
            if (edges) fetch_edges(a.out, r * s.out + f * c->pitch + next, values);
            pass_runs(c, moved_to(a, s, r, f * c->pitch), f, runs, l, how);
        }
}

/* Of value j in the tables, or of the runs of one feature. */
BN_INLINE size_t feature_of(const bn_coefficients *c, size_t first, size_t j)
{
    return c->factor_a_value ? j / c->run : first;
}

/* A group with features that do not go by factors. The output may be an input, so the inputs are kept. */
static void extreme_group(const bn_coefficients *c, elements a, group g, size_t first, size_t j, size_t n)
{
    stored x[IN_GROUP], dy[IN_GROUP];

    memcpy(x, a.x + j, n * sizeof *x);
    memcpy(dy, a.dy + j, n * sizeof *dy);
    put(a, g, j, n, PART);
    for (size_t i = 0; i < n; i++) {
        const size_t feature = feature_of(c, first, j + i);
        if (goes_by_factors(c, a.gradient, feature)) continue;
        extreme_value(c, feature, (elements){x + i, dy + i, a.out + j + i, a.gradient});
    }
}

/* A tile with such features, group by group, rows innermost. */
static void pass_extreme(const bn_coefficients *c, elements a, strides s, size_t rows)
{
    for (size_t first = 0; first < (c->factor_a_value ? 1 : c->columns); first++)
        for (size_t j = 0; j < width(c); j += IN_GROUP) {
            const size_t n = least(width(c) - j, IN_GROUP);
            const group g = c->factor_a_value ? factors_at(tables_from(c, true, j), a.gradient, 0, n)
                                              : all_of(factors_of(c, a.gradient, first));
            bool plain = true;
            for (size_t i = j; i < j + n; i++) plain &= goes_by_factors(c, a.gradient, feature_of(c, first, i));
            for (size_t r = 0; r < rows; r++) {
                const elements here = moved_to(a, s, r, first * c->pitch);
                if (plain)
                    put(here, g, j, n, PART);
                else
                    extreme_group(c, here, g, first, j, n);
            }
        }
}

/* A vector across two lines takes two accesses. Where its first row begins within a line, but for short rows, the
 * output is written in whole lines then: 300 x 256 is 1.2 to 1.5 times as fast in the first caches, with vectors of 32
 * bytes 1.05 to 1.1, of 16 it would not be (Xeon of family 6, model 106). */
BN_INLINE bool worth_lines(const bn_coefficients *c)
{
    return IN_GROUP * sizeof(stored) > 16 && c->place > 0 && width(c) * c->repeat >= 8 * LINE_VALUES;
}

BN_INLINE void pass_how(const bn_coefficients *c, elements a, strides s, size_t rows, bool far, bool pages, int how)
{
    const int cache = far ? SECOND : NOWHERE;

    if (c->factor_a_value && how == WHOLE && worth_lines(c))
        pass_table(c, a, s, rows, cache, pages, LINES);
    else if (c->factor_a_value)
        pass_table(c, a, s, rows, cache, pages, how);
    else
        pass_rows(c, a, s, rows, far, pages, how);
}

/* ---- the last features of each row, the last line first ---- */

/* Values [from, end), with a factor each. Lines are counted from the end. */
BN_INLINE void pass_values_down(const bn_coefficients *c, elements a, size_t from, size_t end)
{
    const size_t odd = end % BN_HALVES;
    const tables t = tables_from(c, false, odd);
    size_t j = end;

    while (j >= from + LINE_VALUES) {
        j -= LINE_VALUES;
        const line in = line_at(a, j);
        for (size_t i = 0; i < LINE_VALUES; i += IN_GROUP)
            put_of(a, factors_at(t, a.gradient, j - odd + i, IN_GROUP), in.of[i / IN_GROUP], j + i, IN_GROUP, WHOLE);
    }
    pass_few(tables_from(c, false, from), from, a, from, j);
}

/* Features [from, end), runs of a line or more. */
BN_INLINE void pass_runs_down(const bn_coefficients *c, elements a, size_t from, size_t end)
{
    factors here = factors_of(c, a.gradient, end - 1);
    size_t j = end * c->run;

    for (size_t f = end - 1;; f--) {
        const size_t begin = f * c->run;
        while (j >= begin + LINE_VALUES) {
            j -= LINE_VALUES;
            put_line_of(a, line_at(a, j), here, j, WHOLE);
        }
        if (f == from) {
            pass_few_of(here, a, begin, j);
            return;
        }
        const factors before = factors_of(c, a.gradient, f - 1);
        if (j > begin) {
            j -= LINE_VALUES;
            put_line_across(a, line_at(a, j), before, here, begin - j, j, WHOLE);
        }
        here = before;
    }
}

/* Of parts of runs the last feature's alone, which stands so much further on than it would in a row of these parts. */
BN_INLINE void pass_tails(const bn_coefficients *c, elements a, strides s, size_t rows)
{
    const size_t from = c->columns, end = from + c->tail, further = (end - 1) * (c->pitch - c->run);
    for (size_t r = 0; r < rows; r++) {
        const elements row = moved_to(a, s, r, further);
        if (c->factor_a_value)
            pass_values_down(c, row, from * c->run, end * c->run);
        else
            pass_runs_down(c, row, from, end);
    }
}

/* Each way has loops of its own: one that has to step over its fetching took up to 1.4 times as long, depending on
 * where it came to lie in the lines of code (Zen 3). Pages are fetched only for what passes the cache by; rows that
 * exceed a strip, in cache or in place, want no fetching. */
BN_INLINE void pass(const bn_coefficients *c, elements a, strides s, size_t rows)
{
    const bool far = c->distance >= BN_FAR;

    if (c->tail > 0) pass_tails(c, a, s, rows);
    if (c->extreme) {
        pass_extreme(c, a, s, rows);
    } else if (c->stream) {
        if (HAS_PAGES && c->distance == BN_PAGES)
            pass_how(c, a, s, rows, true, true, STREAM);
        else if (HAS_PAGES && far && c->factor_a_value && c->into == BN_INTO_FIRST)
            pass_table(c, a, s, rows, FIRST, false, STREAM);
        else if (far)
            pass_how(c, a, s, rows, true, false, STREAM);
        else
            pass_how(c, a, s, rows, false, false, STREAM);
    } else if (c->factor_a_value && exceeds_strip(c)) {
        pass_table(c, a, s, rows, NOWHERE, false, ROWS);
    } else if (far) {
        pass_how(c, a, s, rows, true, false, WHOLE);
    } else {
        pass_how(c, a, s, rows, false, false, WHOLE);
    }
}

static void normalise(const bn_coefficients *c, const void *x, size_t x_stride, void *y, size_t y_stride, size_t rows)
{
    pass(c, (elements){x, x, y, false}, (strides){x_stride, x_stride, y_stride}, rows);
}

static void input_gradient(const bn_coefficients *c, const void *x, size_t x_stride, const void *dy, size_t dy_stride,
                           void *dx, size_t dx_stride, size_t rows)
{
    pass(c, (elements){x, dy, dx, true}, (strides){x_stride, dy_stride, dx_stride}, rows);
}

static void fence(void) { bn_stream_fence(); }
