/* oneDNN 2.x by its C interface: f32, and bf16 where it has code for it. */
#include "peer.h"

#include "arrays.h"
#include "timefn.h"

#include <dnnl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef _OPENMP
#include <omp.h>
#else
static void omp_set_num_threads(int threads) { (void)threads; }
#endif

enum { MOST_ARGUMENTS = 10, MOST_PLAIN = 4 };

struct peer {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_desc_t description;
    dnnl_primitive_t primitive;
    dnnl_memory_t memories[MOST_ARGUMENTS];
    dnnl_exec_arg_t arguments[MOST_ARGUMENTS];
    int count, threads;
    float *mean, *variance; /* oneDNN saves the variance, in float, where bnorm saves invstd */
    const work *work;
    dnnl_memory_desc_t plain, data; /* as the work has x, and as this has it */
    bool blocked;                   /* then the three below are its own, otherwise the work's */
    void *x, *dy, *output;
};

bool peer_available(void) { return true; }

/* As many channels as a vector has floats: what oneDNN's convolutions want. */
static bool sixteen_channels(void)
{
    return (dnnl_get_effective_cpu_isa() & dnnl_cpu_isa_avx512_core) == dnnl_cpu_isa_avx512_core;
}

const char *peer_name(peer_form form)
{
    static char texts[PEER_FORMS][64];
    const dnnl_version_t *v = dnnl_version();
    const char *own = form != PEER_BLOCKED ? "" : sixteen_channels() ? " nChw16c" : " nChw8c";
    snprintf(texts[form], sizeof texts[form], "oneDNN %d.%d.%d%s", v->major, v->minor, v->patch, own);
    return texts[form];
}

static void require(dnnl_status_t status, const char *what)
{
    if (status == dnnl_success) return;
    fprintf(stderr, "bnorm-bench: oneDNN: %s failed with status %d\n", what, (int)status);
    exit(1);
}

static void pass(peer *p, int argument, const dnnl_memory_desc_t *desc, void *array)
{
    dnnl_memory_t *memory = &p->memories[p->count];
    require(dnnl_memory_create(memory, desc, p->engine, array), "dnnl_memory_create");
    p->arguments[p->count++] = (dnnl_exec_arg_t){argument, *memory};
}

/* False where oneDNN has no code for it. */
static bool describe(peer *p, const work *w, const dnnl_memory_desc_t *data)
{
    const unsigned scale_shift = dnnl_use_scale | dnnl_use_shift;
    const float eps = (float)w->desc.eps;
    dnnl_batch_normalization_desc_t forward;
    if (w->op == INFERENCE) {
        require(dnnl_batch_normalization_forward_desc_init(&forward, dnnl_forward_inference, data, eps,
                                                           scale_shift | dnnl_use_global_stats),
                "forward description");
    } else {
        require(dnnl_batch_normalization_forward_desc_init(&forward, dnnl_forward_training, data, eps, scale_shift),
                "forward description");
    }
    dnnl_primitive_desc_t hint;
    const dnnl_status_t status = dnnl_primitive_desc_create(&hint, &forward, NULL, p->engine, NULL);
    if (status == dnnl_unimplemented) return false;
    require(status, "forward primitive description");
    if (w->op != BACKWARD) {
        p->description = hint;
        return true;
    }
    dnnl_batch_normalization_desc_t backward;
    require(dnnl_batch_normalization_backward_desc_init(&backward, dnnl_backward, data, data, eps, scale_shift),
            "backward description");
    const dnnl_status_t backwards = dnnl_primitive_desc_create(&p->description, &backward, NULL, p->engine, hint);
    dnnl_primitive_desc_destroy(hint);
    if (backwards == dnnl_unimplemented) return false;
    require(backwards, "backward primitive description");
    return true;
}

