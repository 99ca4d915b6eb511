/* bnorm over MPI: batch normalisation of one batch whose parts are on the ranks of a communicator.
 *
 * SPDX-License-Identifier: MIT
 *
 * Every rank gives its part of the batch; the whole is the parts in the order of the ranks. Parts may have any number
 * of entries, also none. Statistics, running statistics, dgamma and dbeta are those of the whole batch, the same bits
 * on every rank and in every run; y and dx are this rank's part. Where parts are whole blocks (bnorm_block_rows), but
 * for the end of the batch, all of these are the bits of the calls of bnorm.h on the whole batch, for any number of
 * ranks.
 *
 *     bnorm_desc d = bnorm_matrix(BNORM_F32, rows_of_this_rank, features);
 *     bnorm_mpi_forward_training(&d, &b, MPI_COMM_WORLD);        // b as in bnorm.h
 *     bnorm_mpi_backward(&d, &b, MPI_COMM_WORLD);
 *
 * Calls are collective: all ranks of the communicator make the same calls in the same order, one at a time for each
 * communicator. Each is two exchanges of ceil(log2 P) rounds, a message sent and one received in each. In the first,
 * ranks tell each other their status, a hash of the description, and their rows, counted in blocks: 48 bytes a
 * message. The second is nothing but nodes of the tree, of 8 + 16 C bytes each, at most 24 C: those that a rank holds
 * of the ranks it has heard of, about 2 log2(blocks), see section 8 of bnorm.h.
 *
 * Errors: what is wrong with one rank's arguments is returned by all, and nothing has been written on any: the first
 * status of section 5 among all ranks, BNORM_MISMATCH where descriptions differ in more than batch, strides and
 * threads; BNORM_OVERFLOW where the whole batch is too large; BNORM_ONE_VALUE where it has one value. Only a rank whose
 * communicator is MPI_COMM_NULL or whose layer is NULL (BNORM_NULL), or that is not of processes that have initialised
 * MPI (BNORM_MPI), cannot tell the others; an intercommunicator is BNORM_UNSUPPORTED. BNORM_NO_MEMORY, BNORM_MPI, or
 * BNORM_CORRUPT (a message that cannot be) in the midst of an exchange, or after it, is returned by that rank and by
 * those that hear of it in time, which have written nothing; others may have had all they need. Errors of MPI do not
 * reach the error handlers of the communicator: the first call on it makes a duplicate, which is freed with it.
 *
 * The workspace of bnorm_buffers is not used; its other fields are as in bnorm.h, but that a rank without entries may
 * have NULL for x, y, dy and dx only. */
#ifndef BNORM_MPI_H
#define BNORM_MPI_H

#include <bnorm/bnorm.h>
#include <mpi.h>

#ifdef __cplusplus
extern "C" {
#endif

/* bnorm_forward_training of the whole batch: y of this part; mean, invstd, running_mean, running_var of the whole, also
 * on ranks without entries. Without any value on any rank nothing is written. */
BNORM_API bnorm_status bnorm_mpi_forward_training(const bnorm_desc *desc, const bnorm_buffers *buffers, MPI_Comm comm);

/* bnorm_backward of the whole batch: dx of this part; dgamma and dbeta of the whole. */
BNORM_API bnorm_status bnorm_mpi_backward(const bnorm_desc *desc, const bnorm_buffers *buffers, MPI_Comm comm);

/* Messages sent and their bytes by this process on a communicator since its first use. 0 before. */
BNORM_API bnorm_status bnorm_mpi_traffic(MPI_Comm comm, uint64_t *messages, uint64_t *bytes);

/* A layer with a part on each rank: the collective twin of bnorm_layer. Its arrays are those of the bnorm_layer that
 * bnorm_mpi_layer_local returns, for bnorm_layer_gamma and the others; ranks must keep gamma and beta the same. */
typedef struct bnorm_mpi_layer bnorm_mpi_layer;

/* Collective. The communicator must live as long as the layer. *layer is written on success only. */
BNORM_API bnorm_status bnorm_mpi_layer_create(bnorm_mpi_layer **layer, const bnorm_desc *desc, MPI_Comm comm);

/* Not collective. Takes NULL. */
BNORM_API void bnorm_mpi_layer_destroy(bnorm_mpi_layer *layer);

/* Collective where training; inference is this rank's own affair. */
BNORM_API bnorm_status bnorm_mpi_layer_forward(bnorm_mpi_layer *layer, size_t batch, const void *x, void *y,
                                               bool training);

/* Collective; of the last training forward that succeeded, as bnorm_layer_backward. */
BNORM_API bnorm_status bnorm_mpi_layer_backward(bnorm_mpi_layer *layer, const void *x, const void *dy, void *dx);

/* NULL for NULL. Its forward and backward are not to be called. */
BNORM_API bnorm_layer *bnorm_mpi_layer_local(bnorm_mpi_layer *layer);

#ifdef __cplusplus
}
#endif

#endif
