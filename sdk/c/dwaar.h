/* dwaar.h: write a matcher for the dwaar proxy in C.
 *
 * A matcher looks at the first bytes of a connection and says whether they are its
 * protocol. It needs no library, not even libc:
 *
 *	#include "dwaar.h"
 *
 *	DWAAR_MATCH(c, flow) {
 *		if (!dwaar_literal(c, "HELLO "))
 *			return dwaar_no(c);
 *		return dwaar_yes(c);
 *	}
 *
 * Build it with build.sh beside this file. README.md shows the rest; the interface
 * below is specified in sdk/abi/ABI.md. To be included by one file of a module.
 */
#ifndef DWAAR_H
#define DWAAR_H

#include <stdint.h>

/* generated from sdk/abi: begin */
/* Answers of match that are neither "yes" (positive) nor "more bytes" (negative). */
#define DWAAR_NO (0)
#define DWAAR_YES (1)
#define DWAAR_UNKNOWN (-2147483647 - 1)
/* Answers of get and set. */
#define DWAAR_GET_ABSENT (-1)
#define DWAAR_SET_DONE (0)
#define DWAAR_SET_REFUSED (-1)
#define DWAAR_SET_FULL (-2)
/* Kinds of configuration tokens. */
#define DWAAR_TOKEN_END 0u
#define DWAAR_TOKEN_WORD 1u
#define DWAAR_TOKEN_OPEN 2u
#define DWAAR_TOKEN_CLOSE 3u
#define DWAAR_TOKEN_LINE 4u
/* Levels of log. */
#define DWAAR_LOG_TRACE 0u
#define DWAAR_LOG_INFO 1u
#define DWAAR_LOG_WARN 2u
#define DWAAR_LOG_ERROR 3u
/* The info block: its size, and the offsets of its fields. */
#define DWAAR_INFO_SIZE 128u
#define DWAAR_INFO_FLAGS 4u
#define DWAAR_INFO_TRANSPORT 8u
#define DWAAR_INFO_REMOTE_FAMILY 9u
#define DWAAR_INFO_LOCAL_FAMILY 10u
#define DWAAR_INFO_MAX_HEAD 12u
#define DWAAR_INFO_REMOTE_IP 16u
#define DWAAR_INFO_LOCAL_IP 32u
#define DWAAR_INFO_REMOTE_PORT 48u
#define DWAAR_INFO_LOCAL_PORT 50u
#define DWAAR_INFO_LISTENER 52u
#define DWAAR_INFO_SERVER_NAME 60u
#define DWAAR_INFO_ALPN 68u
#define DWAAR_INFO_TLS_VERSION 76u
#define DWAAR_INFO_CIPHER 78u
#define DWAAR_INFO_ACCEPTED 80u
#define DWAAR_INFO_BOUNDS 88u
/* Bits of the info block's flags. */
#define DWAAR_FLAG_TLS 1u
#define DWAAR_FLAG_PROXIED 2u
#define DWAAR_FLAG_DATAGRAMS 4u
/* Transports of the info block. */
#define DWAAR_TRANSPORT_TCP 1u
#define DWAAR_TRANSPORT_UDP 2u
#define DWAAR_TRANSPORT_UNIX 3u
/* Limits that both sides know. */
#define DWAAR_MAX_NAME 32u
#define DWAAR_MAX_STRING 255u
#define DWAAR_MAX_BOUNDS 64u
#define DWAAR_MAX_VALUE 1024u
#define DWAAR_MAX_FACTS 16u
#define DWAAR_MAX_LOGS 8u
#define DWAAR_MAX_MESSAGE 512u
#define DWAAR_MAX_REJECTS 32u
#define DWAAR_MAX_WORD 65535u
#define DWAAR_MAX_DEPTH 16u
#define DWAAR_MAX_CONFIG 1048576u
#define DWAAR_MAX_RANDOM 4096u
#define DWAAR_WINDOW_ALIGN 16u
#define DWAAR_WINDOW_TAIL 16u
/* Where a host that uses [Window] writes. Guests get addresses and need only the last */
#define DWAAR_WINDOW_STRINGS 128u
#define DWAAR_WINDOW_BOUNDS 896u
#define DWAAR_WINDOW_HEAD 1152u
/* generated from sdk/abi: end */

