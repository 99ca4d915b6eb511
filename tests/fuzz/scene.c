#include "scene.h"

#include "../support/random.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Alignas(64) unsigned char arena[ARENA], saved[ARENA], twin_arena[ARENA];

unsigned char *scene_arena(void) { return arena; }
unsigned char *scene_saved(void) { return saved; }
void scene_save(const struct scene *s) { memcpy(saved, arena, s->used); }

/* ---- what the calls use ---- */

enum { T = 1 << TRAINING, I = 1 << INFERENCE, B = 1 << BACKWARD };
static const unsigned written_by[ARRAYS] = {
    [Y] = T | I, [MEAN] = T,   [INVSTD] = T, [RUNNING_MEAN] = T,     [RUNNING_VAR] = T,
    [DX] = B,    [DGAMMA] = B, [DBETA] = B,  [WORKSPACE] = T | I | B};
static const unsigned read_by[ARRAYS] = {
    [X] = T | I | B,       [GAMMA] = T | I | B, [BETA] = T | I, [RUNNING_MEAN] = T | I,
    [RUNNING_VAR] = T | I, [MEAN] = B,          [INVSTD] = B,   [DY] = B};

bool call_writes(enum operation operation, enum array_name name) { return written_by[name] >> operation & 1; }
bool call_uses(enum operation operation, enum array_name name)
{
    return (written_by[name] | read_by[name]) >> operation & 1;
}

static const void **place_of(bnorm_buffers *b, enum array_name name)
{
    const void **const places[ARRAYS] = {[X] = &b->x,
                                         [DY] = &b->dy,
                                         [GAMMA] = &b->gamma,
                                         [BETA] = &b->beta,
                                         [Y] = (const void **)&b->y,
                                         [DX] = (const void **)&b->dx,
                                         [DGAMMA] = (const void **)&b->dgamma,
                                         [DBETA] = (const void **)&b->dbeta,
                                         [RUNNING_MEAN] = (const void **)&b->running_mean,
                                         [RUNNING_VAR] = (const void **)&b->running_var,
                                         [MEAN] = (const void **)&b->mean,
                                         [INVSTD] = (const void **)&b->invstd,
                                         [WORKSPACE] = (const void **)&b->workspace};
    return places[name];
}

const void *pointer_of(const bnorm_buffers *b, enum array_name name) { return *place_of((bnorm_buffers *)b, name); }

/* ---- the description ---- */

/* What is large is rare whatever the bytes are: a fuzzer that has found a large one would try nothing else. */
static bool one_in(uint64_t hash, unsigned n) { return hash % n == 0; }

static uint64_t hash_of(const uint8_t *data, size_t size)
{
    uint64_t hash = size;
    for (size_t i = 0; i < size; i++) hash = random_bits(hash, data[i]);
    return hash;
}

struct shape {
    size_t batch, features, spatial;
};

static struct shape shape_of(struct bytes *b, uint64_t hash, bool *large)
{
    static const uint8_t few[] = {2, 3, 1, 4, 5, 7, 8, 9, 2, 3, 0, 11}, features[] = {1, 2, 3, 4, 5, 7, 8, 9, 16, 17};
    static const struct shape many[] = {{300, 1, 1}, {65, 3, 1}, {20, 20, 1},  {2, 64, 1},  {3, 70, 1},
                                        {129, 3, 1}, {9, 2, 17}, {3, 3, 65},   {2, 16, 16}, {5, 1, 130},
                                        {1, 2, 300}, {1, 40, 9}, {1100, 1, 1}, {2, 129, 1}, {1, 1, 3100},
                                        {4, 5, 49},  {70, 2, 4}, {2, 1, 513},  {1, 257, 2}, {33, 7, 3}};
    static const struct shape large_ones[] = {{3000, 31, 1}, {100, 30, 31}, {1, 30, 3100}, {20, 4500, 1},
                                              {700, 130, 1}, {90000, 1, 1}, {4, 6, 4000},  {1500, 3, 20}};
    struct shape s = {PICK(b, few), PICK(b, features), 1};
    if (now_and_then(b, 3)) s.spatial = PICK(b, few);
    const unsigned which = take(b);
    *large = one_in(hash, 4096);
    if (*large) return large_ones[which % (sizeof large_ones / sizeof *large_ones)];
    if (one_in(hash, 24)) return many[which % (sizeof many / sizeof *many)];
    if (s.batch * s.spatial * s.features > 100) s.features = 1 + s.features % 3;
    return s;
}

