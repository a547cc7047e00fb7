/* See fast_path.h. What a connection is taken for, and every count, is as in packets/connection.py,
 * side.py and reassembly.py, for as long as all bytes are there, in order, and sent once.
 *
 * The caller guarantees nothing about a frame but that it is readable; all limits are checked here.
 */
#include "fast_path_parts.h"

#include <stdlib.h>
#include <string.h>

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };
enum { DATA_LIMIT = 1 << 14, PIECE_LIMIT = 1024 }; /* of one side, of a connection */
#define COPY_NS INT64_C(5000000)

/* With the first of the answers awaited, and that is mostly the only one. */
enum { HOT = offsetof(struct connection, timed) + sizeof(struct timed), LINE = 64 };

struct segment {
    uint64_t frame;
    int64_t time_ns, interface;
    uint32_t sequence, acknowledgment;
    unsigned window, ip_id, flags, ttl, options_length;
    const uint8_t *macs, *options, *payload;
    uint32_t length; /* of the payload */
};

/* --- Keys ------------------------------------------------------------------------------------ */

static unsigned be16(const uint8_t *p) { return (unsigned)p[0] << 8 | p[1]; }
static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static struct key ends_key(const uint8_t *one, const uint8_t *one_port, const uint8_t *other,
                           const uint8_t *other_port)
{
    uint64_t a = (uint64_t)be32(one) << 16 | be16(one_port);
    uint64_t b = (uint64_t)be32(other) << 16 | be16(other_port);
    uint64_t low = a < b ? a : b, high = a < b ? b : a;
    return (struct key){low << 16 | high >> 32, (uint32_t)high};
}

/* Ports are not 0 here, so this is no key of endpoints. */
static struct key start_key(uint32_t sequence) { return (struct key){sequence, 0}; }

/* --- Connections ----------------------------------------------------------------------------- */

static void discard(struct connection *c)
{
    free(c->side[DEVICE].data);
    free(c->side[CLOUD].data);
    free(c->pieces);
    free(c);
}

static void forget(struct fast_path *f, struct connection *c)
{
    *(c->previous ? &c->previous->next : &f->all) = c->next;
    if (c->next)
        c->next->previous = c->previous;
    if (c->rank) {
        *(c->closed_previous ? &c->closed_previous->closed_next : &f->closed_first) =
            c->closed_next;
        *(c->closed_next ? &c->closed_next->closed_previous : &f->closed_last) =
            c->closed_previous;
    }
    f->kept--;
    f->bare -= !c->piece_count;
    slots_drop(f, start_key(c->side[DEVICE].base));
}

static void part_with(struct fast_path *f, struct connection *c)
{
    forget(f, c);
    slots_drop(f, c->key);
    /* Nothing follows that these could be needed for. */
    c->waiting = c->side[DEVICE].recents = c->side[CLOUD].recents = 0;
    if (f->parted_first)
        f->parted_last->parted_next = c;
    else
        f->parted_first = c;
    f->parted_last = c;
    f->parted++;
}

/* Part with the connections that were closed long enough ago. */
static void part(struct fast_path *f)
{
    struct connection *c;
    while ((c = f->closed_first) && f->closings - c->rank >= f->closed_limit)
        part_with(f, c);
}

/* Options that are all there; tells whether time stamps (kind 8) are among them. */
static int read_options(const struct segment *g, int *stamped)
{
    size_t at = 0;
    *stamped = 0;
    while (at < g->options_length && g->options[at]) {
        size_t length = g->options[at] == 1 ? 1
                        : at + 1 < g->options_length ? g->options[at + 1]
                                                     : 0;
        if (g->options[at] != 1 && (length < 2 || at + length > g->options_length))
            return 0;
        *stamped |= g->options[at] == 8;
        at += length;
    }
    return 1;
}

/* No options, or time stamps behind two that pad: what nearly all segments carry. */
static int common_options(const struct segment *g)
{
    static const uint8_t stamps[] = {1, 1, 8, 10};
    return !g->options_length || (g->options_length == STAMPS && !memcmp(g->options, stamps, 4));
}

static void note_recent(struct connection *c, int from, const struct segment *g)
{
    struct side *s = &c->side[from];
    struct recent *recent = c->recent[from], *r;
    unsigned old = 0;
    if (g->time_ns - s->newest_ns > COPY_NS)
        s->recents = 0; /* without a look at them */
    while (old < s->recents && g->time_ns - recent[old].time_ns > COPY_NS)
        old++;
    old += s->recents - old == RECENT;
    s->recents = (uint8_t)(s->recents - old);
    if (old)
        memmove(recent, recent + old, s->recents * sizeof *r);
    r = &recent[s->recents++];
    *r = (struct recent){g->frame,
                         g->time_ns,
                         g->sequence,
                         g->acknowledgment,
                         sent(s),
                         g->length,
                         (uint16_t)g->window,
                         (uint16_t)g->ip_id,
                         (uint8_t)g->flags,
                         (uint8_t)g->options_length,
                         {0}};
    if (g->options_length <= STAMPS)
        memcpy(r->options, g->options, g->options_length);
    if (g->time_ns > s->newest_ns)
        s->newest_ns = g->time_ns;
}

