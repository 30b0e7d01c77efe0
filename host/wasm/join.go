package wasm

import (
	"errors"

	"dwaar.dev/dwaar/host"
)

// join makes a plugin a part of the graph that is being built: its module, what it
// counts, and what runs beside the connections.
func (p *Plugin) join(b host.Builder) error {
	if _, err := b.Share(p.Module.key(), func() (any, error) { return nil, errReleased }); err != nil {
		return err
	}
	c, err := b.Share("wasm counts "+p.Name, func() (any, error) { return &Counts{name: p.Name}, nil })
	if err != nil {
		return err
	}
	p.counts, p.taps = c.(*Counts), nil
	return errors.Join(p.joinRecorder(b), p.joinShadow(b), p.joinWatchers(b))
}

func (p *Plugin) joinRecorder(b host.Builder) error {
	r := p.record
	if r == nil {
		return nil
	}
	v, err := b.Share(r.key(), func() (any, error) { return newRecorder(r.path, r.limit), nil })
	if err != nil {
		return err
	}
	p.taps = append(p.taps, tapped{v.(*recorder).tap, &p.counts.forgotten})
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

func (p *Plugin) joinShadow(b host.Builder) error {
	if p.shadow == nil {
		return nil
	}
	if _, err := b.Share(p.shadow.Module.key(), func() (any, error) { return nil, errReleased }); err != nil {
		return err
	}
	v, err := b.Share("wasm shadow of "+p.Name, func() (any, error) { return newShadow(), nil })
	if err != nil {
		return err
	}
	p.taps = append(p.taps, tapped{v.(*shadow).tap, &p.counts.shadowed[dropped]})
	return nil
}
