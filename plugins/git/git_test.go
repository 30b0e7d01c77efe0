package git_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/plugins/internal/plugintest"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
)

func load(t testing.TB) *plugintest.Plugin {
	t.Helper()
	return plugintest.Load(t, "git", "git.wasm")
}

func TestRealClientsAreRecognised(t *testing.T) {
	t.Parallel()
	p := load(t)
	matchers := p.Matchers(t,
		"git",
		"git host git.example.com ::1",
		"git host *.example.com version 2",
		"git repository /team/project /other/*",
		"git service git-receive-pack git-upload-archive",
		"git {\nhost localhost\nversion 1 2\n}",
	)
	plugintest.Golden(t, plugintest.Samples(t, "testdata/samples"), matchers)
}

// line is a pkt-line.
func line(text string) string {
	return fmt.Sprintf("%04x%s", 4+len(strings.Replace(text, "|", "", 1)), text)
}

// The bar stands before the byte that decides.
func TestRequestsAreJudgedAtTheFirstImpossibleByte(t *testing.T) {
	t.Parallel()
	m := load(t).Matcher(t, "git")
	for _, text := range []string{
		line("git-upload-pack /|\x00"),
		line("git-upload-pack /a|\x00") + "more",
		line("git-receive-pack ~a/b\x00host=c|\x00"),
		line("git-upload-archive /a b\x00host=[::1]:1\x00\x00version=2\x00other|\x00"),
		line("git-upload-pack /a\x00\x00version=1|\x00"),
		"001Agit-upload-pack /abcd|\x00",
	} {
		plugintest.Decides(t, m, text, sdk.Yes)
	}
	long := strings.Repeat("x", 1024)
	for _, text := range []string{
		"|git-upload-pack", "|GET", "|\x00", "|SSH-2.0-x", "0|g", "00|-", "000|\x00", "000|0", "001|3git-upload-pack ",
		"0020git| ", "0020|G", "0020git-|fetch", "0020git-upload-pa|x", "0020git-upload-pack|s", "0020git-upload|\x00", "0020|\x00", "0020| /",
	} {
		plugintest.Decides(t, m, text, sdk.No)
	}
	for _, text := range []string{ // a server looks at less of what follows the service
		"1000git-upload-pack| /a", "0014git-upload-pack| ", "0015git-upload-pack |\x00",
		"0020git-upload-pack |a", "0020git-upload-pack | /", "0016git-upload-archive| /",
		"0016git-upload-pack /|/" + "\x00",
		"0fffgit-upload-pack /" + long[1:] + "|x",
		line("git-upload-pack /a\x00|x"), line("git-upload-pack /a\x00h|aaaaa"), line("git-upload-pack /a\x00|h"),
		line("git-upload-pack /a\x00host=|\x00"), line("git-upload-pack /a\x00host=a:b|\x00"), line("git-upload-pack /a\x00host=[::1|\x00"),
		line("git-upload-pack /a\x00host=[::1]x|\x00"), line("git-upload-pack /a\x00host=a b|\x00"), line("git-upload-pack /a\x00host=a:123456|\x00"),
		line("git-upload-pack /a\x00host=a\x00|x"), line("git-upload-pack /a\x00host=a\x00\x00|\x00"), line("git-upload-pack /a\x00host=a\x00\x00b\x00|\x00"),
		line("git-upload-pack /a\x00host=a\x00|\x00"), line("git-upload-pack /a\x00|\x00"),
		line("git-upload-pack /a\x00host=a\x00\x00version=|2"),
		line("git-upload-pack /a\x00host=" + long[:263] + "|" + long),
	} {
		if !strings.Contains(text, "|") {
			text = text[:len(text)-1] + "|" + text[len(text)-1:]
		}
		plugintest.Decides(t, m, text, sdk.Unknown)
	}
}

