#include "mpi/exchange.h"

#include <stdlib.h>

/* A message: its head, then the pieces that have a size. */
enum { WHOLE_TAIL, WHOLE_HEAD, PART_TAIL, PART_HEAD, PIECES };

typedef struct head {
    uint64_t status, sizes[PIECES];
} head;

static int rounds_of(int ranks)
{
    int n = 0;
    while (n < 31 && (1u << n) < (unsigned)ranks) n++;
    return n;
}

bn_exchange bn_exchange_begin(const bn_kind *kind, const bnorm_desc *desc, int ranks, int rank, void *own,
                              bnorm_status status)
{
    return (bn_exchange){.kind = kind,
                         .desc = desc,
                         .ranks = ranks,
                         .rank = rank,
                         .rounds = rounds_of(ranks),
                         .whole.tail = own,
                         .status = status};
}

int bn_exchange_to(const bn_exchange *e, int round)
{
    const unsigned ranks = (unsigned)e->ranks;
    return (int)(((unsigned)e->rank + ranks - (1u << round)) % ranks);
}

int bn_exchange_from(const bn_exchange *e, int round)
{
    return (int)(((unsigned)e->rank + (1u << round)) % (unsigned)e->ranks);
}

void bn_exchange_fail(bn_exchange *e, bnorm_status status)
{
    if (e->status == BNORM_OK || status < e->status) e->status = status;
}

/* ---- what a round is about ---- */

/* How many ranks the last round adds. */
static unsigned last_ranks(const bn_exchange *e) { return (unsigned)e->ranks - (1u << (e->rounds - 1)); }

static bool is_last(const bn_exchange *e, int round) { return round == e->rounds - 1; }

/* The last round sends the part, unless that is all of it; others send the whole, and the part where it is to grow. */
static bool sends_whole(const bn_exchange *e, int round) { return !is_last(e, round) || last_ranks(e) == 1u << round; }

static bool part_grows(const bn_exchange *e, int round)
{
    return !is_last(e, round) && (last_ranks(e) >> round & 1) != 0;
}

static bool sends_part(const bn_exchange *e, int round)
{
    const bool any = (last_ranks(e) & ((1u << round) - 1)) != 0;
    return any && (part_grows(e, round) || !sends_whole(e, round));
}

/* ---- messages ---- */

static bnorm_status sizes_of(const bn_exchange *e, int round, const void *pieces[PIECES], head *h)
{
    const bn_span none = {NULL, NULL};
    const bn_span whole = sends_whole(e, round) ? e->whole : none, part = sends_part(e, round) ? e->part : none;
    const void *const all[PIECES] = {whole.tail, whole.head, part.tail, part.head};

    *h = (head){.status = BNORM_OK};
    for (int i = 0; i < PIECES; i++) {
        size_t size = 0;
        pieces[i] = all[i];
        if (!all[i]) continue;
        const bnorm_status s = e->kind->serialise(all[i], NULL, &size);
        if (s != BNORM_OK) return s;
        h->sizes[i] = size;
    }
    return BNORM_OK;
}

static size_t bytes_of(const head *h)
{
    size_t size = sizeof *h;
    for (int i = 0; i < PIECES; i++) size += h->sizes[i];
    return size;
}

static bnorm_status write_message(const bn_exchange *e, const void *const pieces[PIECES], const head *h, char *bytes)
{
    memcpy(bytes, h, sizeof *h);
    bytes += sizeof *h;
    for (int i = 0; i < PIECES; i++) {
        size_t size = h->sizes[i];
        if (!pieces[i]) continue;
        const bnorm_status s = e->kind->serialise(pieces[i], bytes, &size);
        if (s != BNORM_OK) return s;
        bytes += size;
    }
    return BNORM_OK;
}

static bnorm_status make_message(bn_exchange *e, int round, size_t most, char **bytes, size_t *size)
{
    const void *pieces[PIECES];
    head h;
    if (e->status != BNORM_OK) return e->status;
    const bnorm_status s = sizes_of(e, round, pieces, &h);
    if (s != BNORM_OK) return s;
    *size = bytes_of(&h);
    if (*size > most) return BNORM_OVERFLOW;
    *bytes = malloc(*size);
    return *bytes ? write_message(e, pieces, &h, *bytes) : BNORM_NO_MEMORY;
}

void *bn_exchange_message(bn_exchange *e, int round, size_t most, size_t *size)
{
    char *bytes = NULL;
    const bnorm_status s = make_message(e, round, most, &bytes, size);
    if (s == BNORM_OK) return bytes;
    free(bytes);
    bn_exchange_fail(e, s);
    e->alarm = (uint64_t)e->status;
    *size = sizeof e->alarm;
    return &e->alarm;
}

