/* bnorm: batch normalisation on multicore CPUs.
 *
 * SPDX-License-Identifier: MIT
 *
 * 1. Words and formulas
 * 2. A first program
 * 3. The description of the work: bnorm_desc
 * 4. The arrays: bnorm_buffers
 * 5. Status
 * 6. The three calls
 * 7. A layer that owns its arrays
 * 8. Statistics that split and merge
 * 9. Sizes: workspace, blocks
 * 10. Text
 *
 * ---- 1. Words and formulas ------------------------------------------------------------------------------------------
 *
 * N batch, C features (channels), S spatial size (pixels: L, H * W or D * H * W; 1 for a matrix), M = N * S values per
 * feature.
 *
 *     mean_c   = sum(x) / M                       var_c = sum((x - mean_c)^2) / M          (biased)
 *     invstd_c = 1 / sqrt(var_c + eps)            xhat  = (x - mean_c) * invstd_c
 *     y        = activation(xhat * gamma_c + beta_c + residual)
 *     dbeta_c  = sum(dy)                          dgamma_c = sum(dy * xhat)
 *     dx       = gamma_c * invstd_c * (dy - dbeta_c / M - xhat * dgamma_c / M)
 *
 * Sums run over the M values of one feature (S. Ioffe and C. Szegedy, "Batch Normalization", 2015, algorithm 1 and
 * section 3). dy is the gradient of the loss by what the activation is applied to.
 *
 * Sums are taken in double, by blocks of rows that are merged in a fixed tree, so a call gives the same bits for any
 * number of threads, any instruction set, any stride and any alignment; only the sign and the payload of a NaN may
 * differ. A NaN or Inf stays in its feature. Elements of 16 bits are computed in float and rounded once, to nearest
 * even. On x86-64 and AArch64 a caller may round otherwise, flush subnormal numbers, or trap floating-point exceptions:
 * no bit depends on it, nothing traps, and its settings come back.
 *
 * Errors are bounded, however many values there are, for values of 1e-30 to 1e30 in size (double: 2^-500 to 2^500, but
 * below 2^512 / sqrt(M), or the sum of M squares overflows) and means of up to 1e6 standard deviations;
 * tests/README.md has the bounds. No status says that values are beyond: their squares overflow or vanish, as those of
 * the formulas do. A running variance in float does so earlier, while training is right: after many calls, or one with
 * update_rate 1, it is infinite from a standard deviation of 1.8e19 on, and inference then yields beta; below 1.1e-19
 * it is subnormal, below 2.7e-23 it is 0.
 *
 * Built in this version: all dtypes, both layouts, BNORM_IDENTITY. The other activations, residual and dresidual are
 * declared, and answer BNORM_UNSUPPORTED.
 *
 * Every call is thread safe: calls may run at the same time, unless one writes what another reads or writes, or has the
 * same workspace; what is only read may be shared. No call aborts, exits or prints; but OpenMP's library may end a
 * process in which no thread can be started: with threads 1 it is not asked for any.
 *
 * ---- 2. A first program ---------------------------------------------------------------------------------------------
 *
 *     #include <bnorm/bnorm.h>
 *     #include <stdio.h>
 *
 *     int main(void)
 *     {
 *         float x[4 * 2] = {1, 100, 2, 300, 3, 200, 4, 400}, y[4 * 2]; // rows of features, row after row
 *         bnorm_desc    d = bnorm_matrix(BNORM_F32, 4, 2);  // defaults filled in; change what differs
 *         bnorm_buffers b = {.x = x, .y = y};               // C++17: bnorm_buffers b = {}; b.x = x; b.y = y;
 *         bnorm_status  s = bnorm_forward_training(&d, &b);
 *         if (s != BNORM_OK) {
 *             puts(bnorm_status_string(s));
 *             return 1;
 *         }
 *         for (int i = 0; i < 4; i++) printf("%g %g\n", y[2 * i], y[2 * i + 1]);
 *     }
 */
#ifndef BNORM_BNORM_H
#define BNORM_BNORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define BNORM_API __attribute__((visibility("default")))
#else
#define BNORM_API
#endif

