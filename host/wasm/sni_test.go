package wasm

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/builtin/tls"
	"dwaar.dev/dwaar/host/realtest"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
)

// The committed guests that figures are told of: testdata/wasm/bench holds their
// source, and .ci/rebuild builds them again.
const (
	sniGuest      = root + "/testdata/wasm/bench/sni.wasm"       // stores nothing
	sniStoreGuest = root + "/testdata/wasm/bench/sni_store.wasm" // stores, and sets a fact
)

// Whoever changes a guest changes what the figures are about.
func TestGuestsOfTheFiguresAreThoseThatWereMeasured(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		sniGuest:      "656c4db4fa8269836e6509aee0c0a3b3182f2b7835060e8df3c896280dcdc08b",
		sniStoreGuest: "d84a52c884ca56d7270e0833c3ee53cb04d22c1930c631cdf51d3f011e12c748",
	} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(b)
		if diff := cmp.Diff(want, hex.EncodeToString(sum[:])); diff != "" {
			t.Errorf("%s (-want +got):\n%s", filepath.Base(file), diff)
		}
	}
}

// manyNames are hellos of about 1.5 kB that differ in their names, in random order,
// and the names.
func manyNames(t testing.TB, n int) (hellos [][]byte, names []string) {
	t.Helper()
	hello := flights(t, "tls/go-post-quantum.bin")[0]
	name := []byte(serverName(t, hello))
	at := bytes.Index(hello, name)
	for _, i := range rand.New(rand.NewPCG(7, 7)).Perm(n) {
		other := fmt.Sprintf("h%04x%s", i, name[5:])
		one := bytes.Clone(hello)
		copy(one[at:], other)
		hellos, names = append(hellos, one), append(names, other)
	}
	return hellos, names
}

// The guests find what the native matcher finds, in hellos of real clients that are
// one record, and look it up among 256 names.
func TestGuestsOfTheFiguresAgreeWithTheNativeMatcher(t *testing.T) {
	t.Parallel()
	hellos, names := manyNames(t, 256)
	for _, head := range flights(t, "*/*.bin") {
		// The native one leaves out a final dot, and takes no name that is none.
		if !bytes.Contains(head, []byte("www.example.com.")) && !bytes.Contains(head, []byte("not a host name")) {
			hellos = append(hellos, head)
		}
	}
	k := newBench(t)
	for _, args := range []string{"", " " + strings.Join(names, " "), " " + strings.ToUpper(names[7])} {
		node := sdk.Node{Name: "tls", Block: []sdk.Node{words("sni" + args)}}
		if args == "" {
			node.Block = nil
		}
		native, err := tls.New(&node)
		if err != nil {
			t.Fatal(err)
		}
		plain, store := k.must(sniGuest, "x"+args), k.must(sniStoreGuest, "x"+args)
		for _, hello := range hellos {
			want := wantName(native, hello)
			f := matchtest.TCP()
			f.Head = hello
			if diff := cmp.Diff(want, matchtest.Ask(store, &f).String()); diff != "" {
				t.Errorf("sni_store of %.20q (-want +got):\n%s", hello, diff)
			}
			want, _, _ = strings.Cut(want, " ")
			if diff := cmp.Diff(want, matchtest.Ask(plain, &f).String()); diff != "" {
				t.Errorf("sni of %.20q (-want +got):\n%s", hello, diff)
			}
		}
	}
}

// wantName is what the native matcher says of a hello, as far as the guests read it.
func wantName(native sdk.Matcher, hello []byte) string {
	f := matchtest.TCP()
	f.Head = hello
	r := matchtest.Ask(native, &f)
	name := r.Facts["server_name"]
	if r.Answer.Verdict != sdk.Yes || name == "" {
		return "no"
	}
	return fmt.Sprintf("yes server_name=%q", name)
}

func TestGuestsOfTheFiguresObeyTheLaws(t *testing.T) {
	t.Parallel()
	heads := append(flights(t, "tls/*.bin"), flights(t, "ssh/*.bin")...)
	k := newBench(t)
	for _, file := range []string{sniGuest, sniStoreGuest} {
		matchtest.Laws(t, k.must(file, "x"), matchtest.TCP(), heads...)
	}
}

// One writes nothing in an evaluation, the other a good deal.
func TestOneGuestOfTheFiguresStoresAndOneDoesNot(t *testing.T) {
	t.Parallel()
	stores := func(file string) int {
		out, err := exec.Command(realtest.Look(t, "wasm2wat"), file).Output()
		if err != nil {
			t.Fatal(err)
		}
		funcs := strings.Split(string(out), "\n  (func ")
		return len(regexp.MustCompile(`\bi(32|64)\.store`).FindAllString(funcs[len(funcs)-1], -1)) // match is the last
	}
	if n := stores(sniGuest); n != 0 {
		t.Errorf("sni stores in %d places", n)
	}
	if n := stores(sniStoreGuest); n < 3 {
		t.Errorf("sni_store stores in %d places", n)
	}
}