static void pass_all(peer *p, const work *w)
{
    const bnorm_buffers *b = &w->buffers;
    const dnnl_dims_t features = {(dnnl_dim_t)w->features};
    dnnl_memory_desc_t per_feature;
    require(dnnl_memory_desc_init_by_tag(&per_feature, 1, features, dnnl_f32, dnnl_a), "dnnl_memory_desc_init_by_tag");
    pass(p, DNNL_ARG_SRC, &p->data, p->x);
    pass(p, DNNL_ARG_MEAN, &per_feature, p->mean);
    pass(p, DNNL_ARG_VARIANCE, &per_feature, p->variance);
    pass(p, DNNL_ARG_SCALE, &per_feature, (void *)b->gamma);
    pass(p, DNNL_ARG_SHIFT, &per_feature, (void *)b->beta);
    if (w->op == BACKWARD) {
        pass(p, DNNL_ARG_DIFF_DST, &p->data, p->dy);
        pass(p, DNNL_ARG_DIFF_SRC, &p->data, p->output);
        pass(p, DNNL_ARG_DIFF_SCALE, &per_feature, b->dgamma);
        pass(p, DNNL_ARG_DIFF_SHIFT, &per_feature, b->dbeta);
    } else {
        pass(p, DNNL_ARG_DST, &p->data, p->output);
    }
}

static void give_statistics(peer *p, const work *w)
{
    for (size_t j = 0; j < w->features; j++)
        if (w->op == BACKWARD) {
            const double invstd = w->buffers.invstd[j];
            p->mean[j] = (float)w->buffers.mean[j];
            p->variance[j] = (float)(1 / (invstd * invstd) - w->desc.eps);
        } else if (w->op == INFERENCE) {
            p->mean[j] = ((const float *)w->buffers.running_mean)[j];
            p->variance[j] = ((const float *)w->buffers.running_var)[j];
        }
}

/* One array from one layout into another. */
static void reorder(const peer *p, const dnnl_memory_desc_t *from, void *source, const dnnl_memory_desc_t *to,
                    void *destination)
{
    dnnl_primitive_desc_t description;
    dnnl_primitive_t primitive;
    dnnl_memory_t memories[2];
    require(dnnl_reorder_primitive_desc_create(&description, from, p->engine, to, p->engine, NULL),
            "reorder description");
    require(dnnl_primitive_create(&primitive, description), "reorder");
    require(dnnl_memory_create(&memories[0], from, p->engine, source), "reorder's source");
    require(dnnl_memory_create(&memories[1], to, p->engine, destination), "reorder's destination");
    const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, memories[0]}, {DNNL_ARG_TO, memories[1]}};
    require(dnnl_primitive_execute(primitive, p->stream, 2, arguments), "reordering");
    dnnl_stream_wait(p->stream);
    for (int i = 0; i < 2; i++) dnnl_memory_destroy(memories[i]);
    dnnl_primitive_destroy(primitive);
    dnnl_primitive_desc_destroy(description);
}

static void *blocked_copy(const peer *p, const void *array)
{
    void *copy = array_create(dnnl_memory_desc_get_size(&p->data), p->threads);
    if (array) reorder(p, &p->plain, (void *)array, &p->data, copy);
    return copy;
}

static void take_arrays(peer *p, const work *w)
{
    const bnorm_buffers *b = &w->buffers;
    p->x = p->blocked ? blocked_copy(p, b->x) : (void *)b->x;
    p->output = p->blocked ? blocked_copy(p, NULL) : w->op == BACKWARD ? b->dx : b->y;
    if (w->op == BACKWARD) p->dy = p->blocked ? blocked_copy(p, b->dy) : (void *)b->dy;
}

static const dnnl_data_type_t types[] = {
    [BNORM_F32] = dnnl_f32, [BNORM_F64] = dnnl_data_type_undef, [BNORM_BF16] = dnnl_bf16, [BNORM_F16] = dnnl_f16};

typedef struct form {
    dnnl_format_tag_t tag;
    int rank;
    dnnl_dims_t dims;
} form;

static void describe_data(dnnl_memory_desc_t *data, const work *w, const form *f, dnnl_format_tag_t tag)
{
    require(dnnl_memory_desc_init_by_tag(data, f->rank, f->dims, types[w->dtype], tag), "dnnl_memory_desc_init_by_tag");
}

