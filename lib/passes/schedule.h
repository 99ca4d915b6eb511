/* How a call is walked on this machine: it may change no bit. */
#ifndef BN_SCHEDULE_H
#define BN_SCHEDULE_H

#include "kernels/kernels.h"
#include "plan/plan.h"

#include <stdbool.h>
#include <stddef.h>

/* Doubles of scratch that a thread has for nodes. With what the kernels and the coefficients take, a thread's stack
 * grows by less than 80 KB. */
enum { BN_SCRATCH = 32 * 1024 / sizeof(double) };

/* A set of tables for the widest strip. */
enum { BN_SET_BYTES = BN_TABLES * BN_TABLE_BYTES };

/* The four orders in which blocks are walked: see lib/README.md. */
typedef enum bn_order {
    BN_BY_ROWS,  /* no sums: rows are shared out for elements, whole or strip by strip */
    BN_RESIDENT, /* all rows of a strip stay in cache: each strip is finished by one thread, without nodes */
    BN_CROSSED,  /* strips of all rows are shared out for sums, then, by tables that threads share, rows for elements */
    BN_STREAMED  /* chunks are shared out, each leaves a node */
} bn_order;

enum { BN_KEPT = 64 };

typedef struct bn_schedule {
    bn_order order;
    size_t threads;             /* at most */
    bn_distance distance;       /* of what sums read, or elements without any */
    bn_distance distance_again; /* of what elements read */
    bn_into into;               /* the cache to fetch what is far into */
    bool held;                  /* sums stay in registers where those of a row do; elsewhere not measured */
    size_t sums_ahead;          /* bytes that sums fetch ahead, */
    size_t ahead;               /* and elements where values have a factor each */
    bool fetch_next;    /* resident: what the next strip's sums read is fetched while a strip's elements are written */
    bool stream;        /* write with stores that pass the cache by, */
    size_t kept;        /* but for the last of it that a thread writes: so many of BN_KEPT parts */
    bool whole_rows;    /* by rows or streamed, rows wider than a tile: elements go row by row, by tables that threads
                           share, in the room of all nodes but the first */
    size_t band;        /* columns that a streamed walk takes from end to end before it takes the next */
    size_t strip;       /* columns that are finished together */
    size_t tile;        /* columns that are summed together, at most */
    size_t at_once;     /* blocks of a strip whose elements are passed over together, after sums the last ones first */
    size_t group;       /* chunks that a thread reduces to one node by itself: a power of two */
    size_t table_pitch; /* values from one of the shared tables to the next */
    size_t set;         /* columns that have their factors in one set of tables */
} bn_schedule;

/* Values of the widest strip's row, or its features, and those that a table of them has room for. */
size_t bn_strip_values(size_t value);
size_t bn_table_values(size_t value);

/* Whether tables hold a factor for each value of a row, and not one for each feature. */
bool bn_factor_a_value(const bn_plan *plan);

/* Bytes of room for nodes that sums of the shape want, and for nodes or tables that any walk of it does, whatever the
 * caches and the threads are. */
size_t bn_schedule_nodes(const bn_plan *plan);
size_t bn_schedule_room(const bn_plan *plan);

/* The latter of this batch, or of any smaller one, at most. */
size_t bn_schedule_room_most(const bn_plan *plan);

typedef struct bn_trips {
    bool sums, elements; /* which there are; elements reads what sums has read, and writes one array */
    size_t reads;        /* arrays of the size of x */
    bool in_place;       /* what is written was read */
    bool room;           /* for nodes and tables */
} bn_trips;

/* A task is a strip of a group of chunks; in a band, tasks are numbered strip by strip within group by group. The
 * number of a thread's first task; of thread `team`, how many tasks there are. Threads get about as many blocks each,
 * not as many tasks: the last group may be shorter. */
size_t bn_first_task(size_t strips, size_t blocks, size_t blocks_of_group, size_t thread, size_t team);

bn_schedule bn_schedule_make(const bn_plan *plan, bn_trips trips, int threads_asked);

#endif
