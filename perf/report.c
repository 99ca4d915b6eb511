#include "report.h"

#include "commit.h"
#include "machine.h"
#include "support/type.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void report_machine(FILE *f, size_t last_level)
{
    char date[32];
    const time_t t = time(NULL);
    strftime(date, sizeof date, "%Y-%m-%d %H:%M UTC", gmtime(&t));
    fprintf(f, "# cpu: %s, %d logical processors\n", machine_cpu(), machine_cpus());
    fprintf(f, "# caches: %s; last level taken as %zu KB\n", machine_caches(), last_level / 1024);
    fprintf(f, "# compiler: %s\n# flags: %s\n", BENCH_COMPILER, BENCH_FLAGS);
    fprintf(f, "# bnorm: %s, commit %s, isa %s\n", bnorm_version(), BENCH_COMMIT, bnorm_isa());
    fprintf(f, "# peer: %s; probes: %s\n# date: %s\n", peer_name(PEER_PLAIN), probe_isa(), date);
}

static const char *layout_name(const shape *s) { return !s->image ? "nc" : s->channels_first ? "nchw" : "nhwc"; }

/* ---- CSV --------------------------------------------------------------------------------------------------------- */

void report_csv_header(FILE *f)
{
    fputs("op,layout,dtype,shape,threads,isa,median_ms,best_ms,q1_ms,q3_ms,gb_s,speed_up,textbook_ratio,"
          "prototype_ratio,arrays,limit,share,share_q1,share_q3,f32_ms,f32_ratio,read_after_ms",
          f);
    static const char *const peers[PEER_FORMS] = {"peer", "blocked"};
    for (int form = 0; form < PEER_FORMS; form++) {
        const char *p = peers[form];
        fprintf(f, ",%s,%s_ms,%s_ratio,%s_ratio_q1,%s_ratio_q3,%s_read_after_ratio", p, p, p, p, p, p);
    }
    fputs(",repetitions,interruptions_per_s,others,round_trip_ns", f);
    for (int kind = 0; kind < PROBES; kind++) fprintf(f, ",%s_ms", probe_name((probe_kind)kind));
    fputc('\n', f);
}

/* An empty field where nothing was measured. */
static void number(FILE *f, double value)
{
    if (isnan(value))
        fputc(',', f);
    else
        fprintf(f, ",%.6g", value);
}

static void csv_rival(FILE *f, const rival *r, peer_form form)
{
    fprintf(f, ",%s", isnan(r->time.median) ? "" : peer_name(form));
    number(f, r->time.median * 1e3);
    number(f, r->over.median);
    number(f, r->over.q1);
    number(f, r->over.q3);
    number(f, r->over_read_after.median);
}

void report_csv(FILE *f, const result *r)
{
    char text[64];
    fprintf(f, "%s,%s,%s,%s,%d,%s", operation_name(r->op), layout_name(&r->shape), type_name(r->dtype),
            shape_text(&r->shape, text), r->threads, r->isa);
    number(f, r->time.median * 1e3);
    number(f, r->time.best * 1e3);
    number(f, r->time.q1 * 1e3);
    number(f, r->time.q3 * 1e3);
    number(f, r->bandwidth * 1e-9);
    number(f, r->speed_up.median);
    number(f, r->over_textbook.median);
    number(f, r->over_prototype.median);
    fprintf(f, ",%s,%s", r->streamed ? "memory" : "cache", r->limit);
    number(f, r->share.median);
    number(f, r->share.q1);
    number(f, r->share.q3);
    number(f, r->f32_time.median * 1e3);
    number(f, r->over_f32.median);
    number(f, r->read_after.median * 1e3);
    for (int form = 0; form < PEER_FORMS; form++) csv_rival(f, &r->peers[form], (peer_form)form);
    fprintf(f, ",%zu,%.0f", r->repetitions, r->interruptions);
    number(f, r->others);
    number(f, r->round_trip * 1e9);
    for (int kind = 0; kind < PROBES; kind++) number(f, r->probes[kind] * 1e3);
    fputc('\n', f);
    fflush(f);
}

/* ---- The table --------------------------------------------------------------------------------------------------- */

