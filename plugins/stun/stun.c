//go:build ignore

// The line above keeps the go command, which tests this directory, away from this file.

/* Matches clients of STUN (RFC 8489) and TURN (RFC 8656, over TCP RFC 6062) by their
 * first message: on a stream as it is, or behind the length of RFC 4571 as ICE sends it
 * there (RFC 6544 §3); a datagram is one message. README.md says what it takes. */
#define DWAAR_MAX_HEAD (64 << 10) /* as much as waits of a session of datagrams */
#include "dwaar.h"

#include "../internal/options.h"

/* ---- What a client says first (RFC 8489 §18.2, RFC 8656 §17, RFC 6062 §6.1) ---- */

typedef struct {
	uint16_t type; /* method and class, as on the wire: RFC 8489 §5 */
	const char *method, *class;
} kind;

#define REQUEST "request"
#define INDICATION "indication"

static const kind kinds[] = {
	{0x0001, "binding", REQUEST},
	{0x0003, "allocate", REQUEST},
	{0x0004, "refresh", REQUEST},
	{0x0008, "create_permission", REQUEST},
	{0x0009, "channel_bind", REQUEST},
	{0x000a, "connect", REQUEST},
	{0x000b, "connection_bind", REQUEST},
	{0x0011, "binding", INDICATION},
	{0x0016, "send", INDICATION},
};

#define KINDS (sizeof kinds / sizeof *kinds)

static const kind *kind_of(uint32_t type) {
	for (uint32_t i = 0; i < KINDS; i++)
		if (kinds[i].type == type)
			return &kinds[i];
	return 0;
}

static dwaar_span text(const char *s) { return (dwaar_span){(const uint8_t *)s, dwaar_length(s)}; }

/* ---- The configuration ---- */

static const char *unfit_method(dwaar_span value) {
	for (uint32_t i = 0; i < KINDS; i++)
		if (dwaar_is(value, kinds[i].method))
			return 0;
	return "is no method of a client: write binding, allocate, refresh, send, create_permission, channel_bind, connect or connection_bind";
}

static const char *unfit_class(dwaar_span value) {
	return dwaar_is(value, REQUEST) || dwaar_is(value, INDICATION) ? 0 : "is no class of a client: write request or indication";
}

static const char *unfit_name(dwaar_span value) { return value.size ? 0 : "is empty: write what the client calls itself"; }

enum { METHOD, CLASS, USERNAME, REALM, OPTIONS };

static const option table[OPTIONS] = {
	{"method", unfit_method, 0}, {"class", unfit_class, 0}, {"username", unfit_name, 0}, {"realm", unfit_name, 0},
};
static const options given = {table, OPTIONS, "is no option: write method, class, username or realm"};

DWAAR_INIT(config) { return options_read(config, &given); }

/* ---- The message ---- */

#define HEADER 20
#define COOKIE "\x21\x12\xa4\x42"
#define MAX_LENGTH 4096 /* bytes of attributes: more than any datagram carries */

/* Attributes (RFC 8489 §14). */
#define AT_USERNAME 0x0006
#define AT_INTEGRITY 0x0008
#define AT_REALM 0x0014
#define AT_INTEGRITY_SHA256 0x001c
#define AT_SOFTWARE 0x8022
#define AT_FINGERPRINT 0x8028

#define MAX_USERNAME 508 /* bytes: §14.3 */
#define MAX_TEXT 763     /* bytes of 127 characters: §14.9, §14.14 */

typedef struct {
	const kind *kind;
	dwaar_span username, realm, software; /* of size 0: not there */
	int sealed;                           /* by MESSAGE-INTEGRITY: what follows does not count */
	int odd;                              /* its method or its attributes are none, and servers go on with it */
} message;