func TestRepositoriesAreThoseThatAServerFinds(t *testing.T) {
	t.Parallel()
	p := load(t)
	for arg, paths := range map[string]struct{ yes, no []string }{
		"/a/b.git": {[]string{"/a/b", "/a/b.git", "/a/b/", "/a/b.git/"}, []string{"/a/b.gi", "/A/b", "/a", "/a/b/c", "/a/./b", "/a//b", "/a/b.git.git"}},
		"/a/b":     {[]string{"/a/b", "/a/b.git"}, []string{"~a/b", "/a/c/../b"}},
		"/a/*":     {[]string{"/a/b", "/a/b/c.git", "/a/b/"}, []string{"/a/", "/a", "/ab/c", "/a/../c", "/a/b/..", "/a/./b"}},
		"~a/*":     {[]string{"~a/b"}, []string{"/~a/b", "~ab/c"}},
	} {
		m := p.Matcher(t, "git repository "+arg)
		for want, list := range map[sdk.Verdict][]string{sdk.Yes: paths.yes, sdk.No: paths.no} {
			for _, path := range list {
				f := matchtest.TCP()
				f.Head = []byte(line("git-upload-pack " + path + "\x00"))
				if got := matchtest.Ask(m, &f).Answer.Verdict; got != want {
					t.Errorf("%s for %s: %v, want %v", path, arg, got, want)
				}
			}
		}
	}
}

func TestHostsAreComparedAsNames(t *testing.T) {
	t.Parallel()
	m := load(t).Matcher(t, "git host Git.example.com *.example.org ::1")
	for host, want := range map[string]string{
		"git.EXAMPLE.com:9418": `yes host="git.example.com" repository="/a" service="git-upload-pack"`,
		"a.example.org":        `yes host="a.example.org" repository="/a" service="git-upload-pack"`,
		"[::1]:1":              `yes host="::1" repository="/a" service="git-upload-pack"`,
		"[::1]":                `yes host="::1" repository="/a" service="git-upload-pack"`,
		"example.org":          "no",
		".example.org":         "no",
		"b.a.example.org":      "no",
		"git.example.com.":     "no",
	} {
		f := matchtest.TCP()
		f.Head = []byte(line("git-upload-pack /a\x00host=" + host + "\x00"))
		if diff := cmp.Diff(want, matchtest.Ask(m, &f).String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", host, diff)
		}
	}
}

func TestWrongArgumentsAreRefusedWhereTheyStand(t *testing.T) {
	t.Parallel()
	p := load(t)
	p.AllRefused(t, map[string]string{
		"git x":                                "4:5: git: is no option: write host, repository, service or version",
		"git host":                             "4:5: git: needs a value",
		"git version service x":                "4:5: git: needs a value",
		"git host a.*.b":                       "4:10: git: is no host: write git.example.com, or *.example.com",
		"git repository team/project":          "4:16: git: is no repository: write /team/project.git, or /team/* for all below it",
		"git repository /a/../b":               "4:16: git: is no repository: write /team/project.git, or /team/* for all below it",
		"git service git-fetch":                "4:13: git: is no service: write git-upload-pack, git-receive-pack or git-upload-archive",
		"git version two":                      "4:13: git: is no version: write 1 or 2",
		"git {\nhost a {\nx\n}\n}":             "5:1: git: stands behind what takes no block",
		"git host " + strings.Repeat("h", 256): "4:10: git: is too long, or one too many",
		"git host" + strings.Repeat(" "+strings.Repeat("h", 250), 5): "4:1014: git: is too long, or one too many",
	})
}

// heads are samples, and requests that a client could send.
func heads(t testing.TB) [][]byte {
	t.Helper()
	return append(plugintest.Heads(plugintest.Samples(t, "testdata/samples")),
		[]byte(line("git-upload-pack /a\x00\x00version=1\x00other\x00")), []byte(line("git-receive-pack ~a\x00host=[::1]\x00")+"more"))
}

func TestTheMatcherObeysTheLaws(t *testing.T) {
	t.Parallel()
	p := load(t)
	for _, line := range []string{"git", "git host *.example.com 127.0.0.1 repository /team/* service git-upload-pack version 2"} {
		matchtest.Laws(t, p.Matcher(t, line), matchtest.TCP(), heads(t)...)
	}
}

// Not in parallel: it counts what the process allocates.
func TestTheModuleMakesTheHostAllocateNothing(t *testing.T) {
	p := load(t)
	for _, line := range []string{"git", "git host *.example.com repository /team/*"} {
		matchtest.Allocs(t, p.Matcher(t, line), matchtest.TCP(), heads(t)...)
	}
}

func TestClientsOfOtherProtocolsAreRefused(t *testing.T) {
	t.Parallel()
	plugintest.NoOther(t, load(t).Matcher(t, "git"), "git", matchtest.TCP())
}

func FuzzGit(f *testing.F) {
	p := load(f)
	matchtest.Fuzz(f, heads(f), p.Matcher(f, "git"), p.Matcher(f, "git host *.example.com repository /team/*"))
}
