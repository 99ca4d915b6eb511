/* Contests: several implementations timed in turn, so that what the machine does meanwhile hits all of them alike.
 *
 * One repetition is one sample of each contestant, in an order of its own; ratios are taken within a repetition, then
 * their median. What ran just before decides what is in the cache, so every sample follows an untimed call of the same
 * contestant. */
#ifndef HARNESS_H
#define HARNESS_H

#include <stdbool.h>
#include <stddef.h>

enum { MOST_CONTESTANTS = 32 };

typedef struct contestant {
    void (*call)(void *context);
    void *context;
    bool sparse;     /* may sit out repetitions where it would take most of the time */
    size_t batch;    /* calls in one sample: enough that reading the clock does not count */
    size_t every;    /* takes part in every so many repetitions */
    double *seconds; /* of one call, per repetition; NAN where it sat out */
} contestant;

/* The first contestant is the subject, which all others are compared with. */
typedef struct contest {
    contestant list[MOST_CONTESTANTS];
    size_t count, repetitions;
} contest;

typedef struct spread {
    double best, q1, median, q3;
} spread;

/* Returns its number. */
int contest_add(contest *c, void (*call)(void *), void *context, bool sparse);

/* Takes the samples: `repetitions`, or with 0 as many as fit into `seconds`, but at least 11. */
void contest_run(contest *c, double seconds, size_t repetitions);
void contest_finish(contest *c);

/* NANs are left out; with no values, all four are NAN. `best` is the least. */
spread spread_of(const double *values, size_t count);
spread contest_times(const contest *c, int who);
spread contest_ratios(const contest *c, int above, int below);

#endif