/* ---- 3. The description of the work ------------------------------------------------------------------------------ */

/* The type of x, y, dx, dy, residual and dresidual: float, double, bfloat16 (the upper 16 bits of a float), IEEE 754
 * binary16; the last two take 2 bytes, in the machine's byte order, whatever C type holds them. Parameters and running
 * statistics are float, or double with BNORM_F64; saved statistics are always double: invstd is right to 2^-30 of
 * itself, with BNORM_F64 to double's precision. */
typedef enum bnorm_dtype { BNORM_F32 = 0, BNORM_F64 = 1, BNORM_BF16 = 2, BNORM_F16 = 3 } bnorm_dtype;

/* Channels last: row-major N x C, NHWC. Channels first: NCHW. */
typedef enum bnorm_layout { BNORM_CHANNELS_LAST = 0, BNORM_CHANNELS_FIRST = 1 } bnorm_layout;

/* What is applied to xhat * gamma + beta + residual. */
typedef enum bnorm_activation { BNORM_IDENTITY = 0, BNORM_RELU = 1, BNORM_LEAKY_RELU = 2 } bnorm_activation;

/* The revision of bnorm_desc and bnorm_buffers that this header declares. */
#define BNORM_ABI 1u

/* Fill it with bnorm_matrix or bnorm_image, then change what differs. */
typedef struct bnorm_desc {
    uint32_t abi; /* BNORM_ABI, set by the constructors; stands for bnorm_buffers too */
    bnorm_dtype dtype;
    bnorm_layout layout;
    bnorm_activation activation;

    size_t batch;    /* N; 0 is an empty part of a batch: calls that are right write only dgamma = dbeta = 0 */
    size_t features; /* C, at least 1 */
    size_t spatial;  /* S; 1 for a matrix; 0 is as empty as batch 0 */

    /* Strides in elements. Channels last: from one row (pixel) to the next, at least C. Channels first: from one
     * image to the next, at least C * S. All are checked, also of arrays that are not there. What 0 means:
     *
     *     x_stride, y_stride                             dense: C, or C * S
     *     dx_stride                                      what x has
     *     dy_stride, residual_stride, dresidual_stride   what y has
     *
     * CAUTION: where x is a slice of a larger array and dx is dense, set dx_stride. With 0 dx is written as far as such
     * a slice goes, beyond its end, and no check can see it. So is dy read where y is a slice. */
    size_t x_stride, y_stride, dx_stride, dy_stride, residual_stride, dresidual_stride;

    double eps;            /* added to the variance inside the square root, in double; finite, >= 0; default 1e-5.
                              0 is allowed: a variance of 0 then gives invstd 0, so y = beta */
    double update_rate;    /* r, the weight of the new batch: running = (1 - r) * running + r * batch; in [0, 1],
                              default 0.1. PyTorch's and cuDNN's momentum; 1 - momentum of Keras and ONNX */
    double negative_slope; /* of BNORM_LEAKY_RELU, and not looked at without it */

    bool biased_running_var; /* false: running_var takes the unbiased variance, M / (M - 1) times var, as PyTorch and
                                TensorFlow do; true: the biased one, as ONNX and Keras 3 do */
    int threads;             /* 0: OpenMP's default for the calling thread; n: at most n. Never more than the
                                larger of 16 and twice the processors. The bits do not depend on it. A call from inside
                                a parallel region, or in a forked child, stays on its thread */
} bnorm_desc;

/* Channels first or last: dense, eps 1e-5, update_rate 0.1, identity, unbiased running variance, threads 0. */
static inline bnorm_desc bnorm_image(bnorm_dtype dtype, bnorm_layout layout, size_t batch, size_t channels,
                                     size_t pixels)
{
    bnorm_desc d;
    memset(&d, 0, sizeof d);
    d.abi = BNORM_ABI;
    d.dtype = dtype;
    d.layout = layout;
    d.batch = batch;
    d.features = channels;
    d.spatial = pixels;
    d.eps = 1e-5;
    d.update_rate = 0.1;
    return d;
}

