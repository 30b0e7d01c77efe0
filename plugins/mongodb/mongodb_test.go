package mongodb_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"dwaar.dev/dwaar/plugins/internal/plugintest"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
)

func load(t testing.TB) *plugintest.Plugin {
	t.Helper()
	return plugintest.Load(t, "mongodb", "mongodb.wasm")
}

func samples(t testing.TB) []plugintest.Sample {
	t.Helper()
	return plugintest.Samples(t, "testdata/samples")
}

// lines are configurations that the laws hold for.
func lines() []string {
	return []string{
		"mongodb",
		"mongodb app billing report*",
		"mongodb driver PyMongo",
		"mongodb {\nuser alice bob\ndatabase planets\n}",
	}
}

func TestRealClientsGetTheGoldenVerdicts(t *testing.T) {
	t.Parallel()
	p := load(t)
	matchers := p.Matchers(t, lines()...)
	plugintest.Golden(t, samples(t), matchers)
}

func TestOtherProtocolsAreNot(t *testing.T) {
	t.Parallel()
	plugintest.NoOther(t, load(t).Matcher(t, "mongodb"), "mongodb", matchtest.TCP())
}

// element writes an element of BSON with a name of "hello" or what stands in its place.
func element(kind byte, name, value string) string {
	return string([]byte{kind}) + name + "\x00" + value
}

func number(n int) string { return string(binary.LittleEndian.AppendUint32(nil, uint32(n))) }

func text(s string) string { return number(len(s)+1) + s + "\x00" }

func document(elements ...string) string {
	all := strings.Join(elements, "")
	return number(len(all)+5) + all + "\x00"
}

// hello is a document that says only that.
func hello(more ...string) string {
	return document(append([]string{element(0x10, "hello", "\x01\x00\x00\x00")}, more...)...)
}

func message(op int, body string) string {
	return number(16+len(body)) + number(7) + number(0) + number(op) + body
}

func msg(body string) string { return message(2013, number(0)+"\x00"+body) }

func query(name, body string) string {
	return message(2004, number(4)+name+"\x00"+number(0)+number(-1)+body)
}

// last puts a bar before the last byte, cut before the byte that follows a beginning.
func last(s string) string { return s[:len(s)-1] + "|" + s[len(s)-1:] }

// cut puts a bar before the last byte of the beginning of s that is found in it.
func cut(s, beginning string) string {
	at := strings.Index(s, beginning) + len(beginning) - 1
	return s[:at] + "|" + s[at:]
}

// Up to the name of the command each byte is judged as it comes, from there on the
// message as a whole.
func TestMessagesAreJudgedAsTheyCome(t *testing.T) {
	t.Parallel()
	m := load(t).Matcher(t, "mongodb")
	for _, s := range []string{
		msg(hello()),
		query("admin.$cmd", hello()),
		query("x.$cmd", document(element(0x08, "isMaster", "\x01"))),
		message(2013, number(1)+"\x00"+hello()+"sum!"),
		msg(hello(element(1, "a", "12345678"), element(5, "b", number(2)+"\x00xx"), element(0x0a, "c", ""), element(0x0b, "d", "x\x00i\x00"),
			element(7, "e", "123456789012"), element(4, "f", document(element(8, "0", "\x00"))), element(0x13, "g", "1234567890123456"))),
	} {
		plugintest.Decides(t, m, last(s), sdk.Yes)
	}
	long := strings.Repeat(element(0x0a, "x", ""), 128)
	deep := document()
	for range 9 {
		deep = document(element(3, "d", deep))
	}
	answer, compressed := number(26)+number(1)+"\x05\x00\x00|\x00", number(26)+number(1)+number(0)+"\xdc\x07\x00|\x00"
	twice := document(element(3, "driver", document(element(2, "name", text("a")), element(2, "name", text("b")))))
	for _, s := range []string{
		"\x19\x00\x00|\x00", "\x01\x40\x00|\x00", "GET| / HTTP/1.1", answer, compressed,
		cut(message(2013, number(2)+"\x00"+hello()), number(2013)+number(2)),
		cut(message(2013, number(0)+"\x01"+hello()), number(2013)+number(0)+"\x01"),
		cut(message(2004, number(1)+"admin.$cmd\x00"+number(0)+number(-1)+hello()), number(2004)+number(1)),
		cut(query("admin.system", hello()), "admin.system\x00"),
		cut(msg(document(element(0x10, "ping", number(1)))), "ping\x00"),
		cut(msg(document(element(2, "hello", text("x")))), "hello\x00"),
		last(msg(hello() + "x")),
		last(msg(hello(element(0x10, "a", "\x01\x00")))),
		last(msg(hello(element(2, "client", number(0)+"xx")))),
		last(msg(hello(element(2, "client", number(3)+"xxx")))),
		last(msg(hello(element(3, "client", twice)))),
		last(msg(hello(element(0x14, "a", "xxxx")))),
		last(msg(hello(element(0x08, "a", "\x02")))),
		last(msg(hello(long))),
		last(msg(hello(element(3, "d", deep)))),
	} {
		plugintest.Decides(t, m, s, sdk.No)
	}
}

