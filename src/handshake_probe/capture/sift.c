/* Passes over the records of a capture that no verdict needs: the compiled half of sieve.py. Those
 * of connections in which nothing odd happens go to fast_path.c.
 *
 * sieve.py says which frames are boring and does the same in Python; tests hold the two together.
 * Nothing in this file allocates, keeps a pointer, or reads outside data[0 .. length). What is odd in any
 * way (a record that is cut off, a length that lies, an unknown link type) ends the walk in front
 * of it, and the readers in Python deal with it.
 *
 * Called through ctypes without the interpreter lock: one `struct sift` belongs to one caller.
 */
#include "fast_path.h"

#include <stddef.h>
#include <stdint.h>

#define FRAME_LIMIT 262144u /* facts.FRAME_LIMIT */
#define LINKS 32
#define FILTER_BITS 20
#define PARTED_MANY 256
#ifndef KEPT_MANY
#define KEPT_MANY 4096 /* connections, whose state the processor's caches do not hold */
#endif

enum { TCP = 6, UDP = 17 };
enum { IPV4 = 0x0800, IPV6 = 0x86dd, VLAN = 0x8100 };
enum { WANTED_TCP = 1, WANTED_UDP = 2, PASSED_OVER = 4, FOLLOWED = 8 }; /* bits of ports[] */
enum { RAW = -1, UNKNOWN = -2 };                          /* values of ethertype_at */

/* How the frames of one interface begin. */
struct link {
    int32_t ethertype_at; /* or RAW, UNKNOWN */
    int32_t ip_at;
    int32_t tagged; /* one VLAN tag may stand before the EtherType */
    int32_t reserved;
    int64_t unit; /* nanoseconds per unit of time; 0: leave its frames alone */
};

/* A set of addresses that may hold more than was put in, never less (a Bloom filter). */
struct addresses {
    uint64_t words[(1u << FILTER_BITS) / 64];
};

struct sift {
    /* The last call: frames passed over; if any, the time of the last one and the latest. */
    uint64_t passed;
    int64_t time_ns;
    int64_t latest_ns;
    /* The capture. */
    int32_t big_endian;
    int32_t links;
    int64_t first_interface; /* number of link[0] in the whole capture */
    struct link link[LINKS];
    /* What is wanted. */
    int32_t all_tcp;
    int32_t any_source;
    uint8_t ports[65536];
    struct addresses sources;
    /* Who sent what was passed over. */
    struct addresses seen;
    /* Connections on ports that are FOLLOWED; or NULL. */
    struct fast_path *fast;
};

size_t sift_size(void) { return sizeof(struct sift); }

static unsigned be16(const uint8_t *p) { return (unsigned)p[0] << 8 | p[1]; }

static uint32_t word(const uint8_t *p, int big_endian)
{
    if (big_endian)
        return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

/* Two bit numbers in one: FNV-1a over the address, then its upper and lower half. */
static uint64_t places(const uint8_t *address, size_t length)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ address[i]) * 0x100000001b3u;
    return hash ^ hash >> 29;
}

static uint32_t first_place(uint64_t hash) { return (uint32_t)hash >> (32 - FILTER_BITS); }
static uint32_t second_place(uint64_t hash) { return (uint32_t)(hash >> 32) >> (32 - FILTER_BITS); }

static void put(struct addresses *set, uint64_t hash)
{
    uint32_t one = first_place(hash), two = second_place(hash);
    set->words[one / 64] |= (uint64_t)1 << one % 64;
    set->words[two / 64] |= (uint64_t)1 << two % 64;
}

static int has(const struct addresses *set, uint64_t hash)
{
    uint32_t one = first_place(hash), two = second_place(hash);
    return (set->words[one / 64] >> one % 64 & 1) && (set->words[two / 64] >> two % 64 & 1);
}

void sift_want_source(struct sift *s, const uint8_t *address, size_t length)
{
    put(&s->sources, places(address, length));
    s->any_source = 1;
}

int sift_may_have_seen(const struct sift *s, const uint8_t *address, size_t length)
{
    return has(&s->seen, places(address, length));
}

/* A whole, plain TCP or UDP packet that nobody asked for; see sieve.py for the rule. */
static int boring(struct sift *s, const struct link *link, const uint8_t *data, size_t length)
{
    const uint8_t *source;
    size_t source_length, ip, start;
    long body; /* bytes behind the IP header, as the header says */
    unsigned kind, protocol, ports;
    uint64_t hash;

    if (link->ethertype_at == UNKNOWN || length == 0)
        return 0;
    ip = (size_t)link->ip_at;
    if (link->ethertype_at == RAW) {
        kind = data[0] >> 4 == 4 ? IPV4 : data[0] >> 4 == 6 ? IPV6 : 0;
    } else {
        size_t at = (size_t)link->ethertype_at;
        if (length < at + 2)
            return 0;
        kind = be16(data + at);
        if (kind == VLAN && link->tagged) {
            if (length < at + 6)
                return 0;
            kind = be16(data + at + 4);
            ip += 4;
        }
    }
    if (kind == IPV4) {
        start = ip + 20;
        if (length < start + 8 || data[ip] != 0x45 || be16(data + ip + 6) & 0x3fff)
            return 0;
        body = (long)be16(data + ip + 2) - 20;
        protocol = data[ip + 9];
        source = data + ip + 12;
        source_length = 4;
    } else if (kind == IPV6) {
        start = ip + 40;
        if (length < start + 8 || data[ip] >> 4 != 6)
            return 0;
        body = (long)be16(data + ip + 4);
        protocol = data[ip + 6];
        source = data + ip + 8;
        source_length = 16;
    } else {
        return 0;
    }
    ports = s->ports[be16(data + start)] | s->ports[be16(data + start + 2)];
    hash = places(source, source_length);
    if (protocol == TCP) {
        long header;
        if (s->all_tcp || ports & WANTED_TCP || length < start + 20)
            return 0;
        header = data[start + 12] >> 4;
        if (header < 5 || header * 4 > body)
            return 0;
        if (s->any_source && !(ports & PASSED_OVER) && has(&s->sources, hash))
            return 0;
    } else if (protocol == UDP) {
        if (ports & WANTED_UDP || body < 8 || be16(data + start + 4) < 8)
            return 0;
        if (s->any_source && has(&s->sources, hash))
            return 0;
    } else {
        return 0;
    }
    put(&s->seen, hash);
    return 1;
}