/* A row-major matrix of rows x features: bnorm_image with channels last and one pixel. */
static inline bnorm_desc bnorm_matrix(bnorm_dtype dtype, size_t rows, size_t features)
{
    return bnorm_image(dtype, BNORM_CHANNELS_LAST, rows, features, 1);
}

/* ---- 4. The arrays ----------------------------------------------------------------------------------------------- */

/* NULL where absent. x, dy, residual, y, dx, dresidual have the shape and dtype of the description; the others have C
 * elements. `param` is float, or double with BNORM_F64. Arrays need the alignment of their element only, which is not
 * checked.
 *
 *     field                     training            inference        backward         NULL means
 *     x                         read                read             read             BNORM_NULL
 *     y                         written             written          -                BNORM_NULL
 *     gamma, beta     param     read                read             gamma read       gamma 1, beta 0
 *     running_mean, _var param  read and written    read             -                untracked; inference: BNORM_NULL
 *     mean, invstd    double    written             -                read             not saved; backward: BNORM_NULL
 *     dy                        -                   -                read             BNORM_NULL
 *     dx                        -                   -                written          not computed
 *     dgamma, dbeta   param     -                   -                written          not computed
 *     residual                  read                read             -                no residual
 *     dresidual                 -                   -                written          not computed
 *     workspace       bytes     scratch             scratch          scratch          allocated; inference does without
 *
 * mean comes with invstd and running_mean with running_var: one alone is BNORM_NULL. With batch 0 any may be NULL.
 * Before the first training call fill running_mean and running_var: 0 and 1 as in the layer, or anything if that call
 * has update_rate 1.
 * Arrays that a call does not use are not looked at (but see backward with y == x, below); the description is checked
 * as a whole by every call. What running_var holds is not checked: a negative one gives NaN where it outweighs eps.
 *
 * Overlap is judged by elements: a written array, or the workspace, may share none with any other of the call. Disjoint
 * slices of one buffer are legal. Two exceptions: y == x, and dx == dy, each with equal strides (y_stride 0 is dense,
 * whatever x_stride is); a backward call whose y is its x is refused, for x is gone (BNORM_X_OVERWRITTEN).
 *
 * On any error nothing has been written. */
typedef struct bnorm_buffers {
    const void *x, *dy, *residual, *gamma, *beta;
    void *y, *dx, *dresidual, *dgamma, *dbeta, *running_mean, *running_var;
    double *mean, *invstd;
    void *workspace;       /* at least bnorm_workspace_size bytes, any alignment; its contents do not matter; of one
                              call at a time. What lies behind these bytes is not touched, and may be another array */
    size_t workspace_size; /* in bytes; not looked at where workspace is NULL */
} bnorm_buffers;

/* ---- 5. Status --------------------------------------------------------------------------------------------------- */

/* Where several apply, the first in this order is returned. "The errors of the description" are those from
 * BNORM_UNKNOWN_ABI to BNORM_BAD_THREADS; the environment's is among them. */
typedef enum bnorm_status {
    BNORM_OK = 0,
    BNORM_NULL,            /* a required pointer is NULL, or one of a pair is */
    BNORM_UNKNOWN_ABI,     /* desc->abi is not one that this library knows: use the constructors */
    BNORM_UNKNOWN_ISA,     /* the environment variable BNORM_ISA names no instruction set; empty is as good as unset. It
                              is read once, at the first call */
    BNORM_BAD_ENUM,        /* dtype, layout or activation has no declared value */
    BNORM_UNSUPPORTED,     /* a declared value or array that this version does not build: see section 1 */
    BNORM_NO_FEATURES,     /* features is 0 */
    BNORM_OVERFLOW,        /* the size of an array in bytes, strides of all rows counted, exceeds PTRDIFF_MAX */
    BNORM_BAD_STRIDE,      /* a stride is smaller than what it steps over */
    BNORM_BAD_EPS,         /* eps is negative or not finite */
    BNORM_BAD_UPDATE_RATE, /* update_rate is outside [0, 1] or NaN */
    BNORM_BAD_THREADS,     /* threads is negative */
    BNORM_ONE_VALUE,       /* forward training, or moments to finish or commit, with M = 1: one value has no
                              variance. Backward takes it */
    BNORM_OVERLAP,         /* a written array, or the workspace, shares an element with another array of the call */
    BNORM_X_OVERWRITTEN,   /* backward with y == x: x no longer holds the input. Without y nobody can tell */
    BNORM_WORKSPACE,       /* workspace_size is less than bnorm_workspace_size says; or there are fewer bytes than are
                              to be written */
    BNORM_NO_MEMORY,       /* memory could not be allocated */
    BNORM_MISMATCH,        /* parts of other shape, dtype or layout, or larger than their whole; see section 8 */
    BNORM_NOT_ADJACENT,    /* a part that does not begin where the other ends */
    BNORM_CORRUPT,         /* bytes that are not serialised sums of this kind, or of another version or byte order */
    BNORM_MPI              /* MPI reports an error: see mpi.h */
} bnorm_status;

