/* The fast path of TCP: connections in which nothing odd happens are followed here.
 *
 * The name and the idea are those of operating systems: predict the next segment of a connection,
 * and when it comes exactly so, do only the little that is left to do. Whatever is not predicted is
 * left to `packets/flows.py`, to which the connection is handed over as it stands.
 */
#ifndef FAST_PATH_H
#define FAST_PATH_H

#include <stddef.h>
#include <stdint.h>

struct connection;
struct slot;

struct fast_path {
    /* Shared with fast_path.py, which keeps the other connections and counts them here, too. */
    uint64_t started;  /* connections of both, so far: the number of the next one */
    uint64_t closings; /* connections of both that were closed, so far */
    uint64_t kept, bare;                     /* connections followed here; without payload */
    uint64_t kept_elsewhere, bare_elsewhere; /* and there */
    uint64_t limit, closed_limit, bare_limit;
    uint64_t parted; /* connections that wait to be taken */
    uint64_t off;    /* follow no more of them: there are too many, or no memory */
    /* Private. */
    struct slot *slots; /* by endpoints, and by the device's first sequence number */
    size_t slots_used, slots_size;
    struct connection *closed_first, *closed_last; /* by rank */
    struct connection *parted_first, *parted_last;
    struct connection *all; /* those neither parted nor handed over */
};

/* Take a frame of an Ethernet interface; 0 when it is left to others, and nothing has changed. */
int fast_path_take(struct fast_path *f, const uint8_t *data, size_t captured, uint64_t number,
                   int64_t time_ns, int64_t interface);

/* Have the memory ready that these frames will need, at least 38 bytes of each: it is fetched while
 * the frames before them are taken. Nothing else changes. */
enum { AHEAD = 32 }; /* at most so many */
void fast_path_expect(const struct fast_path *f, const uint8_t *const *frames, size_t count);

#endif
