package dns

import (
	"sort"
	"strconv"
	"strings"
)

// code is a number with a name.
type code struct {
	number uint16
	name   string
}

// types are the types of records and queries that have a name, by number: IANA, Domain
// Name System (DNS) Parameters, Resource Record (RR) TYPEs.
var types = [...]code{
	{1, "A"},
	{2, "NS"},
	{3, "MD"},
	{4, "MF"},
	{5, "CNAME"},
	{6, "SOA"},
	{7, "MB"},
	{8, "MG"},
	{9, "MR"},
	{10, "NULL"},
	{11, "WKS"},
	{12, "PTR"},
	{13, "HINFO"},
	{14, "MINFO"},
	{15, "MX"},
	{16, "TXT"},
	{17, "RP"},
	{18, "AFSDB"},
	{19, "X25"},
	{20, "ISDN"},
	{21, "RT"},
	{22, "NSAP"},
	{23, "NSAP-PTR"},
	{24, "SIG"},
	{25, "KEY"},
	{26, "PX"},
	{27, "GPOS"},
	{28, "AAAA"},
	{29, "LOC"},
	{30, "NXT"},
	{31, "EID"},
	{32, "NIMLOC"},
	{33, "SRV"},
	{34, "ATMA"},
	{35, "NAPTR"},
	{36, "KX"},
	{37, "CERT"},
	{38, "A6"},
	{39, "DNAME"},
	{40, "SINK"},
	{41, "OPT"},
	{42, "APL"},
	{43, "DS"},
	{44, "SSHFP"},
	{45, "IPSECKEY"},
	{46, "RRSIG"},
	{47, "NSEC"},
	{48, "DNSKEY"},
	{49, "DHCID"},
	{50, "NSEC3"},
	{51, "NSEC3PARAM"},
	{52, "TLSA"},
	{53, "SMIMEA"},
	{55, "HIP"},
	{56, "NINFO"},
	{57, "RKEY"},
	{58, "TALINK"},
	{59, "CDS"},
	{60, "CDNSKEY"},
	{61, "OPENPGPKEY"},
	{62, "CSYNC"},
	{63, "ZONEMD"},
	{64, "SVCB"},
	{65, "HTTPS"},
	{66, "DSYNC"},
	{67, "HHIT"},
	{68, "BRID"},
	{99, "SPF"},
	{100, "UINFO"},
	{101, "UID"},
	{102, "GID"},
	{103, "UNSPEC"},
	{104, "NID"},
	{105, "L32"},
	{106, "L64"},
	{107, "LP"},
	{108, "EUI48"},
	{109, "EUI64"},
	{128, "NXNAME"},
	{249, "TKEY"},
	{250, "TSIG"},
	{251, "IXFR"},
	{252, "AXFR"},
	{253, "MAILB"},
	{254, "MAILA"},
	{255, "ANY"},
	{256, "URI"},
	{257, "CAA"},
	{258, "AVC"},
	{259, "DOA"},
	{260, "AMTRELAY"},
	{261, "RESINFO"},
	{262, "WALLET"},
	{263, "CLA"},
	{264, "IPN"},
	{32768, "TA"},
	{32769, "DLV"},
}

// classes are the classes that have a name: the same, DNS CLASSes. CS was CSNET's
// (RFC 1035 §3.2.4).
var classes = [...]code{{1, "IN"}, {2, "CS"}, {3, "CH"}, {4, "HS"}, {254, "NONE"}, {255, "ANY"}}

// typeName returns the name of a type, or "".
func typeName(number uint16) string {
	i := sort.Search(len(types), func(i int) bool { return types[i].number >= number })
	if i < len(types) && types[i].number == number {
		return types[i].name
	}
	return ""
}

// className returns the name of a class, or "".
func className(number uint16) string {
	for _, c := range classes {
		if c.number == number {
			return c.name
		}
	}
	return ""
}

// word is the name of a type or class. It holds its bytes, so that nothing is allocated.
type word struct {
	text   [maxWord]byte
	length int
}

// maxWord is the length of the longest name, CLASS65535 and NSEC3PARAM.
const maxWord = 10

func (w *word) bytes() []byte { return w.text[:w.length] }

// set makes the word name, or, for a number without one, the prefix and the number
// (RFC 3597 §5).
func (w *word) set(name, prefix string, number uint16) {
	text := w.text[:0]
	if name != "" {
		text = append(text, name...)
	} else {
		text = strconv.AppendUint(append(text, prefix...), uint64(number), 10)
	}
	w.length = len(text)
}

// parseType returns the text that a type from a configuration has in a query.
func parseType(text string) (string, bool) {
	for _, c := range types {
		if strings.EqualFold(c.name, text) {
			return c.name, true
		}
	}
	return parseNumber(text, "TYPE", typeName)
}

// parseClass returns the text that a class from a configuration has in a query.
func parseClass(text string) (string, bool) {
	for _, c := range classes {
		if strings.EqualFold(c.name, text) {
			return c.name, true
		}
	}
	return parseNumber(text, "CLASS", className)
}

// parseNumber reads the prefix and a number behind it.
func parseNumber(text, prefix string, nameOf func(uint16) string) (string, bool) {
	digits, ok := strings.CutPrefix(strings.ToUpper(text), prefix)
	number, err := strconv.ParseUint(digits, 10, 16)
	if !ok || err != nil {
		return "", false
	}
	var w word
	w.set(nameOf(uint16(number)), prefix, uint16(number))
	return string(w.bytes()), true
}
