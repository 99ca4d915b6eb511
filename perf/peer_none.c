#include "peer.h"

bool peer_available(void) { return false; }
const char *peer_version(void) { return "none"; }
peer *peer_create(const work *w)
{
    (void)w;
    return NULL;
}
void peer_destroy(peer *p) { (void)p; }
const char *peer_code(const peer *p)
{
    (void)p;
    return "";
}
void peer_run(peer *p) { (void)p; }
