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

/* The next segment of a connection in which nothing odd happens. */
static int taken(struct sift *s, int64_t index, const uint8_t *data, size_t length,
                 uint64_t number, int64_t time_ns)
{
    const struct link *link = &s->link[index];
    if (!s->fast || link->ethertype_at != 12 || !link->tagged || length < 54)
        return 0;
    if (!((s->ports[be16(data + 34)] | s->ports[be16(data + 36)]) & FOLLOWED))
        return 0;
    return fast_path_take(s->fast, data, length, number + s->passed + 1, time_ns,
                          s->first_interface + index);
}

/* Many connections are over: time to take them from the fast path. */
static int full(const struct sift *s) { return s->fast && s->fast->parted >= PARTED_MANY; }

static void pass(struct sift *s, int64_t time_ns)
{
    if (s->passed++ == 0 || time_ns > s->latest_ns)
        s->latest_ns = time_ns;
    s->time_ns = time_ns;
}

/* Walk over records of a classic pcap file, from `at` on; return where the first one starts that
 * is not boring, not whole, or odd. Seconds (4), fraction (4), captured (4), length (4), frame.
 * `number` is that of the last frame before. */
size_t sift_pcap(struct sift *s, const uint8_t *data, size_t length, size_t at, uint64_t number)
{
    s->passed = 0;
    while (!full(s) && at <= length && length - at >= 16 && s->links > 0 && s->link[0].unit > 0) {
        const uint8_t *record = data + at;
        uint32_t captured = word(record + 8, s->big_endian);
        int64_t time_ns = word(record, s->big_endian) * INT64_C(1000000000) +
                          word(record + 4, s->big_endian) * s->link[0].unit;
        if (captured > FRAME_LIMIT || captured > length - at - 16)
            break;
        if (!boring(s, &s->link[0], record + 16, captured) &&
            !taken(s, 0, record + 16, captured, number, time_ns))
            break;
        pass(s, time_ns);
        at += 16 + captured;
    }
    return at;
}

/* The same for enhanced packet blocks without options of a pcapng file. Type (4), total length
 * (4), interface (4), time (4, 4), captured (4), length (4), frame padded to 4, total length. */
size_t sift_pcapng(struct sift *s, const uint8_t *data, size_t length, size_t at, uint64_t number)
{
    s->passed = 0;
    while (!full(s) && at <= length && length - at >= 32) {
        const uint8_t *block = data + at;
        const int big = s->big_endian;
        uint32_t total = word(block + 4, big), index = word(block + 8, big);
        uint32_t captured = word(block + 20, big);
        uint64_t units = (uint64_t)word(block + 12, big) << 32 | word(block + 16, big);
        const struct link *link;
        if (word(block, big) != 6 || total < 32 || total % 4 || total > length - at)
            break;
        if (word(block + total - 4, big) != total || index >= (uint32_t)s->links)
            break;
        link = &s->link[index];
        if (captured > FRAME_LIMIT || captured > total - 32 || total - 32 - captured >= 4)
            break;
        if (link->unit <= 0 || units > (uint64_t)(INT64_MAX / link->unit))
            break;
        if (!boring(s, link, block + 28, captured) &&
            !taken(s, index, block + 28, captured, number, (int64_t)units * link->unit))
            break;
        pass(s, (int64_t)units * link->unit);
        at += total;
    }
    return at;
}