static size_t stride_of(struct bytes *b, size_t dense, bool large)
{
    static const uint8_t extra[] = {0, 1, 0, 3, 8, 0};
    const unsigned how = choose(b, 8);
    if (how < 4) return 0;
    if (large) return dense + how % 2;
    return (how == 7 ? 3 : how == 6 ? 2 : 1) * dense + PICK(b, extra);
}

static bnorm_desc desc_of(struct bytes *b, uint64_t hash, bool *large)
{
    static const double epsilons[] = {1e-5, 0, 1e-3, 1, 1e-12, 1e-300, 1e30, 0x1p-1074};
    static const double rates[] = {0.1, 0, 1, 0.5, 1e-300, 1 - 0x1p-53, 0.9};
    const bnorm_dtype type = PICK(b, all_types);
    const bnorm_layout layout = PICK(b, all_layouts);
    const struct shape s = shape_of(b, hash, large);
    bnorm_desc d = bnorm_image(type, layout, s.batch, s.features, s.spatial);
    d.eps = PICK(b, epsilons);
    d.update_rate = PICK(b, rates);
    const unsigned flags = take(b);
    d.biased_running_var = flags & 1;
    d.threads = (int)(flags >> 1 & 7) + *large;
    if (flags >> 4 & 1) d.negative_slope = NAN;
    d.x_stride = stride_of(b, dense_stride(&d), *large);
    d.y_stride = d.x_stride;
    if (now_and_then(b, 4)) d.y_stride = stride_of(b, dense_stride(&d), *large);
    if (now_and_then(b, 4)) d.dx_stride = stride_of(b, dense_stride(&d), *large);
    if (now_and_then(b, 4)) d.dy_stride = stride_of(b, dense_stride(&d), *large);
    return d;
}

/* ---- where the arrays lie ---- */

static size_t bytes_of(const struct array *a)
{
    return a->rows ? ((a->rows / a->run - 1) * a->stride + a->columns * a->run) * a->size : 0;
}

static struct array view(bnorm_dtype type, size_t rows, size_t columns, size_t run, size_t stride)
{
    return (struct array){
        .type = type, .size = type_size(type), .rows = rows, .columns = columns, .run = run, .stride = stride};
}

static void shape_arrays(struct problem *p)
{
    const bnorm_desc *const d = &p->desc;
    const bnorm_dtype parameter = parameter_type(d->dtype);
    const size_t run = d->layout == BNORM_CHANNELS_FIRST && d->spatial ? d->spatial : 1, dense = dense_stride(d);
    const size_t x = d->x_stride ? d->x_stride : dense, y = d->y_stride ? d->y_stride : dense;
    p->arrays[X] = view(d->dtype, p->count, d->features, run, x);
    p->arrays[Y] = view(d->dtype, p->count, d->features, run, y);
    p->arrays[DX] = view(d->dtype, p->count, d->features, run, d->dx_stride ? d->dx_stride : x);
    p->arrays[DY] = view(d->dtype, p->count, d->features, run, d->dy_stride ? d->dy_stride : y);
    static const enum array_name parameters[] = {GAMMA, BETA, DGAMMA, DBETA, RUNNING_MEAN, RUNNING_VAR};
    for (size_t i = 0; i < sizeof parameters / sizeof *parameters; i++)
        p->arrays[parameters[i]] = view(parameter, 1, d->features, 1, d->features);
    p->arrays[MEAN] = p->arrays[INVSTD] = view(BNORM_F64, 1, d->features, 1, d->features);
}