/* A packet without payload that may be a copy of one just captured. */
static int may_be_copy(const struct connection *c, int from, const struct segment *g)
{
    if (g->time_ns - c->side[from].newest_ns > COPY_NS)
        return 0;
    for (unsigned i = 0; i < c->side[from].recents; i++) {
        const struct recent *r = &c->recent[from][i];
        if (g->time_ns - r->time_ns <= COPY_NS && r->time_ns - g->time_ns <= COPY_NS &&
            r->sequence == g->sequence && r->acknowledgment == g->acknowledgment && !r->length &&
            r->flags == g->flags && r->window == g->window && r->ip_id == g->ip_id)
            return 1;
    }
    return 0;
}

static void note_packet(struct connection *c, int from, const struct segment *g)
{
    struct side *s = &c->side[from];
    note_recent(c, from, g);
    s->last_frame = g->frame;
    s->last_ns = g->time_ns;
    s->packets++;
}

static void note_control(struct connection *c, int from, const struct segment *g, uint32_t sequence,
                         uint32_t acknowledgment)
{
    struct control *k = &c->control[from][c->side[from].controls++];
    *k = (struct control){g->frame,
                          g->time_ns,
                          sequence,
                          acknowledgment,
                          (uint16_t)g->window,
                          (uint16_t)g->ip_id,
                          (uint8_t)g->flags,
                          (uint8_t)g->ttl,
                          (uint8_t)g->options_length,
                          {0}};
    memcpy(k->options, g->options, g->options_length);
}

static void begin_side(struct side *s, const struct segment *g, int stamped)
{
    s->base = g->sequence;
    s->next = 1;
    s->stamped = (uint8_t)stamped;
    s->ttl = (uint8_t)g->ttl;
    memcpy(s->macs, g->macs, sizeof s->macs);
}

static void note_acknowledgment(struct connection *c, struct side *s, uint32_t acked,
                                const struct segment *g)
{
    if (acked > s->acked) {
        s->acked = acked;
        s->acked_frame = g->frame;
        s->acked_ns = g->time_ns;
    }
    if (s == &c->side[CLOUD]) {
        if (c->established_ns == NONE)
            c->established_ns = g->time_ns;
        return;
    }
    unsigned answered = 0;
    int64_t sent_ns = NONE;
    while (answered < c->waiting && c->timed[answered].end <= acked)
        sent_ns = c->timed[answered++].time_ns;
    c->waiting -= answered;
    memmove(c->timed, c->timed + answered, c->waiting * sizeof *c->timed);
    if (answered && g->time_ns >= sent_ns &&
        (c->min_rtt_ns == NONE || g->time_ns - sent_ns < c->min_rtt_ns))
        c->min_rtt_ns = g->time_ns - sent_ns;
}

static void expect_answer(struct connection *c, uint32_t end, int64_t time_ns)
{
    c->timed[c->waiting++] = (struct timed){end, time_ns};
}

/* Make room for one more piece with this much data; 0: no. */
static int make_room(struct connection *c, struct side *s, uint32_t length)
{
    if (sent(s) + length > DATA_LIMIT || c->piece_count >= PIECE_LIMIT)
        return 0;
    if (sent(s) + length > s->room) {
        uint32_t room = s->room ? 2 * s->room : 512;
        uint8_t *data;
        while (room < sent(s) + length)
            room *= 2;
        data = realloc(s->data, room);
        if (!data)
            return 0;
        s->data = data;
        s->room = room;
    }
    if (c->piece_count == c->piece_room) {
        uint32_t room = c->piece_room ? 2 * c->piece_room : 64;
        struct piece *pieces = realloc(c->pieces, room * sizeof *pieces);
        if (!pieces)
            return 0;
        c->pieces = pieces;
        c->piece_room = room;
    }
    return 1;
}

