package suite_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"dwaar.dev/dwaar/cmd/dwaar/internal/suite"
)

const whole = `# every line that there is
test "one of each" {
	listener :443
	from 192.0.2.1
	at 2026-01-31T15:04:05Z
	tls app.example.com alpn h2 http/1.1
	inside {
		http GET www.example.com/a
	}
	expect {
		route @app everything none
		fact tls.server_name app.example.com
		fact {tls.alpn} "h2, x"
		no_fact http.host
		upstream 10.0.0.1:1 10.0.0.2:1
	}
}
test bytes {
	hex 16 03:01
	text "a\r\n"
	expect {
		closed no_route
	}
}
test silence {
	expect {
		route none
	}
}
test file {
	file a.bin
	expect {
		closed
	}
}
test capture {
	capture a.pcap 3
	expect {
		closed
	}
}
`

func TestWhatIsWrittenIsReadAgain(t *testing.T) {
	t.Parallel()
	tests, err := suite.Parse("x", []byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(tests[1].Sent.Head); got != "\x16\x03\x01a\r\n" {
		t.Errorf("the bytes are %q", got)
	}
	again(t, tests)
}

// again writes tests, and compares what is read then.
func again(t *testing.T, tests []suite.Test) {
	t.Helper()
	var text bytes.Buffer
	if err := suite.Write(&text, tests, nil); err != nil {
		t.Fatal(err)
	}
	back, err := suite.Parse("x", text.Bytes())
	if err != nil {
		t.Fatalf("%v\n%s", err, text.String())
	}
	same := cmp.Options{cmpopts.IgnoreFields(suite.Test{}, "Pos"), cmpopts.EquateEmpty(), cmpopts.EquateComparable()}
	same = append(same, cmpopts.IgnoreFields(suite.Test{}, "From"))
	if diff := cmp.Diff(tests, back, same); diff != "" {
		t.Errorf("(-written +read):\n%s\n%s", diff, text.String())
	}
	for i := range back {
		if tests[i].From != back[i].From {
			t.Errorf("from %v became %v", tests[i].From, back[i].From)
		}
	}
}

func TestFaultsHaveTheirPlaces(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                "there is no test",
		"test a {\n}":                     "x:1:1: test a expects nothing",
		"test a {\n expect {\n}\n}":       "x:1:1: test a expects nothing",
		"test {\n expect {\nclosed\n}\n}": "x:1:1: ",
		"tset a {\n}":                     `did you mean "test"?`,
		"test a {\n tls a\n http GET b\n expect {\n closed\n}\n}":               "x:3:2: the bytes are given twice",
		"test a {\n hex 1\n expect {\n closed\n}\n}":                            "x:2:6: hex: not hexadecimal",
		"test a {\n text \\q\n expect {\n closed\n}\n}":                         `x:2:7: text: \q stands for nothing`,
		"test a {\n from b\n expect {\n closed\n}\n}":                           "x:2:7: from \"b\" is no address",
		"test a {\n at b\n expect {\n closed\n}\n}":                             "x:2:5: at b is no time",
		"test a {\n expect {\n route b\n}\n}":                                   "x:3:8: route b: write @NAME",
		"test a {\n expect {\n fact b c\n}\n}":                                  "x:3:7: b names no fact",
		"test a {\n expect {\n closed\n upstream a:1\n}\n}":                     "closed and upstream never hold together",
		"test a {\n capture b 0\n expect {\n closed\n}\n}":                      "streams are counted from 1",
		"test a {\n inside {\n tls b\n}\n expect {\n closed\n}\n}":              `unknown option "tls" in inside`,
		"{\n}\ntest a {\n inside {\n hex 0\n}\n expect {\n closed\n}\n}":        "not hexadecimal",
		"{\n grace_period 1s\n}\ntest a {\n text b\n expect {\n closed\n}\n}\n": "unknown",
	} {
		tests, err := suite.Parse("x", []byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v; want %q", text, tests, err, want)
		}
	}
}

func FuzzTestsAreReadAndWritten(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte("test a { tls b c expect { route @x fact a.b c } }"))
	f.Add([]byte("test \"\" {\ntext `\"`\nexpect {\nclosed \"\"\n}\n}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if tests, err := suite.Parse("x", text); err == nil {
			again(t, tests)
		}
	})
}
