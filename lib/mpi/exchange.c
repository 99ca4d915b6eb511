#include "mpi/exchange.h"

#include <stdlib.h>

/* ---- sums of either kind ---- */

static bnorm_status create(const bn_exchange *e, bn_rank_sums *s, size_t first_block)
{
    return e->kind == BN_EXCHANGE_MOMENTS ? bnorm_moments_create(&s->moments, e->desc, first_block)
                                          : bnorm_gradient_sums_create(&s->gradient_sums, e->desc, first_block);
}

static void destroy(const bn_exchange *e, bn_rank_sums s)
{
    if (e->kind == BN_EXCHANGE_MOMENTS)
        bnorm_moments_destroy(s.moments);
    else
        bnorm_gradient_sums_destroy(s.gradient_sums);
}

static bnorm_status merge(const bn_exchange *e, bn_rank_sums s, bn_rank_sums next)
{
    return e->kind == BN_EXCHANGE_MOMENTS ? bnorm_moments_merge(s.moments, next.moments)
                                          : bnorm_gradient_sums_merge(s.gradient_sums, next.gradient_sums);
}

static bnorm_status write_nodes(const bn_exchange *e, bn_rank_sums s, void *bytes, size_t *size)
{
    return e->kind == BN_EXCHANGE_MOMENTS ? bnorm_moments_write_nodes(s.moments, bytes, size)
                                          : bnorm_gradient_sums_write_nodes(s.gradient_sums, bytes, size);
}

static bnorm_status read_nodes(const bn_exchange *e, bn_rank_sums s, size_t next_block, const void *bytes, size_t *size)
{
    return e->kind == BN_EXCHANGE_MOMENTS ? bnorm_moments_read_nodes(s.moments, next_block, bytes, size)
                                          : bnorm_gradient_sums_read_nodes(s.gradient_sums, next_block, bytes, size);
}

/* ---- arcs ---- */

static void destroy_arc(const bn_exchange *e, bn_arc *s)
{
    destroy(e, s->tail);
    destroy(e, s->head);
    *s = (bn_arc){.tail = {NULL}, .head = {NULL}};
}

/* Without any rank. */
static bnorm_status create_arc(const bn_exchange *e, bn_arc *s)
{
    const bnorm_status status = create(e, &s->tail, bn_agreement_first(e->agreement));
    return status == BNORM_OK ? create(e, &s->head, 0) : status;
}

static bnorm_status merge_arc(const bn_exchange *e, const bn_arc *s, const bn_arc *next)
{
    const bnorm_status status = merge(e, s->tail, next->tail);
    return status == BNORM_OK ? merge(e, s->head, next->head) : status;
}

bn_exchange bn_exchange_begin(bn_kind kind, const bnorm_desc *desc, const bn_agreement *agreement, bn_rank_sums own,
                              bnorm_status status)
{
    bn_exchange e = {.kind = kind, .desc = desc, .agreement = agreement, .whole.tail = own, .status = status};
    if (status == BNORM_OK) e.status = create(&e, &e.whole.head, 0);
    return e;
}

static bn_round round_of(const bn_exchange *e, int round) { return bn_round_of(e->agreement->ranks, round); }

/* ---- messages ---- */

enum { PIECES = 4 };

/* What goes in a message, in this order. */
static int pieces_of(const bn_exchange *e, int round, bn_rank_sums pieces[PIECES])
{
    const bn_round what = round_of(e, round);
    int count = 0;
    if (what.whole) {
        pieces[count++] = e->whole.tail;
        pieces[count++] = e->whole.head;
    }
    if (what.part) {
        pieces[count++] = e->part.tail;
        pieces[count++] = e->part.head;
    }
    return count;
}