/* ---- 6. The three calls ------------------------------------------------------------------------------------------ */

/* Forward training: statistics of this batch, y, and the running statistics.
 *
 *     for each feature c:
 *         mean[c], invstd[c] as in section 1
 *         y[i][c] = activation((x[i][c] - mean[c]) * invstd[c] * gamma[c] + beta[c] + residual[i][c])
 *         running_mean[c] = (1 - r) * running_mean[c] + r * mean[c]
 *         running_var[c]  = (1 - r) * running_var[c]  + r * (M / (M - 1)) * var[c]
 *
 * r = 0 leaves the running statistics alone to the bit, r = 1 replaces them. A constant feature yields exactly beta
 * (0 may come for -0, and with a gamma whose product with invstd is not finite NaN). y may be x. Trips over memory:
 * read x, write y, and read x again where it did not stay in the cache. */
BNORM_API bnorm_status bnorm_forward_training(const bnorm_desc *desc, const bnorm_buffers *buffers);

/* Forward inference, from the running statistics, which it only reads:
 *
 *     y[i][c] = activation((x[i][c] - running_mean[c]) / sqrt(running_var[c] + eps) * gamma[c] + beta[c] + residual)
 *
 * y may be x. No memory is allocated; with a workspace, large matrices of over 1024 features (512 of double) may be
 * faster. Trips over memory: read x, write y. */
BNORM_API bnorm_status bnorm_forward_inference(const bnorm_desc *desc, const bnorm_buffers *buffers);

/* Backward of forward training, from x, dy and the saved mean and invstd:
 *
 *     dbeta[c] = sum(dy)    dgamma[c] = sum(dy * xhat)    dx = gamma * invstd * (dy - dbeta / M - xhat * dgamma / M)
 *
 * dbeta and dgamma are written, not added to. dx may be dy, or the memory of y.
 *
 * Of inference, for frozen layers, there is no such call: dx = gamma * invstd * dy is bnorm_normalise with dy for x and
 * dx for y (and their strides for x_stride and y_stride), a mean of C zeros, invstd[c] = 1 / sqrt(running_var[c] +
 * eps), and NULL for beta alone; dbeta and dgamma are bnorm_gradient_sums with the running mean, copied to double, and
 * that invstd to finish.
 *
 * Trips over memory: read x and dy, write dx, and read x and dy again where they did not stay in the cache. */
BNORM_API bnorm_status bnorm_backward(const bnorm_desc *desc, const bnorm_buffers *buffers);

/* ---- 7. A layer that owns its arrays ----------------------------------------------------------------------------- */