#define DWAAR_EXPORT(name) __attribute__((export_name(name), used))
#define DWAAR_IMPORT(name) __attribute__((import_module("dwaar_v1"), import_name(name)))

DWAAR_IMPORT("get") int32_t dwaar_import_get(const void *key, uint32_t klen, void *out, uint32_t room);
DWAAR_IMPORT("set") int32_t dwaar_import_set(const void *key, uint32_t klen, const void *value, uint32_t vlen);
DWAAR_IMPORT("reject") void dwaar_import_reject(int32_t token, const void *msg, uint32_t size);
DWAAR_IMPORT("log") void dwaar_import_log(uint32_t level, const void *msg, uint32_t size);
DWAAR_IMPORT("fail") _Noreturn void dwaar_import_fail(const void *msg, uint32_t size);

/* Some bytes of the window or of the module; not terminated. */
typedef struct {
	const uint8_t *at;
	uint32_t size;
} dwaar_span;

/* The length of a string that ends with NUL. */
static inline uint32_t dwaar_length(const char *s) {
	uint32_t n = 0;
	while (s[n])
		n++;
	return n;
}

/* Are two stretches of bytes the same? */
static inline int dwaar_equal(dwaar_span a, dwaar_span b) {
	if (a.size != b.size)
		return 0;
	for (uint32_t i = 0; i < a.size; i++)
		if (a.at[i] != b.at[i])
			return 0;
	return 1;
}

/* Are the bytes those of s, which ends with NUL? */
static inline int dwaar_is(dwaar_span a, const char *s) {
	return dwaar_equal(a, (dwaar_span){(const uint8_t *)s, dwaar_length(s)});
}

/* ---- The configuration: what stands behind the matcher's name ---- */

/* A token: a word, a brace, the end of a line in a block, or the end of it all. The
 * text of a word is valid during init: copy it, with dwaar_keep for example. */
typedef struct {
	uint32_t kind; /* DWAAR_TOKEN_… */
	int32_t number;
	dwaar_span text; /* of a word */
} dwaar_token;

/* The tokens that are still to come. */
typedef struct {
	const uint8_t *at;
	int32_t number;
} dwaar_config;

/* The next token; behind the last one DWAAR_TOKEN_END again and again. */
static inline dwaar_token dwaar_next(dwaar_config *c) {
	dwaar_token t = {c->at[0], c->number, {c->at + 4, c->at[2] | (uint32_t)c->at[3] << 8}};
	if (t.kind != DWAAR_TOKEN_END) {
		c->at += 5 + t.text.size;
		c->number++;
	}
	return t;
}

/* Says that the configuration is wrong and shows the user where: at the token. Several
 * may be rejected. Returns what DWAAR_INIT returns then. */
static inline int32_t dwaar_reject(dwaar_token t, const char *msg) {
	dwaar_import_reject(t.number, msg, dwaar_length(msg));
	return 1;
}

/* Says that the directive as a whole is wrong. */
static inline int32_t dwaar_reject_all(const char *msg) {
	dwaar_import_reject(-1, msg, dwaar_length(msg));
	return 1;
}

/* Copies the text of a word into room, and returns the copy; nothing of it, with
 * fits = 0, if it is longer than that. */
static inline dwaar_span dwaar_keep(dwaar_token t, uint8_t *room, uint32_t size, int *fits) {
	*fits = t.text.size <= size;
	uint32_t n = *fits ? t.text.size : 0;
	for (uint32_t i = 0; i < n; i++)
		room[i] = t.text.at[i];
	return (dwaar_span){room, n};
}

