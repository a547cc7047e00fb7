/* What the parts of the fast path share: a connection, and what is asked of its table and its
 * written form.
 */
#ifndef FAST_PATH_PARTS_H
#define FAST_PATH_PARTS_H

#include "fast_path.h"

enum { DEVICE = 0, CLOUD = 1 };
enum { RECENT = 8, TIMED = 8, CONTROLS = 2, OPTIONS = 40, STAMPS = 12 };
#define NONE INT64_C(-1)

/* A SYN, SYN/ACK or FIN. */
struct control {
    uint64_t frame;
    int64_t time_ns;
    uint32_t sequence, acknowledgment; /* relative; of a SYN there is no acknowledgment */
    uint16_t window, ip_id;
    uint8_t flags, ttl, options_length, options[OPTIONS];
};

/* A packet of the last milliseconds: the next may be a copy of it. */
struct recent {
    uint64_t frame;
    int64_t time_ns;
    uint32_t sequence, acknowledgment, at, length; /* `at` is where its payload is in the data */
    uint16_t window, ip_id;
    uint8_t flags, options_length, options[STAMPS]; /* a SYN's options are those of its control */
};

/* What the next segment is held against, and changes. What pieces and controls say as well is not
 * kept: a state that is small leaves the processor's caches later. */
struct side {
    uint32_t base;  /* raw sequence number of the SYN */
    uint32_t next;  /* relative: 1 is the first byte; one past the last byte sent */
    uint32_t acked; /* relative; a FIN takes one number */
    uint32_t room;  /* of data */
    uint8_t *data;
    uint8_t ttl, macs[12], stamped, controls, recents;
    uint64_t packets, last_frame, acked_frame;
    int64_t last_ns, acked_ns, newest_ns; /* newest: the greatest of all times */
};

struct piece {
    uint64_t frame;
    int64_t time_ns;
    uint16_t at;     /* in the side's data */
    uint16_t length; /* 0: the sender's FIN */
    uint32_t side;
};

struct timed {
    uint32_t end;
    int64_t time_ns;
};

/* As fast_path_form.py reads them. */
_Static_assert(sizeof(struct control) == 72 && sizeof(struct recent) == 56, "layout");
_Static_assert(sizeof(struct piece) == 24 && sizeof(struct timed) == 16, "layout");

struct key {
    uint64_t a;
    uint32_t b;
};

struct connection {
    /* What nearly every segment needs: HOT bytes. */
    int64_t interface;
    uint8_t ends[12]; /* addresses of device and cloud, ports of both */
    uint32_t waiting; /* of timed[] */
    struct piece *pieces;
    uint32_t piece_count, piece_room;
    int64_t established_ns, min_rtt_ns;
    struct side side[2];
    struct timed timed[TIMED];
    /* The rest. */
    struct recent recent[2][RECENT];
    struct key key;
    uint64_t number, rank; /* rank among the closed ones; 0: not closed */
    uint64_t first_frame;
    int64_t first_ns;
    struct control control[2][CONTROLS];
    struct connection *next, *previous; /* of all */
    struct connection *closed_next, *closed_previous, *parted_next; /* of the lists by rank */
};

/* Nobody said anything yet: a FIN is never the first piece. */
static inline int bare(const struct connection *c) { return !c->piece_count; }

static inline int begun(const struct side *s) { return s->controls > 0; }
static inline int finished(const struct side *s) { return s->controls == CONTROLS; }
static inline uint32_t sent(const struct side *s) { return begun(s) ? s->next - 1 : 0; } /* bytes */

#pragma GCC visibility push(hidden) /* for the parts alone */

/* --- fast_path_slots.c ----------------------------------------------------------------------- */

/* A connection that is left to others. */
extern struct connection fast_path_elsewhere;
#define ELSEWHERE (&fast_path_elsewhere)

/* What is known by a key: a connection here, ELSEWHERE, or NULL. */
struct connection *slots_find(const struct fast_path *f, struct key key);

/* Make sure that two more keys fit; 0: they do not. */
int slots_make_room(struct fast_path *f);

/* Put what is known by a key; there is room. */
void slots_put(struct fast_path *f, struct key key, struct connection *c);

/* Free a key's slot. */
void slots_drop(struct fast_path *f, struct key key);

/* Have the slot ready where looking for a key begins; there are slots. */
void slots_expect(const struct fast_path *f, struct key key);

/* --- fast_path_form.c ------------------------------------------------------------------------ */

/* Write a connection, `form_size` bytes, as fast_path_form.py reads it; return their number. */
size_t form_size(const struct connection *c);
size_t form_write(uint8_t *at, const struct connection *c);

#pragma GCC visibility pop

#endif