/* gamma 1, beta 0, running mean 0, running variance 1, saved statistics and gradients. One layer serves one thread at
 * a time; different layers may be used at the same time. It keeps a workspace, which grows with the largest batch seen;
 * calls on batches no larger allocate nothing. It always has gamma, beta and running statistics; the mean and invstd
 * that it saves cannot be read. Its options are those of the description for good: where update_rate or eps change from
 * call to call, use the plain calls, with the layer's arrays or others.
 *
 *     bnorm_desc d = bnorm_matrix(BNORM_F32, 0, C);              // the batch comes with each call
 *     bnorm_layer *l = NULL;                                     // each call returns a status, not looked at here
 *     bnorm_layer_create(&l, &d);
 *     bnorm_layer_forward(l, N, x, y, true);                     // keep x: backward reads it
 *     bnorm_layer_backward(l, x, dy, dx);                        // writes dgamma and dbeta too
 *     bnorm_layer_forward(l, N, x, y, false);                    // inference
 *     bnorm_layer_destroy(l); */
typedef struct bnorm_layer bnorm_layer;

/* Copies the description, whose batch is ignored; its strides, options and threads apply to every call. *layer is
 * written on success only. Errors: BNORM_NULL, those of the description, BNORM_NO_MEMORY. */
BNORM_API bnorm_status bnorm_layer_create(bnorm_layer **layer, const bnorm_desc *desc);

/* Takes NULL. */
BNORM_API void bnorm_layer_destroy(bnorm_layer *layer);

/* bnorm_forward_training, which keeps mean and invstd for backward, or bnorm_forward_inference, on a batch of any size.
 * Reads x, writes y, which may be x (after training there is no backward then). The errors of these calls, and
 * BNORM_NO_MEMORY where the workspace has to grow; on any error the layer stays as it was. */
BNORM_API bnorm_status bnorm_layer_forward(bnorm_layer *layer, size_t batch, const void *x, void *y, bool training);

/* bnorm_backward of the last training forward that succeeded, also of an empty batch, whatever inference came after
 * it: x and dy are of its batch, and x is the one it had, for the layer keeps no copy. dx may be dy, or NULL. Before
 * any such forward there are no saved statistics: BNORM_NULL. If it had y == x, backward with that x is refused:
 * BNORM_X_OVERWRITTEN. */
BNORM_API bnorm_status bnorm_layer_backward(bnorm_layer *layer, const void *x, const void *dy, void *dx);

/* The layer's own arrays of C floats, or doubles with BNORM_F64, to read and to write (an optimiser's step, a
 * checkpoint). They live as long as the layer. NULL for NULL. */
BNORM_API void *bnorm_layer_gamma(bnorm_layer *layer);
BNORM_API void *bnorm_layer_beta(bnorm_layer *layer);
BNORM_API void *bnorm_layer_running_mean(bnorm_layer *layer);
BNORM_API void *bnorm_layer_running_var(bnorm_layer *layer);
BNORM_API void *bnorm_layer_dgamma(bnorm_layer *layer);
BNORM_API void *bnorm_layer_dbeta(bnorm_layer *layer);

/* ---- 8. Statistics that split and merge ------------------------------------------------------------------------- */

