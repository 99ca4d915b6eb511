/* Fuzz target: one call, on arguments made from the bytes; see scene.c. Held against
 *
 * - the status that must come, expected.c, and that an error neither reads nor writes any array;
 * - the reference, with the bounds of support/bounds.c, in every column that the accuracy table speaks of;
 * - the bits of the same call on dense arrays of their own, in every column;
 * - that nothing but elements of outputs is written, and, with AddressSanitizer, nothing but the arrays of the call
 * read.
 *
 * A call may also be made by a layer, or in parts that end anywhere. */
#include "../support/allocation.h"
#include "../support/bounds.h"
#include "../support/check.h"
#include "expected.h"

#include <float.h>
#include <math.h>
#include <sanitizer/asan_interface.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- by a layer ---- */

static void need(bnorm_status status, const char *what)
{
    CHECK(status == BNORM_OK, "%s: %s", what, bnorm_status_string(status));
}

static unsigned char elsewhere[ARENA]; /* y of the forward before a backward */

/* Of the layer, where the call has such an array. */
static void put_in(const struct scene *s, enum array_name name, void *of_layer)
{
    const struct array *const a = &s->problem.arrays[name];
    if (call_uses(s->operation, name) && pointer_of(&s->problem.buffers, name))
        memcpy(of_layer, a->elements, a->columns * a->size);
}

static void take_out(const struct scene *s, enum array_name name, const void *of_layer)
{
    const struct array *const a = &s->problem.arrays[name];
    if (call_writes(s->operation, name) && pointer_of(&s->problem.buffers, name))
        memcpy(a->elements, of_layer, a->columns * a->size);
}

static bnorm_status call_by_layer(const struct scene *s)
{
    const struct problem *const p = &s->problem;
    const bnorm_buffers *const b = &p->buffers;
    bnorm_layer *l = NULL;
    bnorm_status status = bnorm_layer_create(&l, &p->desc);
    if (status != BNORM_OK) return status;
    put_in(s, GAMMA, bnorm_layer_gamma(l));
    put_in(s, BETA, bnorm_layer_beta(l));
    put_in(s, RUNNING_MEAN, bnorm_layer_running_mean(l));
    put_in(s, RUNNING_VAR, bnorm_layer_running_var(l));
    if (s->operation == BACKWARD) {
        CHECK(bnorm_layer_backward(l, b->x, b->dy, b->dx) == BNORM_NULL, "backward before any forward");
        need(bnorm_layer_forward(l, p->desc.batch, b->x, elsewhere, true), "the forward before");
        status = bnorm_layer_backward(l, b->x, b->dy, b->dx);
    } else {
        status = bnorm_layer_forward(l, p->desc.batch, b->x, b->y, s->operation == TRAINING);
    }
    take_out(s, RUNNING_MEAN, bnorm_layer_running_mean(l));
    take_out(s, RUNNING_VAR, bnorm_layer_running_var(l));
    take_out(s, DGAMMA, bnorm_layer_dgamma(l));
    take_out(s, DBETA, bnorm_layer_dbeta(l));
    bnorm_layer_destroy(l);
    return status;
}

/* ---- in parts ---- */

enum { PARTS_MOST = 6 };

struct cuts {
    size_t count, ends[PARTS_MOST];
    bool whole_blocks;
};

static struct cuts cut(const bnorm_desc *d, struct bytes *b)
{
    struct cuts c = {.count = 1 + choose(b, PARTS_MOST), .whole_blocks = true};
    size_t block = 1, from = 0;
    need(bnorm_block_rows(d, &block), "block rows");
    for (size_t i = 0; i + 1 < c.count; i++) {
        from += choose(b, (unsigned)(d->batch - from < 255 ? d->batch - from + 1 : 256));
        c.ends[i] = from;
        if (from % block != 0 && from != d->batch) c.whole_blocks = false;
    }
    c.ends[c.count - 1] = d->batch;
    return c;
}

/* An array from entry number `entry` on. */
static unsigned char *from_entry(const struct scene *s, enum array_name name, size_t entry)
{
    const struct array *const a = &s->problem.arrays[name];
    if (!pointer_of(&s->problem.buffers, name)) return NULL;
    return a->elements + entry * (s->problem.desc.spatial / a->run) * a->stride * a->size;
}

