/* Batch normalisation of one batch of 200 x 3, as a teaching notebook prints it: the statistics before, with gamma 1
 * and beta 0, and with gamma 1, 2, 3 and beta 11, 12, 13. Then where the notebook stops: running statistics that
 * converge, and a backward pass that finite differences confirm.
 *
 *     notebook [DATA_FOLDER]
 *
 * The exit status is not 0 where anything is off. */
#include <bnorm/bnorm.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "csv.h"
#include "random.h"

enum { FEATURES = 3 };

/* One batch with everything that the calls read and write. */
struct batch {
    size_t rows;
    double *x, *y, *dy, *dx;
    double gamma[FEATURES], beta[FEATURES], dgamma[FEATURES], dbeta[FEATURES];
    double mean[FEATURES], invstd[FEATURES], running_mean[FEATURES], running_var[FEATURES];
};

static bool everything_holds = true;

static double *numbers(size_t count)
{
    double *const allocated = calloc(count, sizeof *allocated);
    if (!allocated) abort();
    return allocated;
}

static bnorm_desc description(const struct batch *batch)
{
    bnorm_desc desc = bnorm_matrix(BNORM_F64, batch->rows, FEATURES);
    desc.eps = 1e-8;
    desc.update_rate = 0.1;         /* the notebook's momentum of 0.9 is the weight of the old value */
    desc.biased_running_var = true; /* the notebook divides by 200, not by 199 */
    return desc;
}

static bnorm_buffers buffers(struct batch *batch)
{
    return (bnorm_buffers){.x = batch->x,
                           .y = batch->y,
                           .gamma = batch->gamma,
                           .beta = batch->beta,
                           .mean = batch->mean,
                           .invstd = batch->invstd,
                           .dy = batch->dy,
                           .dx = batch->dx,
                           .dgamma = batch->dgamma,
                           .dbeta = batch->dbeta};
}

static void require(bnorm_status status)
{
    if (status == BNORM_OK) return;
    fprintf(stderr, "bnorm: %s\n", bnorm_status_string(status));
    exit(EXIT_FAILURE);
}

static void forward(struct batch *batch)
{
    const bnorm_desc desc = description(batch);
    const bnorm_buffers arrays = buffers(batch);
    require(bnorm_forward_training(&desc, &arrays));
}

static void backward(struct batch *batch)
{
    const bnorm_desc desc = description(batch);
    bnorm_buffers arrays = buffers(batch);
    arrays.y = NULL;
    require(bnorm_backward(&desc, &arrays));
}

/* Written so that a NaN is off. */
static void check(const char *what, double difference, double limit)
{
    const bool holds = difference <= limit;
    printf("  %-64s %8.1e, %s %.0e\n", what, difference, holds ? "within" : "OFF, limit", limit);
    everything_holds = everything_holds && holds;
}

static double largest_difference(const double *a, const double *b, size_t count)
{
    double largest = 0;
    for (size_t i = 0; i < count; i++) {
        const double difference = fabs(a[i] - b[i]);
        if (!(difference <= largest)) largest = difference; /* keeps a NaN */
    }
    return largest;
}

/* ---- The notebook's tables --------------------------------------------------------------------------------------- */

/* Two plain loops, so that the tables do not rest on the library's own statistics. */
static void column_statistics(const double *values, size_t rows, double mean[FEATURES], double deviation[FEATURES])
{
    for (size_t c = 0; c < FEATURES; c++) {
        double sum = 0, squares = 0;
        for (size_t i = 0; i < rows; i++) sum += values[i * FEATURES + c];
        mean[c] = sum / (double)rows;
        for (size_t i = 0; i < rows; i++) squares += pow(values[i * FEATURES + c] - mean[c], 2);
        deviation[c] = sqrt(squares / (double)rows);
    }
}

static void print_row(const char *name, const double values[FEATURES])
{
    printf("  %-18s", name);
    /* What rounds to zero is printed without a sign. */
    for (size_t c = 0; c < FEATURES; c++) printf(" %13.8f", fabs(values[c]) < 5e-9 ? 0 : values[c]);
    printf("\n");
}

