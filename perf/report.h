/* Results as a table for people and as CSV. */
#ifndef REPORT_H
#define REPORT_H

#include "match.h"

#include <stdio.h>

/* Lines "# name: value": machine, compiler, flags, commit, date, versions. */
void report_machine(FILE *f, size_t last_level);

/* The line of column names, and one row. */
void report_csv_header(FILE *f);
void report_csv(FILE *f, const result *r);

/* The heading of the table, and one line. */
void report_header(FILE *f);
void report_line(FILE *f, const result *r);

/* Geometric means per operation, dtype and threads, with and without the two smallest shapes, and the worst shape. */
void report_summary(FILE *f, const result *all, size_t count);

#endif
