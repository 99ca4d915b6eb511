/* A rival library behind one interface; built with oneDNN where its header and library are found. */
#ifndef PEER_H
#define PEER_H

#include "work.h"

typedef struct peer peer;

/* Whether this build has it. */
bool peer_available(void);
/* "oneDNN 2.6.3", or "none" */
const char *peer_version(void);

/* Ready to run `w` with its threads, on its arrays; NULL where the rival does not do such work. Where the rival takes
 * the same data in several descriptions, the fastest of them. */
peer *peer_create(const work *w);
void peer_destroy(peer *p);

/* Which of the rival's codes runs, in its own words. */
const char *peer_code(const peer *p);

/* Fills w's y, or dx, dgamma and dbeta. */
void peer_run(peer *p);

#endif