void report_header(FILE *f)
{
    fprintf(f, "%-9s %-4s %-15s %2s %-7s %10s %7s  %-19s %7s %7s %9s %9s %7s %7s %7s\n", "op", "type", "shape", "th",
            "isa", "median ms", "GB/s", "share [quartiles]", "x1 thr", "x f32", "textbook", "peer ms", "x peer",
            "+read", "blocked");
}

/* Right-aligned, "-" where nothing was measured. */
static void cell(FILE *f, int width, const char *format, double value)
{
    char text[32] = "-";
    if (!isnan(value)) snprintf(text, sizeof text, format, value);
    fprintf(f, " %*s", width, text);
}

/* Whether others kept processors busy that the threads wanted. Both figures are needed: a stranger of low priority does
 * not interrupt, but where it is, a team waits for the thread that it keeps away, milliseconds or all the time. A
 * process that shares each processor with another loses it at every time slice, 250 times a second or more; on a quiet
 * machine it is some ten times, and others take some hundredths of a processor. */
static bool is_disturbed(const result *r)
{
    const double spare = machine_processors() - r->threads;
    return r->interruptions > 100 || r->others > spare + 0.2;
}

void report_line(FILE *f, const result *r)
{
    char text[64], of_limit[32] = "-";
    fprintf(f, "%-9s %-4s %-15s %2d %-7s", operation_name(r->op), type_name(r->dtype), shape_text(&r->shape, text),
            r->threads, r->isa);
    cell(f, 10, "%.5f", r->time.median * 1e3);
    cell(f, 7, "%.1f", r->bandwidth * 1e-9);
    if (!isnan(r->share.median))
        snprintf(of_limit, sizeof of_limit, "%.2f [%.2f %.2f] %s%s", r->share.median, r->share.q1, r->share.q3,
                 r->streamed ? "m" : "c", r->resident ? "2" : "");
    fprintf(f, "  %-19s", of_limit);
    cell(f, 7, "%.2f", r->speed_up.median);
    cell(f, 7, "%.2f", r->over_f32.median);
    cell(f, 9, "%.1f", r->over_textbook.median);
    cell(f, 9, "%.5f", r->peers[PEER_PLAIN].time.median * 1e3);
    cell(f, 7, "%.2f", r->peers[PEER_PLAIN].over.median);
    cell(f, 7, "%.2f", r->peers[PEER_PLAIN].over_read_after.median);
    cell(f, 7, "%.2f", r->peers[PEER_BLOCKED].over.median);
    if (is_disturbed(r)) fprintf(f, "  ! others: %.0f times a second, %.2f processors", r->interruptions, r->others);
    fputc('\n', f);
    fflush(f);
}

/* ---- Geometric means --------------------------------------------------------------------------------------------- */

typedef struct column {
    const char *name;
    double (*value)(const result *);
    bool part; /* of the rows of the last column that is no part: said where it is not all of them */
} column;

static double share(const result *r) { return r->share.median; }
static double share_in_memory(const result *r) { return r->streamed ? r->share.median : NAN; }
static double speed_up(const result *r) { return r->threads > 1 ? r->speed_up.median : NAN; }
static double over_prototype(const result *r) { return r->over_prototype.median; }

/* Of arrays of 1 to 2 MB, in a thousand or a power of two. */
static double speed_up_midsize(const result *r)
{
    const size_t bytes = shape_elements(&r->shape) * type_size(r->dtype);
    return bytes >= 1000000 && bytes <= 2 << 20 ? speed_up(r) : NAN;
}

static double over_textbook(const result *r) { return r->over_textbook.median; }
static double over_peer(const result *r) { return r->peers[PEER_PLAIN].over.median; }
static double over_peer_read_after(const result *r) { return r->peers[PEER_PLAIN].over_read_after.median; }
static double over_blocked(const result *r) { return r->peers[PEER_BLOCKED].over.median; }
static double over_blocked_read_after(const result *r) { return r->peers[PEER_BLOCKED].over_read_after.median; }
static double over_f32(const result *r) { return r->over_f32.median; }
static double over_f32_in_memory(const result *r) { return r->streamed ? r->over_f32.median : NAN; }
static double share_resident(const result *r) { return r->resident ? r->share.median : NAN; }

