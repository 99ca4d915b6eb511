/* The header of MPI compiles, with warnings as errors, and the library links: from C++. */
#include <bnorm/mpi.h>

int main(int argc, char **argv)
{
    const bnorm_desc d = bnorm_matrix(BNORM_F32, 0, 1);
    const bnorm_buffers none = {};
    MPI_Init(&argc, &argv);
    const bnorm_status status = bnorm_mpi_forward_training(&d, &none, MPI_COMM_SELF);
    MPI_Finalize();
    return status == BNORM_OK ? 0 : 1;
}
