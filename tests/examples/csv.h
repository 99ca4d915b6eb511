/* Reads a file of comma separated numbers, the only format of the data here. */
#ifndef EXAMPLES_CSV_H
#define EXAMPLES_CSV_H

#include <stddef.h>

struct csv {
    size_t rows, columns;
    double *values; /* row after row; the caller frees it */
};

/* Ends the program with a message where the file cannot be read, holds anything but numbers, or is ragged. */
struct csv csv_read(const char *path);

#endif
