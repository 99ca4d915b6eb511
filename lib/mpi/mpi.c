/* Training and backward of a batch that is spread over ranks. A guest of the public interface. */
#include "integers.h"
#include "mpi/agreement.h"
#include "mpi/exchange.h"
#include "mpi/link.h"

#include <stdlib.h>

/* ---- the two exchanges ---- */

/* FNV-1a by words; the shift brings what high bits know to the low ones, which a product does not. */
static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0x100000001b3;
    return hash ^ hash >> 29;
}

/* Of all that must be the same. */
static uint64_t hash_of(const bnorm_desc *d, uint64_t what)
{
    const uint64_t slope = d->activation == BNORM_LEAKY_RELU ? bits_of(d->negative_slope) : 0;
    const uint64_t all[] = {what,
                            d->abi,
                            (uint64_t)d->dtype,
                            (uint64_t)d->layout,
                            (uint64_t)d->activation,
                            d->features,
                            d->spatial,
                            bits_of(d->eps),
                            bits_of(d->update_rate),
                            slope,
                            d->biased_running_var};
    uint64_t hash = 0xcbf29ce484222325;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) hash = mix(hash, all[i]);
    return hash;
}

enum { CREATE, TRAINING, BACKWARD };

/* The first exchange: whether all are well, and where each rank's part begins. */
static bn_agreement agree(bn_link *link, bnorm_status *status, const bnorm_desc *desc, uint64_t what)
{
    const bool well = *status == BNORM_OK;
    bn_agreement a = bn_agreement_begin(link->ranks, link->rank, *status, well ? hash_of(desc, what) : 0, desc,
                                        well && what != CREATE ? desc->batch : 0);
    for (int round = 0; round < bn_rounds(link->ranks); round++) {
        size_t heard_size;
        bnorm_status s;
        void *const heard = bn_link_swap(link, round, &a.said, sizeof a.said, &heard_size, &s);
        bn_agreement_heard(&a, round, heard, heard_size, s);
        free(heard);
    }
    *status = bn_agreement_end(&a);
    return a;
}

/* The second: the whole batch's sums, from this rank's. It is made whatever came of the first: if MPI failed on one
 * rank there, the others may not know. */
static bnorm_status exchange(const bn_agreement *a, bn_link *link, bn_kind kind, const bnorm_desc *desc,
                             bn_rank_sums own, bnorm_status status, bn_rank_sums *whole)
{
    bn_exchange e = bn_exchange_begin(kind, desc, a, own, status);
    for (int round = 0; round < bn_rounds(link->ranks); round++) {
        size_t size, heard_size;
        const void *const message = bn_exchange_message(&e, round, bn_message_most, &size);
        bnorm_status s;
        void *const heard = bn_link_swap(link, round, message, size, &heard_size, &s);
        bn_exchange_heard(&e, round, heard, heard_size, s);
        free(heard);
    }
    return bn_exchange_end(&e, whole);
}

/* ---- training ---- */

/* Everything that can fail is done before anything is written. */
static bnorm_status train(bn_link *link, bnorm_status s, const bnorm_desc *d, const bnorm_buffers *b)
{
    bn_rank_sums own = {NULL}, whole;
    const bn_agreement a = agree(link, &s, d, TRAINING);
    if (s == BNORM_OK) s = bnorm_moments_create(&own.moments, d, bn_agreement_first(&a));
    if (s == BNORM_OK) s = bnorm_moments_accumulate(own.moments, d->batch, b->x);
    s = exchange(&a, link, BN_EXCHANGE_MOMENTS, d, own, s, &whole);

    if (s == BNORM_OK) s = bnorm_moments_finish(whole.moments, b->mean, b->invstd);
    if (s == BNORM_OK && b->running_mean) s = bnorm_moments_commit(whole.moments, b->running_mean, b->running_var);
    bnorm_moments_destroy(whole.moments);
    return s == BNORM_OK ? bnorm_normalise(d, b) : s;
}

static bnorm_status forward_training(bn_link *link, const bnorm_desc *desc, const bnorm_buffers *b)
{
    double *scratch = NULL;
    bnorm_buffers own = {.x = NULL};
    bnorm_status status = bnorm_check_training_part(desc, b);
    if (status == BNORM_OK) {
        own = *b;
        if (!b->mean) {
            scratch = malloc(2 * desc->features * sizeof *scratch);
            own.mean = scratch;
            own.invstd = scratch ? scratch + desc->features : NULL;
            if (!scratch) status = BNORM_NO_MEMORY;
        }
    }
    status = train(link, status, desc, &own);
    free(scratch);
    return status;
}

bnorm_status bnorm_mpi_forward_training(const bnorm_desc *desc, const bnorm_buffers *b, MPI_Comm comm)
{
    bn_link *link;
    const bnorm_status s = bn_link_of(comm, &link);
    return s == BNORM_OK ? forward_training(link, desc, b) : s;
}

/* ---- backward ---- */

