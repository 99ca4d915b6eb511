#include "match.h"

#include "arrays.h"
#include "machine.h"
#include "prototype.h"
#include "support/type.h"
#include "textbook.h"
#include "timefn.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* Below this many bytes waking a team costs more than a core takes to do the work alone, so the probes run both ways.
 */
static const size_t SMALL = 1 << 20;
/* Below this one thread reads the output, as the next layer would. */
static const size_t TINY = 1 << 16;

/* The limit is `read`, except in inference, and then the fastest of `move`. */
typedef struct limit {
    bool reads_first;
    probe_kind read, move[3];
    int moves;
} limit;

static const limit limits[OPERATIONS] = {
    [FORWARD] = {true, PROBE_READ, {PROBE_COPY, PROBE_COPY_STRING, PROBE_COPY_STREAM}, 3},
    [INFERENCE] = {false, PROBE_READ, {PROBE_COPY, PROBE_COPY_STRING, PROBE_COPY_STREAM}, 3},
    [BACKWARD] = {true, PROBE_READ_TWO, {PROBE_TRIAD, PROBE_TRIAD_STREAM, PROBE_COPY_TWO}, 3},
};

/* What stays in cache is read once, and then reads and writes do not overlap. */
static const limit resident_limits[OPERATIONS] = {
    [FORWARD] = {true, PROBE_READ, {PROBE_WRITE_STREAM}, 1},
    [INFERENCE] = {false, PROBE_READ, {PROBE_COPY, PROBE_COPY_STRING, PROBE_COPY_STREAM}, 3},
    [BACKWARD] = {true, PROBE_READ_TWO, {PROBE_WRITE_STREAM}, 1},
};

typedef struct bnorm_run {
    operation op;
    bnorm_desc desc;
    const bnorm_buffers *buffers;
    const probe *read_after; /* NULL: nothing */
} bnorm_run;

typedef struct peer_and_read {
    peer *peer;
    const probe *read_after;
} peer_and_read;

typedef struct textbook_loop {
    const work *work;
    double *scratch;
} textbook_loop;

typedef struct prototype {
    const work *work;
    double *scratch;
    bool stream;
} prototype;

static void call_bnorm(void *context)
{
    const bnorm_run *r = context;
    work_call(r->op, &r->desc, r->buffers);
    if (r->read_after) probe_run(r->read_after);
}

static void call_textbook(void *context)
{
    const textbook_loop *t = context;
    textbook_run(t->work, t->scratch);
}

static void call_prototype(void *context)
{
    const prototype *p = context;
    prototype_run(p->work, p->stream, p->scratch);
}

static void call_peer(void *context)
{
    const peer_and_read *p = context;
    peer_run(p->peer);
    if (p->read_after) probe_run(p->read_after);
}

static void call_probe(void *context) { probe_run(context); }

static void call_round_trips(void *context) { probe_round_trips(*(const int *)context); }

/* Everything of one match; what does not take part has number -1. */
typedef struct field {
    work work, work_f32;
    bool streamed; /* see result */
    const limit *limit;
    contest contest;
    bnorm_run ours, one_thread, ours_and_read, ours_f32;
    textbook_loop textbook;
    prototype prototype[2]; /* with ordinary stores, and past the cache */
    peer_and_read peer[PEER_FORMS], peer_and_read[PEER_FORMS];
    probe read_output, read_peer[PEER_FORMS], probes[2 * PROBES];
    int at_ours, at_one_thread, at_ours_and_read, at_ours_f32, at_textbook, at_prototype[2];
    int at_peer[PEER_FORMS], at_peer_and_read[PEER_FORMS], at_round_trips;
    int at_probe[PROBES], at_probe_alone[PROBES]; /* on all threads, and on one where the arrays are small */
} field;

static void *output(const work *w) { return w->op == BACKWARD ? w->buffers.dx : w->buffers.y; }

/* ---- Answers ----------------------------------------------------------------------------------------------------- */

/* All bits set is NaN in every type: nothing left by another passes for an answer. */
static void spoil(const work *w) { memset(output(w), 0xff, w->bytes); }

static bool bnorm_right(const work *w, const bnorm_run *run, const char *who)
{
    spoil(w);
    const bnorm_status status = work_call(run->op, &run->desc, run->buffers);
    if (status != BNORM_OK) {
        fprintf(stderr, "bnorm-bench: %s: %s\n", who, bnorm_status_string(status));
        return false;
    }
    return textbook_agrees(w, who, false);
}

static bool textbook_right(const field *f)
{
    spoil(&f->work);
    textbook_run(&f->work, f->textbook.scratch);
    return textbook_agrees(&f->work, "the textbook loop", true);
}

