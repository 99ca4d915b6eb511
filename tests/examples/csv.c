#include "csv.h"

#include <stdio.h>
#include <stdlib.h>

static _Noreturn void fail(const char *path, size_t line, const char *why)
{
    fprintf(stderr, "%s:%zu: %s\n", path, line, why);
    exit(EXIT_FAILURE);
}

static void append(struct csv *csv, size_t *count, size_t *capacity, double value)
{
    if (*count == *capacity) {
        *capacity = *capacity ? 2 * *capacity : 1024;
        csv->values = realloc(csv->values, *capacity * sizeof *csv->values);
        if (!csv->values) abort();
    }
    csv->values[(*count)++] = value;
}

struct csv csv_read(const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file) {
        perror(path);
        exit(EXIT_FAILURE);
    }

    struct csv csv = {0};
    size_t count = 0, capacity = 0, length = 0;
    char *line = NULL;
    while (getline(&line, &length, file) > 0) {
        const size_t before = count;
        const char *at = line;
        for (;;) {
            char *end;
            const double value = strtod(at, &end);
            if (end == at) fail(path, csv.rows + 1, "not a number");
            append(&csv, &count, &capacity, value);
            if (*end != ',') {
                if (*end != '\n' && *end != '\r' && *end != '\0') fail(path, csv.rows + 1, "no comma");
                break;
            }
            at = end + 1;
        }
        if (csv.rows == 0) csv.columns = count;
        if (count - before != csv.columns) fail(path, csv.rows + 1, "a row of another length");
        csv.rows++;
    }
    if (ferror(file) || csv.rows == 0) fail(path, csv.rows + 1, "nothing could be read");
    free(line);
    fclose(file);
    return csv;
}
