#include "dataset.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "csv.h"
#include "network.h"

enum { HELD_OUT_EVERY = 5 };

struct dataset dataset_create(size_t capacity)
{
    return (struct dataset){.pixels = floats(capacity * PIXELS), .digits = zeros(capacity, sizeof(int))};
}

void dataset_destroy(struct dataset *set)
{
    free(set->pixels);
    free(set->digits);
}

static void add_row(struct dataset *set, const double *row)
{
    for (size_t k = 0; k < PIXELS; k++) set->pixels[set->rows * PIXELS + k] = (float)(row[k] / 16);
    set->digits[set->rows++] = (int)row[PIXELS];
}

void read_digits(const char *path, struct dataset *training, struct dataset *held_out)
{
    const struct csv csv = csv_read(path);
    bool good = csv.columns == PIXELS + 1;
    for (size_t i = 0; good && i < csv.rows; i++)
        good = csv.values[i * csv.columns + PIXELS] >= 0 && csv.values[i * csv.columns + PIXELS] < CLASSES;
    if (!good) {
        fprintf(stderr, "%s: not rows of %d pixels and a digit\n", path, PIXELS);
        exit(EXIT_FAILURE);
    }
    *training = dataset_create(csv.rows);
    *held_out = dataset_create(csv.rows);
    for (size_t i = 0; i < csv.rows; i++)
        add_row(i % HELD_OUT_EVERY ? training : held_out, csv.values + i * csv.columns);
    free(csv.values);
}

size_t batch_rows(size_t batch, size_t left) { return left <= batch + 1 ? left : batch; }

void dataset_gather(struct dataset *batch, const struct dataset *set, const size_t *order)
{
    for (size_t i = 0; i < batch->rows; i++) {
        memcpy(batch->pixels + i * PIXELS, set->pixels + order[i] * PIXELS, PIXELS * sizeof(float));
        batch->digits[i] = set->digits[order[i]];
    }
}

/* Of one row, by the mean loss of `rows`. */
static double row_loss(const float scores[CLASSES], int digit, size_t rows, float gradient[CLASSES])
{
    float largest = scores[0], sum = 0;
    for (size_t j = 1; j < CLASSES; j++) largest = fmaxf(largest, scores[j]);
    for (size_t j = 0; j < CLASSES; j++) sum += expf(scores[j] - largest);
    for (size_t j = 0; j < CLASSES; j++) {
        const float probability = expf(scores[j] - largest) / sum;
        gradient[j] = (probability - ((int)j == digit)) / (float)rows;
    }
    return logf(sum) - (scores[digit] - largest);
}

double score_loss(const float *scores, const struct dataset *batch, float *gradient)
{
    double loss = 0;
    for (size_t i = 0; i < batch->rows; i++)
        loss += row_loss(scores + i * CLASSES, batch->digits[i], batch->rows, gradient + i * CLASSES);
    return loss;
}

int likeliest(const float scores[CLASSES])
{
    int best = 0;
    for (int j = 1; j < CLASSES; j++)
        if (scores[j] > scores[best]) best = j;
    return best;
}
