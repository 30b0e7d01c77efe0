package main

import "testing"

func TestCompiledPluginsAreKeptInTheFirstDirectoryThatIsNamed(t *testing.T) {
	t.Parallel()
	all := map[string]string{
		"DWAAR_CACHE": "/a", "CACHE_DIRECTORY": "/b:/c", "XDG_CACHE_HOME": "/d", "HOME": "/e",
	}
	without := func(names ...string) map[string]string {
		env := map[string]string{}
		for name, value := range all {
			env[name] = value
		}
		for _, name := range names {
			delete(env, name)
		}
		return env
	}
	for _, c := range []struct {
		flag string
		env  map[string]string
		want string
	}{
		{"/flag", all, "/flag/plugins"},
		{"off", all, ""},
		{"", all, "/a/plugins"},
		{"", map[string]string{"DWAAR_CACHE": "off", "HOME": "/e"}, ""},
		{"", without("DWAAR_CACHE"), "/b/plugins"},
		{"", without("DWAAR_CACHE", "CACHE_DIRECTORY"), "/d/dwaar/plugins"},
		{"", without("DWAAR_CACHE", "CACHE_DIRECTORY", "XDG_CACHE_HOME"), "/e/.cache/dwaar/plugins"},
		{"", map[string]string{"XDG_CACHE_HOME": "d", "HOME": "/e"}, "/e/.cache/dwaar/plugins"},
		{"", nil, ""},
	} {
		a, _ := fakeApp(c.env)
		if got := a.codeDir(c.flag); got != c.want {
			t.Errorf("--cache %q with %v: %q, want %q", c.flag, c.env, got, c.want)
		}
	}
}