/* A record of a capture, and the frame in it. */
struct record {
    const uint8_t *frame;
    size_t size, captured; /* of the record, of the frame */
    const struct link *link;
    int64_t time_ns;
};

/* Read the record at `at`; 0 when it is not whole, or odd. */
typedef int reader(const struct sift *s, const uint8_t *data, size_t length, size_t at,
                   struct record *r);

/* It may be a segment of a connection in which nothing odd happens. */
static int followed(const struct sift *s, const struct record *r)
{
    if (!s->fast || r->link->ethertype_at != 12 || !r->link->tagged || r->captured < 54)
        return 0;
    return (s->ports[be16(r->frame + 34)] | s->ports[be16(r->frame + 36)]) & FOLLOWED;
}

static void expect(const struct sift *s, const struct record *records, size_t count)
{
    const uint8_t *frames[AHEAD];
    size_t many = 0;
    for (size_t i = 0; i < count; i++)
        if (followed(s, &records[i]))
            frames[many++] = records[i].frame;
    fast_path_expect(s->fast, frames, many);
}

/* Many connections are over: time to take them from the fast path. */
static int full(const struct sift *s) { return s->fast && s->fast->parted >= PARTED_MANY; }

/* Pass over a frame that nobody asked for, or that the fast path takes. */
static int pass(struct sift *s, const struct record *r, uint64_t number)
{
    if (!boring(s, r->link, r->frame, r->captured) &&
        !(followed(s, r) &&
          fast_path_take(s->fast, r->frame, r->captured, number + s->passed + 1, r->time_ns,
                         s->first_interface + (r->link - s->link))))
        return 0;
    if (s->passed++ == 0 || r->time_ns > s->latest_ns)
        s->latest_ns = r->time_ns;
    s->time_ns = r->time_ns;
    return 1;
}

/* Walk over records from `at` on; return where the first one starts that is not boring, not whole,
 * or odd. `number` is that of the last frame before. */
static inline size_t walk(struct sift *s, reader *read, const uint8_t *data, size_t length,
                          size_t at, uint64_t number)
{
    struct record records[AHEAD];
    size_t ahead, count;
    s->passed = 0;
    do {
        size_t end = at;
        ahead = s->fast && s->fast->kept >= KEPT_MANY ? AHEAD : 1;
        for (count = 0; count < ahead && read(s, data, length, end, &records[count]); count++)
            end += records[count].size;
        if (ahead > 1)
            expect(s, records, count);
        for (size_t i = 0; i < count; i++) {
            if (full(s) || !pass(s, &records[i], number))
                return at;
            at += records[i].size;
        }
    } while (count == ahead);
    return at;
}

/* Seconds (4), fraction (4), captured (4), length (4), frame. */
static inline int read_pcap(const struct sift *s, const uint8_t *data, size_t length, size_t at,
                            struct record *r)
{
    const uint8_t *head;
    const int big = s->big_endian;
    if (at > length || length - at < 16 || s->links < 1 || s->link[0].unit <= 0)
        return 0;
    head = data + at;
    r->captured = word(head + 8, big);
    if (r->captured > FRAME_LIMIT || r->captured > length - at - 16)
        return 0;
    r->frame = head + 16;
    r->size = 16 + r->captured;
    r->link = &s->link[0];
    r->time_ns = word(head, big) * INT64_C(1000000000) + word(head + 4, big) * r->link->unit;
    return 1;
}

/* An enhanced packet block without options. Type (4), total length (4), interface (4), time (4, 4),
 * captured (4), length (4), frame padded to 4, total length. */
static inline int read_pcapng(const struct sift *s, const uint8_t *data, size_t length, size_t at,
                              struct record *r)
{
    const uint8_t *head;
    const int big = s->big_endian;
    uint32_t total, index;
    uint64_t units;
    if (at > length || length - at < 32)
        return 0;
    head = data + at;
    total = word(head + 4, big);
    index = word(head + 8, big);
    units = (uint64_t)word(head + 12, big) << 32 | word(head + 16, big);
    if (word(head, big) != 6 || total < 32 || total % 4 || total > length - at)
        return 0;
    if (word(head + total - 4, big) != total || index >= (uint32_t)s->links)
        return 0;
    r->captured = word(head + 20, big);
    if (r->captured > FRAME_LIMIT || r->captured > total - 32 || total - 32 - r->captured >= 4)
        return 0;
    r->frame = head + 28;
    r->size = total;
    r->link = &s->link[index];
    if (r->link->unit <= 0 || units > (uint64_t)(INT64_MAX / r->link->unit))
        return 0;
    r->time_ns = (int64_t)units * r->link->unit;
    return 1;
}

/* Walk over the records of a classic pcap file. */
size_t sift_pcap(struct sift *s, const uint8_t *data, size_t length, size_t at, uint64_t number)
{
    return walk(s, read_pcap, data, length, at, number);
}

/* The same for the packets of a pcapng file. */
size_t sift_pcapng(struct sift *s, const uint8_t *data, size_t length, size_t at, uint64_t number)
{
    return walk(s, read_pcapng, data, length, at, number);
}