static struct problem problem_of(const bnorm_desc *d)
{
    struct problem p = {.desc = *d, .count = d->batch * d->spatial, .y = Y, .dx = DX};
    shape_arrays(&p);
    return p;
}

/* One array at `at`, or behind it where its elements want it. */
static size_t lay(struct array *a, unsigned char *memory, unsigned char *copy, size_t at)
{
    at = (at + a->size - 1) / a->size * a->size;
    a->block = memory;
    a->saved = copy;
    a->elements = memory + at;
    return at + bytes_of(a);
}

/* An array of the call over another, or beside its rows: first on first, one off, first on last. */
static void move_one(struct scene *s, struct bytes *b)
{
    static const signed char signs[] = {0, 1, -1};
    struct array *const arrays = s->problem.arrays;
    struct array *const a = &arrays[choose(b, ARRAYS)], *const over = &arrays[choose(b, ARRAYS)];
    const size_t width = over->columns * over->run;
    const size_t steps[] = {0, 1, width, width * over->size / a->size, over->stride, bytes_of(over) / a->size - 1};
    const ptrdiff_t by = PICK(b, signs) * (ptrdiff_t)(PICK(b, steps) * a->size);
    ptrdiff_t at = over->elements - arena + by;
    if (a->rows == 0 || over->rows == 0 || at < MARGIN || at + bytes_of(a) > ARENA - MARGIN) return;
    const size_t end = lay(a, arena, saved, (size_t)at) + MARGIN;
    if (end > s->used) s->used = end;
    s->moved = true;
}

static void give_workspace(struct scene *s, struct bytes *b)
{
    static const signed char more[] = {0, 0, 1, 63, -1};
    struct array *const a = &s->problem.arrays[WORKSPACE];
    size_t bytes = 0;
    if (bnorm_workspace_size(&s->problem.desc, &bytes) != BNORM_OK) abort();
    bytes += (size_t)(ptrdiff_t)PICK(b, more);
    if (now_and_then(b, 32)) bytes = choose(b, 8);
    *a = (struct array){.size = 1, .rows = 1, .columns = bytes, .run = 1, .stride = bytes};
}

static void lay_arrays(struct scene *s, struct bytes *b)
{
    struct problem *const p = &s->problem;
    give_workspace(s, b);
    size_t at = MARGIN;
    for (int i = 0; i < ARRAYS; i++) {
        const size_t shift = (take(b) & 15) * p->arrays[i].size;
        at = lay(&p->arrays[i], arena, saved, at + shift) + MARGIN;
    }
    s->used = at;
    const unsigned how = choose(b, 4);
    if (how == 0) p->arrays[Y].elements = p->arrays[X].elements;
    if (how == 1) p->arrays[DX].elements = p->arrays[DY].elements;
    for (unsigned moves = how == 3 ? choose(b, 3) : 0; moves > 0; moves--) move_one(s, b);
    s->used = s->used < at ? at : s->used;
    for (int i = 0; i < ARRAYS; i++) {
        p->arrays[i].bytes = s->used;
        *place_of(&p->buffers, (enum array_name)i) = p->arrays[i].elements;
    }
    p->buffers.workspace_size = p->arrays[WORKSPACE].columns;
    memset(arena, 0xff, s->used);
}

/* ---- what is in them ---- */

static double scale_of(struct bytes *b, bnorm_dtype type)
{
    static const short exponents[TYPES][6] = {[BNORM_F32] = {0, 3, -20, 40, -90, 96},
                                              [BNORM_BF16] = {0, 3, -20, 40, -90, 96},
                                              [BNORM_F16] = {0, 2, -4, -10, 5, -20},
                                              [BNORM_F64] = {0, 20, -60, 200, -480, 480}};
    const double fraction = take(b) / 256.0;
    return ldexp(1 + fraction, PICK(b, exponents[type]));
}

