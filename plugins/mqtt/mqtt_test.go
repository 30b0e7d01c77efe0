package mqtt_test

import (
	"slices"
	"strings"
	"testing"

	"dwaar.dev/dwaar/plugins/internal/plugintest"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
)

func load(t testing.TB) *plugintest.Plugin {
	t.Helper()
	return plugintest.Load(t, "mqtt", "mqtt.wasm")
}

func samples(t testing.TB) []plugintest.Sample {
	t.Helper()
	return plugintest.Samples(t, "testdata/samples")
}

// lines are configurations that the laws hold for.
func lines() []string {
	return []string{
		"mqtt",
		"mqtt client_id sensor-17 bridge-*",
		"mqtt version 3.1 5",
		"mqtt {\nversion 3.1.1\nclient_id *\n}",
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
	plugintest.NoOther(t, load(t).Matcher(t, "mqtt"), "mqtt", matchtest.TCP())
}

// The bar stands before the byte that decides.
func TestPacketsAreJudgedAtTheFirstImpossibleByte(t *testing.T) {
	t.Parallel()
	p := load(t)
	m := p.Matcher(t, "mqtt")
	const begin = "\x10\x16\x00\x04MQTT\x05\x02\x00\x3c"
	for _, text := range []string{
		"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00|\x00",
		"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01|a",
		"\x10\x8d\x00\x00\x04MQTT\x04\x02\x00\x3c\x00\x01|a", // a length that could be shorter
		"\x10\x0f\x00\x06MQIsdp\x83\x02\x00\x3c\x00\x01|a",   // a bridge
		begin + "\x02\x17\x01\x00\x07seven7|7",
	} {
		plugintest.Decides(t, m, text, sdk.Yes)
	}
	for _, text := range []string{
		"|\x20", "|\x00", "\x16|\x03\x01", "|GET / HTTP/1.1",
		"\x10|\x0b", "\x10\x80\x80\x80|\x80", "\x10\x0c|\x01", "\x10\x0c\x00|\x05",
		"\x10\x0c\x00\x04MQ|XX", "\x10\x0c\x00\x04MQTT|\x03", "\x10\x0c\x00\x04MQTT|\x06", "\x10\x0c\x00\x04MQTT|\x85",
		"\x10\x0e\x00\x06MQIsdp|\x04",
	} {
		plugintest.Decides(t, m, text, sdk.No)
	}
	for _, text := range []string{ // what some broker goes on with
		"\x11\x0c\x00\x04MQTT|\x04",                         // a flag that is reserved
		"\x10\x0c\x00\x04MQTT\x04|\x03",                     // the reserved flag
		"\x10\x0c\x00\x04MQTT\x04|\x1c",                     // a will of QoS 3
		"\x10\x0c\x00\x04MQTT\x04|\x08",                     // QoS of no will
		"\x10\x0c\x00\x04MQTT\x04|\x40",                     // a password of nobody
		"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00|\x01",     // longer than the packet
		"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00|\x00",     // shorter than the packet
		"\x10\x0d\x00\x04MQTT\x04\x82\x00\x3c\x00|\x01",     // no room for the user name
		"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01|\x00", // NUL
		"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01|\xff", // not UTF-8
		begin + "|\x0d", // properties longer than the packet
		begin + "\x02|\x18", begin + "\x02\x17|\x02", begin + "\x02|\x21\x00", begin + "\x04\x15\x00|\x02",
	} {
		plugintest.Decides(t, m, text, sdk.Unknown)
	}
	plugintest.Decides(t, p.Matcher(t, "mqtt version 5"), "\x10\x0c\x00\x04MQTT|\x04", sdk.No)
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
	p.AllRefused(t, map[string]string{
		"mqtt sensor-17":                             "4:6: mqtt: is no option: write client_id or version",
		"mqtt version":                               "4:6: mqtt: needs a value",
		"mqtt version client_id x":                   "4:6: mqtt: needs a value",
		"mqtt version 3.1 4":                         "4:18: mqtt: is no version: write 3.1, 3.1.1 or 5",
		"mqtt {\n\tclient_id a\n\tversion\n}":        "6:2: mqtt: needs a value",
		"mqtt {\n\tclient_id a {\n\tb\n\t}\n}":       "5:2: mqtt: stands behind what takes no block",
		"mqtt client_id " + strings.Repeat("x", 256): "4:16: mqtt: is too long, or one too many",
	})
	many := "mqtt client_id" + strings.Repeat(" "+strings.Repeat("x", 200), 5)
	p.Matcher(t, many) // 1,010 bytes
	if got := p.Refused(t, many+" "+strings.Repeat("y", 20)); !strings.Contains(got, "is too long, or one too many") {
		t.Error(got)
	}
}

func FuzzMQTT(f *testing.F) {
	p := load(f)
	var ms []sdk.Matcher
	for _, line := range lines() {
		ms = append(ms, p.Matcher(f, line))
	}
	heads := plugintest.Heads(samples(f))
	long := []byte("\x10\x80\x08\x00\x04MQTT\x05\x02\x00\x3c\x90\x03\x26\x00\x80")
	matchtest.Fuzz(f, slices.Concat(heads, [][]byte{long, []byte("\x10\xff\xff\xff\x7f\x00\x04MQTT\x04\x02\x00\x3c\xff\xff")}), ms...)
}