/* Sums of entries [from, to) after those of m: there, or elsewhere and merged, by way of plain bytes or not. */
static void add_moments(const struct scene *s, bnorm_moments *m, size_t from, size_t to, unsigned how)
{
    const void *const x = from_entry(s, X, from);
    if (how % 3 == 0) {
        need(bnorm_moments_accumulate(m, to - from, x), "accumulate");
        return;
    }
    bnorm_moments *next = NULL, *sent = NULL;
    size_t size = 0;
    need(bnorm_moments_create(&next, &s->problem.desc, bnorm_moments_next_block(m)), "create");
    need(bnorm_moments_accumulate(next, to - from, x), "accumulate");
    if (how % 3 == 2) {
        need(bnorm_moments_serialise(next, NULL, &size), "size");
        char *const bytes = malloc(size);
        need(bnorm_moments_serialise(next, bytes, &size), "serialise");
        need(bnorm_moments_create(&sent, &s->problem.desc, 0), "create");
        need(bnorm_moments_deserialise(sent, bytes, size), "deserialise");
        free(bytes);
    }
    need(bnorm_moments_merge(m, sent ? sent : next), "merge");
    bnorm_moments_destroy(next);
    bnorm_moments_destroy(sent);
}

static void add_gradients(const struct scene *s, bnorm_gradient_sums *g, size_t from, size_t to, unsigned how)
{
    const void *const x = from_entry(s, X, from), *const dy = from_entry(s, DY, from);
    const double *const mean = s->problem.buffers.mean;
    if (how % 2 == 0) {
        need(bnorm_gradient_sums_accumulate(g, to - from, x, dy, mean), "accumulate");
        return;
    }
    bnorm_gradient_sums *next = NULL;
    need(bnorm_gradient_sums_create(&next, &s->problem.desc, bnorm_gradient_sums_next_block(g)), "create");
    need(bnorm_gradient_sums_accumulate(next, to - from, x, dy, mean), "accumulate");
    need(bnorm_gradient_sums_merge(g, next), "merge");
    bnorm_gradient_sums_destroy(next);
}

/* The pointers of a part; the description with its batch. */
static bnorm_buffers part_of(const struct scene *s, size_t from, size_t to, bnorm_desc *d)
{
    bnorm_buffers b = s->problem.buffers;
    *d = s->problem.desc;
    d->batch = to - from;
    b.x = from_entry(s, X, from);
    b.y = s->operation == BACKWARD ? NULL : from_entry(s, Y, from);
    b.dy = from_entry(s, DY, from);
    b.dx = from_entry(s, DX, from);
    return b;
}

static void train_in_parts(const struct scene *s, const struct cuts *c, struct bytes *bytes)
{
    const bnorm_buffers *const b = &s->problem.buffers;
    bnorm_moments *m = NULL;
    bnorm_desc d;
    need(bnorm_moments_create(&m, &s->problem.desc, 0), "create");
    for (size_t i = 0, from = 0; i < c->count; from = c->ends[i++]) add_moments(s, m, from, c->ends[i], take(bytes));
    CHECK(bnorm_moments_count(m) == s->problem.count, "%zu values", bnorm_moments_count(m));
    need(bnorm_moments_finish(m, b->mean, b->invstd), "finish");
    if (b->running_mean) need(bnorm_moments_commit(m, b->running_mean, b->running_var), "commit");
    bnorm_moments_destroy(m);
    for (size_t i = 0, from = 0; i < c->count; from = c->ends[i++]) {
        const bnorm_buffers part = part_of(s, from, c->ends[i], &d);
        need(bnorm_check_training_part(&d, &part), "a part");
        need(bnorm_normalise(&d, &part), "normalise");
    }
}

static void backward_in_parts(const struct scene *s, const struct cuts *c, struct bytes *bytes)
{
    const bnorm_buffers *const b = &s->problem.buffers;
    bnorm_gradient_sums *g = NULL;
    bnorm_desc d;
    need(bnorm_gradient_sums_create(&g, &s->problem.desc, 0), "create");
    for (size_t i = 0, from = 0; i < c->count; from = c->ends[i++]) add_gradients(s, g, from, c->ends[i], take(bytes));
    need(bnorm_gradient_sums_finish(g, b->invstd, b->dgamma, b->dbeta), "finish");
    for (size_t i = 0, from = 0; b->dx && i < c->count; from = c->ends[i++]) {
        const bnorm_buffers part = part_of(s, from, c->ends[i], &d);
        need(bnorm_check_backward_part(&d, &part), "a part");
        need(bnorm_input_gradient(&d, &part, g), "input gradient");
    }
    bnorm_gradient_sums_destroy(g);
}

