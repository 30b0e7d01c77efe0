package control

import (
	"bufio"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"
)

// MapTable is a map of the running configuration. Its functions may be called from any
// goroutine, and all are set.
type MapTable struct {
	Name   string                                   // in the configuration
	About  func() Map                               // how it is now
	Find   func(key string) (value []byte, ok bool) // what a key leads to, as it does for connections
	All    func() iter.Seq2[string, []byte]         // keys and values
	Set    func(key, value string) error            // until the next version of the file
	Delete func(key string) error                   // likewise
}

func (s *Server) handleMaps(mux *http.ServeMux) {
	get(mux, "/maps", s.maps)
	mux.HandleFunc("GET /maps/{name}", s.mapped(showMap))
	mux.HandleFunc("PUT /maps/{name}", s.mapped(setKey))
	mux.HandleFunc("DELETE /maps/{name}", s.mapped(deleteKey))
}

func (s *Server) maps() []Map {
	all := s.Maps()
	views := make([]Map, len(all))
	for i := range all {
		views[i] = all[i].About()
	}
	return views
}

// mapped finds the map that a request is about.
func (s *Server) mapped(do func(*MapTable, http.ResponseWriter, *http.Request)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		all, name := s.Maps(), r.PathValue("name")
		i := slices.IndexFunc(all, func(m MapTable) bool { return m.Name == name })
		if i >= 0 {
			do(&all[i], w, r)
			return
		}
		var names []string
		for _, m := range all {
			names = append(names, m.Name)
		}
		hint := "the configuration declares none"
		if len(names) > 0 {
			hint = "there are " + strings.Join(names, ", ")
		}
		refuse(w, http.StatusNotFound, fmt.Errorf("there is no map %s: %s", name, hint))
	}
}

// showMap answers with what a key leads to, or with all keys and values, a line each, as
// a file has them.
func showMap(m *MapTable, w http.ResponseWriter, r *http.Request) {
	if query := r.URL.Query(); query.Has("key") {
		key := query.Get("key")
		value, ok := m.Find(key)
		if !ok {
			refuse(w, http.StatusNotFound, fmt.Errorf("map %s has no value for %s", m.Name, key))
			return
		}
		answer(w, http.StatusOK, MapValue{key, string(value)})
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	out := bufio.NewWriter(w)
	for key, value := range m.All() {
		_, _ = out.WriteString(key)
		_ = out.WriteByte(' ')
		_, _ = out.Write(value)
		if out.WriteByte('\n') != nil { // the client went away
			return
		}
	}
	_ = out.Flush()
}

func setKey(m *MapTable, w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	changed(m, w, m.Set(query.Get("key"), query.Get("value")))
}

func deleteKey(m *MapTable, w http.ResponseWriter, r *http.Request) {
	changed(m, w, m.Delete(r.URL.Query().Get("key")))
}

func changed(m *MapTable, w http.ResponseWriter, err error) {
	if err != nil {
		refuse(w, http.StatusUnprocessableEntity, fmt.Errorf("map %s: %w", m.Name, err))
		return
	}
	answer(w, http.StatusOK, m.About())
}
