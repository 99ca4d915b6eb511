/* oneDNN 2.x by its C interface, float only. */
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

enum { MOST_ARGUMENTS = 10 };

struct peer {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_desc_t description;
    dnnl_primitive_t primitive;
    dnnl_memory_t memories[MOST_ARGUMENTS];
    dnnl_exec_arg_t arguments[MOST_ARGUMENTS];
    int count, threads;
    float *mean, *variance; /* oneDNN saves the variance, in float, where bnorm saves invstd */
};

bool peer_available(void) { return true; }

const char *peer_version(void)
{
    static char text[64];
    const dnnl_version_t *v = dnnl_version();
    snprintf(text, sizeof text, "oneDNN %d.%d.%d", v->major, v->minor, v->patch);
    return text;
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

static void describe(peer *p, const work *w, const dnnl_memory_desc_t *data)
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
    require(dnnl_primitive_desc_create(&hint, &forward, NULL, p->engine, NULL), "forward primitive description");
    if (w->op != BACKWARD) {
        p->description = hint;
        return;
    }
    dnnl_batch_normalization_desc_t backward;
    require(dnnl_batch_normalization_backward_desc_init(&backward, dnnl_backward, data, data, eps, scale_shift),
            "backward description");
    require(dnnl_primitive_desc_create(&p->description, &backward, NULL, p->engine, hint),
            "backward primitive description");
    dnnl_primitive_desc_destroy(hint);
}

static void pass_all(peer *p, const work *w, const dnnl_memory_desc_t *data)
{
    const bnorm_buffers *b = &w->buffers;
    const dnnl_dims_t features = {(dnnl_dim_t)w->features};
    dnnl_memory_desc_t per_feature;
    require(dnnl_memory_desc_init_by_tag(&per_feature, 1, features, dnnl_f32, dnnl_a), "dnnl_memory_desc_init_by_tag");
    pass(p, DNNL_ARG_SRC, data, (void *)b->x);
    pass(p, DNNL_ARG_MEAN, &per_feature, p->mean);
    pass(p, DNNL_ARG_VARIANCE, &per_feature, p->variance);
    pass(p, DNNL_ARG_SCALE, &per_feature, (void *)b->gamma);
    pass(p, DNNL_ARG_SHIFT, &per_feature, (void *)b->beta);
    if (w->op == BACKWARD) {
        pass(p, DNNL_ARG_DIFF_DST, data, (void *)b->dy);
        pass(p, DNNL_ARG_DIFF_SRC, data, b->dx);
        pass(p, DNNL_ARG_DIFF_SCALE, &per_feature, b->dgamma);
        pass(p, DNNL_ARG_DIFF_SHIFT, &per_feature, b->dbeta);
    } else {
        pass(p, DNNL_ARG_DST, data, b->y);
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

static peer *create_as(const work *w, const dnnl_memory_desc_t *data)
{
    peer *p = calloc(1, sizeof *p);
    if (!p) abort();
    p->threads = w->threads;
    p->mean = array_create(w->features * sizeof(float), w->threads);
    p->variance = array_create(w->features * sizeof(float), w->threads);
    give_statistics(p, w);
    require(dnnl_engine_create(&p->engine, dnnl_cpu, 0), "dnnl_engine_create");
    require(dnnl_stream_create(&p->stream, p->engine, dnnl_stream_default_flags), "dnnl_stream_create");
    describe(p, w, data);
    require(dnnl_primitive_create(&p->primitive, p->description), "dnnl_primitive_create");
    pass_all(p, w, data);
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

typedef struct form {
    dnnl_format_tag_t tag;
    int rank;
    dnnl_dims_t dims;
} form;

/* The same bytes in other words. A matrix is an N x C image of one pixel, or one image whose pixels are the rows, or as
 * many such images as there are threads: oneDNN has vector code for these where C is a multiple of the vector. As a
 * plain N x C tensor it runs a slow loop, which wins where C is small. Returns how many forms there are. */
static int list_forms(const work *w, form forms[4])
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

peer *peer_create(const work *w)
{
    if (w->dtype != BNORM_F32) return NULL;
    omp_set_num_threads(w->threads); /* read when a primitive is made and again when it runs */
    form forms[4];
    const int count = list_forms(w, forms);
    peer *best = NULL;
    double least = INFINITY;
    for (int i = 0; i < count; i++) {
        dnnl_memory_desc_t data;
        require(dnnl_memory_desc_init_by_tag(&data, forms[i].rank, forms[i].dims, dnnl_f32, forms[i].tag),
                "dnnl_memory_desc_init_by_tag");
        peer *p = create_as(w, &data);
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
    free(p);
}

const char *peer_code(const peer *p)
{
    const char *text = "";
    dnnl_primitive_desc_query(p->description, dnnl_query_impl_info_str, 0, (void *)&text);
    return text;
}

void peer_run(peer *p)
{
    omp_set_num_threads(p->threads);
    require(dnnl_primitive_execute(p->primitive, p->stream, p->count, p->arguments), "dnnl_primitive_execute");
    dnnl_stream_wait(p->stream);
}