/* ---- The head: the first bytes of the connection, through a cursor ----
 *
 * A read that lacks bytes gives 0 or an empty span and is remembered: from then on
 * every read does, and dwaar_no, dwaar_yes and dwaar_unknown ask for as many bytes as
 * the first such read needs. Return only what these three give, and check one value
 * before reading the next: then "not yet" is never mistaken for "no", and "no" is said
 * at the first impossible byte. A loop that waits for a certain byte must also end when
 * the cursor is short. */
typedef struct {
	const uint8_t *head;
	uint32_t size, at, need;
} dwaar_cursor;

static inline int32_t dwaar_unless_short(const dwaar_cursor *c, int32_t verdict) {
	if (!c->need)
		return verdict;
	return c->need > INT32_MAX ? DWAAR_UNKNOWN : -(int32_t)c->need;
}

/* Not this protocol; or more bytes, if some were lacking. */
static inline int32_t dwaar_no(const dwaar_cursor *c) { return dwaar_unless_short(c, DWAAR_NO); }

/* It is; or more bytes. */
static inline int32_t dwaar_yes(const dwaar_cursor *c) { return dwaar_unless_short(c, DWAAR_YES); }

/* No byte that the client will send before it gets an answer can tell; or more bytes. */
static inline int32_t dwaar_unknown(const dwaar_cursor *c) { return dwaar_unless_short(c, DWAAR_UNKNOWN); }

/* Has a read lacked bytes? */
static inline int dwaar_short(const dwaar_cursor *c) { return c->need != 0; }

static inline void dwaar_lack(dwaar_cursor *c, uint32_t n) {
	c->need = n > UINT32_MAX - c->at ? UINT32_MAX : c->at + n;
}

/* The next n bytes. */
static inline dwaar_span dwaar_bytes(dwaar_cursor *c, uint32_t n) {
	if (c->need)
		return (dwaar_span){c->head, 0};
	if (n > c->size - c->at) {
		dwaar_lack(c, n);
		return (dwaar_span){c->head, 0};
	}
	c->at += n;
	return (dwaar_span){c->head + c->at - n, n};
}

/* Passes over n bytes. */
static inline void dwaar_skip(dwaar_cursor *c, uint32_t n) { (void)dwaar_bytes(c, n); }

static inline uint32_t dwaar_big(dwaar_cursor *c, uint32_t n) {
	dwaar_span b = dwaar_bytes(c, n);
	uint32_t v = 0;
	for (uint32_t i = 0; i < b.size; i++)
		v = v << 8 | b.at[i];
	return v;
}

static inline uint32_t dwaar_little(dwaar_cursor *c, uint32_t n) {
	dwaar_span b = dwaar_bytes(c, n);
	uint32_t v = 0;
	for (uint32_t i = 0; i < b.size; i++)
		v |= (uint32_t)b.at[i] << 8 * i;
	return v;
}

/* Numbers: the most significant byte first, or the least. */
static inline uint8_t dwaar_u8(dwaar_cursor *c) { return (uint8_t)dwaar_big(c, 1); }
static inline uint16_t dwaar_u16(dwaar_cursor *c) { return (uint16_t)dwaar_big(c, 2); }
static inline uint32_t dwaar_u24(dwaar_cursor *c) { return dwaar_big(c, 3); }
static inline uint32_t dwaar_u32(dwaar_cursor *c) { return dwaar_big(c, 4); }
static inline uint16_t dwaar_u16le(dwaar_cursor *c) { return (uint16_t)dwaar_little(c, 2); }
static inline uint32_t dwaar_u32le(dwaar_cursor *c) { return dwaar_little(c, 4); }

/* A number of one to five bytes, seven bits each, the least significant first
 * (LEB128). One that does not end or does not fit reads as UINT32_MAX. */
static inline uint32_t dwaar_varint(dwaar_cursor *c) {
	uint32_t v = 0;
	for (uint32_t shift = 0; shift < 35; shift += 7) {
		uint8_t b = dwaar_u8(c);
		if (c->need)
			return 0;
		if (shift == 28 && b > 0x0f)
			break;
		v |= (uint32_t)(b & 0x7f) << shift;
		if (b < 0x80)
			return v;
	}
	return UINT32_MAX;
}

