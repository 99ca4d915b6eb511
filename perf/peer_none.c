#include "peer.h"

bool peer_available(void) { return false; }
const char *peer_name(peer_form form)
{
    (void)form;
    return "none";
}
peer *peer_create(const work *w, peer_form form)
{
    (void)w;
    (void)form;
    return NULL;
}
void peer_destroy(peer *p) { (void)p; }
void peer_run(peer *p) { (void)p; }
const void *peer_output(const peer *p) { return p; }
void peer_deliver(const peer *p) { (void)p; }