static int start(struct fast_path *f, const struct segment *g, struct key key, const uint8_t *ends)
{
    struct connection *c;
    int stamped;
    if (f->kept + f->kept_elsewhere >= f->limit || f->bare + f->bare_elsewhere >= f->bare_limit) {
        f->off = 1;
        return 0;
    }
    if (g->length || !read_options(g, &stamped) || slots_find(f, start_key(g->sequence)))
        return 0;
    c = calloc(1, sizeof *c);
    if (!c) {
        f->off = 1;
        return 0;
    }
    c->key = key;
    c->number = f->started++;
    memcpy(c->ends, ends, sizeof c->ends);
    c->interface = g->interface;
    c->first_frame = g->frame;
    c->first_ns = g->time_ns;
    c->established_ns = c->min_rtt_ns = NONE;
    begin_side(&c->side[DEVICE], g, stamped);
    note_packet(c, DEVICE, g);
    note_control(c, DEVICE, g, 0, 0);
    expect_answer(c, 1, g->time_ns);
    c->next = f->all;
    if (c->next)
        c->next->previous = c;
    f->all = c;
    slots_put(f, key, c);
    slots_put(f, start_key(g->sequence), c);
    f->kept++;
    f->bare++;
    return 1;
}

/* The cloud's SYN/ACK. */
static int answer(struct connection *c, const struct segment *g)
{
    struct side *s = &c->side[CLOUD];
    int stamped;
    if (g->flags != (SYN | ACK) || g->length || !read_options(g, &stamped) ||
        g->acknowledgment != c->side[DEVICE].base + 1)
        return 0;
    begin_side(s, g, stamped);
    note_packet(c, CLOUD, g);
    note_control(c, CLOUD, g, 0, 1);
    note_acknowledgment(c, &c->side[DEVICE], 1, g);
    return 1;
}

/* The next segment of an established connection: bytes that follow, an acknowledgment, a FIN. */
static int follow(struct fast_path *f, struct connection *c, const struct segment *g, int from)
{
    struct side *s = &c->side[from], *peer = &c->side[!from];
    uint32_t acked = g->acknowledgment - peer->base;
    int fin = (int)g->flags & FIN;
    if ((g->flags | PSH | FIN) != (ACK | PSH | FIN) || !common_options(g) || g->ttl != s->ttl ||
        memcmp(g->macs, s->macs, sizeof s->macs) ||
        g->sequence != s->base + s->next + (uint32_t)finished(s) || acked < peer->acked ||
        acked > peer->next + (uint32_t)finished(peer))
        return 0;
    if (from == CLOUD && c->established_ns == NONE)
        return 0;
    if (fin && (finished(s) || g->length || bare(c)))
        return 0;
    if (g->length ? finished(s) || finished(peer) : may_be_copy(c, from, g))
        return 0;
    if (from == DEVICE && g->length && c->waiting == TIMED)
        return 0;
    if ((g->length || fin) && !make_room(c, s, g->length))
        return 0;
    if (g->length && bare(c))
        f->bare--;
    note_packet(c, from, g);
    s->stamped |= g->options_length != 0;
    note_acknowledgment(c, peer, acked, g);
    if (g->length || fin)
        c->pieces[c->piece_count++] = (struct piece){
            g->frame, g->time_ns, (uint16_t)sent(s), (uint16_t)g->length, (uint32_t)from};
    if (g->length) {
        memcpy(s->data + sent(s), g->payload, g->length);
        s->next += g->length;
        if (from == DEVICE)
            expect_answer(c, s->next, g->time_ns);
    }
    if (fin) {
        note_control(c, from, g, s->next, acked);
        if (finished(peer)) {
            c->rank = ++f->closings;
            c->closed_previous = f->closed_last;
            *(f->closed_last ? &f->closed_last->closed_next : &f->closed_first) = c;
            f->closed_last = c;
            part(f);
        }
    }
    return 1;
}

int fast_path_take(struct fast_path *f, const uint8_t *data, size_t captured, uint64_t number,
                   int64_t time_ns, int64_t interface)
{
    const uint8_t *ip = data + 14, *tcp = data + 34;
    struct connection *c;
    struct segment g;
    struct key key;
    size_t total, header;
    /* Ethernet and IPv4 without options or fragments, as Decoder._decode_plain has it. */
    if (f->off || captured < 54 || be16(data + 12) != 0x0800 || ip[0] != 0x45 || ip[9] != 6 ||
        be16(ip + 6) & 0x3fff)
        return 0;
    total = be16(ip + 2);
    header = (size_t)(tcp[12] >> 4) * 4;
    if (header < 20 || total < header + 20 || 14 + total > captured || !be16(tcp) ||
        !be16(tcp + 2))
        return 0;
    g = (struct segment){number,
                         time_ns,
                         interface,
                         be32(tcp + 4),
                         be32(tcp + 8),
                         be16(tcp + 14),
                         be16(ip + 4),
                         tcp[13] & 0x3f,
                         ip[8],
                         (unsigned)header - 20,
                         data,
                         tcp + 20,
                         tcp + header,
                         (uint32_t)(total - 20 - header)};
    key = ends_key(ip + 12, tcp, ip + 16, tcp + 2);
    part(f);
    c = slots_find(f, key);
    if (c == ELSEWHERE)
        return 0;
    if (c) {
        int from = memcmp(ip + 12, c->ends, 4) || memcmp(tcp, c->ends + 8, 2) ? CLOUD : DEVICE;
        if (c->interface != interface)
            return 0;
        return begun(&c->side[from]) && begun(&c->side[!from]) ? follow(f, c, &g, from)
               : from == CLOUD                             ? answer(c, &g)
                                                           : 0;
    }
    if (!slots_make_room(f)) {
        f->off = 1;
        return 0;
    }
    if (g.flags == SYN) {
        uint8_t ends[12];
        memcpy(ends, ip + 12, 8);
        memcpy(ends + 8, tcp, 4);
        if (start(f, &g, key, ends))
            return 1;
    }
    if (!f->off)
        slots_put(f, key, ELSEWHERE);
    return 0;
}