void bn_exchange_sent(bn_exchange *e, void *message)
{
    if (message != &e->alarm) free(message);
}

/* ---- hearing ---- */

static void destroy_span(const bn_exchange *e, bn_span *s)
{
    if (s->tail) e->kind->destroy(s->tail);
    if (s->head) e->kind->destroy(s->head);
    *s = (bn_span){NULL, NULL};
}

static bnorm_status copy(const bn_exchange *e, void **to, const void *from)
{
    if (!from) return BNORM_OK;
    const bnorm_status s = e->kind->create(to, e->desc, e->kind->first_block(from));
    return s == BNORM_OK ? e->kind->merge(*to, from) : s;
}

/* *to grows by *next, or becomes it. */
static bnorm_status join(const bn_exchange *e, void **to, void **next)
{
    if (!*next) return BNORM_OK;
    if (*to) return e->kind->merge(*to, *next);
    *to = *next;
    *next = NULL;
    return BNORM_OK;
}

/* s, of 2^round ranks from this one on, grows by what the next ranks sent. */
static bnorm_status join_span(const bn_exchange *e, int round, bn_span *s, bn_span *next)
{
    const bool beyond_wrap = (unsigned)e->rank + (1u << round) >= (unsigned)e->ranks;
    bnorm_status status = join(e, beyond_wrap ? &s->head : &s->tail, &next->tail);
    if (status == BNORM_OK) status = join(e, &s->head, &next->head);
    return status;
}

static bnorm_status read_pieces(const bn_exchange *e, const char *bytes, size_t size, bn_span got[2])
{
    void **const places[PIECES] = {&got[0].tail, &got[0].head, &got[1].tail, &got[1].head};
    uint64_t status;
    head h;

    if (!bytes || size < sizeof status) return BNORM_MPI;
    memcpy(&status, bytes, sizeof status);
    if (status != BNORM_OK) return status <= BNORM_MPI ? (bnorm_status)status : BNORM_MPI;
    if (size < sizeof h) return BNORM_MPI;
    memcpy(&h, bytes, sizeof h);
    for (int i = 0; i < PIECES; i++)
        if (h.sizes[i] > size) return BNORM_MPI; /* so that their sum does not wrap */
    if (bytes_of(&h) != size) return BNORM_MPI;
    bytes += sizeof h;
    for (int i = 0; i < PIECES; bytes += h.sizes[i++]) {
        if (h.sizes[i] == 0) continue;
        bnorm_status s = e->kind->create(places[i], e->desc, 0);
        if (s == BNORM_OK) s = e->kind->deserialise(*places[i], bytes, h.sizes[i]);
        if (s != BNORM_OK) return s;
    }
    return BNORM_OK;
}

/* part becomes the whole of before, and what the next ranks sent of theirs. */
static bnorm_status grow_part(bn_exchange *e, int round, bn_span *next)
{
    destroy_span(e, &e->part);
    bnorm_status s = copy(e, &e->part.tail, e->whole.tail);
    if (s == BNORM_OK) s = copy(e, &e->part.head, e->whole.head);
    return s == BNORM_OK ? join_span(e, round, &e->part, next) : s;
}

void bn_exchange_heard(bn_exchange *e, int round, const void *message, size_t size)
{
    bn_span got[2] = {{NULL, NULL}, {NULL, NULL}};
    bnorm_status s = read_pieces(e, message, size, got);
    if (s == BNORM_OK && e->status == BNORM_OK) {
        if (part_grows(e, round)) s = grow_part(e, round, &got[1]);
        if (s == BNORM_OK) s = join_span(e, round, &e->whole, sends_whole(e, round) ? &got[0] : &got[1]);
    }
    if (s != BNORM_OK) bn_exchange_fail(e, s);
    destroy_span(e, &got[0]);
    destroy_span(e, &got[1]);
}

bnorm_status bn_exchange_end(bn_exchange *e, void **whole, void **before)
{
    void *all = NULL, *head = NULL;
    bnorm_status s = e->status;

    if (s == BNORM_OK && before) s = copy(e, &head, e->whole.head);
    if (s == BNORM_OK) {
        bn_span *const w = &e->whole;
        all = w->head ? w->head : w->tail;
        if (w->head) s = e->kind->merge(w->head, w->tail);
        if (w->head)
            w->head = NULL;
        else
            w->tail = NULL;
    }
    destroy_span(e, &e->whole);
    destroy_span(e, &e->part);
    if (s != BNORM_OK) {
        if (all) e->kind->destroy(all);
        if (head) e->kind->destroy(head);
        all = head = NULL;
    }
    *whole = all;
    if (before) *before = head;
    return s;
}
