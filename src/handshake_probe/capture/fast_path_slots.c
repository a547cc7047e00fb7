/* The table of the fast path: by endpoints, and by the device's first sequence number.
 * Open addressing, at most half of the slots in use.
 */
#include "fast_path_parts.h"

#include <stdlib.h>

enum { SLOT_LIMIT = 1 << 18, PROBE_LIMIT = 256 };

struct slot {
    struct key key;
    struct connection *connection; /* NULL: a free slot */
};

struct connection fast_path_elsewhere;

static size_t place(const struct fast_path *f, struct key key)
{
    const uint64_t golden = UINT64_C(0x9e3779b97f4a7c15);
    uint64_t hash = key.a * golden + key.b;
    hash = (hash ^ hash >> 32) * golden;
    return (size_t)(hash ^ hash >> 32) & (f->slots_size - 1);
}

static int same(struct key one, struct key other) { return one.a == other.a && one.b == other.b; }

static struct slot *slot_of(const struct fast_path *f, struct key key)
{
    size_t at = place(f, key);
    while (f->slots[at].connection && !same(f->slots[at].key, key))
        at = (at + 1) & (f->slots_size - 1);
    return &f->slots[at];
}

struct connection *slots_find(const struct fast_path *f, struct key key)
{
    return f->slots_size ? slot_of(f, key)->connection : NULL;
}

int slots_make_room(struct fast_path *f)
{
    struct slot *old = f->slots;
    size_t size = f->slots_size;
    if (2 * (f->slots_used + 2) <= size)
        return 1;
    if (f->slots_used >= SLOT_LIMIT)
        return 0;
    f->slots = calloc(size ? 2 * size : 1024, sizeof *old);
    if (!f->slots) {
        f->slots = old;
        return 0;
    }
    f->slots_size = size ? 2 * size : 1024;
    for (size_t i = 0; i < size; i++)
        if (old[i].connection)
            *slot_of(f, old[i].key) = old[i];
    free(old);
    return 1;
}

void slots_put(struct fast_path *f, struct key key, struct connection *c)
{
    struct slot *slot = slot_of(f, key);
    size_t probes = ((size_t)(slot - f->slots) - place(f, key)) & (f->slots_size - 1);
    if (probes > PROBE_LIMIT)
        f->off = 1; /* not by chance: somebody chose keys whose places are the same */
    f->slots_used += !slot->connection;
    slot->key = key;
    slot->connection = c;
}

/* What had to go past the key moves up. */
void slots_drop(struct fast_path *f, struct key key)
{
    struct slot *slot = slot_of(f, key);
    size_t hole = (size_t)(slot - f->slots), at = hole, mask = f->slots_size - 1;
    if (!slot->connection)
        return;
    f->slots_used--;
    for (;;) {
        f->slots[hole].connection = NULL;
        do {
            at = (at + 1) & mask;
            if (!f->slots[at].connection)
                return;
        } while (((at - place(f, f->slots[at].key)) & mask) < ((at - hole) & mask));
        f->slots[hole] = f->slots[at];
        hole = at;
    }
}

void slots_expect(const struct fast_path *f, struct key key)
{
    __builtin_prefetch(&f->slots[place(f, key)]);
}