static void put_special(struct scene *s, struct bytes *b)
{
    static const double values[] = {NAN,   INFINITY, -INFINITY, -0.0,    0,         1e30,      -1e-30,
                                    1,     -1.5,     0x1p-149,  0x1p-24, -0x1p-133, 0x1p-1074, 1e6,
                                    65504, -FLT_MAX, 1e38,      DBL_MAX, 0x1p500,   -0x1p-500};
    static const enum array_name inputs[] = {X, X, DY, GAMMA, BETA, RUNNING_MEAN, RUNNING_VAR, MEAN, INVSTD};
    struct array *const a = &s->problem.arrays[PICK(b, inputs)];
    const size_t row = take(b), column = take(b);
    const double value = PICK(b, values);
    if (a->rows > 0) array_put(a, row % a->rows, column % a->columns, value);
}

static void fill(struct scene *s, struct bytes *b)
{
    const bnorm_dtype type = s->problem.desc.dtype;
    struct input input = {.pattern = (enum pattern)choose(b, PATTERNS)};
    const unsigned ratio = take(b);
    input.ratio = (int)(ratio % RATIOS);
    input.one_ratio = ratio & 128;
    input.scale = scale_of(b, type);
    input.dy_scale = scale_of(b, type);
    problem_fill(&s->problem, &input);
    problem_fill_saved_statistics(&s->problem);
    for (unsigned specials = choose(b, 4); specials > 0; specials--) put_special(s, b);
}

/* ---- what is wrong ---- */

static void break_desc(bnorm_desc *d, struct bytes *b)
{
    static const double bad_eps[] = {-1e-300, NAN, INFINITY, -1},
                        bad_rates[] = {-0x1p-1074, 1 + 0x1p-52, NAN, INFINITY};
    static const size_t sizes[] = {SIZE_MAX,        PTRDIFF_MAX,     SIZE_MAX / 2 + 1,
                                   PTRDIFF_MAX / 2, (size_t)1 << 60, (size_t)1 << 32};
    size_t *const strides[] = {&d->x_stride,  &d->y_stride,        &d->dx_stride,
                               &d->dy_stride, &d->residual_stride, &d->dresidual_stride};
    switch (choose(b, 13)) {
    case 0: d->abi = take(b); break;
    case 1: d->dtype = (bnorm_dtype)(choose(b, 9) - 4); break;
    case 2: d->layout = (bnorm_layout)(choose(b, 5) - 2); break;
    case 3: d->activation = (bnorm_activation)(choose(b, 6) - 2); break;
    case 4: d->features = 0; break;
    case 5: d->batch = PICK(b, sizes); break;
    case 6: d->features = PICK(b, sizes); break;
    case 7: d->spatial = PICK(b, sizes); break;
    case 8: *PICK(b, strides) = PICK(b, sizes); break;
    case 9: *PICK(b, strides) = choose(b, 16); break;
    case 10: d->eps = PICK(b, bad_eps); break;
    case 11: d->update_rate = PICK(b, bad_rates); break;
    default: d->threads = -1 - (int)take(b); break;
    }
}

static void take_away(struct scene *s, struct bytes *b)
{
    bnorm_buffers *const buffers = &s->problem.buffers;
    const unsigned optional = take(b);
    if (optional & 1) buffers->gamma = NULL;
    if (optional & 2) buffers->beta = NULL;
    if (optional & 4 && s->operation == TRAINING) buffers->mean = buffers->invstd = NULL;
    if (optional & 8 && s->operation == TRAINING) buffers->running_mean = buffers->running_var = NULL;
    if (optional & 16) buffers->dgamma = NULL;
    if (optional & 32) buffers->dbeta = NULL;
    if (optional & 64) buffers->dx = NULL;
    if (optional & 128) buffers->workspace = NULL;
    if (s->operation == BACKWARD && !now_and_then(b, 16)) buffers->y = NULL;
}