static bnorm_status make_message(bn_exchange *e, int round, size_t most, size_t *size)
{
    bn_rank_sums pieces[PIECES];
    size_t sizes[PIECES];
    const int count = pieces_of(e, round, pieces);
    *size = 0;
    for (int i = 0; i < count; *size += sizes[i++]) {
        const bnorm_status status = write_nodes(e, pieces[i], NULL, &sizes[i]);
        if (status != BNORM_OK) return status;
    }
    if (*size > most) return BNORM_OVERFLOW;
    char *at = e->bytes = malloc(*size + 1); /* NULL is no empty message */
    if (!at) return BNORM_NO_MEMORY;
    for (int i = 0; i < count; at += sizes[i++]) {
        const bnorm_status status = write_nodes(e, pieces[i], at, &sizes[i]);
        if (status != BNORM_OK) return status;
    }
    return BNORM_OK;
}

const void *bn_exchange_message(bn_exchange *e, int round, size_t most, size_t *size)
{
    free(e->bytes);
    e->bytes = NULL;
    if (e->status == BNORM_OK) e->status = make_message(e, round, most, size);
    if (e->status == BNORM_OK) return e->bytes;
    *size = sizeof e->status;
    return &e->status;
}

/* ---- hearing ---- */

typedef struct message {
    const char *bytes;
    size_t left;
} message;

static bnorm_status take(const bn_exchange *e, bn_rank_sums s, size_t next_block, message *m)
{
    size_t size = m->left;
    const bnorm_status status = read_nodes(e, s, next_block, m->bytes, &size);
    /* Whatever else is wrong: these nodes are not the blocks that were agreed on. */
    if (status != BNORM_OK) return status == BNORM_NO_MEMORY ? status : BNORM_CORRUPT;
    m->bytes += size;
    m->left -= size;
    return BNORM_OK;
}

/* s grows by so many ranks, from rank + 2^round on, and then has so many blocks. */
static bnorm_status take_arc(const bn_exchange *e, int round, bn_arc *s, unsigned count, bn_blocks blocks, message *m)
{
    const bn_agreement *const a = e->agreement;
    const unsigned ranks = (unsigned)a->ranks, from = (unsigned)a->rank + (1u << round), to = from + count;
    bnorm_status status = BNORM_OK;
    if (from < ranks) status = take(e, s->tail, bn_agreement_first(a) + blocks.tail, m);
    if (to > ranks && status == BNORM_OK) status = take(e, s->head, blocks.head, m);
    return status;
}

/* The part becomes the whole so far. */
static bnorm_status replace_part(bn_exchange *e)
{
    destroy_arc(e, &e->part);
    const bnorm_status status = create_arc(e, &e->part);
    return status == BNORM_OK ? merge_arc(e, &e->part, &e->whole) : status;
}

static bnorm_status take_message(bn_exchange *e, int round, message *m)
{
    const bn_round what = round_of(e, round);
    const bn_counts *const after = &e->agreement->after[round];
    bnorm_status status = BNORM_OK;
    if (what.grows) status = replace_part(e);
    if (status == BNORM_OK) status = take_arc(e, round, &e->whole, what.count, after->whole, m);
    if (what.grows && status == BNORM_OK) status = take_arc(e, round, &e->part, what.part_count, after->part, m);
    return status == BNORM_OK && m->left > 0 ? BNORM_CORRUPT : status;
}

void bn_exchange_heard(bn_exchange *e, int round, const void *bytes, size_t size, bnorm_status status)
{
    message m = {bytes, size};
    uint64_t word;
    if (status == BNORM_OK && size == sizeof word) {
        memcpy(&word, bytes, sizeof word);
        status = bn_status_heard(word);
    }
    if (status == BNORM_OK && e->status == BNORM_OK) status = take_message(e, round, &m);
    e->status = bn_worse((bnorm_status)e->status, status);
}

bnorm_status bn_exchange_end(bn_exchange *e, bn_rank_sums *whole)
{
    const bn_rank_sums none = {NULL};
    if (e->status == BNORM_OK) e->status = merge(e, e->whole.head, e->whole.tail);
    *whole = none;
    if (e->status == BNORM_OK) {
        *whole = e->whole.head;
        e->whole.head = none;
    }
    destroy_arc(e, &e->whole);
    destroy_arc(e, &e->part);
    free(e->bytes);
    return (bnorm_status)e->status;
}