static const column columns[] = {{"share of the limit", share, false},
                                 {"the same, beyond the cache", share_in_memory, true},
                                 {"the same, channels in cache", share_resident, true},
                                 {"over one thread", speed_up, false},
                                 {"the same, x of 1 to 2 MB", speed_up_midsize, true},
                                 {"over the prototype", over_prototype, false},
                                 {"over itself in f32", over_f32, false},
                                 {"the same, beyond the cache", over_f32_in_memory, true},
                                 {"over the textbook loop", over_textbook, false},
                                 {"over the peer", over_peer, false},
                                 {"the same, and reading it", over_peer_read_after, false},
                                 {"over the peer, blocked", over_blocked, false},
                                 {"the same, and reading it", over_blocked_read_after, false}};

static int by_size(const void *a, const void *b)
{
    const size_t x = shape_elements(&(*(const result *const *)a)->shape),
                 y = shape_elements(&(*(const result *const *)b)->shape);
    return (x > y) - (x < y);
}

static double geometric_mean(const result *const *rows, size_t count, double (*value)(const result *))
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += log(value(rows[i]));
    return exp(sum / (double)count);
}

static const result *worst_of(const result *const *rows, size_t count, double (*value)(const result *))
{
    const result *worst = rows[0];
    for (size_t i = 1; i < count; i++)
        if (value(rows[i]) < value(worst)) worst = rows[i];
    return worst;
}

/* The mean of those that are not disturbed, where some are and others not. */
static void print_undisturbed(FILE *f, const result **rows, size_t count, double (*value)(const result *))
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        if (!is_disturbed(rows[i])) rows[n++] = rows[i];
    if (n > 0 && n < count) fprintf(f, "; of those not marked %.2f", geometric_mean(rows, n, value));
}

/* Of rows from small to large, those that have a value; returns how many. */
static size_t with_value(const column *c, const result *const *rows, size_t count, const result **with)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        if (!isnan(c->value(rows[i]))) with[n++] = rows[i];
    return n;
}

static void summarise_column(FILE *f, const column *c, const result **with, size_t n)
{
    char text[64];
    const result *const worst = worst_of(with, n, c->value);
    fprintf(f, "  %-27s %6.2f", c->name, geometric_mean(with, n, c->value));
    if (n > 2) fprintf(f, "   without the two smallest %6.2f", geometric_mean(with + 2, n - 2, c->value));
    fprintf(f, "   worst %.2f at %s", c->value(worst), shape_text(&worst->shape, text));
    print_undisturbed(f, with, n, c->value);
    fputc('\n', f);
}

static const char *plural(size_t n) { return n == 1 ? "" : "s"; }

static void summarise_heading(FILE *f, const result *const *rows, size_t count)
{
    size_t disturbed = 0;
    for (size_t i = 0; i < count; i++) disturbed += is_disturbed(rows[i]);
    fprintf(f, "\n%s %s, %d thread%s, %zu shape%s", operation_name(rows[0]->op), type_name(rows[0]->dtype),
            rows[0]->threads, plural((size_t)rows[0]->threads), count, plural(count));
    if (disturbed == count)
        fputs(" (all marked, so not to be trusted)", f);
    else if (disturbed > 0)
        fprintf(f, " (%zu of them marked)", disturbed);
    fputs(": geometric means\n", f);
}

/* Nothing where no column has a value. */
static void summarise(FILE *f, const result **rows, size_t count)
{
    const result **const with = malloc((count + 1) * sizeof *with);
    size_t lines = 0, whole = 0;
    if (!with) abort();
    qsort(rows, count, sizeof *rows, by_size);
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        const column *const c = &columns[i];
        const size_t n = with_value(c, rows, count, with);
        if (!c->part) whole = n;
        if (n == 0 || (c->part && n == whole)) continue;
        if (lines++ == 0) summarise_heading(f, rows, count);
        summarise_column(f, c, with, n);
    }
    free(with);
}

static bool same_group(const result *a, const result *b)
{
    return a->op == b->op && a->dtype == b->dtype && a->threads == b->threads;
}

void report_summary(FILE *f, const result *all, size_t count)
{
    const result **group = malloc((count + 1) * sizeof *group);
    if (!group) abort();
    for (size_t i = 0; i < count; i++) {
        size_t n = 0;
        bool seen = false;
        for (size_t j = 0; j < i; j++) seen = seen || same_group(&all[i], &all[j]);
        for (size_t j = i; j < count && !seen; j++)
            if (same_group(&all[i], &all[j])) group[n++] = &all[j];
        if (n) summarise(f, group, n);
    }
    free(group);
}
