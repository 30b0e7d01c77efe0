/* As sni.c, written by an author who does not think of what is put back: the name goes
 * in lower case into a buffer on the stack, from there into a static that is kept for
 * nobody, calls are counted, and the fact server_name is set. */
#include "sni.h"

static volatile uint32_t calls;
static volatile uint8_t last[256];

DWAAR_MATCH(c, flow) {
	volatile uint8_t buffer[256];
	dwaar_span name = server_name(c);
	if (!name.size || name.size > 255)
		return dwaar_no(c);
	for (uint32_t i = 0; i < name.size; i++)
		buffer[i] = lower(name.at[i]);
	for (uint32_t i = 0; i < name.size; i++)
		last[i] = buffer[i];
	calls++;
	name.at = (const uint8_t *)buffer;
	if (!wanted(name))
		return dwaar_no(c);
	dwaar_set("server_name", name);
	return calls == 1 ? dwaar_yes(c) : dwaar_unknown(c); /* it is never 2: all is put back */
}