/* For a batch that comes in parts: micro-batches, files, processes, machines. Each part is summed where it is, the sums
 * are merged, and y and dx are computed part by part:
 *
 *     bnorm_moments *m;
 *     bnorm_moments_create(&m, &d, 0);
 *     for (each part, in order) bnorm_moments_accumulate(m, entries, x);  // first trip: reads the part's x
 *     bnorm_moments_finish(m, mean, invstd);
 *     bnorm_moments_commit(m, running_mean, running_var);
 *     for (each part) {                                                   // b.mean = mean, b.invstd = invstd
 *         d.batch = entries, b.x = x, b.y = y;                            // the part's
 *         bnorm_normalise(&d, &b);                                        // second trip: reads x, writes y
 *     }
 *     bnorm_moments_destroy(m);
 *
 * and backward
 *
 *     bnorm_gradient_sums *g;
 *     bnorm_gradient_sums_create(&g, &d, 0);
 *     for (each part, in order) bnorm_gradient_sums_accumulate(g, entries, x, dy, mean);
 *     bnorm_gradient_sums_finish(g, invstd, dgamma, dbeta);
 *     for (each part) {
 *         d.batch = entries, b.x = x, b.dy = dy, b.dx = dx;
 *         bnorm_input_gradient(&d, &b, g);                                // second trip: reads x and dy, writes dx
 *     }
 *     bnorm_gradient_sums_destroy(g);
 *
 * `entries` are of the batch: rows of a matrix, images. Where different threads or processes have the parts, each
 * creates its own with the number of its first block (after e entries in whole blocks e / bnorm_block_rows; in one
 * process what bnorm_moments_next_block of the part before says). One merges them in order, and sends back mean and
 * invstd forward, backward the merged sums, which bnorm_input_gradient wants; or all merge (mpi.h).
 *
 * A part is what one call of accumulate is given, a block is bnorm_block_rows batch entries. A part that is not a whole
 * number of blocks ends with a short one, and the next part begins a new block: a part of n entries is ceil(n /
 * bnorm_block_rows) blocks. Parts that are whole blocks, but for the end of the batch, give the bits of
 * bnorm_forward_training and bnorm_backward on the whole batch, however they are grouped; any other parts stay within
 * the same bounds on the error. Small images channels first have large blocks, see bnorm_block_rows. Sums cover blocks
 * [first, next) of the batch, and hold one node of the tree for each aligned power of two of blocks in it: a count and
 * two doubles a feature. Those are at most 1 + 2 log2(blocks). Where an image by itself is more than is summed in one
 * go, channels last from 65 pixels on (of 64 channels or more), channels first from 4097, it is still one block, but is
 * summed in pieces, which then count as blocks in this bound. How many bytes they take, serialise tells.
 *
 * Descriptions are copied; their batch is ignored; strides, threads and options apply to each call that uses them. eps
 * and update_rate are those of the sums that finish and commit are called on. Errors of the description as in section
 * 5; on any error nothing has been written or changed. One object serves one thread at a time; calls that take it as
 * const may run at the same time. */
typedef struct bnorm_moments bnorm_moments;             /* of each node: count, mean, sum((x - mean)^2) */
typedef struct bnorm_gradient_sums bnorm_gradient_sums; /* of each node: count, sum(dy), sum(dy * (x - mean)) */

/* Empty sums that begin with block number first_block: 0, or the number of blocks in the parts before. *m is written on
 * success only. BNORM_NULL; BNORM_OVERFLOW where no batch has so many blocks; BNORM_NO_MEMORY. destroy takes NULL. */
BNORM_API bnorm_status bnorm_moments_create(bnorm_moments **m, const bnorm_desc *desc, size_t first_block);
BNORM_API void bnorm_moments_destroy(bnorm_moments *m);

/* Adds the next part: `batch` entries of the description's shape and x_stride. batch 0 changes nothing, and x may then
 * be NULL. Reads x once. BNORM_NULL, BNORM_OVERFLOW, BNORM_NO_MEMORY. */
BNORM_API bnorm_status bnorm_moments_accumulate(bnorm_moments *m, size_t batch, const void *x);

/* Adds what `next` holds, which must begin with the block that m ends before; next stays as it is. BNORM_NULL;
 * BNORM_MISMATCH where dtype, layout, features or spatial differ; BNORM_NOT_ADJACENT; BNORM_OVERFLOW; BNORM_NO_MEMORY.
 * */
BNORM_API bnorm_status bnorm_moments_merge(bnorm_moments *m, const bnorm_moments *next);

/* mean and invstd, C doubles each, of all values so far; more may follow. Without any value nothing is looked at
 * or written, and all is well. BNORM_NULL, BNORM_ONE_VALUE, BNORM_OVERLAP. */
BNORM_API bnorm_status bnorm_moments_finish(const bnorm_moments *m, double *mean, double *invstd);

/* Moves running statistics (C floats, or doubles with BNORM_F64) towards these moments, as forward training does. The
 * description's update_rate 1 stores them. With update_rate 0 nothing is written; without any value nothing is looked
 * at either, and all is well. BNORM_NULL, BNORM_ONE_VALUE, BNORM_OVERLAP. */
BNORM_API bnorm_status bnorm_moments_commit(const bnorm_moments *m, void *running_mean, void *running_var);