static bnorm_status call_in_parts(const struct scene *s, const struct cuts *c)
{
    struct bytes bytes = s->rest;
    if (s->operation == TRAINING)
        train_in_parts(s, c, &bytes);
    else
        backward_in_parts(s, c, &bytes);
    return BNORM_OK;
}

/* ---- which columns the accuracy table speaks of ---- */

/* What a column's values come to. */
struct extent {
    double most, mean, std; /* most: of abs(x) */
    bool finite, constant;
};

static bool within(double a, double least, double most) { return a == 0 || (fabs(a) >= least && fabs(a) <= most); }

static struct extent extent_of(const struct array *a, size_t c)
{
    struct extent e = {.finite = true, .constant = true};
    double variance = 0;
    for (size_t m = 0; m < a->rows; m++) {
        const double x = array_get_saved(a, m, c);
        e.most = fmax(e.most, fabs(x));
        e.mean += x / (double)a->rows;
        e.finite &= isfinite(x);
        e.constant &= x == array_get_saved(a, 0, c);
    }
    for (size_t m = 0; m < a->rows; m++) {
        const double away = (array_get_saved(a, m, c) - e.mean) / e.most;
        variance += away * away / (double)a->rows;
    }
    e.std = sqrt(variance) * e.most;
    return e;
}

/* "Magnitudes from 1e-30 to 1e30 (f64: 2^-500 to 2^500) neither overflow nor flush", and results are to fit float's, or
 * double's, range with room for intermediate products. */
static double least(const struct problem *p) { return p->desc.dtype == BNORM_F64 ? 0x1p-500 : 1e-30; }
static double most(const struct problem *p) { return p->desc.dtype == BNORM_F64 ? 0x1p500 : 1e30; }
static double most_result(const struct problem *p) { return p->desc.dtype == BNORM_F64 ? 0x1p1000 : 0x1p120; }

static bool parameter_in_range(const struct problem *p, enum array_name name, size_t c)
{
    const void *const given = pointer_of(&p->buffers, name);
    return !given || within(array_get_saved(&p->arrays[name], 0, c), least(p), most(p));
}

static double value_or(const struct problem *p, enum array_name name, size_t c, double otherwise)
{
    return pointer_of(&p->buffers, name) ? fabs(array_get_saved(&p->arrays[name], 0, c)) : otherwise;
}

static bool values_in_range(const struct problem *p, const struct extent *e)
{
    return e->finite && within(e->most, least(p), most(p));
}

static bool y_in_range(const struct problem *p, size_t c, double farthest, double invstd)
{
    const double y = value_or(p, GAMMA, c, 1) * invstd * farthest + value_or(p, BETA, c, 0);
    return parameter_in_range(p, GAMMA, c) && parameter_in_range(p, BETA, c) && y <= most_result(p);
}

static double invstd_of(const struct problem *p, const struct extent *e)
{
    const double variance = (e->constant ? 0 : e->std * e->std) + p->desc.eps;
    return variance > 0 ? 1 / sqrt(variance) : 0;
}

static bool training_in_range(const struct problem *p, size_t c)
{
    const struct extent e = extent_of(&p->arrays[X], c);
    if (!values_in_range(p, &e)) return false;
    if (!e.constant && (e.std < least(p) * 1e-6 || fabs(e.mean) > 0.99e6 * e.std)) return false;
    if (!parameter_in_range(p, RUNNING_MEAN, c) || !parameter_in_range(p, RUNNING_VAR, c)) return false;
    const double invstd = invstd_of(p, &e);
    if (e.constant && fabs(e.mean) * invstd > 1e6) return false; /* check_constant_column has it */
    return y_in_range(p, c, 2 * e.most, invstd);
}

static bool inference_in_range(const struct problem *p, size_t c)
{
    const struct extent e = extent_of(&p->arrays[X], c);
    const double mean = array_get_saved(&p->arrays[RUNNING_MEAN], 0, c);
    const double variance = array_get_saved(&p->arrays[RUNNING_VAR], 0, c);
    if (!values_in_range(p, &e) || !within(mean, least(p), most(p)) || !(variance >= 0 && variance <= most(p)))
        return false;
    const double sum = variance + p->desc.eps;
    return y_in_range(p, c, e.most + fabs(mean), sum > 0 ? 1 / sqrt(sum) : 0);
}