static void print_table(const char *title, const double *values, size_t rows)
{
    double mean[FEATURES], deviation[FEATURES];
    column_statistics(values, rows, mean, deviation);
    printf("%s\n", title);
    print_row("mean", mean);
    print_row("standard deviation", deviation);
}

static void set_parameters(struct batch *batch, const double gamma[FEATURES], const double beta[FEATURES])
{
    memcpy(batch->gamma, gamma, sizeof batch->gamma);
    memcpy(batch->beta, beta, sizeof batch->beta);
}

static const struct {
    const char *title, *file;
    double gamma[FEATURES], beta[FEATURES];
} cases[] = {
    {"gamma 1, beta 0", "y_gamma1_beta0.csv", {1, 1, 1}, {0, 0, 0}},
    {"gamma 1, 2, 3, beta 11, 12, 13", "y_gamma123_beta11_12_13.csv", {1, 2, 3}, {11, 12, 13}},
};
enum { CASES = sizeof cases / sizeof *cases };

static void print_tables(struct batch *batch)
{
    print_table("before", batch->x, batch->rows);
    for (size_t k = 0; k < CASES; k++) {
        set_parameters(batch, cases[k].gamma, cases[k].beta);
        forward(batch);
        print_table(cases[k].title, batch->y, batch->rows);
    }
}

/* ---- The notebook's arrays --------------------------------------------------------------------------------------- */

/* Any number of rows where rows is 0. */
static struct csv read_matrix(const char *folder, const char *name, size_t rows)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    const struct csv csv = csv_read(path);
    if (csv.columns == FEATURES && (rows == 0 || csv.rows == rows)) return csv;
    fprintf(stderr, "%s: not the expected rows of %d columns\n", path, FEATURES);
    exit(EXIT_FAILURE);
}

static void compare_arrays(struct batch *batch, const char *folder)
{
    printf("\nlargest difference from the notebook's arrays\n");
    for (size_t k = 0; k < CASES; k++) {
        const struct csv expected = read_matrix(folder, cases[k].file, batch->rows);
        set_parameters(batch, cases[k].gamma, cases[k].beta);
        forward(batch);
        check(cases[k].file, largest_difference(batch->y, expected.values, batch->rows * FEATURES), 1e-13);
        free(expected.values);
    }
}

/* ---- Running statistics ------------------------------------------------------------------------------------------ */

static void print_running(const char *calls, const double mean[FEATURES], const double var[FEATURES])
{
    printf("  %-5s", calls);
    for (size_t c = 0; c < FEATURES; c++) printf(" %12.6f", mean[c]);
    printf("  ");
    for (size_t c = 0; c < FEATURES; c++) printf(" %12.6f", var[c]);
    printf("\n");
}

/* Many calls on one batch: each takes a tenth of the distance to the batch's statistics away. */
static void running_statistics(struct batch *batch, const char *folder)
{
    enum { CALLS = 400 }; /* 0.9^400 is below the rounding of a double */
    const bnorm_desc desc = description(batch);
    bnorm_buffers arrays = buffers(batch);
    arrays.running_mean = batch->running_mean;
    arrays.running_var = batch->running_var;
    for (size_t c = 0; c < FEATURES; c++) {
        batch->running_mean[c] = 0;
        batch->running_var[c] = 1;
    }

    printf("\nrunning mean and variance after so many calls\n");
    print_running("0", batch->running_mean, batch->running_var);
    for (int call = 1, next = 1; call <= CALLS; call++) {
        require(bnorm_forward_training(&desc, &arrays));
        if (call != next && call != CALLS) continue;
        char calls[16];
        snprintf(calls, sizeof calls, "%d", call);
        print_running(calls, batch->running_mean, batch->running_var);
        next = 3 * call;
    }
    const struct csv expected = read_matrix(folder, "batch_mean_var.csv", 2);
    print_running("batch", expected.values, expected.values + FEATURES);
    check("running mean, from the batch's", largest_difference(batch->running_mean, expected.values, FEATURES), 1e-12);
    check("running variance, from the batch's",
          largest_difference(batch->running_var, expected.values + FEATURES, FEATURES), 1e-10);
    free(expected.values);

    double *const trained = batch->y; /* of the last training call */
    arrays.y = batch->y = numbers(batch->rows * FEATURES);
    require(bnorm_forward_inference(&desc, &arrays));
    check("y of inference, from that of training", largest_difference(batch->y, trained, batch->rows * FEATURES),
          1e-12);
    free(trained);
}