/* Values of a feature held; the first block; the one after the last. 0 for NULL. */
BNORM_API size_t bnorm_moments_count(const bnorm_moments *m);
BNORM_API size_t bnorm_moments_first_block(const bnorm_moments *m);
BNORM_API size_t bnorm_moments_next_block(const bnorm_moments *m);

/* The sums as plain bytes for any transport between machines of one byte order: 72 bytes, and 8 + 16 C for each node.
 * With bytes NULL *size is set to how many; otherwise it holds how many there is room for, and is set to how many were
 * written. Any alignment. BNORM_NULL; BNORM_WORKSPACE where there is too little room. */
BNORM_API bnorm_status bnorm_moments_serialise(const bnorm_moments *m, void *bytes, size_t *size);

/* Replaces what m holds, first block included, by what was serialised from sums of its shape. Everything is checked
 * that can be: magic, version, byte order, kind, lengths, the number of nodes, that counts are possible, that no sum of
 * squares is negative. There is no checksum. BNORM_NULL, BNORM_CORRUPT, BNORM_MISMATCH, BNORM_NO_MEMORY. */
BNORM_API bnorm_status bnorm_moments_deserialise(bnorm_moments *m, const void *bytes, size_t size);

/* The nodes without the 72 bytes before them, for a transport whose ends know description and range, as mpi.h's do.
 * read_nodes adds those of the blocks from where m ends up to next_block, as merge would; *size holds how many bytes
 * are given, and is set to how many were read. BNORM_NULL; BNORM_WORKSPACE; BNORM_NOT_ADJACENT where m ends beyond
 * next_block; BNORM_CORRUPT where there are too few, or counts or squares are not possible; BNORM_OVERFLOW;
 * BNORM_NO_MEMORY. */
BNORM_API bnorm_status bnorm_moments_write_nodes(const bnorm_moments *m, void *bytes, size_t *size);
BNORM_API bnorm_status bnorm_moments_read_nodes(bnorm_moments *m, size_t next_block, const void *bytes, size_t *size);

/* The same for the sums of backward, with the same errors. accumulate takes the mean of the whole batch, with dy_stride
 * for dy; it reads x, dy and mean. With batch 0 these may be NULL. */
BNORM_API bnorm_status bnorm_gradient_sums_create(bnorm_gradient_sums **g, const bnorm_desc *desc, size_t first_block);
BNORM_API void bnorm_gradient_sums_destroy(bnorm_gradient_sums *g);
BNORM_API bnorm_status bnorm_gradient_sums_accumulate(bnorm_gradient_sums *g, size_t batch, const void *x,
                                                      const void *dy, const double *mean);
BNORM_API bnorm_status bnorm_gradient_sums_merge(bnorm_gradient_sums *g, const bnorm_gradient_sums *next);

/* dgamma and dbeta of all values so far, either of which may be NULL; 0 without any value. invstd may be NULL where
 * dgamma is, and where there is no value yet. BNORM_NULL, BNORM_OVERLAP. */
BNORM_API bnorm_status bnorm_gradient_sums_finish(const bnorm_gradient_sums *g, const double *invstd, void *dgamma,
                                                  void *dbeta);

BNORM_API size_t bnorm_gradient_sums_count(const bnorm_gradient_sums *g);
BNORM_API size_t bnorm_gradient_sums_first_block(const bnorm_gradient_sums *g);
BNORM_API size_t bnorm_gradient_sums_next_block(const bnorm_gradient_sums *g);
BNORM_API bnorm_status bnorm_gradient_sums_serialise(const bnorm_gradient_sums *g, void *bytes, size_t *size);
BNORM_API bnorm_status bnorm_gradient_sums_deserialise(bnorm_gradient_sums *g, const void *bytes, size_t size);
BNORM_API bnorm_status bnorm_gradient_sums_write_nodes(const bnorm_gradient_sums *g, void *bytes, size_t *size);
BNORM_API bnorm_status bnorm_gradient_sums_read_nodes(bnorm_gradient_sums *g, size_t next_block, const void *bytes,
                                                      size_t *size);

