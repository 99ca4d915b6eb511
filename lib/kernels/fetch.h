/* Template: what to fetch ahead while rows, or runs, are read. Wants a dtype header and integers.h. */

enum {
    LEAP = 1024,       /* bytes that are fetched ahead along runs where only that is fetched to which reading leaps, */
    LEAP_ROW = 16384,  /* in rows of so many bytes or more */
    WIDE_ROW = 1024,   /* bytes as computed, of 16 bits twice those in memory; of longer rows, those fetched ahead do
                          not stay in a first cache of 32 KB beside the sums: on Zen 4 a sum of rows of 4 KB reads at
                          0.8 of the pace of a plain read of memory, and at 1.0 where they are fetched into the
                          second */
    LONG_ROW = 3072,   /* bytes; longer rows the hardware fetches by itself from within the last cache: sums of 1000 x
                          1000 floats took 1.1 times as long with ours, of 1000 x 256 0.87 (Zen 3) */
    LONG_RUN = 1024,   /* bytes; shorter runs are read several rows at a time, and not fetched as longer ones are:
                          backward of 50 images of 14 x 14 and 1024 channels took 1.1 times as long so (Zen 3) */
    NEXT_BLOCK = 65536 /* bytes that stay in cache until they are read, see next_run */
};

BN_INLINE bool is_wide(size_t values) { return values * sizeof(real) >= WIDE_ROW; }
BN_INLINE bool is_long(size_t values) { return values * sizeof(stored) >= LONG_ROW; }
BN_INLINE bool is_long_run(size_t run) { return run * sizeof(stored) >= LONG_RUN; }

/* With vectors of 64 bytes not measured, of 16 arithmetic decides: fetched as ever. */
BN_INLINE bool is_close(const bn_tile *t) { return BN_VECTOR_BYTES == 32 && t->distance == BN_CLOSE; }
BN_INLINE bool is_far(const bn_tile *t) { return t->distance >= BN_FAR; }

enum { LINE_VALUES = LINE / sizeof(stored) };

enum { NOWHERE, FIRST, SECOND }; /* the cache to fetch into */

/* Asks for the cache lines of [p, p + bytes). The address need not exist. */
BN_INLINE void fetch(int cache, uintptr_t p, size_t bytes)
{
    if (cache == NOWHERE) return; /* or gcc keeps the loop, with nothing in it */
    for (size_t i = 0; i < bytes; i += LINE) {
        if (cache == FIRST) __builtin_prefetch((const void *)(p + i), 0, 3);
        if (cache == SECOND) __builtin_prefetch((const void *)(p + i), 0, 2);
    }
}

/* By pages: lines of several pages in turn, into the second cache. A hardware's prefetcher that runs ahead in each page
 * by itself then has more lines under way. Read in the order of addresses, 160 MB came to two threads at 20.5 GB/s, two
 * pages at a time at 22.3, four at 25, eight at 26; copied past the cache, 32, 37, 37 and 36 (Xeon of family 6, model
 * 106). */
enum { PAGES_TOGETHER = 4, HAS_PAGES = BN_VECTOR_BYTES > 16 }; /* with vectors so small arithmetic decides */

/* While the line here is read, of what is read in the order of addresses. Every fourth time it asks for a line of each
 * page. */
BN_INLINE void fetch_by_pages(uintptr_t here)
{
    const uintptr_t most = PAGES_TOGETHER * PAGE, place = here % most;
    if (here / LINE % PAGES_TOGETHER != 0) return;
    for (size_t i = 0; i < PAGES_TOGETHER; i++)
        fetch(SECOND, here - place + most + i * PAGE + place / PAGES_TOGETHER, LINE);
}

/* How many rows ahead the one to fetch is. */
BN_INLINE size_t rows_ahead(size_t bytes, size_t stride, size_t fewest)
{
    const size_t enough = stride > 0 ? bytes / (stride * sizeof(stored)) : 0;
    return larger(enough, fewest);
}

/* How many rows make a page at most: a power of two, so that a block has a multiple of PAGES_TOGETHER of these. */
BN_INLINE size_t rows_to_page(size_t stride)
{
    size_t rows = 1;
    while (2 * rows * stride * sizeof(stored) <= PAGE && rows < 16) rows *= 2;
    return rows;
}

/* The address `values` further on, where there may be no array any more. */
BN_INLINE uintptr_t beyond(const stored *p, size_t values) { return (uintptr_t)p + values * sizeof *p; }

/* Where to fetch while runs are read, which begin `next` values apart: so many bytes ahead, counted along the run and
 * those that follow. Worked out once, for each line it is a comparison. */
typedef struct lead {
    size_t before; /* so many values further on, */
    size_t until;  /* and from this value of the run on, where that is in one run more, */
    size_t after;  /* so many */
} lead;

BN_INLINE lead lead_of(size_t run, size_t next, size_t ahead)
{
    const size_t values = ahead / sizeof(stored), before = values / run * next + values % run;
    return (lead){before, run - values % run, before + next - run};
}

/* In parts: while a row of images is read, the next one is fetched, in several parts at once: of 28 x 28 to 112 x 112
 * forward is 1.05 to 1.13 times as fast, backward 1.02 to 1.11 (Xeon of family 6, model 106). */
typedef struct parts {
    size_t count, size, from, next; /* what is read begins with value `from` of the row, the next row `next` further */
} parts;

BN_INLINE parts parts_of(size_t row, size_t from, size_t stride, size_t count)
{
    return (parts){count, row / count / LINE_VALUES * LINE_VALUES, from, stride - from};
}

/* While `values` are read, the i-th of what is read among them the first. */
BN_INLINE void fetch_parts(const stored *start, parts p, size_t i, size_t values)
{
    for (size_t k = 0; k < p.count; k++)
        fetch(FIRST, beyond(start, p.next + k * p.size + (p.from + i) / p.count), values * sizeof *start / p.count);
}

/* What to fetch meanwhile, along what is read: by pages, or in parts, or where the leads say. */
typedef struct later {
    int cache; /* of the leads */
    lead x, dy;
    bool leaps; /* of the leads only what leaps */
    bool pages, in_parts;
    parts x_parts, dy_parts;
} later;

BN_INLINE uintptr_t ahead_of(const stored *start, lead l, size_t i)
{
    return beyond(start, i + (i < l.until ? l.before : l.after));
}
