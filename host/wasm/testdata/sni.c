/* The server name of a ClientHello, three times: as it is, as a fact, and lower-cased
 * into a buffer on the stack and into statics, as an author writes it who does not
 * think of what is put back. For benchmarks: it reads one record, and no fragments. */
#include "dwaar.h"

static uint8_t room[255];
static dwaar_span want; // sni [SUFFIX]

static int32_t keep(dwaar_config *config) {
	int fits = 1;
	dwaar_token suffix = dwaar_next(config);
	want = dwaar_keep(suffix, room, sizeof room, &fits);
	return fits ? 0 : dwaar_reject(suffix, "is longer than 255 bytes");
}

DWAAR_INIT(config) { return keep(config); }
DWAAR_INIT_OF(plain, config) { return keep(config); }
DWAAR_INIT_OF(stores, config) { return keep(config); }

/* The name, or an empty span. */
static dwaar_span server_name(dwaar_cursor *c) {
	dwaar_span none = {c->head, 0};
	if (dwaar_u8(c) != 0x16 || dwaar_u8(c) != 3)
		return none;
	dwaar_skip(c, 1);
	uint32_t size = dwaar_u16(c);
	if (dwaar_short(c) || size > c->size - c->at) {
		dwaar_skip(c, size);
		return none;
	}
	dwaar_skip(c, 4 + 2 + 32);
	dwaar_skip(c, dwaar_u8(c));
	dwaar_skip(c, dwaar_u16(c));
	dwaar_skip(c, dwaar_u8(c));
	uint32_t end = c->at + 2 + dwaar_u16(c);
	while (!dwaar_short(c) && c->at < end) {
		uint32_t type = dwaar_u16(c), n = dwaar_u16(c);
		if (type == 0 && n > 5) {
			dwaar_skip(c, 3);
			return dwaar_bytes(c, dwaar_u16(c));
		}
		dwaar_skip(c, n);
	}
	return none;
}

static int ends(dwaar_span name) {
	if (name.size < want.size)
		return 0;
	return dwaar_equal((dwaar_span){name.at + name.size - want.size, want.size}, want);
}

DWAAR_MATCH_OF(plain, c, flow) {
	dwaar_span name = server_name(c);
	if (!name.size || !ends(name))
		return dwaar_no(c);
	return dwaar_yes(c);
}

DWAAR_MATCH(c, flow) {
	dwaar_span name = server_name(c);
	if (!name.size || !ends(name))
		return dwaar_no(c);
	dwaar_set("server_name", name);
	return dwaar_yes(c);
}

static volatile uint32_t calls;
static volatile uint8_t last[256];

DWAAR_MATCH_OF(stores, c, flow) {
	volatile uint8_t lower[256];
	dwaar_span name = server_name(c);
	if (!name.size || name.size > 255)
		return dwaar_no(c);
	for (uint32_t i = 0; i < name.size; i++) {
		uint8_t b = name.at[i];
		lower[i] = b >= 'A' && b <= 'Z' ? b + 32 : b;
		last[i] = lower[i];
	}
	calls++;
	name.at = (const uint8_t *)lower;
	if (!ends(name))
		return dwaar_no(c);
	dwaar_set("server_name", name);
	return calls == 1 ? dwaar_yes(c) : dwaar_unknown(c);
}