static void break_something(struct scene *s, struct bytes *b)
{
    for (unsigned faults = now_and_then(b, 4) ? 1 + choose(b, 2) : 0; faults > 0; faults--) {
        s->faulty = true;
        switch (choose(b, 4)) {
        case 0: *place_of(&s->problem.buffers, (enum array_name)choose(b, ARRAYS)) = NULL; break;
        case 1: s->problem.buffers.residual = s->problem.buffers.dresidual = arena; break;
        default: break_desc(&s->asked, b); break;
        }
    }
    s->allocations_fail = now_and_then(b, 16);
}

struct scene scene_make(const uint8_t *data, size_t size)
{
    struct bytes b = {data, data + size};
    struct scene s = {.operation = (enum operation)choose(&b, OPERATIONS), .way = (enum way)choose(&b, WAYS)};
    const bnorm_desc d = desc_of(&b, hash_of(data, size), &s.large);
    s.problem = problem_of(&d);
    s.asked = d;
    lay_arrays(&s, &b);
    fill(&s, &b);
    take_away(&s, &b);
    break_something(&s, &b);
    s.rest = b;
    return s;
}

/* ---- the twin ---- */

struct problem scene_twin(const struct scene *s)
{
    bnorm_desc d = s->problem.desc;
    d.x_stride = d.y_stride = d.dx_stride = d.dy_stride = 0;
    d.threads = 1;
    struct problem p = problem_of(&d);
    size_t at = 0;
    for (int i = 0; i < WORKSPACE; i++) {
        struct array *const to = &p.arrays[i];
        const struct array *const from = &s->problem.arrays[i];
        at = lay(to, twin_arena, NULL, at) + MARGIN;
        *place_of(&p.buffers, (enum array_name)i) = to->elements;
        for (size_t m = 0; m < to->rows; m++)
            for (size_t c = 0; c < to->columns; c++)
                memcpy(to->elements + array_index(to, m, c) * to->size,
                       from->elements + array_index(from, m, c) * from->size, to->size);
    }
    if (!s->problem.buffers.gamma) p.buffers.gamma = NULL;
    if (!s->problem.buffers.beta) p.buffers.beta = NULL;
    if (s->operation == BACKWARD) p.buffers.y = NULL;
    return p;
}

enum { SHOWN = 100 }; /* values of an array, before the call */

void scene_print(const struct scene *s)
{
    static const char *const names[] = {"x",     "dy",           "gamma",       "beta", "y",      "dx",       "dgamma",
                                        "dbeta", "running_mean", "running_var", "mean", "invstd", "workspace"};
    static const char *const ways[] = {"plain", "by a layer", "in parts"};
    const bnorm_desc *const d = &s->asked;
    fprintf(stderr,
            "%s, %s: %s, channels %s, activation %d, %zu x %zu x %zu, strides %zu %zu %zu %zu %zu %zu, eps %g, "
            "rate %g, biased %d, threads %d, workspace %zu bytes%s\n",
            operation_name(s->operation), ways[s->way], type_name(s->problem.desc.dtype),
            layout_name(s->problem.desc.layout), (int)d->activation, d->batch, d->features, d->spatial, d->x_stride,
            d->y_stride, d->dx_stride, d->dy_stride, d->residual_stride, d->dresidual_stride, d->eps, d->update_rate,
            d->biased_running_var, d->threads, s->problem.buffers.workspace_size,
            s->allocations_fail ? ", allocations fail" : "");
    for (int i = 0; i < ARRAYS; i++) {
        const void *const p = pointer_of(&s->problem.buffers, (enum array_name)i);
        if (!p || !call_uses(s->operation, (enum array_name)i)) continue;
        const size_t at = (size_t)((const unsigned char *)p - arena);
        const struct array *const a = &s->problem.arrays[i];
        fprintf(stderr, "    %s, bytes %zu to %zu:", names[i], at, at + bytes_of(a));
        const bool show = i != WORKSPACE && a->rows * a->columns <= SHOWN;
        for (size_t m = 0; show && m < a->rows; m++)
            for (size_t c = 0; c < a->columns; c++) fprintf(stderr, " %.9g", array_get_saved(a, m, c));
        fputc('\n', stderr);
    }
}
