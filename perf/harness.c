#include "harness.h"

#include "support/random.h"
#include "timefn.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

/* A sample lasts at least this long: a thousand times what reading the clock costs. */
static const double SAMPLE = 25e-6;
enum { FEWEST = 11, FEWEST_SPARSE = 5, MOST = 1001 };

int contest_add(contest *c, void (*call)(void *), void *context, bool sparse)
{
    assert(c->count < MOST_CONTESTANTS);
    c->list[c->count] = (contestant){.call = call, .context = context, .sparse = sparse, .batch = 1, .every = 1};
    return (int)c->count++;
}

static double sample(const contestant *who)
{
    who->call(who->context);
    const double start = now();
    for (size_t i = 0; i < who->batch; i++) who->call(who->context);
    return (now() - start) / (double)who->batch;
}

/* The batch doubles until a sample is long enough. Returns what a repetition costs, the untimed call included. */
static double calibrate(contestant *who)
{
    for (;;) {
        const double seconds = sample(who), batch = (double)who->batch;
        if (seconds * batch >= SAMPLE) return seconds * (batch + 1);
        who->batch *= 2;
    }
}

/* A sparse contestant takes about as much time as all others together, or less. */
static void choose_repetitions(contest *c, const double *cost, double seconds, size_t repetitions)
{
    double dense = 0, total = 0;
    for (size_t i = 0; i < c->count; i++)
        if (!c->list[i].sparse) dense += cost[i];
    for (size_t i = 0; i < c->count; i++) {
        contestant *who = &c->list[i];
        if (who->sparse) who->every = (size_t)fmax(1, ceil(cost[i] / dense));
        total += cost[i] / (double)who->every;
    }
    const double fit = seconds / total;
    c->repetitions = repetitions ? repetitions : fit < FEWEST ? FEWEST : fit > MOST ? MOST : (size_t)fit;
    for (size_t i = 0; i < c->count; i++) {
        contestant *who = &c->list[i];
        const size_t most = (c->repetitions + FEWEST_SPARSE - 1) / FEWEST_SPARSE;
        if (who->every > most) who->every = most;
    }
}

/* In an order of its own for each repetition: what has run before leaves more behind than an untimed call puts right.
 * After the probes had written past the cache, forward of 28 x 28 x 128 took 37 to 47 us in some runs, instead of 20
 * (Xeon of family 6, model 106), and no contestant may always be the one that comes next. */
static void shuffle(size_t *order, size_t count, size_t repetition)
{
    for (size_t i = count; i > 1; i--) {
        const size_t j = (size_t)(random_bits(repetition, i) % i), other = order[j];
        order[j] = order[i - 1];
        order[i - 1] = other;
    }
}

void contest_run(contest *c, double seconds, size_t repetitions)
{
    double cost[MOST_CONTESTANTS];
    for (size_t i = 0; i < c->count; i++) cost[i] = calibrate(&c->list[i]);
    choose_repetitions(c, cost, seconds, repetitions);
    for (size_t i = 0; i < c->count; i++) {
        c->list[i].seconds = malloc(c->repetitions * sizeof(double));
        if (!c->list[i].seconds) abort();
    }
    size_t order[MOST_CONTESTANTS] = {0};
    for (size_t i = 0; i < c->count; i++) order[i] = i;
    for (size_t r = 0; r < c->repetitions; r++) {
        shuffle(order, c->count, r);
        for (size_t i = 0; i < c->count; i++) {
            const contestant *who = &c->list[order[i]];
            who->seconds[r] = r % who->every == 0 ? sample(who) : NAN;
        }
    }
}

void contest_finish(contest *c)
{
    for (size_t i = 0; i < c->count; i++) free(c->list[i].seconds);
    c->count = 0;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Between the two neighbours where the position is not whole. */
static double quantile(const double *sorted, size_t count, double q)
{
    const double at = q * (double)(count - 1);
    const size_t below = (size_t)at, above = below + 1 < count ? below + 1 : below;
    return sorted[below] + (at - (double)below) * (sorted[above] - sorted[below]);
}

spread spread_of(const double *values, size_t count)
{
    double *sorted = malloc((count + 1) * sizeof *sorted);
    if (!sorted) abort();
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        if (!isnan(values[i])) sorted[n++] = values[i];
    spread s = {NAN, NAN, NAN, NAN};
    if (n) {
        qsort(sorted, n, sizeof *sorted, ascending);
        s = (spread){sorted[0], quantile(sorted, n, 0.25), quantile(sorted, n, 0.5), quantile(sorted, n, 0.75)};
    }
    free(sorted);
    return s;
}

spread contest_times(const contest *c, int who) { return spread_of(c->list[who].seconds, c->repetitions); }

spread contest_ratios(const contest *c, int above, int below)
{
    double *ratio = malloc(c->repetitions * sizeof *ratio);
    if (!ratio) abort();
    for (size_t r = 0; r < c->repetitions; r++) ratio[r] = c->list[above].seconds[r] / c->list[below].seconds[r];
    const spread s = spread_of(ratio, c->repetitions);
    free(ratio);
    return s;
}
