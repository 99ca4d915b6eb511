#include "support/ranks.h"
#include "mpi/rounds.h"

#include <stdlib.h>

static void *room(size_t count, size_t size)
{
    void *const p = calloc(count + 1, size);
    if (!p) abort();
    return p;
}

/* One of these two. */
struct speaker {
    bn_agreement *agreement;
    bn_exchange *exchange;
};

static const void *message_of(struct speaker s, int round, size_t *size)
{
    if (s.exchange) return bn_exchange_message(s.exchange, round, SIZE_MAX, size);
    *size = sizeof s.agreement->said;
    return &s.agreement->said;
}

static void hear(struct speaker s, const struct mail *mail)
{
    if (s.exchange)
        bn_exchange_heard(s.exchange, mail->round, mail->bytes, mail->size, BNORM_OK);
    else
        bn_agreement_heard(s.agreement, mail->round, mail->bytes, mail->size, BNORM_OK);
}

/* All messages of a round, then all hear: nobody sees what another did in the same round. */
static void run_round(const struct ranks *ranks, const struct speaker *speakers, int round)
{
    struct mail *const mail = room((size_t)ranks->count, sizeof *mail);
    for (int r = 0; r < ranks->count; r++) {
        struct mail *const m = &mail[r];
        *m = (struct mail){.from = speakers[r].exchange, .rank = r, .round = round};
        const void *const message = message_of(speakers[r], round, &m->size);
        m->bytes = room(m->size, 1);
        memcpy(m->bytes, message, m->size);
        if (ranks->watch) ranks->watch(m, ranks->context);
    }
    for (int r = 0; r < ranks->count; r++) hear(speakers[r], &mail[bn_round_from(ranks->count, r, round)]);
    for (int r = 0; r < ranks->count; r++) free(mail[r].bytes);
    free(mail);
}

static void run_rounds(const struct ranks *ranks, const struct speaker *speakers)
{
    for (int round = 0; round < bn_rounds(ranks->count); round++) run_round(ranks, speakers, round);
}

static bnorm_status sum_part(const struct ranks *ranks, int r, size_t first_block, bn_rank_sums *own)
{
    bnorm_status s;
    if (!ranks->dy) {
        s = bnorm_moments_create(&own->moments, ranks->desc, first_block);
        return s == BNORM_OK ? bnorm_moments_accumulate(own->moments, ranks->rows[r], ranks->x[r]) : s;
    }
    s = bnorm_gradient_sums_create(&own->gradient_sums, ranks->desc, first_block);
    if (s != BNORM_OK) return s;
    return bnorm_gradient_sums_accumulate(own->gradient_sums, ranks->rows[r], ranks->x[r], ranks->dy[r], ranks->mean);
}

void ranks_run(const struct ranks *ranks, bnorm_status *statuses, bn_rank_sums *wholes)
{
    const size_t n = (size_t)ranks->count;
    bn_agreement *const a = room(n, sizeof *a);
    bn_exchange *const e = room(n, sizeof *e);
    struct speaker *const speakers = room(n, sizeof *speakers);

    for (int r = 0; r < ranks->count; r++) {
        a[r] = bn_agreement_begin(ranks->count, r, statuses[r], 1, ranks->desc, ranks->rows[r]);
        speakers[r].agreement = &a[r];
    }
    run_rounds(ranks, speakers);
    for (int r = 0; r < ranks->count; r++) {
        bn_rank_sums own = {NULL};
        bnorm_status s = bn_agreement_end(&a[r]);
        if (s == BNORM_OK) s = sum_part(ranks, r, bn_agreement_first(&a[r]), &own);
        e[r] =
            bn_exchange_begin(ranks->dy ? BN_EXCHANGE_GRADIENT_SUMS : BN_EXCHANGE_MOMENTS, ranks->desc, &a[r], own, s);
        speakers[r].exchange = &e[r];
    }
    run_rounds(ranks, speakers);
    for (int r = 0; r < ranks->count; r++) statuses[r] = bn_exchange_end(&e[r], &wholes[r]);
    free(a);
    free(e);
    free(speakers);
}
