/* Matches TLS by its server name, and writes nothing: what an evaluation costs at
 * least. Made for benchmarks, and compared with the native matcher by a test. */
#include "sni.h"

DWAAR_MATCH(c, flow) {
	dwaar_span name = server_name(c);
	if (!name.size || !wanted(name))
		return dwaar_no(c);
	return dwaar_yes(c);
}