/* NULL where oneDNN has no code for it. A tag of blocks, or the form's own. */
static peer *create_as(const work *w, const form *f, dnnl_format_tag_t tag)
{
    peer *p = calloc(1, sizeof *p);
    if (!p) abort();
    p->threads = w->threads;
    p->work = w;
    p->blocked = tag != f->tag;
    describe_data(&p->plain, w, f, f->tag);
    describe_data(&p->data, w, f, tag);
    require(dnnl_engine_create(&p->engine, dnnl_cpu, 0), "dnnl_engine_create");
    require(dnnl_stream_create(&p->stream, p->engine, dnnl_stream_default_flags), "dnnl_stream_create");
    if (!describe(p, w, &p->data)) {
        peer_destroy(p);
        return NULL;
    }
    p->mean = array_create(w->features * sizeof(float), w->threads);
    p->variance = array_create(w->features * sizeof(float), w->threads);
    give_statistics(p, w);
    require(dnnl_primitive_create(&p->primitive, p->description), "dnnl_primitive_create");
    take_arrays(p, w);
    pass_all(p, w);
    return p;
}

/* The best of many calls: some 20 ms of them, at least three, after two untimed ones. */
static double try_out(peer *p)
{
    double best = INFINITY;
    const double until = now() + 20e-3;
    for (int i = 0; i < 5 || now() < until; i++) {
        const double start = now();
        peer_run(p);
        const double seconds = now() - start;
        if (i >= 2 && seconds < best) best = seconds;
    }
    return best;
}

/* The same bytes in other words. A matrix is an N x C image of one pixel, or one image whose pixels are the rows, or as
 * many such images as there are threads: oneDNN has vector code for these where C is a multiple of the vector. As a
 * plain N x C tensor it runs a slow loop, which wins where C is small. Returns how many forms there are. */
static int list_forms(const work *w, form forms[MOST_PLAIN])
{
    const dnnl_dim_t n = (dnnl_dim_t)w->shape.n, c = (dnnl_dim_t)w->features, threads = w->threads;
    int count = 0;
    const dnnl_format_tag_t tag = w->shape.channels_first ? dnnl_nchw : dnnl_nhwc;
    forms[count++] = (form){tag, 4, {n, c, (dnnl_dim_t)w->shape.h, (dnnl_dim_t)w->shape.w}};
    if (w->shape.image) return count;
    forms[count++] = (form){dnnl_nc, 2, {n, c}};
    forms[count++] = (form){dnnl_nhwc, 4, {1, c, n, 1}};
    if (threads > 1 && n % threads == 0) forms[count++] = (form){dnnl_nhwc, 4, {threads, c, n / threads, 1}};
    return count;
}

static peer *create_fastest(const work *w, const form *forms, int count)
{
    peer *best = NULL;
    double least = INFINITY;
    for (int i = 0; i < count; i++) {
        peer *p = create_as(w, &forms[i], forms[i].tag);
        if (!p) continue;
        const double seconds = count > 1 ? try_out(p) : 0;
        if (seconds < least) {
            peer_destroy(best);
            best = p;
            least = seconds;
        } else {
            peer_destroy(p);
        }
    }
    return best;
}

peer *peer_create(const work *w, peer_form wanted)
{
    if (w->dtype == BNORM_F64 || (wanted == PEER_BLOCKED && !w->shape.channels_first)) return NULL;
    omp_set_num_threads(w->threads); /* read when a primitive is made and again when it runs */
    form forms[MOST_PLAIN];
    const int count = list_forms(w, forms);
    if (wanted == PEER_PLAIN) return create_fastest(w, forms, count);
    return create_as(w, &forms[0], sixteen_channels() ? dnnl_nChw16c : dnnl_nChw8c);
}

void peer_destroy(peer *p)
{
    if (!p) return;
    for (int i = 0; i < p->count; i++) dnnl_memory_destroy(p->memories[i]);
    dnnl_primitive_destroy(p->primitive);
    dnnl_primitive_desc_destroy(p->description);
    dnnl_stream_destroy(p->stream);
    dnnl_engine_destroy(p->engine);
    array_destroy(p->mean);
    array_destroy(p->variance);
    if (p->blocked) {
        array_destroy(p->x);
        array_destroy(p->dy);
        array_destroy(p->output);
    }
    free(p);
}

void peer_run(peer *p)
{
    omp_set_num_threads(p->threads);
    require(dnnl_primitive_execute(p->primitive, p->stream, p->count, p->arguments), "dnnl_primitive_execute");
    dnnl_stream_wait(p->stream);
}

const void *peer_output(const peer *p) { return p->output; }

void peer_deliver(const peer *p)
{
    const bnorm_buffers *b = &p->work->buffers;
    if (p->blocked) reorder(p, &p->data, p->output, &p->plain, p->work->op == BACKWARD ? b->dx : b->y);
}