/* The products dy (x - mean) that are summed must not be lost below double's least, either; times invstd^2, as x - mean
 * is multiplied by, they have room where the statistics are those of x. Here they need not be. */
static bool products_in_range(const struct problem *p, size_t c, double mean, double invstd)
{
    double product = 0;
    for (size_t m = 0; m < p->count; m++) {
        const double away = array_get_saved(&p->arrays[X], m, c) - mean;
        product = fmax(product, fabs(array_get_saved(&p->arrays[DY], m, c) * away));
    }
    return within(product, 0x1p-900, 0x1p1000) && product * invstd * invstd <= 0x1p1000;
}

static bool backward_in_range(const struct problem *p, size_t c)
{
    const struct extent x = extent_of(&p->arrays[X], c), dy = extent_of(&p->arrays[DY], c);
    const double mean = array_get_saved(&p->arrays[MEAN], 0, c), invstd = array_get_saved(&p->arrays[INVSTD], 0, c);
    if (!values_in_range(p, &x) || !values_in_range(p, &dy) || !parameter_in_range(p, GAMMA, c)) return false;
    if (!within(mean, least(p), most(p)) || !(invstd == 0 || (invstd >= least(p) && invstd <= most(p)))) return false;
    if (!products_in_range(p, c, mean, invstd)) return false;
    const double xhat = (x.most + fabs(mean)) * invstd, terms = (double)p->count * dy.most * (2 + xhat * xhat);
    return terms <= most_result(p) && value_or(p, GAMMA, c, 1) * invstd * terms <= most_result(p);
}

static bool in_range(const struct scene *s, size_t c)
{
    if (s->operation == TRAINING) return training_in_range(&s->problem, c);
    if (s->operation == INFERENCE) return inference_in_range(&s->problem, c);
    return backward_in_range(&s->problem, c);
}

/* ---- what came of it ---- */

static void check_reference(const struct scene *s)
{
    static struct worst worst;
    for (size_t c = 0; s->problem.count > 0 && c < s->problem.desc.features; c++)
        if (in_range(s, c)) check_column(&s->problem, s->operation, c, &worst);
}

static bool same_element(const struct array *a, const struct array *b, size_t row, size_t column)
{
    const double left = array_get(a, row, column), right = array_get(b, row, column);
    return (isnan(left) && isnan(right)) || (left == right && !signbit(left) == !signbit(right));
}

static void check_same_as_twin(const struct scene *s, const struct problem *twin)
{
    for (int i = 0; i < WORKSPACE; i++) {
        const struct array *const a = &s->problem.arrays[i], *const b = &twin->arrays[i];
        if (!call_writes(s->operation, (enum array_name)i)) continue;
        if (!pointer_of(&s->problem.buffers, (enum array_name)i)) continue;
        size_t different = 0;
        for (size_t m = 0; m < a->rows; m++)
            for (size_t c = 0; c < a->columns; c++) different += !same_element(a, b, m, c);
        CHECK(different == 0, "%zu elements of array %d are not those of dense arrays", different, i);
    }
}

/* Whatever the magnitude: a NaN or an infinity makes all of its column NaN, and a constant column is exactly beta. */
static void check_special_column(const struct problem *p, size_t c)
{
    const struct extent e = extent_of(&p->arrays[X], c);
    const double beta = p->buffers.beta ? array_get_saved(&p->arrays[BETA], 0, c) : 0;
    const double factor = value_or(p, GAMMA, c, 1) * invstd_of(p, &e);
    for (size_t m = 0; !e.finite && m < p->count; m++)
        CHECK(isnan(array_get(&p->arrays[Y], m, c)), "y[%zu][%zu] of a column with NaN or infinity", m, c);
    for (size_t m = 0; e.finite && e.constant && factor <= DBL_MAX && isfinite(beta) && m < p->count; m++)
        CHECK(array_get(&p->arrays[Y], m, c) == type_round(p->desc.dtype, beta), "y[%zu][%zu] of a constant column", m,
              c);
}

static void check_special_columns(const struct scene *s)
{
    if (s->operation != TRAINING || s->problem.count == 0) return;
    for (size_t c = 0; c < s->problem.desc.features; c++) check_special_column(&s->problem, c);
}

static void check_written(const struct scene *s, bool any)
{
    const unsigned char *const before = scene_saved(), *const after = scene_arena();
    if (!any) {
        CHECK(memcmp(before, after, s->used) == 0, "something was written");
        return;
    }
    size_t beside = 0;
    for (size_t i = 0; i < s->used; i++) beside += before[i] != after[i] && !may_be_written(i);
    CHECK(beside == 0, "%zu bytes that are no element of an output were written", beside);
}

