/* What sni.c and sni_store.c have in common: the names of a configuration, and the
 * server name of a ClientHello (RFC 8446 §4.1.2, RFC 6066 §3). It reads a hello that
 * is one record, as all that clients send are; one in several is not matched. */
#include "dwaar.h"

/* The configuration: sni [NAME…], at most NAMES of them; none: any name. They are kept
 * one behind the other, in lower case, and found by their hash. */
#define NAMES 256
#define SLOTS 512 /* a power of 2, above NAMES: there is always an empty one */

static uint8_t text[16 << 10];
static uint32_t used;         /* of text */
static uint16_t slots[SLOTS]; /* 1 and the number of a name; 0: empty */
static uint16_t start[NAMES];
static uint8_t size[NAMES];
static uint32_t names;

static inline uint8_t lower(uint8_t b) { return b >= 'A' && b <= 'Z' ? b + ('a' - 'A') : b; }

/* FNV-1a, of the name in lower case. */
static inline uint32_t hash(dwaar_span name) {
	uint32_t h = 2166136261u;
	for (uint32_t i = 0; i < name.size; i++)
		h = (h ^ lower(name.at[i])) * 16777619u;
	return h;
}

static inline int same(dwaar_span name, uint32_t number) {
	if (name.size != size[number])
		return 0;
	const uint8_t *kept = text + start[number];
	for (uint32_t i = 0; i < name.size; i++)
		if (lower(name.at[i]) != kept[i])
			return 0;
	return 1;
}

/* Is the name one of the configuration's? */
static inline int wanted(dwaar_span name) {
	if (!names)
		return 1;
	for (uint32_t i = hash(name);; i++) {
		uint32_t slot = slots[i % SLOTS];
		if (!slot)
			return 0;
		if (same(name, slot - 1))
			return 1;
	}
}

static inline void keep(dwaar_span name) {
	uint32_t i = hash(name);
	while (slots[i % SLOTS])
		i++;
	start[names] = (uint16_t)used;
	size[names] = (uint8_t)name.size;
	for (uint32_t k = 0; k < name.size; k++)
		text[used++] = lower(name.at[k]);
	slots[i % SLOTS] = (uint16_t)++names;
}

DWAAR_INIT(config) {
	for (;;) {
		dwaar_token t = dwaar_next(config);
		if (t.kind == DWAAR_TOKEN_END)
			return 0;
		if (t.kind != DWAAR_TOKEN_WORD)
			return dwaar_reject(t, "takes names and no block");
		if (t.text.size < 1 || t.text.size > 255)
			return dwaar_reject(t, "is not a name of 1 to 255 bytes");
		if (names == NAMES || used + t.text.size > sizeof text)
			return dwaar_reject(t, "is one too many: there is room for 256 names and 16 KiB of them");
		keep(t.text);
	}
}

static inline uint32_t be16(const uint8_t *p) { return (uint32_t)p[0] << 8 | p[1]; }

#define HANDSHAKE 22
#define CLIENT_HELLO 1
#define SERVER_NAME 0
#define HOST_NAME 0

/* The name in the body of extension server_name; one of size 0 if there is none. */
static inline dwaar_span host_name(const uint8_t *p, uint32_t n) {
	if (n < 5 || be16(p) != n - 2 || p[2] != HOST_NAME || be16(p + 3) > n - 5)
		return (dwaar_span){p, 0};
	return (dwaar_span){p + 5, be16(p + 3)};
}

/* The server name of a ClientHello that lies between p and end, or one of size 0. */
static inline dwaar_span hello_name(const uint8_t *p, const uint8_t *end) {
	dwaar_span none = {p, 0};
	if (end - p < 4 + 2 + 32 + 1 || p[0] != CLIENT_HELLO || p[1] || be16(p + 2) != (uint32_t)(end - p - 4))
		return none;
	p += 4 + 2 + 32;
	p += 1 + p[0]; /* session */
	if (end - p < 2)
		return none;
	p += 2 + be16(p); /* cipher suites */
	if (end - p < 1)
		return none;
	p += 1 + p[0]; /* compression */
	if (end - p < 2)
		return none;
	p += 2; /* the length of all extensions: they end with the hello */
	while (end - p >= 4) {
		uint32_t type = be16(p), n = be16(p + 2);
		p += 4;
		if (n > (uint32_t)(end - p))
			return none;
		if (type == SERVER_NAME)
			return host_name(p, n);
		p += n;
	}
	return none;
}

/* The server name of the hello in the head, or one of size 0. */
static inline dwaar_span server_name(dwaar_cursor *c) {
	dwaar_span none = {c->head, 0};
	if (dwaar_u8(c) != HANDSHAKE || dwaar_u8(c) != 3)
		return none;
	dwaar_skip(c, 1);
	uint32_t n = dwaar_u16(c);
	if (n < 4 || n > 1 << 14)
		return none;
	dwaar_span record = dwaar_bytes(c, n);
	if (dwaar_short(c))
		return none;
	return hello_name(record.at, record.at + record.size);
}
