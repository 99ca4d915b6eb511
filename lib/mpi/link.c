#include "mpi/link.h"
#include "mpi/rounds.h"

#include <pthread.h>
#include <stdlib.h>

static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;
static int keyval = MPI_KEYVAL_INVALID;

static int free_link(MPI_Comm comm, int key, void *attribute, void *extra)
{
    bn_link *const link = attribute;
    (void)comm, (void)key, (void)extra;
    const int error = MPI_Comm_free(&link->comm);
    free(link);
    return error;
}

static bool mpi_runs(void)
{
    int initialised = 0, finalised = 1;
    return MPI_Initialized(&initialised) == MPI_SUCCESS && initialised && MPI_Finalized(&finalised) == MPI_SUCCESS &&
           !finalised;
}

static bool have_keyval(void)
{
    pthread_mutex_lock(&making);
    const bool have = keyval != MPI_KEYVAL_INVALID ||
                      MPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, free_link, &keyval, NULL) == MPI_SUCCESS;
    pthread_mutex_unlock(&making);
    return have;
}

/* A duplicate that reports errors: it inherits the handler (MPI 3.1, 8.3), and the caller's is away meanwhile. */
static bool duplicate(MPI_Comm comm, MPI_Comm *copy)
{
    MPI_Errhandler before;
    if (MPI_Comm_get_errhandler(comm, &before) != MPI_SUCCESS) return false;
    MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN);
    const bool made = MPI_Comm_dup(comm, copy) == MPI_SUCCESS;
    MPI_Comm_set_errhandler(comm, before);
    MPI_Errhandler_free(&before);
    return made;
}

bnorm_status bn_link_found(MPI_Comm comm, bn_link **link)
{
    int found = 0;
    *link = NULL;
    if (comm == MPI_COMM_NULL) return BNORM_NULL;
    if (!mpi_runs() || !have_keyval()) return BNORM_MPI;
    if (MPI_Comm_get_attr(comm, keyval, (void *)link, &found) != MPI_SUCCESS) return BNORM_MPI;
    if (!found) *link = NULL;
    return BNORM_OK;
}

bnorm_status bn_link_of(MPI_Comm comm, bn_link **link)
{
    int between = 0;
    const bnorm_status s = bn_link_found(comm, link);
    if (s != BNORM_OK || *link) return s;
    if (MPI_Comm_test_inter(comm, &between) != MPI_SUCCESS) return BNORM_MPI;
    if (between) return BNORM_UNSUPPORTED;

    /* Whatever failed here, the others are told: a rank without a link takes part in no exchange, then none does. */
    bn_link *const l = calloc(1, sizeof *l);
    MPI_Comm copy;
    const bool made = duplicate(comm, &copy);
    if (l && made) l->comm = copy;
    const bool kept = l && made && MPI_Comm_rank(copy, &l->rank) == MPI_SUCCESS &&
                      MPI_Comm_size(copy, &l->ranks) == MPI_SUCCESS &&
                      MPI_Comm_set_attr(comm, keyval, l) == MPI_SUCCESS;
    int mine = !l ? BNORM_NO_MEMORY : !kept ? BNORM_MPI : BNORM_OK, all;
    if (!made || MPI_Allreduce(&mine, &all, 1, MPI_INT, MPI_MAX, copy) != MPI_SUCCESS) all = BNORM_MPI;
    if (all == BNORM_OK) {
        *link = l;
    } else if (kept) {
        MPI_Comm_delete_attr(comm, keyval); /* frees both */
    } else {
        if (made) MPI_Comm_free(&copy);
        free(l);
    }
    return (bnorm_status)all;
}

/* ---- rounds ---- */

/* What a rank sends in this round, in memory of its own; NULL where something failed. It is received in any case, cut
 * short if need be, so that the sender goes on. */
static void *receive(const bn_link *link, int round, size_t *size, bnorm_status *status)
{
    MPI_Message message;
    MPI_Status s;
    uint64_t none;
    int words = -1;

    if (MPI_Mprobe(bn_round_from(link->ranks, link->rank, round), round, link->comm, &message, &s) != MPI_SUCCESS ||
        MPI_Get_count(&s, MPI_UINT64_T, &words) != MPI_SUCCESS || words < 0) {
        *status = BNORM_MPI;
        return NULL;
    }
    *size = (size_t)words * BN_WORD;
    void *const bytes = malloc(*size + 1);
    const int error = MPI_Mrecv(bytes ? bytes : &none, bytes ? words : 1, MPI_UINT64_T, &message, &s);
    if (bytes && error == MPI_SUCCESS) return bytes;
    *status = bytes ? BNORM_MPI : BNORM_NO_MEMORY;
    free(bytes);
    return NULL;
}

void *bn_link_swap(bn_link *link, int round, const void *message, size_t size, size_t *heard_size, bnorm_status *status)
{
    MPI_Request request;
    *status = BNORM_OK;
    *heard_size = 0;
    const bool sent =
        MPI_Isend(message, (int)(size / BN_WORD), MPI_UINT64_T, bn_round_to(link->ranks, link->rank, round), round,
                  link->comm, &request) == MPI_SUCCESS;
    void *const heard = receive(link, round, heard_size, status);
    if (!sent || MPI_Wait(&request, MPI_STATUS_IGNORE) != MPI_SUCCESS) *status = bn_worse(*status, BNORM_MPI);
    link->messages++;
    link->bytes += size;
    return heard;
}