/* ---- the call ---- */

/* What the call does not use, or all of it, must not be touched. */
static void forbid(const struct scene *s, bool all)
{
    ASAN_POISON_MEMORY_REGION(scene_arena(), s->used + MARGIN);
    for (int i = 0; !all && i < ARRAYS; i++) {
        const struct array *const a = &s->problem.arrays[i];
        if (a->rows == 0 || !call_uses(s->operation, (enum array_name)i)) continue;
        if (!pointer_of(&s->problem.buffers, (enum array_name)i)) continue;
        const size_t groups = a->rows / a->run - 1;
        ASAN_UNPOISON_MEMORY_REGION(a->elements, (groups * a->stride + a->columns * a->run) * a->size);
    }
}

static void allow(const struct scene *s) { ASAN_UNPOISON_MEMORY_REGION(scene_arena(), s->used + MARGIN); }

static bnorm_status make_call(const struct scene *s, const struct cuts *cuts)
{
    if (s->way == LAYER) return call_by_layer(s);
    if (s->way == PARTS) return call_in_parts(s, cuts);
    if (s->allocations_fail) allocation_fail_from(1);
    const bnorm_status status = call(s->operation, &s->asked, &s->problem.buffers);
    if (s->allocations_fail) allocation_fail_from(0);
    return status;
}

/* A layer has statistics and parameters of its own; backward belongs to a forward of it. Parts know no inference, and
 * want mean and invstd. What cannot be made so is called plainly. */
static void settle_the_way(struct scene *s, bnorm_status expected)
{
    struct problem *const p = &s->problem;
    if (expected != BNORM_OK || s->moved || s->faulty || s->allocations_fail) s->way = PLAIN;
    if (s->way == LAYER && s->operation == BACKWARD && p->count < 2) s->way = PLAIN;
    if (s->way == PARTS && (s->operation == INFERENCE || !p->buffers.mean || p->count == 0)) s->way = PLAIN;
    if (s->way == LAYER && s->operation == TRAINING) p->buffers.mean = p->buffers.invstd = NULL;
    if (s->way != LAYER || s->operation != BACKWARD) return;
    const bnorm_buffers b = {.x = p->buffers.x, .y = elsewhere, .mean = p->buffers.mean, .invstd = p->buffers.invstd};
    need(bnorm_forward_training(&p->desc, &b), "the statistics that a layer saves");
}

/* A fault that is no error is no fault: what asks for more than the arrays hold cannot be called. */
static bnorm_status expect(struct scene *s)
{
    bnorm_status status = expected_before_arrays(s);
    if (status != BNORM_OK) return status;
    s->asked = s->problem.desc;
    status = expected_before_arrays(s);
    return status == BNORM_OK ? expected_of_arrays(s) : status;
}

static const uint8_t *input;
static size_t input_size;
static struct scene current;

static void one_call(void)
{
    struct scene s = scene_make(input, input_size);
    const bnorm_status expected = expect(&s);
    settle_the_way(&s, expected);
    const struct cuts cuts = s.way == PARTS ? cut(&s.problem.desc, &s.rest) : (struct cuts){.whole_blocks = true};
    current = s;
    scene_save(&s);
    const struct problem twin = scene_twin(&s);

    forbid(&s, expected != BNORM_OK);
    const bnorm_status status = make_call(&s, &cuts);
    allow(&s);

    const bool refused = s.allocations_fail && status == BNORM_NO_MEMORY && expected == BNORM_OK;
    if (refused)
        CHECK(!s.problem.buffers.workspace, "no memory is wanted beside a workspace");
    else
        CHECK(status == expected, "%s; it should be %s", bnorm_status_string(status), bnorm_status_string(expected));
    check_written(&s, status == BNORM_OK && expected == BNORM_OK);
    if (status != BNORM_OK || expected != BNORM_OK) return;
    if (!s.large) check_reference(&s);
    if (!s.large) check_special_columns(&s);
    if (!cuts.whole_blocks) return;
    need(call(s.operation, &twin.desc, &twin.buffers), "the twin");
    check_same_as_twin(&s, &twin);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct test_case test = {.suite = "fuzz", .name = "calls", .body = one_call};
    input = data;
    input_size = size;
    if (case_run(&test) == 0) return 0;
    scene_print(&current);
    abort();
}
