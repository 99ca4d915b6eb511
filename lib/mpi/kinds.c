/* The three things that ranks exchange. */
#include "mpi/exchange.h"

#include <stdlib.h>

static bnorm_status create_moments(void **p, const bnorm_desc *d, size_t first)
{
    bnorm_moments *m;
    const bnorm_status s = bnorm_moments_create(&m, d, first);
    if (s == BNORM_OK) *p = m;
    return s;
}
static void destroy_moments(void *p) { bnorm_moments_destroy(p); }
static bnorm_status merge_moments(void *p, const void *next) { return bnorm_moments_merge(p, next); }
static bnorm_status write_moments(const void *p, void *bytes, size_t *size)
{
    return bnorm_moments_serialise(p, bytes, size);
}
static bnorm_status read_moments(void *p, const void *bytes, size_t size)
{
    return bnorm_moments_deserialise(p, bytes, size);
}
static size_t first_of_moments(const void *p) { return bnorm_moments_first_block(p); }

const bn_kind bn_moments_kind = {create_moments, destroy_moments, merge_moments,
                                 write_moments,  read_moments,    first_of_moments};

static bnorm_status create_sums(void **p, const bnorm_desc *d, size_t first)
{
    bnorm_gradient_sums *g;
    const bnorm_status s = bnorm_gradient_sums_create(&g, d, first);
    if (s == BNORM_OK) *p = g;
    return s;
}
static void destroy_sums(void *p) { bnorm_gradient_sums_destroy(p); }
static bnorm_status merge_sums(void *p, const void *next) { return bnorm_gradient_sums_merge(p, next); }
static bnorm_status write_sums(const void *p, void *bytes, size_t *size)
{
    return bnorm_gradient_sums_serialise(p, bytes, size);
}
static bnorm_status read_sums(void *p, const void *bytes, size_t size)
{
    return bnorm_gradient_sums_deserialise(p, bytes, size);
}
static size_t first_of_sums(const void *p) { return bnorm_gradient_sums_first_block(p); }

const bn_kind bn_gradient_sums_kind = {create_sums, destroy_sums, merge_sums, write_sums, read_sums, first_of_sums};

/* Begins as what merging overwrites. */
static bnorm_status create_agreement(void **p, const bnorm_desc *d, size_t first)
{
    (void)d, (void)first;
    *p = calloc(1, sizeof(bn_agreement));
    return *p ? BNORM_OK : BNORM_NO_MEMORY;
}

static uint64_t first_status(uint64_t a, uint64_t b)
{
    if (a == BNORM_OK || b == BNORM_OK) return a + b;
    return a < b ? a : b;
}

/* A new one has hash 0, which no description has: it takes that of the other. */
static bnorm_status merge_agreements(void *p, const void *q)
{
    bn_agreement *const a = p;
    const bn_agreement *const b = q;
    const bool all_well = a->status == BNORM_OK && b->status == BNORM_OK;
    if (a->hash == 0) a->hash = b->hash;
    a->status = all_well && a->hash != b->hash ? BNORM_MISMATCH : first_status(a->status, b->status);
    a->blocks += b->blocks;
    a->values += b->values;
    if (a->status == BNORM_OK && (a->blocks > SIZE_MAX / 4 || a->values > PTRDIFF_MAX)) a->status = BNORM_OVERFLOW;
    return BNORM_OK;
}

static bnorm_status write_agreement(const void *p, void *bytes, size_t *size)
{
    *size = sizeof(bn_agreement);
    if (bytes) memcpy(bytes, p, sizeof(bn_agreement));
    return BNORM_OK;
}

static bnorm_status read_agreement(void *p, const void *bytes, size_t size)
{
    if (size != sizeof(bn_agreement)) return BNORM_CORRUPT;
    memcpy(p, bytes, size);
    return BNORM_OK;
}

static size_t no_block(const void *p)
{
    (void)p;
    return 0;
}

const bn_kind bn_agreement_kind = {create_agreement, free, merge_agreements, write_agreement, read_agreement, no_block};