static bool prototype_right(const field *f)
{
    for (int stream = 0; stream < 2; stream++) {
        spoil(&f->work);
        prototype_run(&f->work, stream, f->prototype[stream].scratch);
        if (!textbook_agrees(&f->work, "the prototype", true)) return false;
    }
    return true;
}

static bool peer_right(const field *f, peer_form form)
{
    spoil(&f->work);
    peer_run(f->peer[form].peer);
    peer_deliver(f->peer[form].peer);
    return textbook_agrees(&f->work, peer_name(form), true);
}

static bool answers_right(field *f, const match_options *options)
{
    const work *w = &f->work;
    if (!bnorm_right(w, &f->ours, "bnorm")) return false;
    if (f->at_one_thread >= 0 && !options->weak && !bnorm_right(w, &f->one_thread, "bnorm on one thread")) return false;
    if (f->at_ours_f32 >= 0 && !bnorm_right(&f->work_f32, &f->ours_f32, "bnorm in f32")) return false;
    if (f->at_textbook >= 0 && !textbook_right(f)) return false;
    if (f->at_prototype[0] >= 0 && !prototype_right(f)) return false;
    for (int form = 0; form < PEER_FORMS; form++)
        if (f->at_peer[form] >= 0 && !peer_right(f, (peer_form)form)) return false;
    return true;
}

/* ---- Who takes part ---------------------------------------------------------------------------------------------- */

static void enter_bnorm(field *f, const match_options *options)
{
    const work *w = &f->work;
    f->ours = (bnorm_run){w->op, w->desc, &w->buffers, NULL};
    f->at_ours = contest_add(&f->contest, call_bnorm, &f->ours, false);
    if (w->threads > 1) {
        shape one = w->shape;
        if (options->weak) one.n /= (size_t)w->threads;
        f->one_thread = f->ours;
        f->one_thread.desc = work_describe(w->dtype, &one, 1);
        f->at_one_thread = contest_add(&f->contest, call_bnorm, &f->one_thread, false);
    }
    if (type_size(w->dtype) > 2) return;
    work_create(&f->work_f32, w->op, BNORM_F32, &w->shape, w->threads);
    f->ours_f32 = (bnorm_run){w->op, f->work_f32.desc, &f->work_f32.buffers, NULL};
    f->at_ours_f32 = contest_add(&f->contest, call_bnorm, &f->ours_f32, false);
}

static void enter_rivals(field *f, const match_options *options)
{
    const work *w = &f->work;
    if (options->textbook && textbook_has(w)) {
        f->textbook = (textbook_loop){w, array_create(2 * w->features * sizeof(double), 1)};
        f->at_textbook = contest_add(&f->contest, call_textbook, &f->textbook, true);
    }
    if (options->prototype && prototype_has(w)) {
        double *const scratch = array_create(prototype_scratch(w) * sizeof *scratch, 1);
        for (int stream = 0; stream < 2; stream++) {
            f->prototype[stream] = (prototype){w, scratch, stream};
            f->at_prototype[stream] = contest_add(&f->contest, call_prototype, &f->prototype[stream], true);
        }
    }
    for (int form = 0; options->peer && form < PEER_FORMS; form++) {
        f->peer[form] = (peer_and_read){peer_create(w, (peer_form)form), NULL};
        if (f->peer[form].peer) f->at_peer[form] = contest_add(&f->contest, call_peer, &f->peer[form], true);
    }
}

/* Non-temporal stores leave the output in memory, which the next layer pays for: so both again, with reading it. */
static void enter_readers(field *f)
{
    const work *w = &f->work;
    const int threads = w->bytes < TINY ? 1 : w->threads;
    f->read_output = (probe){PROBE_READ, output(w), NULL, NULL, w->bytes, threads};
    f->ours_and_read = f->ours;
    f->ours_and_read.read_after = &f->read_output;
    f->at_ours_and_read = contest_add(&f->contest, call_bnorm, &f->ours_and_read, false);
    for (int form = 0; form < PEER_FORMS; form++) {
        if (f->at_peer[form] < 0) continue;
        f->read_peer[form] = f->read_output;
        f->read_peer[form].a = peer_output(f->peer[form].peer);
        f->peer_and_read[form] = (peer_and_read){f->peer[form].peer, &f->read_peer[form]};
        f->at_peer_and_read[form] = contest_add(&f->contest, call_peer, &f->peer_and_read[form], true);
    }
}