/* ---- The backward pass ------------------------------------------------------------------------------------------- */

/* sum(y * dy), whose derivative by y is dy. */
static double loss(struct batch *batch)
{
    forward(batch);
    double sum = 0;
    for (size_t i = 0; i < batch->rows * FEATURES; i++) sum += batch->y[i] * batch->dy[i];
    return sum;
}

/* The derivative of the loss by one number of the batch, from either side of it. */
static double central_difference(struct batch *batch, double *number, double step)
{
    const double at = *number;
    *number = at + step;
    const double above = loss(batch);
    *number = at - step;
    const double below = loss(batch);
    *number = at;
    return (above - below) / (2 * step);
}

static void compare_gradient(struct batch *batch, const char *name, double *by, const double *gradient, size_t count,
                             double step)
{
    double worst = 0, largest = 0;
    printf("  %-7s %20s %20s\n", name, "backward", "finite difference");
    for (size_t i = 0; i < count; i++) {
        const double difference = central_difference(batch, &by[i], step);
        if (i < FEATURES) printf("  %7s %20.12f %20.12f\n", "", gradient[i], difference);
        if (!(fabs(difference - gradient[i]) <= worst)) worst = fabs(difference - gradient[i]);
        largest = fmax(largest, fabs(gradient[i]));
    }
    check("worst difference, relative to the largest", worst / largest, 1e-7);
}

static void backward_pass(struct batch *batch)
{
    uint64_t state = 1;
    /* Not all 1: sum(y) does not depend on x, so such a check would pass with any dx near 0. */
    for (size_t i = 0; i < batch->rows * FEATURES; i++) batch->dy[i] = 2 * random_unit(&state) - 1;
    set_parameters(batch, cases[CASES - 1].gamma, cases[CASES - 1].beta);
    forward(batch);
    backward(batch);

    printf("\nbackward against finite differences of sum(y * dy)\n");
    /* x is some 30 wide: a step of 1e-3 errs by (1e-3 / 30)^2 and loses 1e-16 * sum / 1e-3 to rounding, both near 1e-9.
     * The loss is linear in gamma and beta, where a step of 1 has no error of its own. */
    compare_gradient(batch, "dx", batch->x, batch->dx, batch->rows * FEATURES, 1e-3);
    compare_gradient(batch, "dgamma", batch->gamma, batch->dgamma, FEATURES, 1);
    compare_gradient(batch, "dbeta", batch->beta, batch->dbeta, FEATURES, 1);
}

int main(int argc, char **argv)
{
    const char *const folder = argc > 1 ? argv[1] : DATA "/notebook";
    const struct csv x = read_matrix(folder, "x.csv", 0);
    const size_t count = x.rows * x.columns;
    struct batch batch = {
        .rows = x.rows, .x = x.values, .y = numbers(count), .dy = numbers(count), .dx = numbers(count)};

    print_tables(&batch);
    compare_arrays(&batch, folder);
    running_statistics(&batch, folder);
    backward_pass(&batch);

    free(batch.x);
    free(batch.y);
    free(batch.dy);
    free(batch.dx);
    printf("\n%s\n", everything_holds ? "Everything holds." : "Something is off.");
    return everything_holds ? EXIT_SUCCESS : EXIT_FAILURE;
}