/* First where to look for their connections, then the connections, then where they grow. */
void fast_path_expect(const struct fast_path *f, const uint8_t *const *frames, size_t count)
{
    struct connection *found[AHEAD];
    struct key keys[AHEAD];
    if (!f->slots_size)
        return;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *ip = frames[i] + 14, *tcp = frames[i] + 34;
        keys[i] = ends_key(ip + 12, tcp, ip + 16, tcp + 2);
        slots_expect(f, keys[i]);
    }
    for (size_t i = 0; i < count; i++) {
        found[i] = slots_find(f, keys[i]);
        for (size_t at = 0; found[i] && at < HOT + LINE; at += LINE)
            __builtin_prefetch((const uint8_t *)found[i] + at);
    }
    for (size_t i = 0; i < count; i++) {
        const struct connection *c = found[i];
        if (!c || bare(c))
            continue;
        __builtin_prefetch(c->pieces + c->piece_count);
        for (int side = 0; side < 2; side++)
            if (c->side[side].data)
                __builtin_prefetch(c->side[side].data + sent(&c->side[side]));
    }
}

/* --- Handing over ---------------------------------------------------------------------------- */

/* Write connections that were parted with, as many as fit; return the bytes written. */
size_t fast_path_write_parted(struct fast_path *f, uint8_t *out, size_t room)
{
    size_t written = 0;
    struct connection *c;
    part(f);
    while ((c = f->parted_first) && form_size(c) <= room - written) {
        written += form_write(out + written, c);
        f->parted_first = c->parted_next;
        f->parted--;
        discard(c);
    }
    return written;
}

/* Part with all connections: nothing follows. */
void fast_path_part_all(struct fast_path *f)
{
    while (f->all)
        part_with(f, f->all);
}

/* Write one connection and leave it to others from now on; 0: there is none here. */
static size_t hand_over(struct fast_path *f, struct connection *c, uint8_t *out, size_t room)
{
    size_t size = form_size(c);
    if (size > room)
        return 0;
    form_write(out, c);
    forget(f, c);
    slots_put(f, c->key, ELSEWHERE);
    discard(c);
    return size;
}

/* Hand over the connection between these ends: addresses of 4 bytes, ports of 2. */
size_t fast_path_hand_over(struct fast_path *f, const uint8_t *ends, uint8_t *out, size_t room)
{
    struct connection *c;
    part(f);
    c = slots_find(f, ends_key(ends, ends + 8, ends + 4, ends + 10));
    return c && c != ELSEWHERE ? hand_over(f, c, out, room) : 0;
}

/* Note where the device's numbers start in a connection elsewhere, and hand over that one with the
 * same start: they may be views of one connection. */
size_t fast_path_note_start(struct fast_path *f, uint32_t sequence, uint8_t *out, size_t room)
{
    struct connection *c;
    size_t written = 0;
    if (f->off)
        return 0;
    if (!slots_make_room(f)) {
        f->off = 1;
        return 0;
    }
    part(f);
    c = slots_find(f, start_key(sequence));
    if (c && c != ELSEWHERE)
        written = hand_over(f, c, out, room);
    slots_put(f, start_key(sequence), ELSEWHERE);
    return written;
}

/* Hand over any connection; 0: there is none left. */
size_t fast_path_hand_over_any(struct fast_path *f, uint8_t *out, size_t room)
{
    return f->all ? hand_over(f, f->all, out, room) : 0;
}

/* --- Life ------------------------------------------------------------------------------------ */

struct fast_path *fast_path_new(void) { return calloc(1, sizeof(struct fast_path)); }

void fast_path_free(struct fast_path *f)
{
    struct connection *c, *next;
    for (c = f->all; c; c = next) {
        next = c->next;
        discard(c);
    }
    for (c = f->parted_first; c; c = next) {
        next = c->parted_next;
        discard(c);
    }
    free(f->slots);
    free(f);
}