/* Is s, which ends with NUL, what comes next? No at the first wrong byte. */
static inline int dwaar_literal(dwaar_cursor *c, const char *s) {
	if (c->need)
		return 0;
	for (uint32_t i = 0; s[i]; i++) {
		if (i == c->size - c->at) {
			dwaar_lack(c, i + 1);
			return 0;
		}
		if (c->head[c->at + i] != (uint8_t)s[i])
			return 0;
	}
	c->at += dwaar_length(s);
	return 1;
}

/* The bytes up to the next one that equals end, at most limit of them. 0 if a longer
 * stretch holds no such byte, or if bytes are lacking. */
static inline int dwaar_until(dwaar_cursor *c, uint8_t end, uint32_t limit, dwaar_span *before) {
	if (c->need)
		return 0;
	uint32_t rest = c->size - c->at;
	for (uint32_t i = 0; i < rest; i++) {
		if (i > limit)
			return 0;
		if (c->head[c->at + i] == end) {
			*before = (dwaar_span){c->head + c->at, i};
			c->at += i + 1;
			return 1;
		}
		if (i == limit)
			return 0;
	}
	dwaar_lack(c, rest + 1);
	return 0;
}

/* ---- What is known of the connection beside its head ---- */

typedef struct {
	uint32_t size, flags; /* DWAAR_FLAG_… */
	uint8_t transport;    /* DWAAR_TRANSPORT_… */
	uint8_t remote_family, local_family; /* 4, 6, or 0 for no IP address */
	uint8_t zero;
	uint32_t max_head;
	uint8_t remote_ip[16], local_ip[16]; /* IPv4 as ::ffff:a.b.c.d */
	uint16_t remote_port, local_port;
	dwaar_span listener, server_name, alpn;
	uint16_t tls_version, cipher;
	int64_t accepted;       /* nanoseconds since 1970 UTC */
	const uint32_t *bounds; /* where each datagram of the head ends */
	uint32_t bounds_size;
	uint32_t zeros[8];
} dwaar_flow;

_Static_assert(sizeof(dwaar_flow) == DWAAR_INFO_SIZE, "size");
_Static_assert(__builtin_offsetof(dwaar_flow, flags) == DWAAR_INFO_FLAGS, "flags");
_Static_assert(__builtin_offsetof(dwaar_flow, transport) == DWAAR_INFO_TRANSPORT, "transport");
_Static_assert(__builtin_offsetof(dwaar_flow, remote_family) == DWAAR_INFO_REMOTE_FAMILY, "remote_family");
_Static_assert(__builtin_offsetof(dwaar_flow, local_family) == DWAAR_INFO_LOCAL_FAMILY, "local_family");
_Static_assert(__builtin_offsetof(dwaar_flow, max_head) == DWAAR_INFO_MAX_HEAD, "max_head");
_Static_assert(__builtin_offsetof(dwaar_flow, remote_ip) == DWAAR_INFO_REMOTE_IP, "remote_ip");
_Static_assert(__builtin_offsetof(dwaar_flow, local_ip) == DWAAR_INFO_LOCAL_IP, "local_ip");
_Static_assert(__builtin_offsetof(dwaar_flow, remote_port) == DWAAR_INFO_REMOTE_PORT, "remote_port");
_Static_assert(__builtin_offsetof(dwaar_flow, local_port) == DWAAR_INFO_LOCAL_PORT, "local_port");
_Static_assert(__builtin_offsetof(dwaar_flow, listener) == DWAAR_INFO_LISTENER, "listener");
_Static_assert(__builtin_offsetof(dwaar_flow, server_name) == DWAAR_INFO_SERVER_NAME, "server_name");
_Static_assert(__builtin_offsetof(dwaar_flow, alpn) == DWAAR_INFO_ALPN, "alpn");
_Static_assert(__builtin_offsetof(dwaar_flow, tls_version) == DWAAR_INFO_TLS_VERSION, "tls_version");
_Static_assert(__builtin_offsetof(dwaar_flow, cipher) == DWAAR_INFO_CIPHER, "cipher");
_Static_assert(__builtin_offsetof(dwaar_flow, accepted) == DWAAR_INFO_ACCEPTED, "accepted");
_Static_assert(__builtin_offsetof(dwaar_flow, bounds) == DWAAR_INFO_BOUNDS, "bounds");

