/* What ranks say and hear, without a network: any number of ranks, each message counted, and messages that are wrong.
 */
#include "support/allocation.h"
#include "support/array.h"
#include "support/check.h"
#include "support/random.h"
#include "support/ranks.h"

#include <stdlib.h>

enum { RANKS_MOST = 33 };

/* ---- a batch over ranks ---- */

struct spread {
    bnorm_desc desc;
    int count;
    size_t rows[RANKS_MOST];
    const void *x[RANKS_MOST], *dy[RANKS_MOST];
    unsigned char *all; /* x, then dy */
    double *mean;
    bnorm_status statuses[RANKS_MOST];
    bn_rank_sums wholes[RANKS_MOST];
};

static void *room(size_t bytes)
{
    void *const p = calloc(bytes + 1, 1);
    if (!p) abort();
    return p;
}

/* In the order of ranks: whole blocks, or any rows, some without. */
static struct spread spread_make(const bnorm_desc *desc, int count, bool whole_blocks)
{
    struct spread s = {.desc = *desc, .count = count};
    const size_t entry = desc->features * desc->spatial;
    size_t block = 0, from = 0, total = 0;
    CHECK(bnorm_block_rows(desc, &block) == BNORM_OK, "block rows");
    for (size_t r = 0; r < (size_t)count; r++) {
        const size_t some = (size_t)random_bits(test_seed(), r) % 4;
        s.rows[r] = whole_blocks ? some * block : some * (some + 2 * block / 3);
        total += s.rows[r];
    }
    s.all = room(2 * total * entry * type_size(desc->dtype));
    s.mean = room(desc->features * sizeof *s.mean);
    for (size_t i = 0; i < 2 * total * entry; i++) type_put(desc->dtype, s.all, i, random_uniform(test_seed() + 1, i));
    for (int r = 0; r < count; from += s.rows[r++]) {
        s.x[r] = s.all + from * entry * type_size(desc->dtype);
        s.dy[r] = s.all + (total + from) * entry * type_size(desc->dtype);
    }
    return s;
}

static void spread_free(struct spread *s)
{
    free(s->all);
    free(s->mean);
}

static void run(struct spread *s, bool backward, watch_mail *watch, void *context)
{
    const struct ranks all = {&s->desc, s->count, s->rows, s->x, backward ? s->dy : NULL, s->mean, watch, context};
    ranks_run(&all, s->statuses, s->wholes);
}

/* Of either kind. */
static size_t nodes_bytes(bn_kind kind, bn_rank_sums sums, void *bytes, size_t size)
{
    const bnorm_status s = kind == BN_EXCHANGE_MOMENTS
                               ? bnorm_moments_write_nodes(sums.moments, bytes, &size)
                               : bnorm_gradient_sums_write_nodes(sums.gradient_sums, bytes, &size);
    CHECK(s == BNORM_OK, "nodes: %s", bnorm_status_string(s));
    return size;
}

static void destroy(bn_kind kind, bn_rank_sums sums)
{
    if (kind == BN_EXCHANGE_MOMENTS)
        bnorm_moments_destroy(sums.moments);
    else
        bnorm_gradient_sums_destroy(sums.gradient_sums);
}

/* All parts one after the other, in one process. */
static bn_rank_sums in_one_process(const struct spread *s, bn_kind kind)
{
    bn_rank_sums sums = {NULL};
    bnorm_status status = kind == BN_EXCHANGE_MOMENTS ? bnorm_moments_create(&sums.moments, &s->desc, 0)
                                                      : bnorm_gradient_sums_create(&sums.gradient_sums, &s->desc, 0);
    for (int r = 0; r < s->count && status == BNORM_OK; r++)
        status = kind == BN_EXCHANGE_MOMENTS
                     ? bnorm_moments_accumulate(sums.moments, s->rows[r], s->x[r])
                     : bnorm_gradient_sums_accumulate(sums.gradient_sums, s->rows[r], s->x[r], s->dy[r], s->mean);
    CHECK(status == BNORM_OK, "in one process: %s", bnorm_status_string(status));
    return sums;
}

/* ---- what is sent, and what comes of it ---- */

/* A rank's messages are as small as they may be: to agree, six words; of nodes, at most 24 C bytes for each that it
 * holds. */
