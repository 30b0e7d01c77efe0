#include "dwaar.h"

static uint8_t room[255];
static dwaar_span want; // minecraft [HOST]

DWAAR_INIT(config) {
	int fits = 1;
	dwaar_token host = dwaar_next(config), end = dwaar_next(config);
	if (end.kind != DWAAR_TOKEN_END)
		return dwaar_reject(end, "takes one host");
	want = dwaar_keep(host, room, sizeof room, &fits);
	return fits ? 0 : dwaar_reject(host, "is longer than 255 bytes");
}

DWAAR_MATCH(c, flow) {
	uint32_t size = dwaar_varint(c);
	if (size < 7 || size > 300)
		return dwaar_no(c);
	if (dwaar_varint(c) != 0) // the packet's id
		return dwaar_no(c);
	dwaar_varint(c); // the protocol's version
	uint32_t n = dwaar_varint(c);
	if (n < 1 || n > 255)
		return dwaar_no(c);
	dwaar_span host = dwaar_bytes(c, n);
	if (want.size && !dwaar_equal(host, want))
		return dwaar_no(c);
	dwaar_set("host", host);
	return dwaar_yes(c);
}