static void enter_probe(field *f, probe_kind kind)
{
    const work *w = &f->work;
    probe *p = &f->probes[kind];
    *p = (probe){kind, w->buffers.x, w->buffers.dy, output(w), w->bytes, w->threads};
    f->at_probe[kind] = contest_add(&f->contest, call_probe, p, false);
    if (w->threads == 1 || w->bytes >= SMALL) return;
    probe *alone = &f->probes[PROBES + kind];
    *alone = *p;
    alone->threads = 1;
    f->at_probe_alone[kind] = contest_add(&f->contest, call_probe, alone, false);
}

/* Those of the streamed limit, the write that a resident one takes, and what all have to match. */
static void enter_probes(field *f)
{
    const limit *l = &limits[f->work.op];
    enter_probe(f, l->read);
    for (int i = 0; i < l->moves; i++) enter_probe(f, l->move[i]);
    enter_probe(f, PROBE_WRITE_STREAM);
    enter_probe(f, PROBE_MEMCPY);
}

/* ---- What came out ----------------------------------------------------------------------------------------------- */

static spread missing(void) { return (spread){NAN, NAN, NAN, NAN}; }

static spread times(const field *f, int who) { return who < 0 ? missing() : contest_times(&f->contest, who); }

static spread over(const field *f, int above, int below)
{
    return above < 0 || below < 0 ? missing() : contest_ratios(&f->contest, above, below);
}

static int faster(const field *f, int one, int other)
{
    return times(f, other).median < times(f, one).median ? other : one;
}

/* The contestant of this kind, on one thread or all, that has the lower median. */
static int fastest(const field *f, probe_kind kind)
{
    const int team = f->at_probe[kind], alone = f->at_probe_alone[kind];
    return alone < 0 ? team : faster(f, team, alone);
}

static int fastest_move(const field *f)
{
    const limit *l = f->limit;
    int best = fastest(f, l->move[0]);
    for (int i = 1; i < l->moves; i++) best = faster(f, best, fastest(f, l->move[i]));
    return best;
}

/* Which stores are the faster ones is decided by their medians over all repetitions, and only then are ratios taken:
 * the least of several noisy times in each repetition would be faster than any of them. */
static spread share_of_limit(const field *f)
{
    const limit *l = f->limit;
    const double *ours = f->contest.list[f->at_ours].seconds;
    const double *move = f->contest.list[fastest_move(f)].seconds;
    const double *read = f->contest.list[fastest(f, l->read)].seconds;
    double *ratio = malloc(f->contest.repetitions * sizeof *ratio);
    if (!ratio) abort();
    for (size_t r = 0; r < f->contest.repetitions; r++) ratio[r] = ((l->reads_first ? read[r] : 0) + move[r]) / ours[r];
    const spread share = spread_of(ratio, f->contest.repetitions);
    free(ratio);
    return share;
}

/* A read or a copy does no more than memcpy, a read of two arrays or a triad no more than memcpy of both, so it must
 * not take longer. One that is slower in three quarters of the repetitions, by more than a tenth, does not show the
 * limit. A non-temporal write may be slower where memcpy's output stays in the cache. */
static bool probes_fast(const field *f)
{
    const int reference = fastest(f, PROBE_MEMCPY);
    if (times(f, reference).median < 50e-9) return true; /* here the call counts, not the bytes */
    const double read = over(f, fastest(f, f->limit->read), reference).q1;
    const double moved = over(f, fastest_move(f), reference).q1;
    const bool past_the_cache = f->limit->move[0] == PROBE_WRITE_STREAM && !f->streamed;
    if (read <= 1.1 && (moved <= 1.1 || past_the_cache)) return true;
    fprintf(stderr, "bnorm-bench: against memcpy, reading took %.2f of the time and copying, adding or writing %.2f\n",
            read, moved);
    return false;
}

static double trips(operation op, bool twice)
{
    if (op == INFERENCE) return 2;
    return op == FORWARD ? (twice ? 3 : 2) : (twice ? 5 : 3);
}

/* "read+copy_stream" */
static void name_limit(result *r, const field *f)
{
    const probe *move = f->contest.list[fastest_move(f)].context;
    const char *read = f->limit->reads_first ? probe_name(f->limit->read) : "";
    snprintf(r->limit, sizeof r->limit, "%s%s%s", read, *read ? "+" : "", probe_name(move->kind));
}

