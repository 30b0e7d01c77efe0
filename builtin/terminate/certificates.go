package terminate

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"dwaar.dev/dwaar/builtin/terminate/internal/keys"
	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/sdk"
)

// expirySoon is how long before its end a certificate is warned of: automatic
// renewal has failed for two weeks by then.
const expirySoon = 14 * 24 * time.Hour

// sources is what directives name, with their places in the file.
type sources struct {
	list  []keys.Source
	at    []sdk.Pos
	notes sdk.Errors // files of directories that were passed over
}

func (s *sources) add(at sdk.Pos, source keys.Source) {
	s.list = append(s.list, source)
	s.at = append(s.at, at)
}

// globalSources reads the directives certificate of the global block.
func globalSources(b host.Builder) (s sources, errs sdk.Errors) {
	for _, n := range b.Global(certificateName) {
		if len(n.Args) == 1 {
			errs.Add(n.Pos, s.addDir(b, n.Args[0]))
			continue
		}
		errs.Add(n.Pos, fitsFiles(n.Args))
		names, cert, key := n.Args[:len(n.Args)-2], n.Args[len(n.Args)-2], n.Args[len(n.Args)-1]
		source := keys.Source{Files: []keys.Files{{Cert: cert.Text, Key: key.Text}}}
		for _, w := range names {
			errs.Add(w.Pos, fitsName(w))
			source.Names = append(source.Names, keys.Fold(w.Text))
		}
		s.add(cert.Pos, source)
	}
	return s, errs
}

// addDir adds the pairs in a directory.
func (s *sources) addDir(b host.Builder, w sdk.Word) error {
	if info, err := os.Stat(w.Text); err == nil && !info.IsDir() {
		return sdk.Errorf(w.Pos, "certificate %s: that is a file: write certificate NAME… CERT KEY, or the directory", w.Text)
	}
	v, err := b.Share("tls directory "+w.Text, func() (any, error) { return keys.NewDir(w.Text), nil })
	if err != nil {
		return err
	}
	dir := v.(*keys.Dir)
	found, err := dir.List()
	if err != nil {
		return faultsAt(w.Pos, err)
	}
	for _, note := range found.Notes {
		s.notes = append(s.notes, sdk.Errorf(w.Pos, "%s", note))
	}
	s.add(w.Pos, keys.Source{Files: found.Pairs, Dir: dir})
	return nil
}

