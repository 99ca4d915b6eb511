/* Arithmetic on one tile: rows x columns of runs, in arrays with strides, all in elements. Kernels know no threads and
 * no plan. Each exists once per dtype and instruction set, from the same source, and all sets give the same bits.
 * `stored` is the dtype, `param` float or double (bnorm.h). Pointers need the alignment of their element; arrays of a
 * call do not overlap, but that y may be x and dx may be dy, with equal strides. Statistics are per column, in double.
 *
 * Nothing that a column yields depends on another column. */
#ifndef BN_KERNELS_H
#define BN_KERNELS_H

#include <stdbool.h>
#include <stddef.h>

enum {
    BN_STRIP_BYTES = 4096, /* of factors: the widest strip has a page of each; a tile's sums (two doubles a float) fit
                              half of L1 */
    BN_STRIP = BN_STRIP_BYTES / 4,
    BN_TABLES = 5,       /* of factors, at most */
    BN_LANES_MOST = 128, /* lanes * columns * run of a narrow tile is below this */
    BN_SHORT_RUN = 64,   /* values; runs up to here are summed as columns, rows on top of each other, longer ones along,
                            and so are those of 2 * BN_LANES or more in at most a row for every BN_LANES of them */
    BN_LANES = 16,       /* a run that is summed along has so many lanes, */
    BN_STEP = 64,        /* and so many values make one addition to each, */
    BN_STEPS = 16,       /* of which so many have sums of their own; */
    BN_LONG_RUNS = 32,   /* a tile has so many features of runs along at most */
    BN_TABLE_RUN = 128   /* bytes; runs below half of it have one factor a value in the tables of the element passes: a
                            vector may have many features. Of others a cache line has two at most; runs up to all of it
                            may have one too */
};

/* A table has room for a strip's factors, and for those of a cache line before and after. */
enum { BN_TABLE_BYTES = BN_STRIP_BYTES + 4 * 64 };

/* Where what is read comes from, the nearest first: the cores' own caches, or fast enough without being fetched; the
 * last cache; beyond it; beyond it, and fetched by several pages at once. */
typedef enum bn_distance { BN_CLOSE, BN_NEAR, BN_FAR, BN_PAGES } bn_distance;

/* Bytes that are fetched ahead along runs, and of columns that are summed, unless the least number of rows is more;
 * where no other number is measured to be better. */
enum { BN_AHEAD = 6144 };

/* Which cache is fetched into. Of what is summed, */
typedef enum bn_into {
    BN_INTO_EITHER, /* wide rows and long runs into the second, others into the first; */
    BN_INTO_SECOND, /* all into the second, and of long runs, near or far, only that to which reading leaps; */
    BN_INTO_FIRST   /* all into the first, and elements too that are written past the cache */
} bn_into;

/* rows of `columns` runs, which begin `pitch` values apart. Channels last a run is one value and pitch is 1. Channels
 * first pitch is S, and a run is all of it, or a part of a large image. */
typedef struct bn_tile {
    size_t rows, columns, run, pitch;
    size_t from;           /* of a part, its place in the run; rows is 1 then */
    size_t lanes;          /* a power of two; above 1 where columns * run is small: row r is summed in lane r % lanes */
    size_t row;            /* its first row in the arrays */
    size_t rows_in_arrays; /* behind the last a strip of all rows goes on with the next columns; with lanes
                              there are none: SIZE_MAX */
    bn_distance distance;
    bn_into into;
    size_t ahead; /* bytes that are fetched ahead, but where reading leaps */
    bool held;    /* sums stay in registers where all of a row do, see is_held in rows.h */
} bn_tile;

