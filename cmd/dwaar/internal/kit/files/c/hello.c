/* A matcher. It knows clients that begin with a line "HELLO NAME", and finds out the
 * name. In the Dwaarfile
 *
 *	@anybody hello
 *	@world hello world
 *
 * the first one matches all of them, the second one those who say "world"; in a route
 * of either {hello.who} is the name.
 */
#include "kit/dwaar.h"

static uint8_t room[64];
static dwaar_span want; /* the argument; empty: any name will do */

/* Called once for each place where the configuration uses the matcher, with what stands
 * behind its name there. What it stores is there in every call of match. */
DWAAR_INIT(config) {
	int fits = 1;
	dwaar_token name = dwaar_next(config), end = dwaar_next(config);
	if (end.kind != DWAAR_TOKEN_END)
		return dwaar_reject(end, "takes one name");
	want = dwaar_keep(name, room, sizeof room, &fits);
	return fits ? 0 : dwaar_reject(name, "is longer than 64 bytes");
}

/* Called with the first bytes of a connection: with none, and again when more have come,
 * always from the first byte on. Reading through the cursor c, "not yet" takes care of
 * itself: dwaar_no and dwaar_yes ask for more bytes where a read lacked some. */
DWAAR_MATCH(c, flow) {
	if (!dwaar_literal(c, "HELLO "))
		return dwaar_no(c); /* at the first wrong byte */
	dwaar_span who;
	if (!dwaar_until(c, '\n', 64, &who))
		return dwaar_no(c); /* no end of line where there had to be one */
	if (want.size && !dwaar_equal(who, want))
		return dwaar_no(c); /* somebody else */
	dwaar_set("who", who);
	return dwaar_yes(c);
}