// fitsFiles finds the key left out: the name is taken for the certificate then.
func fitsFiles(args []sdk.Word) error {
	if len(args) != 2 || exists(args[0].Text) || !exists(args[1].Text) {
		return nil
	}
	return sdk.Errorf(args[0].Pos, "certificate %s %s: two words are the files CERT and KEY, and there is no %s: write certificate NAME… CERT KEY, with one file twice if it holds both",
		args[0].Text, args[1].Text, args[0].Text)
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

func fitsName(w sdk.Word) error {
	if _, err := netip.ParseAddr(w.Text); err == nil {
		return nil
	}
	if err := sdk.One("NAME", sdk.Host).Fits(w.Text); err != nil {
		return sdk.Errorf(w.Pos, "certificate: %q %v; the last two words are the files CERT and KEY", w.Text, err)
	}
	if strings.Contains(w.Text, "{") || w.Text == "*" {
		return sdk.Errorf(w.Pos, "certificate: %q is no name to look up: write the names, or default_certificate NAME for all others", w.Text)
	}
	return nil
}

// faultsAt gives every joined error the place.
func faultsAt(at sdk.Pos, err error) error {
	var errs sdk.Errors
	var many interface{ Unwrap() []error }
	if !errors.As(err, &many) {
		return sdk.Errorf(at, "certificate: %v", err)
	}
	for _, e := range many.Unwrap() {
		errs.Add(at, sdk.Errorf(at, "certificate: %v", e))
	}
	return errs.Err()
}

// open returns the ring of the sources: the one that an earlier configuration with
// the same sources uses, brought up to date, or a new one.
func (s *sources) open(b host.Builder) (*keys.Ring, error) {
	ring, err := host.Share(b, "tls certificates "+s.key(), func() (*keys.Ring, error) {
		ring, faults := keys.Open(s.list)
		if faults != nil {
			return nil, faults
		}
		return ring, nil
	})
	if err != nil {
		return nil, s.place(err)
	}
	if faults := ring.Refresh(); faults != nil {
		return nil, s.place(faults)
	}
	return ring, nil
}

// key tells rings apart: equal keys name the same files for the same names.
func (s *sources) key() string {
	var b strings.Builder
	for _, source := range s.list {
		fmt.Fprintf(&b, "%q %q", source.Names, source.Files)
		if source.Dir != nil {
			fmt.Fprintf(&b, " in %q", source.Dir.Path)
		}
		b.WriteByte(';')
	}
	return b.String()
}

// place turns faults into errors with places.
func (s *sources) place(err error) error {
	var faults keys.Faults
	if !errors.As(err, &faults) {
		return err
	}
	var errs sdk.Errors
	for _, f := range faults {
		errs.Add(s.at[f.Source], sdk.Errorf(s.at[f.Source], "certificate: %v", f.Err))
	}
	return errs.Err()
}

// warn says what clients will refuse, what is of no use, and whose key is not secret.
func (s *sources) warn(b host.Builder, ring *keys.Ring) {
	for _, note := range s.notes {
		b.Warnf(note.Pos, "%s", note.Msg)
	}
	now := time.Now()
	ring.Each(func(source int, f keys.Files, leaf *x509.Certificate) {
		if text := validity(f.Cert, leaf, now); text != "" {
			b.Warnf(s.at[source], "%s", text)
		}
		if text := f.Exposed(); text != "" {
			b.Warnf(s.at[source], "%s", text)
		}
	})
	for i, source := range s.list {
		for _, name := range source.Names {
			for _, c := range ring.Of(i) {
				if !keys.Covers(c.Leaf, name) {
					b.Warnf(s.at[i], "%s is not for %s: clients that ask for it refuse the certificate", source.Files[0].Cert, name)
				}
			}
		}
	}
}

// validity says what is wrong with the time in which a certificate is valid, or
// returns "".
func validity(file string, leaf *x509.Certificate, now time.Time) string {
	ends := leaf.NotAfter.Format(time.DateOnly)
	switch {
	case leaf.NotAfter.Before(now):
		return fmt.Sprintf("%s has expired on %s: clients refuse it, renew it", file, ends)
	case leaf.NotBefore.After(now):
		return fmt.Sprintf("%s is not valid before %s: clients refuse it until then", file, leaf.NotBefore.Format(time.RFC3339))
	case leaf.NotAfter.Before(now.Add(expirySoon)):
		return fmt.Sprintf("%s expires on %s: renew it; a new one is used without a reload", file, ends)
	}
	return ""
}

// checkCertificates looks at all directives certificate at once.
func checkCertificates(b host.Builder, _ []*sdk.Node) error {
	s, errs := globalSources(b)
	if errs.Err() != nil || len(s.list) == 0 {
		return errs.Err()
	}
	ring, err := s.open(b)
	if err != nil {
		return err
	}
	s.warn(b, ring)
	return nil
}

// checkDefault looks whether there is a certificate for the default name. What is
// wrong with the certificates themselves is said where they stand.
func checkDefault(b host.Builder, ns []*sdk.Node) error {
	if len(ns) == 0 {
		return nil
	}
	w := ns[0].Args[0]
	s, errs := globalSources(b)
	if errs.Err() != nil {
		return nil
	}
	if len(s.list) == 0 {
		return sdk.Errorf(w.Pos, "default_certificate %s: no certificate is configured: write certificate %s CERT KEY beside it", w.Text, w.Text)
	}
	ring, err := s.open(b)
	if err == nil && ring.Find(keys.Fold(w.Text)) == nil {
		return sdk.Errorf(w.Pos, "default_certificate %s: there is a certificate for %s only: write one of these names",
			w.Text, someNames(ring))
	}
	return nil
}

// someNames lists the names of a ring for a message.
func someNames(ring *keys.Ring) string {
	const most = 5
	names := ring.Names()
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}