static void check_mail(struct mail *mail, void *context)
{
    const struct spread *const s = context;
    const size_t c = s->desc.features;
    if (!mail->from) {
        CHECK(mail->size == 48, "%zu bytes to agree", mail->size);
        return;
    }
    const bn_exchange *const e = mail->from;
    const bn_rank_sums held[] = {e->whole.tail, e->whole.head, e->part.tail, e->part.head};
    size_t nodes = 0;
    for (size_t i = 0; i < LENGTH(held); i++)
        if (held[i].moments) nodes += nodes_bytes(e->kind, held[i], NULL, 0) / (8 + 16 * c);
    CHECK(mail->size <= 24 * c * nodes, "rank %d, round %d: %zu bytes, %zu nodes", mail->rank, mail->round, mail->size,
          nodes);
}

static void check_same_sums(const struct spread *s, bn_kind kind, bn_rank_sums got, bn_rank_sums expected)
{
    const size_t size = nodes_bytes(kind, expected, NULL, 0), bytes = nodes_bytes(kind, got, NULL, 0);
    unsigned char *const both = room(size + bytes);
    nodes_bytes(kind, expected, both, size);
    nodes_bytes(kind, got, both + size, bytes);
    CHECK(bytes == size && memcmp(both, both + size, size) == 0, "other sums, of %d ranks", s->count);
    free(both);
}

static void check_spread(const bnorm_desc *d, int count, bool whole_blocks)
{
    struct spread s = spread_make(d, count, whole_blocks);
    for (int kind = BN_EXCHANGE_MOMENTS; kind <= BN_EXCHANGE_GRADIENT_SUMS; kind++) {
        const bn_rank_sums expected = in_one_process(&s, (bn_kind)kind);
        describe("%zu features, %s, channels %s, kind %d, %d ranks, %s", d->features, type_name(d->dtype),
                 layout_name(d->layout), kind, count, whole_blocks ? "whole blocks" : "any parts");
        run(&s, kind == BN_EXCHANGE_GRADIENT_SUMS, check_mail, &s);
        for (int r = 0; r < count; r++) {
            CHECK(s.statuses[r] == BNORM_OK, "rank %d: %s", r, bnorm_status_string(s.statuses[r]));
            if (s.statuses[r] == BNORM_OK) check_same_sums(&s, (bn_kind)kind, s.wholes[r], expected);
            destroy((bn_kind)kind, s.wholes[r]);
        }
        destroy((bn_kind)kind, expected);
    }
    spread_free(&s);
}

CASE(exchange, all_ranks_hold_the_whole)
{
    static const size_t features[] = {1, 2, 3, 64};
    for (int count = 1; count <= RANKS_MOST; count += test_quick() ? 5 : 1)
        for (size_t i = 0; i < LENGTH(features); i++) {
            const bnorm_desc d = bnorm_matrix(i % 2 ? BNORM_F32 : BNORM_BF16, 0, features[i]);
            check_spread(&d, count, true);
            check_spread(&d, count, false);
        }
}

CASE(exchange, images)
{
    const bnorm_desc all[] = {bnorm_image(BNORM_F32, BNORM_CHANNELS_FIRST, 0, 2, 9000),
                              bnorm_image(BNORM_F64, BNORM_CHANNELS_LAST, 0, 2, 300),
                              bnorm_image(BNORM_F16, BNORM_CHANNELS_FIRST, 0, 3, 20)};
    for (size_t i = 0; i < LENGTH(all); i++)
        for (int count = 2; count <= 7; count++) {
            check_spread(&all[i], count, true);
            check_spread(&all[i], count, false);
        }
}

/* ---- trouble ---- */

/* One rank begins with an error: all end with it, whoever it is, and of two the first in order. */
CASE(exchange, one_status_reaches_all)
{
    const bnorm_desc d = bnorm_matrix(BNORM_F32, 0, 3);
    for (int count = 1; count <= 9; count++)
        for (int culprit = 0; culprit < count; culprit++) {
            struct spread s = spread_make(&d, count, false);
            s.statuses[culprit] = BNORM_OVERLAP;
            s.statuses[(culprit + 2) % count] = BNORM_BAD_EPS;
            describe("rank %d of %d", culprit, count);
            run(&s, false, NULL, NULL);
            for (int r = 0; r < count; r++) {
                CHECK(s.statuses[r] == BNORM_BAD_EPS, "rank %d: %s", r, bnorm_status_string(s.statuses[r]));
                CHECK(!s.wholes[r].moments, "rank %d has sums", r);
            }
            spread_free(&s);
        }
}