func TestTheModuleObeysTheLaws(t *testing.T) {
	t.Parallel()
	p := load(t)
	for _, line := range lines() {
		matchtest.Laws(t, p.Matcher(t, line), matchtest.TCP(), plugintest.Heads(samples(t))...)
	}
}

// Not in parallel: it counts what the process allocates.
func TestTheModuleMakesTheHostAllocateNothing(t *testing.T) {
	p := load(t)
	for _, line := range lines() {
		matchtest.Allocs(t, p.Matcher(t, line), matchtest.TCP(), plugintest.Heads(samples(t))...)
	}
}

func TestConfigurationsAreRefusedWhereTheyAreWrong(t *testing.T) {
	t.Parallel()
	p := load(t)
	many := "mongodb app" + strings.Repeat(" x", 64)
	p.AllRefused(t, map[string]string{
		"mongodb billing":                                       "4:9: mongodb: is no option: write app, driver, user or database",
		"mongodb app":                                           "4:9: mongodb: needs a value",
		"mongodb app x app":                                     "4:15: mongodb: needs a value",
		"mongodb {\n\tapp a\n\tuser\n}":                         "6:2: mongodb: needs a value",
		"mongodb {\n\tapp a {\n\tb\n\t}\n}":                     "5:2: mongodb: stands behind what takes no block",
		many + " y":                                             "4:141: mongodb: is one too many: there is room for 64 values, and 2 KiB",
		"mongodb app a " + strings.Repeat("x", 2048):            "4:15: mongodb: is one too many: there is room for 64 values, and 2 KiB",
		"mongodb {\napp a " + strings.Repeat("x", 2048) + "\n}": "5:7: mongodb: is one too many: there is room for 64 values, and 2 KiB",
	})
	// As much as a configuration can be leaves room to look at as much as a head can be.
	full := p.Matcher(t, many[:len(many)-2]+" "+strings.Repeat("y", 1900))
	long := strings.Repeat(element(2, strings.Repeat("n", 100), text("v")), 127)
	f := matchtest.TCP()
	f.Head = []byte(msg(hello(long)))
	if r := matchtest.Ask(full, &f); r.String() != "no" {
		t.Error(r)
	}
	if r := matchtest.Ask(p.Matcher(t, "mongodb"), &f); r.String() != "yes" {
		t.Error(r)
	}
}

func FuzzMongoDB(f *testing.F) {
	p := load(f)
	var ms []sdk.Matcher
	for _, line := range lines() {
		ms = append(ms, p.Matcher(f, line))
	}
	seeds := append(plugintest.Heads(samples(f)), []byte(message(2013, number(1)+"\x00"+hello()+"sum!")), []byte(query("x.$cmd", hello())))
	matchtest.Fuzz(f, seeds, ms...)
}
