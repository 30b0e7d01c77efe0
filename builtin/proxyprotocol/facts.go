package proxyprotocol

import (
	"errors"
	"fmt"
	"strconv"

	"dwaar.dev/dwaar/builtin/internal/proxyproto"
	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/sdk"
)

// field is a TLV with a name: its type, and its key as a fact.
type field struct {
	kind byte
	key  string
	doc  string
}

// named are the TLVs of a header; inside are those that tell of the sender's TLS.
func named() [4]field {
	return [...]field{
		{proxyproto.ALPN, "tlv.alpn", "the application protocol that was agreed on in TLS"},
		{proxyproto.Authority, "tlv.authority", "the host name that the client asked for, as in TLS"},
		{proxyproto.UniqueID, "tlv.unique_id", "the sender's number of the connection, its bytes as they came"},
		{proxyproto.NetNS, "tlv.netns", "the network namespace that the connection arrived in"},
	}
}

func inside() [8]field {
	return [...]field{
		{proxyproto.TLSVersion, "tlv.ssl.version", "the version of TLS"},
		{proxyproto.TLSCommonName, "tlv.ssl.cn", "the common name in the client's certificate"},
		{proxyproto.TLSCipher, "tlv.ssl.cipher", "the cipher suite"},
		{proxyproto.TLSSignature, "tlv.ssl.sig_alg", "the algorithm that the server's certificate was signed with"},
		{proxyproto.TLSKey, "tlv.ssl.key_alg", "the algorithm of the server's key"},
		{proxyproto.TLSGroup, "tlv.ssl.group", "the group of the key exchange"},
		{proxyproto.TLSSigScheme, "tlv.ssl.sig_scheme", "the scheme of the server's signature"},
		{proxyproto.TLSCert, "tlv.ssl.client_cert", "the client's certificate, its bytes as they came"},
	}
}

// The TLVs to which senders give a meaning of their own have facts by their types, as
// tlv.0xea.
const (
	customFacts = proxyproto.Custom
	lastType    = 0xff
)

// The keys of the facts that are no TLVs as they came.
const (
	versionKey = "version"
	clientKey  = "tlv.ssl.client"
	verifyKey  = "tlv.ssl.verify"
)

func hexKey(kind byte) string { return fmt.Sprintf("tlv.%#02x", kind) }

// facts describes what is made known.
func facts() []sdk.Fact {
	all := []sdk.Fact{{Key: versionKey, Doc: "the version of the header, 1 or 2"}}
	for _, f := range named() {
		all = append(all, sdk.Fact{Key: f.key, Doc: f.doc})
	}
	all = append(
		all,
		sdk.Fact{Key: clientKey, Doc: "a number of three bits: 1 if the client used TLS, 2 if it showed a certificate on this connection, 4 if it did in this TLS session"},
		sdk.Fact{Key: verifyKey, Doc: "0 if the client showed a certificate and it was verified"},
	)
	for _, f := range inside() {
		all = append(all, sdk.Fact{Key: f.key, Doc: f.doc})
	}
	return append(all, sdk.Fact{
		Key: hexKey(customFacts), Doc: "the TLV of that type, its bytes as they came; so for all types up to 0xff",
	})
}

var errFull = errors.New("the connection's facts are at their limit")

// teller makes facts known. After an error it does nothing.
type teller struct {
	host.Editor
	seen [4]uint64 // types of fields, as bits
	err  error
}

// tell makes known what a header says. Of fields with one type the first counts.
func tell(e host.Editor, h *proxyproto.Header) error {
	t := teller{Editor: e}
	t.put(versionKey, strconv.Itoa(h.Version))
	for kind, value := range h.TLVs() {
		t.field(kind, keyOf(kind), value)
	}
	if tls, ok := h.TLS(); ok {
		t.inside(&tls)
	}
	return t.err
}

// inside makes known what a header says of TLS.
func (t *teller) inside(tls *proxyproto.TLS) {
	t.put(clientKey, strconv.Itoa(int(tls.Client)))
	t.put(verifyKey, strconv.FormatUint(uint64(tls.Verify), 10))
	t.seen = [4]uint64{}
	parts := inside()
	for kind, value := range tls.TLVs() {
		t.field(kind, find(parts[:], kind), value)
	}
}

// field makes a field known, if it is the first of its type and has a key.
func (t *teller) field(kind byte, key string, value []byte) {
	bit := uint64(1) << (kind % 64)
	if key != "" && t.seen[kind/64]&bit == 0 {
		t.seen[kind/64] |= bit
		t.put(key, string(value))
	}
}

func (t *teller) put(key, value string) {
	if t.err == nil && !t.Put(name, key, value) {
		t.err = errFull
	}
}

// keyOf returns the key of the fact for a TLV; "": it has none.
func keyOf(kind byte) string {
	if kind >= customFacts {
		return hexKey(kind)
	}
	fields := named()
	return find(fields[:], kind)
}

// find returns the key of the field with a type; "": there is none.
func find(fields []field, kind byte) string {
	for i := range fields {
		if fields[i].kind == kind {
			return fields[i].key
		}
	}
	return ""
}