/* Each has as many as an array can, together they are more than can be counted: found before any is read. */
CASE(exchange, too_many_rows)
{
    const bnorm_desc d = bnorm_matrix(BNORM_F32, 0, 3);
    struct spread s = spread_make(&d, 16, false);
    for (int r = 0; r < s.count; r++) s.rows[r] = (size_t)PTRDIFF_MAX / (3 * sizeof(float));
    run(&s, false, NULL, NULL);
    for (int r = 0; r < s.count; r++) CHECK(s.statuses[r] == BNORM_OVERFLOW, "%s", bnorm_status_string(s.statuses[r]));
    spread_free(&s);
}

/* Does something to one message. */
struct tampering {
    bool nodes; /* to a message of nodes */
    int rank, round;
    enum {
        CUT,
        LONGER,
        EMPTY,
        A_STATUS,
        NO_STATUS,
        OTHER_HASH,
        TOO_MANY_BLOCKS,
        IMPOSSIBLE_COUNT,
        BELOW_0,
        TAMPERINGS
    } how;
    bool done;
};

static void set_word(struct mail *mail, size_t at, uint64_t word) { memcpy(mail->bytes + 8 * at, &word, sizeof word); }

static void replace(struct mail *mail, size_t size)
{
    unsigned char *const bytes = room(size);
    memcpy(bytes, mail->bytes, size < mail->size ? size : mail->size);
    free(mail->bytes);
    mail->bytes = bytes;
    mail->size = size;
}

static void tamper(struct mail *mail, void *context)
{
    struct tampering *const t = context;
    const double below_0 = -1;
    if (!mail->from == t->nodes || mail->rank != t->rank || mail->round != t->round) return;
    t->done = true;
    switch (t->how) {
    case CUT: replace(mail, mail->size - 8); break;
    case LONGER: replace(mail, mail->size + 8); break;
    case EMPTY: replace(mail, 0); break;
    case A_STATUS:
        if (t->nodes) replace(mail, 8);
        set_word(mail, 0, BNORM_NO_MEMORY);
        break;
    case NO_STATUS:
        if (t->nodes) replace(mail, 8);
        set_word(mail, 0, UINT64_MAX);
        break;
    case OTHER_HASH: set_word(mail, 1, 77); break;
    case TOO_MANY_BLOCKS:
        for (size_t i = 2; i < 6; i++) set_word(mail, i, UINT64_MAX / 2 + 1); /* two of them are 0 if they wrap */
        break;
    case IMPOSSIBLE_COUNT: set_word(mail, 0, UINT64_MAX / 3); break;
    case BELOW_0: memcpy(mail->bytes + mail->size - 8, &below_0, sizeof below_0); break;
    default: break;
    }
}

/* Who hears a wrong message returns an error, and holds nothing; others may have had all they need. */
CASE(exchange, wrong_messages)
{
    /* of messages to agree, then of nodes; BNORM_OK: such a message has no such thing */
    static const bnorm_status expected[2][TAMPERINGS] = {{[CUT] = BNORM_MPI,
                                                          [LONGER] = BNORM_MPI,
                                                          [EMPTY] = BNORM_MPI,
                                                          [A_STATUS] = BNORM_NO_MEMORY,
                                                          [NO_STATUS] = BNORM_MPI,
                                                          [OTHER_HASH] = BNORM_MISMATCH,
                                                          [TOO_MANY_BLOCKS] = BNORM_OVERFLOW},
                                                         {[CUT] = BNORM_CORRUPT,
                                                          [LONGER] = BNORM_CORRUPT,
                                                          [EMPTY] = BNORM_CORRUPT,
                                                          [A_STATUS] = BNORM_NO_MEMORY,
                                                          [NO_STATUS] = BNORM_MPI,
                                                          [IMPOSSIBLE_COUNT] = BNORM_CORRUPT,
                                                          [BELOW_0] = BNORM_CORRUPT}};
    const bnorm_desc d = bnorm_matrix(BNORM_F32, 0, 3);
    for (int count = 2; count <= 6; count++)
        for (int nodes = 0; nodes < 2; nodes++)
            for (int how = 0; how < TAMPERINGS; how++)
                for (int round = 0; 1 << round < count; round++) {
                    if (expected[nodes][how] == BNORM_OK) continue;
                    struct spread s = spread_make(&d, count, true);
                    struct tampering t = {.nodes = nodes != 0, .rank = 1, .round = round, .how = how};
                    const int hears = (1 + count - (1 << round)) % count;
                    describe("%d ranks, nodes %d, tampering %d, round %d", count, nodes, how, round);
                    run(&s, false, tamper, &t);
                    CHECK(t.done, "nothing was done");
                    CHECK(s.statuses[hears] == expected[nodes][how], "%s", bnorm_status_string(s.statuses[hears]));
                    for (int r = 0; r < count; r++) {
                        CHECK((s.statuses[r] == BNORM_OK) == (s.wholes[r].moments != NULL), "rank %d", r);
                        bnorm_moments_destroy(s.wholes[r].moments);
                    }
                    spread_free(&s);
                }
}

