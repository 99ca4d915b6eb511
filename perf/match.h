/* One row of the tables: bnorm, its rivals and the memory probes on one shape. */
#ifndef MATCH_H
#define MATCH_H

#include "harness.h"
#include "peer.h"
#include "probes.h"
#include "work.h"

typedef struct match_options {
    bool limits, textbook, prototype, peer;
    bool weak;          /* the run on one thread, which speed-up refers to, gets 1/threads of the rows */
    double seconds;     /* to spend on timing */
    size_t repetitions; /* 0: as many as fit */
    size_t last_level;  /* bytes of cache, */
    size_t core_cache;  /* of all cores and of one */
} match_options;

/* One of the rival's forms; NAN where it does not take part. */
typedef struct rival {
    spread time, over, over_read_after; /* seconds, time / bnorm's, both followed by reading the output */
} rival;

typedef struct result {
    operation op;
    bnorm_dtype dtype;
    shape shape;
    int threads;
    char isa[16];
    bool streamed;  /* the arrays together exceed twice the last-level cache */
    bool resident;  /* channels first, and x of one channel, with dy in a backward pass, stays in cache */
    char limit[32]; /* the names of its probes */
    size_t repetitions;
    double interruptions;  /* by other processes, per second; */
    double others;         /* processors that these, or a hypervisor, kept busy; NAN where the system does not say */
    double round_trip;     /* seconds that a word takes from one thread to the next and back; NAN of one thread */
    spread time;           /* seconds; what follows is NAN where it was not measured */
    double bandwidth;      /* bytes per second, counting the fewest trips over memory */
    spread speed_up;       /* time on one thread / time */
    spread over_textbook;  /* time of the textbook loop / time, */
    spread over_prototype; /* of the prototype, with the faster stores */
    spread share;          /* time of the limit / time */
    spread read_after;     /* seconds, with reading the output afterwards */
    rival peers[PEER_FORMS];
    spread f32_time, over_f32; /* of 16 bits: bnorm on the same shape in f32, seconds and time / this time */
    double probes[PROBES];     /* medians, seconds */
} result;

typedef enum verdict { MATCH_DONE, MATCH_WRONG_ANSWER, MATCH_SLOW_PROBE } verdict;

/* Checks every answer, then times. With any verdict but MATCH_DONE the result has no times that may be printed. */
verdict match_run(result *r, const match_options *options, operation op, bnorm_dtype dtype, const shape *s,
                  int threads);

#endif
