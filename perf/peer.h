/* A rival library behind one interface; built with oneDNN where its header and library are found. */
#ifndef PEER_H
#define PEER_H

#include "work.h"

typedef struct peer peer;

/* Whether this build has it. */
bool peer_available(void);

/* The work's own layout, or the rival's: blocks of channels, which it is given and gives back. */
typedef enum peer_form { PEER_PLAIN, PEER_BLOCKED, PEER_FORMS } peer_form;

/* "oneDNN 2.6.3", "oneDNN 2.6.3 nChw16c", or "none" */
const char *peer_name(peer_form form);

/* Ready to run `w` with its threads; NULL where the rival does not do such work. Plain, it runs on w's arrays, and
 * where the rival takes the same data in several descriptions, in the fastest of them. Blocked is for channels first,
 * and has arrays of its own, filled with w's values. */
peer *peer_create(const work *w, peer_form form);
void peer_destroy(peer *p);

/* Computes y, or dx, dgamma and dbeta. */
void peer_run(peer *p);

/* Where its y, or dx, is: at least w's bytes. */
const void *peer_output(const peer *p);

/* Puts y, or dx, where w has it, and as w has it. */
void peer_deliver(const peer *p);

#endif