/* CRC-32 (ISO 3309), four bits at a time. */
static uint32_t crc32(dwaar_span s) {
	static const uint32_t nibbles[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
		0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	uint32_t crc = ~0u;
	for (uint32_t i = 0; i < s.size; i++) {
		crc ^= s.at[i];
		crc = crc >> 4 ^ nibbles[crc & 15];
		crc = crc >> 4 ^ nibbles[crc & 15];
	}
	return ~crc;
}

/* Keeps the value of an attribute of which the first one counts (§14). */
static int keep(dwaar_span *to, dwaar_span value, uint32_t most) {
	if (value.size > most)
		return 0;
	if (!to->size)
		*to = value;
	return 1;
}

/* Is the value one that such an attribute can have? */
static int attribute(message *m, uint32_t type, dwaar_span value) {
	switch (type) {
	case AT_INTEGRITY:
		m->sealed = 1;
		return value.size == 20;
	case AT_INTEGRITY_SHA256:
		m->sealed = 1;
		return value.size >= 16 && value.size <= 32 && value.size % 4 == 0;
	}
	if (m->sealed)
		return 1;
	switch (type) {
	case AT_USERNAME:
		return keep(&m->username, value, MAX_USERNAME);
	case AT_REALM:
		return keep(&m->realm, value, MAX_TEXT);
	case AT_SOFTWARE:
		return keep(&m->software, value, MAX_TEXT);
	}
	return 1;
}

/* FINGERPRINT is the last attribute, and the checksum of all before it (§14.7). */
static int fingerprint(dwaar_cursor *c, uint32_t from, uint32_t size, uint32_t left) {
	dwaar_span before = {c->head + from, c->at - 4 - from};
	if (size != 4 || left != 4)
		return 0;
	uint32_t sent = dwaar_u32(c);
	return !dwaar_short(c) && sent == (crc32(before) ^ 0x5354554e);
}

/* The attributes of a message that began at from. */
static int attributes(dwaar_cursor *c, uint32_t from, uint32_t left, message *m) {
	while (left) {
		if (left < 4) /* a length is a multiple of 4 */
			return 0;
		uint32_t type = dwaar_u16(c), size = dwaar_u16(c), padded = (size + 3) & ~3u;
		left -= 4;
		if (dwaar_short(c) || padded > left)
			return 0;
		if (type == AT_FINGERPRINT)
			return fingerprint(c, from, size, left);
		dwaar_span value = dwaar_bytes(c, size);
		dwaar_skip(c, padded - size);
		if (dwaar_short(c) || !attribute(m, type, value))
			return 0;
		left -= padded;
	}
	return 1;
}

/* A message of exactly size bytes, or of any if that is 0. The cookie is four bytes
 * that other protocols do not have there (§5). */
static int read(dwaar_cursor *c, uint32_t size, message *m) {
	uint32_t from = c->at, upper = dwaar_u8(c);
	if (upper & 0xc1) /* two bits are 0, and one would make it an answer (§5) */
		return 0;
	uint32_t lower = dwaar_u8(c);
	*m = (message){.kind = upper ? 0 : kind_of(lower)};
	if (dwaar_short(c))
		return 0;
	uint32_t high = dwaar_u8(c), length = high << 8;
	if (high > MAX_LENGTH >> 8 || (size && high != (size - HEADER) >> 8))
		return 0;
	length |= dwaar_u8(c);
	if (length % 4 || length > MAX_LENGTH || (size && length != size - HEADER) || !dwaar_literal(c, COOKIE))
		return 0;
	m->odd = !m->kind; /* coturn asks for a user, whatever the method */
	if (m->odd)
		return 1;
	dwaar_skip(c, 12); /* the transaction's id */
	m->odd = !attributes(c, from, length, m);
	return 1;
}

/* A message behind its length (RFC 4571 §2). */
static int read_framed(dwaar_cursor *c, message *m) {
	uint32_t high = dwaar_u8(c);
	if (high > (HEADER + MAX_LENGTH) >> 8)
		return 0;
	uint32_t size = high << 8 | dwaar_u8(c);
	if (dwaar_short(c) || size < HEADER || size > HEADER + MAX_LENGTH || size % 4)
		return 0;
	return read(c, size, m);
}

/* ---- The verdict ---- */

static int32_t answer(const dwaar_cursor *c, int matches, const message *m) {
	if (!matches || dwaar_short(c))
		return dwaar_no(c);
	if (m->odd)
		return DWAAR_UNKNOWN;
	dwaar_span method = text(m->kind->method), class = text(m->kind->class);
	if (!option_holds(&given, METHOD, method) || !option_holds(&given, CLASS, class) ||
	    !option_holds(&given, USERNAME, m->username) || !option_holds(&given, REALM, m->realm))
		return DWAAR_NO;
	dwaar_set("method", method);
	dwaar_set("class", class);
	if (m->username.size)
		dwaar_set("username", m->username);
	if (m->realm.size)
		dwaar_set("realm", m->realm);
	if (m->software.size)
		dwaar_set("software", m->software);
	return DWAAR_YES;
}

/* The first datagram is a message, no more and no less. */
static int32_t datagram(const dwaar_cursor *c, const dwaar_flow *flow) {
	if (!flow->bounds_size)
		return -1;
	dwaar_cursor first = {c->head, flow->bounds[0], 0, 0};
	message m;
	int matches = first.size >= HEADER && read(&first, first.size, &m);
	if (dwaar_short(&first))
		return DWAAR_NO;
	return answer(&first, matches, &m);
}

DWAAR_MATCH(c, flow) {
	if (flow->flags & DWAAR_FLAG_DATAGRAMS)
		return datagram(c, flow);
	dwaar_cursor framed = *c;
	message m;
	int32_t plain = answer(c, read(c, 0, &m), &m);
	if (plain > 0)
		return plain;
	int32_t other = answer(&framed, read_framed(&framed, &m), &m);
	if (other > 0 || plain == DWAAR_NO)
		return other;
	return other == DWAAR_NO || plain > other ? plain : other; /* the one that needs less */
}