static bnorm_status backward(bn_link *link, bnorm_status s, const bnorm_desc *d, const bnorm_buffers *b)
{
    bn_rank_sums own = {NULL}, whole;
    if (s == BNORM_OK) s = bnorm_check_backward_part(d, b);
    const bn_agreement a = agree(link, &s, d, BACKWARD);
    if (s == BNORM_OK) s = bnorm_gradient_sums_create(&own.gradient_sums, d, bn_agreement_first(&a));
    if (s == BNORM_OK) s = bnorm_gradient_sums_accumulate(own.gradient_sums, d->batch, b->x, b->dy, b->mean);
    s = exchange(&a, link, BN_EXCHANGE_GRADIENT_SUMS, d, own, s, &whole);

    if (s == BNORM_OK && b->dx) s = bnorm_input_gradient(d, b, whole.gradient_sums);
    if (s == BNORM_OK) s = bnorm_gradient_sums_finish(whole.gradient_sums, b->invstd, b->dgamma, b->dbeta);
    bnorm_gradient_sums_destroy(whole.gradient_sums);
    return s;
}

bnorm_status bnorm_mpi_backward(const bnorm_desc *desc, const bnorm_buffers *b, MPI_Comm comm)
{
    bn_link *link;
    const bnorm_status s = bn_link_of(comm, &link);
    return s == BNORM_OK ? backward(link, BNORM_OK, desc, b) : s;
}

bnorm_status bnorm_mpi_traffic(MPI_Comm comm, uint64_t *messages, uint64_t *bytes)
{
    bn_link *link;
    if (!messages || !bytes) return BNORM_NULL;
    const bnorm_status s = bn_link_found(comm, &link);
    if (s != BNORM_OK) return s;
    *messages = link ? link->messages : 0;
    *bytes = link ? link->bytes : 0;
    return BNORM_OK;
}

/* ---- the layer ---- */

struct bnorm_mpi_layer {
    bnorm_layer *local;
    bnorm_desc desc; /* with the batch of the last training forward */
    MPI_Comm comm;
    bool saved;
    const void *overwritten; /* x of that forward, where y was the same */
    double *mean, *invstd;
};

static bnorm_status create_local(bnorm_mpi_layer **layer, const bnorm_desc *desc, MPI_Comm comm)
{
    bnorm_layer *local;
    const bnorm_status s = bnorm_layer_create(&local, desc);
    if (s != BNORM_OK) return s;
    bnorm_mpi_layer *const l = calloc(1, sizeof *l);
    double *const saved = malloc(2 * desc->features * sizeof *saved);
    if (!l || !saved) {
        bnorm_layer_destroy(local);
        free(l);
        free(saved);
        return BNORM_NO_MEMORY;
    }
    *l = (bnorm_mpi_layer){local, *desc, comm, false, NULL, saved, saved + desc->features};
    l->desc.batch = 0;
    *layer = l;
    return BNORM_OK;
}

bnorm_status bnorm_mpi_layer_create(bnorm_mpi_layer **layer, const bnorm_desc *desc, MPI_Comm comm)
{
    bn_link *link;
    bnorm_mpi_layer *l = NULL;
    bnorm_status s = bn_link_of(comm, &link);
    if (s != BNORM_OK) return s;
    s = layer ? create_local(&l, desc, comm) : BNORM_NULL;
    agree(link, &s, desc, CREATE);
    if (s == BNORM_OK)
        *layer = l; /* NOLINT(clang-analyzer-core.NullDereference): ranks do not agree on BNORM_OK without it */
    else
        bnorm_mpi_layer_destroy(l);
    return s;
}

void bnorm_mpi_layer_destroy(bnorm_mpi_layer *l)
{
    if (!l) return;
    bnorm_layer_destroy(l->local);
    free(l->mean);
    free(l);
}

static bnorm_buffers buffers_of(const bnorm_mpi_layer *l)
{
    return (bnorm_buffers){.gamma = bnorm_layer_gamma(l->local),
                           .beta = bnorm_layer_beta(l->local),
                           .running_mean = bnorm_layer_running_mean(l->local),
                           .running_var = bnorm_layer_running_var(l->local),
                           .dgamma = bnorm_layer_dgamma(l->local),
                           .dbeta = bnorm_layer_dbeta(l->local),
                           .mean = l->mean,
                           .invstd = l->invstd};
}

bnorm_status bnorm_mpi_layer_forward(bnorm_mpi_layer *l, size_t batch, const void *x, void *y, bool training)
{
    bn_link *link;
    if (!l) return BNORM_NULL;
    if (!training) return bnorm_layer_forward(l->local, batch, x, y, false);
    bnorm_status s = bn_link_of(l->comm, &link);
    if (s != BNORM_OK) return s;

    bnorm_desc d = l->desc;
    bnorm_buffers b = buffers_of(l);
    d.batch = batch;
    b.x = x;
    b.y = y;
    s = forward_training(link, &d, &b);
    if (s != BNORM_OK) return s;
    l->desc.batch = batch;
    l->saved = true;
    l->overwritten = x == y ? x : NULL;
    return BNORM_OK;
}

bnorm_status bnorm_mpi_layer_backward(bnorm_mpi_layer *l, const void *x, const void *dy, void *dx)
{
    bn_link *link;
    if (!l) return BNORM_NULL;
    const bnorm_status s = bn_link_of(l->comm, &link);
    if (s != BNORM_OK) return s;
    bnorm_buffers b = buffers_of(l);
    b.x = x;
    b.y = (void *)l->overwritten; /* refused if it is x */
    b.dy = dy;
    b.dx = dx;
    return backward(link, l->saved ? BNORM_OK : BNORM_NULL, &l->desc, &b);
}

bnorm_layer *bnorm_mpi_layer_local(bnorm_mpi_layer *l) { return l ? l->local : NULL; }
