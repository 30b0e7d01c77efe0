package wasm

import (
	"errors"

	"dwaar.dev/dwaar/host"
)

// join makes a part of the graph that is built what a plugin has beside its module:
// what it counts, and what runs beside the connections.
func (p *Plugin) join(b host.Builder) (err error) {
	p.counts, err = host.Share(b, "wasm counts "+p.Name, func() (*Counts, error) { return &Counts{name: p.Name}, nil })
	if err != nil {
		return err
	}
	return errors.Join(p.joinRecorder(b), p.joinShadow(b), p.joinWatchers(b))
}

func (p *Plugin) joinRecorder(b host.Builder) error {
	if p.record == nil {
		return nil
	}
	r, err := host.Share(b, p.record.key(), func() (*recorder, error) {
		return newRecorder(p.record.path, p.record.limit), nil
	})
	if err != nil {
		return err
	}
	r.reopen()
	p.taps = append(p.taps, tapped{r.tap, &p.counts.forgotten})
	return nil
}

func (p *Plugin) joinShadow(b host.Builder) error {
	if p.shadow == nil {
		return nil
	}
	s, err := host.Share(b, "wasm shadow of "+p.Name, func() (*shadow, error) { return newShadow(), nil })
	if err != nil {
		return err
	}
	p.taps = append(p.taps, tapped{s.tap, &p.counts.shadowed[dropped]})
	return nil
}

func (p *Plugin) joinWatchers(b host.Builder) error {
	for _, one := range []*Plugin{p, p.shadow} {
		if one == nil || !one.watch || one.Module.host.changed == nil || one.Module.host.files != nil {
			continue
		}
		if err := one.watches(b); err != nil {
			return err
		}
	}
	return nil
}
