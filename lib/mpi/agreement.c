#include "mpi/agreement.h"
#include "mpi/rounds.h"

#include <stdlib.h>

enum { STATUS, HASH, ROWS }; /* in words */

bn_agreement bn_agreement_begin(int ranks, int rank, bnorm_status status, uint64_t hash, size_t rows)
{
    bn_agreement a = {.ranks = ranks, .rank = rank, .rounds = bn_rounds(ranks), .status = status};
    a.words = calloc(ROWS + (size_t)ranks, sizeof *a.words);
    a.starts = calloc((size_t)ranks + 1, sizeof *a.starts);
    if (!a.words || !a.starts) {
        bn_agreement_free(&a);
        a.status = bn_worse(status, BNORM_NO_MEMORY);
        return a;
    }
    a.words[HASH] = hash;
    a.words[ROWS] = rows;
    return a;
}

void bn_agreement_free(bn_agreement *a)
{
    free(a->words);
    free(a->starts);
    a->words = NULL;
    a->starts = NULL;
}

/* Ranks whose rows go in a message. */
static size_t ranks_of(const bn_agreement *a, int round)
{
    const size_t known = (size_t)1 << round, lacking = (size_t)a->ranks - known;
    return known < lacking ? known : lacking;
}

const void *bn_agreement_message(bn_agreement *a, int round, size_t *size)
{
    *size = a->words ? (ROWS + ranks_of(a, round)) * sizeof *a->words : sizeof a->status;
    if (!a->words) return &a->status;
    a->words[STATUS] = a->status;
    return a->words;
}

/* The status that a message brings; BNORM_MPI if it has no right size. */
static bnorm_status read_message(bn_agreement *a, int round, const void *message, size_t size)
{
    const size_t rows = ranks_of(a, round) * sizeof *a->words;
    uint64_t head[ROWS] = {0};
    const bool status_only = size == sizeof a->status;
    if (!status_only && size != sizeof head + rows) return BNORM_MPI;

    memcpy(head, message, status_only ? size : sizeof head);
    if (head[STATUS] != BNORM_OK || status_only) return bn_status_heard(head[STATUS]);
    if (a->status != BNORM_OK) return BNORM_OK;
    memcpy(a->words + ROWS + ((size_t)1 << round), (const char *)message + sizeof head, rows);
    return head[HASH] == a->words[HASH] ? BNORM_OK : BNORM_MISMATCH;
}

void bn_agreement_heard(bn_agreement *a, int round, const void *message, size_t size, bnorm_status status)
{
    if (status == BNORM_OK) status = read_message(a, round, message, size);
    a->status = bn_worse((bnorm_status)a->status, status);
}

bnorm_status bn_agreement_end(bn_agreement *a, const bnorm_desc *desc)
{
    size_t block, blocks = 0, rows = 0;
    if (a->status != BNORM_OK) return (bnorm_status)a->status;
    const bnorm_status status = bnorm_block_rows(desc, &block);
    if (status != BNORM_OK) return status;

    const size_t most = PTRDIFF_MAX / (desc->spatial > 0 ? desc->spatial : 1);
    for (size_t i = 0, n = (size_t)a->ranks; i < n; i++) {
        const uint64_t own = a->words[ROWS + (i + n - (size_t)a->rank) % n];
        if (own > most - rows) return BNORM_OVERFLOW;
        rows += own;
        blocks += own / block + (own % block != 0);
        a->starts[i + 1] = blocks;
    }
    return BNORM_OK;
}