/* y of a part, or of a whole batch, by given statistics:
 *
 *     y[i][c] = activation((x[i][c] - mean[c]) * invstd[c] * gamma[c] + beta[c] + residual[i][c])
 *
 * Reads x, mean, invstd, gamma, beta; writes y, which may be x. gamma and beta may be NULL, other fields are not looked
 * at, but for residual (BNORM_UNSUPPORTED); no workspace is used, and no memory allocated. BNORM_NULL where x, y, mean
 * or invstd is; BNORM_OVERLAP; those of the description. */
BNORM_API bnorm_status bnorm_normalise(const bnorm_desc *desc, const bnorm_buffers *buffers);

/* dx of a part of the batch whose sums are `total`, with M = total's count and dbeta, dgamma its sums in double:
 *
 *     dx = gamma * invstd * (dy - dbeta / M - xhat * dgamma / M)
 *
 * Reads x, dy, mean, invstd, gamma; writes dx, which may be dy. gamma may be NULL, no workspace is used, and no memory
 * allocated. BNORM_NULL where x, dy, dx, mean, invstd or total is; BNORM_OVERLAP; BNORM_X_OVERWRITTEN where y is x;
 * BNORM_MISMATCH where total has another shape or fewer values than the part; those of the description,
 * BNORM_UNSUPPORTED for dresidual. */
BNORM_API bnorm_status bnorm_input_gradient(const bnorm_desc *desc, const bnorm_buffers *buffers,
                                            const bnorm_gradient_sums *total);

/* What is wrong with the arguments of bnorm_forward_training, or bnorm_backward, for a part of a batch; nothing is read
 * or written. For processes that want to agree that all is well before any begins. One value is no error. A part
 * without values may have NULL for x, y, dy and dx; what else is required, backward mean and invstd, is so of such a
 * part too. The workspace does not matter. */
BNORM_API bnorm_status bnorm_check_training_part(const bnorm_desc *desc, const bnorm_buffers *buffers);
BNORM_API bnorm_status bnorm_check_backward_part(const bnorm_desc *desc, const bnorm_buffers *buffers);

/* ---- 9. Sizes ---------------------------------------------------------------------------------------------------- */

/* Scratch in bytes that is enough for each of the three calls with this description, any number of threads, and any
 * smaller batch: the size for the largest batch serves all. At most 4 % of x plus 64 KB. Neither strides, nor options,
 * nor threads change it, but all are checked. BNORM_NULL, and the errors of the description. */
BNORM_API bnorm_status bnorm_workspace_size(const bnorm_desc *desc, size_t *bytes);

/* Batch entries (images, not pixels) in one block, a power of two that does not depend on the batch, which may be 0: 64
 * rows of a matrix of 64 features or more, more of a narrower one. Images are fewer the larger they are, down to 1.
 * Channels first the number of channels counts only up to 32 pixels, so of many channels a block has far more images
 * than channels last:
 *
 *     64 channels      1 pixel   7 x 7   14 x 14   56 x 56
 *     channels first        64      64        16         1
 *     channels last         64       1         1         1
 *
 * Sums are taken by blocks, and blocks are merged in a tree over their numbers: a part of a batch that starts
 * and ends at a multiple of this (or at the end of the batch) is a whole number of blocks. BNORM_NULL, and the errors
 * of the description. */
BNORM_API bnorm_status bnorm_block_rows(const bnorm_desc *desc, size_t *rows);

/* ---- 10. Text ---------------------------------------------------------------------------------------------------- */

/* "BNORM_OK", ...: the name, whose meaning section 5 has; "unknown status" for a value that is none. */
BNORM_API const char *bnorm_status_string(bnorm_status status);

/* "major.minor.patch" */
BNORM_API const char *bnorm_version(void);

/* The instruction set in use: "generic", "avx2" (x86-64-v3), "avx512" (x86-64-v4) or "neon". The best that the machine
 * has, unless the environment variable BNORM_ISA named a lower one when bnorm was first called (one that the machine
 * has not is ignored); "unknown" if it named none of these. */
BNORM_API const char *bnorm_isa(void);

#ifdef __cplusplus
}
#endif

#endif
