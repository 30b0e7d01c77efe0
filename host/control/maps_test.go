package control_test

import (
	"errors"
	"iter"
	"maps"
	"testing"

	"dwaar.dev/dwaar/host/control"
)

// tenants is a map with two keys, which takes and gives back what it is told.
func tenants() control.MapTable {
	values := map[string]string{"a.example.com": "10.0.0.1:1"}
	return control.MapTable{
		Name: "tenants",
		About: func() control.Map {
			return control.Map{Name: "tenants", File: "f", Kind: "names", Keys: len(values), Changes: 1, Versions: 2, Failures: 3, Error: "no"}
		},
		Find: func(key string) ([]byte, bool) { v, ok := values[key]; return []byte(v), ok },
		All: func() iter.Seq2[string, []byte] {
			return func(yield func(string, []byte) bool) {
				for k, v := range maps.Clone(values) {
					if !yield(k, []byte(v)) {
						return
					}
				}
			}
		},
		Set: func(key, value string) error {
			if value == "" {
				return errors.New("there is no value")
			}
			values[key] = value
			return nil
		},
		Delete: func(key string) error {
			if _, ok := values[key]; !ok {
				return errors.New("no such key")
			}
			delete(values, key)
			return nil
		},
	}
}

func TestMapsAreShownAndChanged(t *testing.T) {
	t.Parallel()
	p := program()
	m := tenants()
	p.Maps = func() []control.MapTable { return []control.MapTable{m} }
	c, ctx := serve(t, p), t.Context()
	about := control.Map{Name: "tenants", File: "f", Kind: "names", Keys: 1, Changes: 1, Versions: 2, Failures: 3, Error: "no"}
	all, err := c.Maps(ctx)
	equal(t, "maps", []control.Map{about}, all, err)

	const odd = "/x?a=b&c=%2F d"
	about.Keys = 2
	got, err := c.SetMap(ctx, "tenants", odd, "two words & more")
	equal(t, "set", about, got, err)
	value, err := c.MapValue(ctx, "tenants", odd)
	equal(t, "the value", control.MapValue{Key: odd, Value: "two words & more"}, value, err)
	about.Keys = 1
	got, err = c.DeleteMap(ctx, "tenants", odd)
	equal(t, "delete", about, got, err)
	lines, err := c.MapLines(ctx, "tenants")
	equal(t, "lines", "a.example.com 10.0.0.1:1\n", string(lines), err)
}

func TestWhatAMapCannotDoIsSaid(t *testing.T) {
	t.Parallel()
	p := program()
	c, ctx := serve(t, p), t.Context()
	said := func(want string, err error) {
		t.Helper()
		if err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	_, err := c.MapLines(ctx, "users")
	said("there is no map users: the configuration declares none", err)
	m := tenants()
	p.Maps = func() []control.MapTable { return []control.MapTable{m} }
	c = serve(t, p)
	_, err = c.MapLines(ctx, "users")
	said("there is no map users: there are tenants", err)
	_, err = c.MapValue(ctx, "tenants", "b")
	said("map tenants has no value for b", err)
	_, err = c.SetMap(ctx, "tenants", "b", "")
	said("map tenants: there is no value", err)
	_, err = c.DeleteMap(ctx, "tenants", "b")
	said("map tenants: no such key", err)
}
