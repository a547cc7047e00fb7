/* Connections as they are written for fast_path_form.py. */
#include "fast_path_parts.h"

#include <string.h>

enum { HEAD = 56 }; /* numbers in a written connection */

static uint8_t *write_bytes(uint8_t *out, const void *from, size_t length)
{
    if (length)
        memcpy(out, from, length);
    return out + length;
}

static int64_t *write_side(int64_t *out, const struct connection *c, int side)
{
    const struct side *s = &c->side[side];
    const struct piece *first = NULL, *last = NULL;
    int64_t segments = 0;
    for (uint32_t i = 0; i < c->piece_count; i++)
        if (c->pieces[i].side == (uint32_t)side && c->pieces[i].length) {
            last = &c->pieces[i];
            first = segments++ ? first : last;
        }
    *out++ = s->base;
    *out++ = begun(s);
    *out++ = s->next;
    *out++ = s->acked;
    *out++ = finished(s);
    *out++ = s->stamped;
    *out++ = s->ttl;
    *out++ = (int64_t)s->packets;
    *out++ = segments;
    *out++ = (int64_t)s->last_frame;
    *out++ = s->last_ns;
    *out++ = first ? (int64_t)first->frame : 0;
    *out++ = first ? first->time_ns : NONE;
    *out++ = last ? (int64_t)last->frame : 0;
    *out++ = last ? last->time_ns : NONE;
    *out++ = (int64_t)(last ? last->frame : c->control[side][0].frame);
    *out++ = last ? last->time_ns : c->control[side][0].time_ns;
    *out++ = (int64_t)s->acked_frame;
    *out++ = s->acked_ns;
    *out++ = s->controls;
    *out++ = s->recents;
    *out++ = sent(s);
    return out;
}

size_t form_size(const struct connection *c)
{
    size_t size = HEAD * sizeof(int64_t) + 36 + c->waiting * sizeof(struct timed);
    for (int i = 0; i < 2; i++)
        size += CONTROLS * sizeof(struct control) + sent(&c->side[i]) +
                c->side[i].recents * sizeof(struct recent);
    return (size + c->piece_count * (sizeof(struct piece) + 1) + 7) / 8 * 8;
}

/* A piece that is exactly one record of a legal length: length (2), as many bytes. */
static int is_record(const uint8_t *data, uint32_t length)
{
    return length >= 18 && length <= 1026 && length % 16 == 2 &&
           ((uint32_t)data[0] << 8 | data[1]) == length - 2;
}

/* Numbers (HEAD of 64 bits), ends (12), device's and cloud's MACs (12, 12), of both sides controls,
 * pieces, of each its sender (2 more unless it is a record), of both sides the data, answers
 * awaited, of both sides recent packets; padded to 8. */
size_t form_write(uint8_t *at, const struct connection *c)
{
    int64_t head[HEAD] = {0}, *out = head;
    uint8_t *begin = at;
    const struct side *last = &c->side[c->side[CLOUD].last_frame > c->side[DEVICE].last_frame];
    size_t size = form_size(c);
    *out++ = (int64_t)size;
    *out++ = (int64_t)c->number;
    *out++ = (int64_t)c->rank;
    *out++ = c->interface;
    *out++ = (int64_t)c->first_frame;
    *out++ = c->first_ns;
    *out++ = (int64_t)last->last_frame;
    *out++ = last->last_ns;
    *out++ = c->established_ns;
    *out++ = c->min_rtt_ns;
    *out++ = c->waiting;
    *out++ = c->piece_count;
    out = write_side(out, c, DEVICE);
    write_side(out, c, CLOUD);
    at = write_bytes(at, head, sizeof head);
    at = write_bytes(at, c->ends, 12);
    at = write_bytes(at, c->side[DEVICE].macs, 12);
    at = write_bytes(at, c->side[CLOUD].macs, 12);
    at = write_bytes(at, c->control, sizeof c->control);
    at = write_bytes(at, c->pieces, c->piece_count * sizeof(struct piece));
    for (uint32_t i = 0; i < c->piece_count; i++) {
        const struct piece *p = &c->pieces[i];
        int record = p->length && is_record(c->side[p->side].data + p->at, p->length);
        *at++ = (uint8_t)(p->side + (record ? 0 : 2));
    }
    at = write_bytes(at, c->side[DEVICE].data, sent(&c->side[DEVICE]));
    at = write_bytes(at, c->side[CLOUD].data, sent(&c->side[CLOUD]));
    at = write_bytes(at, c->timed, c->waiting * sizeof(struct timed));
    for (int i = 0; i < 2; i++)
        at = write_bytes(at, c->recent[i], c->side[i].recents * sizeof(struct recent));
    memset(at, 0, (size_t)(begin + size - at));
    return size;
}