/* A fact of an earlier phase by its full name, "tls.server_name", written into room.
 * Returns its length, which may be more than fits, or DWAAR_GET_ABSENT. */
static inline int32_t dwaar_get(const char *name, void *room, uint32_t size) {
	return dwaar_import_get(name, dwaar_length(name), room, size);
}

/* Makes a fact known, {MATCHER.key}, if this call of match says yes. */
static inline int32_t dwaar_set(const char *key, dwaar_span value) {
	return dwaar_import_set(key, dwaar_length(key), value.at, value.size);
}

/* Logs a message, at most 512 bytes. Rate-limited by the host. */
static inline void dwaar_log(uint32_t level, const char *msg) { dwaar_import_log(level, msg, dwaar_length(msg)); }

/* Ends the evaluation with an error: the matcher itself is broken. */
static inline _Noreturn void dwaar_fail(const char *msg) { dwaar_import_fail(msg, dwaar_length(msg)); }

/* ---- Exports ----
 *
 * DWAAR_INIT(config) { … } and DWAAR_MATCH(c, flow) { … } define the default matcher,
 * DWAAR_INIT_OF(name, config) and DWAAR_MATCH_OF(name, c, flow) one of several. Their
 * parameters are a dwaar_config *, a dwaar_cursor * and a const dwaar_flow *. INIT
 * returns 0 or what dwaar_reject gave; it may be left out if there is nothing to
 * configure. */
#define DWAAR_INIT(config) DWAAR_INIT_AS(dwaar_body_init, "dwaar_v1_init", config)
#define DWAAR_INIT_OF(name, config) DWAAR_INIT_AS(dwaar_body_init_##name, "dwaar_v1_init_" #name, config)
#define DWAAR_INIT_AS(body, export, config)                                       \
	static int32_t body(dwaar_config *);                                          \
	DWAAR_EXPORT(export) int32_t body##_export(const uint8_t *at, uint32_t size) { \
		(void)size;                                                               \
		dwaar_config c = {at, 0};                                                 \
		return body(&c);                                                          \
	}                                                                             \
	static int32_t body(dwaar_config *config)

#define DWAAR_MATCH(c, flow) DWAAR_MATCH_AS(dwaar_body_match, "dwaar_v1_match", c, flow)
#define DWAAR_MATCH_OF(name, c, flow) DWAAR_MATCH_AS(dwaar_body_match_##name, "dwaar_v1_match_" #name, c, flow)
#define DWAAR_MATCH_AS(body, export, c, flow)                                                             \
	static int32_t body(dwaar_cursor *, const dwaar_flow *);                                              \
	DWAAR_EXPORT(export) int32_t body##_export(const uint8_t *head, uint32_t size, const dwaar_flow *f) { \
		dwaar_cursor cursor = {head, size, 0, 0};                                                         \
		return body(&cursor, f);                                                                          \
	}                                                                                                     \
	static int32_t body(dwaar_cursor *c, const dwaar_flow *flow __attribute__((unused)))

/* The memory for the host. A host with greater heads cannot load the module: define
 * DWAAR_MAX_HEAD before the header is included. It does not grow when it is needed,
 * because loads cost less fuel in a module whose memory stays at 64 KiB. */
#ifndef DWAAR_MAX_HEAD
#define DWAAR_MAX_HEAD (32 << 10)
#endif

static uint8_t dwaar_window[DWAAR_WINDOW_HEAD + DWAAR_MAX_HEAD + DWAAR_WINDOW_TAIL] __attribute__((aligned(16)));

DWAAR_EXPORT("dwaar_v1_window") uint8_t *dwaar_window_export(uint32_t size) {
	return size <= sizeof dwaar_window ? dwaar_window : 0;
}

#endif