static void take_results(result *r, const field *f, const match_options *options)
{
    r->repetitions = f->contest.repetitions;
    r->time = times(f, f->at_ours);
    r->bandwidth = trips(r->op, r->streamed && !r->resident) * (double)f->work.bytes / r->time.median;
    r->speed_up = over(f, f->at_one_thread, f->at_ours);
    if (f->work.threads == 1) r->speed_up = (spread){1, 1, 1, 1};
    if (options->weak) {
        r->speed_up.best *= f->work.threads;
        r->speed_up.q1 *= f->work.threads;
        r->speed_up.median *= f->work.threads;
        r->speed_up.q3 *= f->work.threads;
    }
    r->over_textbook = over(f, f->at_textbook, f->at_ours);
    r->over_prototype = over(f, faster(f, f->at_prototype[0], f->at_prototype[1]), f->at_ours);
    r->share = options->limits ? share_of_limit(f) : missing();
    if (options->limits) name_limit(r, f);
    r->read_after = times(f, f->at_ours_and_read);
    for (int form = 0; form < PEER_FORMS; form++)
        r->peers[form] = (rival){times(f, f->at_peer[form]), over(f, f->at_peer[form], f->at_ours),
                                 over(f, f->at_peer_and_read[form], f->at_ours_and_read)};
    r->round_trip = times(f, f->at_round_trips).median / ROUND_TRIPS;
    r->f32_time = times(f, f->at_ours_f32);
    r->over_f32 = over(f, f->at_ours_f32, f->at_ours);
    for (int kind = 0; kind < PROBES; kind++) {
        const int who = f->at_probe[kind] < 0 ? -1 : fastest(f, (probe_kind)kind);
        r->probes[kind] = times(f, who).median;
    }
}

/* A moment, and so far: how often the system took a processor away from this process; seconds that the processors
 * worked for others. */
typedef struct moment {
    double now, interruptions, others;
} moment;

static double seconds(struct timeval t) { return (double)t.tv_sec + (double)t.tv_usec * 1e-6; }

static moment this_moment(void)
{
    struct rusage usage = {0};
    getrusage(RUSAGE_SELF, &usage);
    return (moment){now(), (double)usage.ru_nivcsw, machine_busy() - seconds(usage.ru_utime) - seconds(usage.ru_stime)};
}

static void leave(field *f)
{
    contest_finish(&f->contest);
    for (int form = 0; form < PEER_FORMS; form++) peer_destroy(f->peer[form].peer);
    array_destroy(f->textbook.scratch);
    array_destroy(f->prototype[0].scratch);
    work_destroy(&f->work);
    work_destroy(&f->work_f32);
}

/* One channel of the arrays that are read, in a core's own cache, or, where the arrays are beyond the last one, in a
 * thread's share of half of that. */
static bool stays_in_cache(const work *w, const match_options *o, bool streamed)
{
    const size_t channel = w->bytes / w->features * (w->op == BACKWARD ? 2 : 1);
    const size_t share = streamed ? o->last_level / 2 / (size_t)w->threads : 0;
    return w->shape.channels_first && (channel <= o->core_cache || channel <= share);
}

verdict match_run(result *r, const match_options *options, operation op, bnorm_dtype dtype, const shape *s, int threads)
{
    static field f; /* large for a stack */
    f = (field){.at_one_thread = -1,
                .at_ours_and_read = -1,
                .at_ours_f32 = -1,
                .at_textbook = -1,
                .at_prototype = {-1, -1},
                .at_round_trips = -1};
    for (int form = 0; form < PEER_FORMS; form++) f.at_peer[form] = f.at_peer_and_read[form] = -1;
    for (int kind = 0; kind < PROBES; kind++) f.at_probe[kind] = f.at_probe_alone[kind] = -1;

    shape whole = *s;
    if (options->weak) whole.n *= (size_t)threads;
    *r = (result){.op = op, .dtype = dtype, .shape = whole, .threads = threads};
    snprintf(r->isa, sizeof r->isa, "%s", bnorm_isa());
    work_create(&f.work, op, dtype, &whole, threads);
    f.streamed = f.work.bytes * (op == BACKWARD ? 3 : 2) > 2 * options->last_level;
    r->resident = stays_in_cache(&f.work, options, f.streamed);
    f.limit = r->resident ? &resident_limits[op] : &limits[op];
    r->streamed = f.streamed;

    enter_bnorm(&f, options);
    enter_rivals(&f, options);
    enter_readers(&f);
    if (options->limits) enter_probes(&f);
    if (threads > 1) f.at_round_trips = contest_add(&f.contest, call_round_trips, &f.work.threads, true);

    verdict v = answers_right(&f, options) ? MATCH_DONE : MATCH_WRONG_ANSWER;
    if (v == MATCH_DONE) {
        const moment start = this_moment();
        contest_run(&f.contest, options->seconds, options->repetitions);
        const moment end = this_moment();
        r->interruptions = (end.interruptions - start.interruptions) / (end.now - start.now);
        r->others = (end.others - start.others) / (end.now - start.now);
        if (options->limits && !probes_fast(&f)) v = MATCH_SLOW_PROBE;
        take_results(r, &f, options);
    }
    leave(&f);
    return v;
}
