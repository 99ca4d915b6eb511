/* Template: what to fetch ahead while rows, or runs, are read. Wants a dtype header. */

enum {
    LINE_BYTES = 64,
    AHEAD = 6144,       /* bytes that are fetched ahead along runs; of columns too, unless the least number of rows
                           to fetch ahead is more */
    NEAR = 1536,        /* bytes, the same for elements with a factor each: 1048576 x 16 is 1.2 times as fast as with
                           AHEAD, and a loop of this arithmetic alone was fastest from 1.5 to 2 KB (Zen 3) */
    WIDE_ROW = 1024,    /* bytes as computed, of 16 bits twice those in memory; of longer rows, those fetched ahead do
                           not stay in a first cache of 32 KB beside the sums: on Zen 4 a sum of rows of 4 KB reads at
                           0.8 of the pace of a plain read of memory, and at 1.0 where they are fetched into the
                           second */
    LONG_ROW = 3072,    /* bytes; longer rows the hardware fetches by itself from within the last cache: sums of 1000 x
                           1000 floats took 1.1 times as long with ours, of 1000 x 256 0.87 (Zen 3) */
    FETCHED_RUN = 1024, /* bytes; shorter runs are read several rows at a time, and the hardware fetches those: backward
                           of 50 images of 14 x 14 and 1024 channels took 1.1 times as long with ours (Zen 3) */
    NEXT_BLOCK = 65536  /* bytes of parts of runs, see next_run */
};

BN_INLINE bool is_wide(size_t values) { return values * sizeof(real) >= WIDE_ROW; }
BN_INLINE bool is_long(size_t values) { return values * sizeof(stored) >= LONG_ROW; }
BN_INLINE bool is_fetched(size_t run) { return run * sizeof(stored) >= FETCHED_RUN; }

enum { NOWHERE, FIRST, SECOND }; /* the cache to fetch into */

/* Asks for the cache lines of [p, p + bytes). The address need not exist. */
BN_INLINE void fetch(int cache, uintptr_t p, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += LINE_BYTES) {
        if (cache == FIRST) __builtin_prefetch((const void *)(p + i), 0, 3);
        if (cache == SECOND) __builtin_prefetch((const void *)(p + i), 0, 2);
    }
}

/* How many rows ahead the one to fetch is. */
BN_INLINE size_t rows_ahead(size_t stride, size_t least)
{
    const size_t enough = stride > 0 ? AHEAD / (stride * sizeof(stored)) : 0;
    return enough > least ? enough : least;
}

/* The address `values` further on, where there may be no array any more. */
BN_INLINE uintptr_t beyond(const stored *p, size_t values) { return (uintptr_t)p + values * sizeof *p; }

/* Where to fetch while runs are read: so many bytes ahead, counted along the run and those that follow. */
typedef struct lead {
    size_t run, next, runs, rest; /* that is `runs` runs, which begin `next` values apart, and `rest` values */
} lead;

BN_INLINE lead lead_of(size_t run, size_t next, size_t ahead)
{
    const size_t values = ahead / sizeof(stored);
    return (lead){run, next, values / run, values % run};
}

/* What to fetch meanwhile, along what is read. */
typedef struct later {
    int cache;
    lead x, dy;
} later;

BN_INLINE uintptr_t ahead_of(const stored *start, lead l, size_t i)
{
    const size_t place = i + l.rest;
    return beyond(start, place < l.run ? l.runs * l.next + place : (l.runs + 1) * l.next + place - l.run);
}