/* What an element pass needs of each feature. */
typedef struct bn_coefficients {
    size_t columns, run, pitch; /* of the tile */
    size_t tail;                /* that many features more, behind those, are passed over first, of each row the last
                                   line first, without `stream` or `extreme`; of parts of runs one */
    bool factor_a_value;        /* a factor for each value, not only for each run: see BN_TABLE_RUN */
    bool shares_lines;          /* rows follow each other in all arrays, and a line that two of them share is written as
                                   a whole: after a row's factors the tables have its first ones once more */
    size_t repeat;              /* rows of a narrow dense tile that are passed over side by side, as one */
    bn_distance distance;       /* what is far is fetched ahead, */
    bn_into into;               /* into this cache, */
    size_t ahead;               /* so many bytes where values have a factor each, */
    size_t next;                /* or, unless 0, so many values further on: what is summed next */
    bool stream;                /* write with stores that pass the cache by: a fence is to follow */
    bool extreme;               /* some features may not go by their factors, see factors.h: these go in double */
    const double *mean, *invstd, *sum_dy, *sum_dy_d;
    const void *gamma, *beta;
    double values;      /* M */
    void *factors;      /* BN_TABLES tables as elements are computed, for the template's own use */
    size_t table_pitch; /* values from one to the next: BN_TABLE_BYTES' worth; with `stream`, or where the factors
                           of a row exceed BN_STRIP_BYTES, any number */
    size_t half_pitch;  /* values from one half of a table to the other, where a dtype has them in halves */
    size_t place;       /* of the first value in the tables, such that the first whole cache line of the output
                           has its factors in whole lines too; 0 without factor_a_value */
} bn_coefficients;

/* Fills c->factors, c->extreme from c's other fields. */
typedef void bn_make_factors(bn_coefficients *c);

/* Merges into a node of n values, with the doubles a[j] and b[j] for column j, another of other_n. */
typedef void bn_merge(size_t columns, double n, double *a, double *b, double other_n, const double *other_a,
                      const double *other_b);

typedef struct bn_kernels {
    /* mean = sum(x) / n, m2 = sum((x - mean)^2), over the n = rows * run values of each feature. */
    void (*moments)(const bn_tile *tile, const void *x, size_t stride, double *mean, double *m2);

    /* (mean, m2) of n values becomes that of n + other_n. T. Chan, G. Golub, R. LeVeque, "Updating formulae and a
     * pairwise algorithm for computing sample variances", 1979. */
    bn_merge *merge_moments;

    /* sum_dy = sum(dy), sum_dy_d = sum(dy * (x - mean)), in the same order. */
    void (*gradient_sums)(const bn_tile *tile, const void *x, size_t x_stride, const void *dy, size_t dy_stride,
                          const double *mean, double *sum_dy, double *sum_dy_d);

    /* Adds other's sums. */
    bn_merge *merge_sums;

    /* m2 becomes invstd = 1 / sqrt(m2 / n + eps), 0 where that is 1 / 0. */
    void (*invstd)(size_t columns, double n, double eps, double *m2);

    /* The same from running statistics (param): mean widened, invstd of the variance. */
    void (*running)(size_t columns, double eps, const void *running_mean, const void *running_var, double *mean,
                    double *invstd);

    /* running = (1 - rate) * running + rate * batch; the batch variance is m2 / divisor. 0 < rate <= 1. */
    void (*update)(size_t columns, double rate, double divisor, const double *mean, const double *m2,
                   void *running_mean, void *running_var);

    /* dbeta = sum_dy, dgamma = sum_dy_d * invstd, as param. Either may be NULL. */
    void (*parameter_gradients)(size_t columns, const double *invstd, const double *sum_dy, const double *sum_dy_d,
                                void *dgamma, void *dbeta);

    /* For normalise and for input_gradient. */
    bn_make_factors *normalise_factors;
    bn_make_factors *input_gradient_factors;

    /* y = (x - mean) * (gamma * invstd) + beta over rows of the tile that c describes. Reads each x, writes each
     * y once. */
    void (*normalise)(const bn_coefficients *c, const void *x, size_t x_stride, void *y, size_t y_stride, size_t rows);

    /* dx = gamma * invstd * ((dy - sum_dy / M) - (x - mean) * (invstd * invstd * sum_dy_d / M)), likewise. */
    void (*input_gradient)(const bn_coefficients *c, const void *x, size_t x_stride, const void *dy, size_t dy_stride,
                           void *dx, size_t dx_stride, size_t rows);

    /* What the calling thread has written past the cache, others see after it as all else that it has written. */
    void (*fence)(void);
} bn_kernels;

#endif
