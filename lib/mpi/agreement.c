#include "mpi/agreement.h"
#include "integers.h"

bn_agreement bn_agreement_begin(int ranks, int rank, bnorm_status status, uint64_t hash, const bnorm_desc *desc,
                                size_t rows)
{
    bn_agreement a = {.ranks = ranks, .rank = rank, .most = UINT64_MAX};
    size_t block = 1;
    if (status == BNORM_OK) status = bnorm_block_rows(desc, &block);
    a.said.status = status;
    a.said.hash = hash;
    if (status == BNORM_OK && desc->spatial > 0) {
        a.most = divide_up(PTRDIFF_MAX / desc->spatial, block);
        a.said.blocks.whole.tail = divide_up(rows, block);
    }
    return a;
}

/* Too many stay too many. */
static uint64_t add(uint64_t a, uint64_t b) { return a > UINT64_MAX - b ? UINT64_MAX : a + b; }

/* What comes from beyond rank P - 1 is all head. */
static bn_blocks follow(bn_blocks a, bn_blocks next, bool beyond)
{
    return (bn_blocks){beyond ? a.tail : add(a.tail, next.tail),
                       beyond ? add(a.head, add(next.tail, next.head)) : add(a.head, next.head)};
}

static void take(bn_agreement *a, int round, const bn_counts *heard)
{
    const bn_round what = bn_round_of(a->ranks, round);
    const bool beyond = (unsigned)a->rank + (1u << round) >= (unsigned)a->ranks;
    const bn_blocks none = {0, 0}, part = what.part ? heard->part : none;
    bn_counts *const held = &a->said.blocks;

    if (what.grows) held->part = follow(held->whole, part, beyond);
    held->whole = follow(held->whole, what.whole ? heard->whole : part, beyond);
    a->after[round] = *held;
}

/* The status that a message brings; BNORM_MPI if it has not the right size. */
static bnorm_status read_message(bn_agreement *a, int round, const void *message, size_t size)
{
    bn_agreement_words heard;
    if (size != sizeof heard) return BNORM_MPI;
    memcpy(&heard, message, sizeof heard);
    if (heard.status != BNORM_OK) return bn_status_heard(heard.status);
    take(a, round, &heard.blocks);
    return a->said.status != BNORM_OK || heard.hash == a->said.hash ? BNORM_OK : BNORM_MISMATCH;
}

void bn_agreement_heard(bn_agreement *a, int round, const void *message, size_t size, bnorm_status status)
{
    if (status == BNORM_OK) status = read_message(a, round, message, size);
    a->said.status = bn_worse((bnorm_status)a->said.status, status);
}

bnorm_status bn_agreement_end(const bn_agreement *a)
{
    const bn_blocks all = a->said.blocks.whole;
    if (a->said.status != BNORM_OK) return (bnorm_status)a->said.status;
    return add(all.tail, all.head) > a->most ? BNORM_OVERFLOW : BNORM_OK;
}

size_t bn_agreement_first(const bn_agreement *a) { return a->said.blocks.whole.head; }