/* Counts that a round does not want may be anything. */
static void spoil_unwanted_counts(struct mail *mail, void *context)
{
    const struct spread *const s = context;
    const bn_round round = bn_round_of(s->count, mail->round);
    if (mail->from) return;
    for (size_t i = 0; i < 2; i++) {
        if (!round.whole) set_word(mail, 2 + i, 3);
        if (!round.part) set_word(mail, 4 + i, 3);
    }
}

CASE(exchange, unwanted_counts_do_not_matter)
{
    const bnorm_desc d = bnorm_matrix(BNORM_F32, 0, 3);
    for (int count = 2; count <= 9; count++) {
        struct spread s = spread_make(&d, count, true);
        const bn_rank_sums expected = in_one_process(&s, BN_EXCHANGE_MOMENTS);
        describe("%d ranks", count);
        run(&s, false, spoil_unwanted_counts, &s);
        for (int r = 0; r < count; r++) {
            CHECK(s.statuses[r] == BNORM_OK, "rank %d: %s", r, bnorm_status_string(s.statuses[r]));
            if (s.statuses[r] == BNORM_OK) check_same_sums(&s, BN_EXCHANGE_MOMENTS, s.wholes[r], expected);
            destroy(BN_EXCHANGE_MOMENTS, s.wholes[r]);
        }
        destroy(BN_EXCHANGE_MOMENTS, expected);
        spread_free(&s);
    }
}

/* A rank without memory says so in a message that needs none, and goes on. */
CASE(exchange, out_of_memory)
{
    const bnorm_desc d = bnorm_matrix(BNORM_F32, 0, 2);
    const float x[] = {1, 2, 3, 4};
    bn_agreement a = bn_agreement_begin(2, 0, BNORM_OK, 1, &d, 2);
    size_t size = 0;

    bn_agreement_heard(&a, 0, &a.said, sizeof a.said, BNORM_OK);
    for (int step = 0; step < 3; step++) { /* begins, speaks, hears */
        bn_rank_sums own = {NULL}, whole;
        CHECK(bnorm_moments_create(&own.moments, &d, 0) == BNORM_OK, "create");
        CHECK(bnorm_moments_accumulate(own.moments, 2, x) == BNORM_OK, "accumulate");
        describe("step %d", step);
        if (step == 0) allocation_fail_from(1);
        bn_exchange e = bn_exchange_begin(BN_EXCHANGE_MOMENTS, &d, &a, own, BNORM_OK);
        if (step == 1) allocation_fail_from(1);
        const void *const message = bn_exchange_message(&e, 0, SIZE_MAX, &size);
        allocation_fail_from(0);
        CHECK(size == (step < 2 ? 8u : 40u), "%zu bytes", size);
        unsigned char heard[40];
        memcpy(heard, message, size);
        if (step == 2) allocation_fail_from(1);
        bn_exchange_heard(&e, 0, heard, size, BNORM_OK);
        allocation_fail_from(0);
        CHECK(bn_exchange_end(&e, &whole) == BNORM_NO_MEMORY && !whole.moments, "all is well");
    }
}
