package kit

import (
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"dwaar.dev/dwaar/cmd/dwaar/internal/capture"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
)

// maxSample is more than the proxy ever shows a matcher.
const maxSample = 1 << 20 // bytes

// Sample is what a client said first.
type Sample struct {
	Name    string // of its file, without the ending; with a number where a capture has several
	Network string // "tcp" or "udp"
	Head    []byte // datagrams one after the other
	Bounds  []int  // where each of them ends; nil for a stream
}

// Flow is the sample as a connection, from a fixed address at a fixed time.
func (s *Sample) Flow() sdk.Flow {
	f := matchtest.TCP()
	if s.Network == "udp" {
		f = matchtest.UDP()
	}
	f.Head, f.Bounds = s.Head, s.Bounds
	if s.Bounds == nil {
		f.Head = f.Head[:min(len(f.Head), f.MaxHead)] // as much as the proxy would show
	}
	return f
}

// datagrams returns each datagram of the sample.
func (s *Sample) datagrams() [][]byte {
	var all [][]byte
	at := 0
	for _, end := range s.Bounds {
		all = append(all, s.Head[at:end])
		at = end
	}
	return all
}

// isCapture reports whether a file holds packets, by its name.
func isCapture(path string) bool {
	return slices.Contains([]string{".pcap", ".pcapng", ".cap"}, filepath.Ext(path))
}

// ReadSamples reads a file: a capture (.pcap, .pcapng), of which each connection is a
// sample; hexadecimal digits (.hex), as [ParseHex] reads them; or the bytes themselves.
func ReadSamples(path string) ([]Sample, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading a sample: %w", err)
	}
	defer f.Close()
	name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	if isCapture(path) {
		flights, err := capture.Flights(f)
		if err != nil {
			return nil, fmt.Errorf("reading a sample: %s: %w", path, err)
		}
		if len(flights) == 0 {
			return nil, fmt.Errorf("reading a sample: %s: no client says anything in it, over TCP or UDP", path)
		}
		return fromFlights(name, flights), nil
	}
	b, err := io.ReadAll(io.LimitReader(f, maxSample+1))
	if err != nil {
		return nil, fmt.Errorf("reading a sample: %w", err)
	}
	if len(b) > maxSample {
		return nil, fmt.Errorf("reading a sample: %s has more than 1 MiB: nobody's first bytes do", path)
	}
	s := Sample{Name: name, Network: "tcp", Head: b}
	if filepath.Ext(path) == ".hex" {
		if s, err = ParseHex(name, string(b)); err != nil {
			return nil, fmt.Errorf("reading a sample: %s: %w", path, err)
		}
	}
	return []Sample{s}, nil
}

func fromFlights(name string, flights []capture.Flight) []Sample {
	samples := make([]Sample, len(flights))
	for i, f := range flights {
		samples[i] = Sample{Name: name, Network: f.Network, Head: f.Head, Bounds: f.Bounds}
		if len(flights) > 1 {
			samples[i].Name = fmt.Sprintf("%s/%d", name, i+1)
		}
	}
	return samples
}

// ParseHex reads hexadecimal digits. Spaces and colons may stand between them, and
// behind # there is a comment. If the first word is udp they are datagrams, with an
// empty line between each two.
func ParseHex(name, text string) (Sample, error) {
	s := Sample{Name: name, Network: "tcp"}
	var lines []string
	for line := range strings.Lines(text) {
		code, _, comment := strings.Cut(line, "#")
		if code = strings.TrimSpace(code); code != "" || !comment {
			lines = append(lines, code)
		}
	}
	text = strings.TrimSpace(strings.Join(lines, "\n"))
	if rest, ok := strings.CutPrefix(text, "udp"); ok {
		s.Network, text = "udp", strings.TrimSpace(rest)
	}
	for part := range strings.SplitSeq(text, "\n\n") {
		b, err := hex.DecodeString(strings.NewReplacer(" ", "", ":", "", "\n", "", "\t", "").Replace(part))
		if err != nil {
			return Sample{}, fmt.Errorf("it is not hexadecimal: %w: write 16 03 01", err)
		}
		s.Head = append(s.Head, b...)
		if s.Network == "udp" && (len(b) > 0 || text != "") {
			s.Bounds = append(s.Bounds, len(s.Head))
		}
	}
	return s, nil
}

// samplesIn reads the samples of a directory, ordered by name. Files that begin with a
// dot, and a README, are none.
func samplesIn(dir string) ([]Sample, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("looking for samples: %w", err)
	}
	var all []Sample
	seen := map[string]string{}
	for _, f := range files {
		if f.IsDir() || strings.HasPrefix(f.Name(), ".") || strings.HasPrefix(f.Name(), "README") {
			continue
		}
		some, err := ReadSamples(filepath.Join(dir, f.Name()))
		if err != nil {
			return nil, err
		}
		for _, s := range some {
			if seen[s.Name] != "" {
				return nil, fmt.Errorf("looking for samples: %s and %s are both called %s: rename one", seen[s.Name], f.Name(), s.Name)
			}
			seen[s.Name] = f.Name()
		}
		all = append(all, some...)
	}
	slices.SortStableFunc(all, func(a, b Sample) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}
