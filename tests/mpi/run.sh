#!/bin/sh
# Runs a program on so many ranks, as root too, more ranks than cores, its threads unbound:  run.sh MPI RANKS PROGRAM...
# MPI is the name of a pkg-config file.
mpi=$1 ranks=$2
shift 2
export OMP_NUM_THREADS=1
case $mpi in
ompi*) exec mpirun.openmpi --allow-run-as-root --oversubscribe --bind-to none -n "$ranks" "$@" ;;
*) exec mpirun.mpich -bind-to none -n "$ranks" "$@" ;;
esac
