package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"strconv"
	"time"

	"dwaar.dev/dwaar/host/engine"
	"dwaar.dev/dwaar/host/explain"
	"dwaar.dev/dwaar/host/names"
	"dwaar.dev/dwaar/host/upstream"
	"dwaar.dev/dwaar/sdk"
)

// The bounds of what a client of the socket can hold up. It is the owner's own,
// and still a script of his may hang.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second // a whole request; none has a body worth mentioning
	writeTimeout  = time.Minute      // an answer, what a reload needs to build included
	idleTimeout   = time.Minute
	shutdownGrace = 5 * time.Second // for answers under way when the server ends
	maxHeader     = 16 << 10        // bytes
	maxBody       = 64 << 10        // bytes
)

// Engine is what a [Server] asks of a running engine; *engine.Engine is one. Its
// methods are called from any goroutine.
type Engine interface {
	Stats() engine.Stats                              // the totals
	Conns() []engine.ConnInfo                         // the open connections
	Decisions() []engine.Decision                     // the last ones, oldest first
	Explain(*engine.Decision) (*explain.Phase, error) // why one was made, or why that cannot be told
	Kill(id uint64) bool                              // false: there is no such connection
}

// About is what a program knows of itself beside its engine.
type About struct {
	Version       string     // of the program
	Config        string     // the file it serves
	Warnings      sdk.Errors // of the current configuration
	Reloads       uint64     // that succeeded
	FailedReloads uint64     // that did not
	LastError     string     // why the last reload failed; empty: it did not
}

// Program is what a [Server] speaks for. Every field is set, and every function may
// be called from any goroutine.
type Program struct {
	Engine    Engine                  // what it runs
	About     func() About            // what else there is to say
	Upstreams func() []upstream.State // configured ones, and those that connections still hold
	Names     func() []names.Stats    // what resolves host names; nil: nothing does
	Plugins   func() Plugins          // of the current configuration
	Maps      func() []MapTable       // of the current configuration, by name
	TeeCuts   func() uint64           // branches of tee that were cut; nil: there are none

	// Reload reads the configuration anew. An error that is sdk.Errors reaches the
	// client with its places; after any error the old configuration serves on.
	Reload func(context.Context) error
	// Drain stops accepting connections until the next reload, and returns at once.
	Drain func()
}

// Server answers on the control socket.
type Server struct {
	Program
	Log *slog.Logger // of what goes wrong on the socket itself
}

// Serve answers on l until ctx ends, and closes l. Answers under way are finished.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler:           http.MaxBytesHandler(s.Handler(), maxBody),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(s.Log.Handler(), slog.LevelWarn),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serving the control socket: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
	defer cancel()
	err := server.Shutdown(grace)
	if err != nil {
		err = errors.Join(err, server.Close())
	}
	<-ended
	return err
}

// Handler is what the socket serves, for whoever has another listener for it.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	get(mux, "/status", s.status)
	get(mux, "/connections", s.connections)
	get(mux, "/upstreams", s.upstreams)
	mux.HandleFunc("GET /decisions", s.decisions)
	mux.HandleFunc("GET /decisions/{id}", s.decision)
	mux.Handle("GET /stats", s.stats())
	mux.HandleFunc("POST /reload", s.reload)
	mux.HandleFunc("POST /drain", s.drain)
	mux.HandleFunc("DELETE /connections/{id}", s.kill)
	s.handleMaps(mux)
	mux.HandleFunc("/", unknown)
	return mux
}

// get answers with what ask returns.
func get[T any](mux *http.ServeMux, path string, ask func() T) {
	mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, ask()) })
}

func (s *Server) decisions(w http.ResponseWriter, r *http.Request) {
	last := math.MaxInt
	if text := r.URL.Query().Get("last"); text != "" {
		n, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			refuse(w, http.StatusBadRequest, fmt.Errorf("last=%s is no number: write ?last=20", text))
			return
		}
		last = int(n)
	}
	details := false
	switch text := r.URL.Query().Get("details"); text {
	case "", "false":
	case "true":
		details = true
	default:
		refuse(w, http.StatusBadRequest, fmt.Errorf("details=%s: write ?details=true or leave it out", text))
		return
	}
	answer(w, http.StatusOK, decisions(s.Engine, last, details))
}

func (s *Server) decision(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseUint(r.PathValue("id"), 10, 64)
	if err != nil {
		refuse(w, http.StatusBadRequest, fmt.Errorf("%q is no id of a connection: GET /decisions lists them", r.PathValue("id")))
		return
	}
	all := s.Engine.Decisions()
	for i := range all {
		if all[i].ID == id {
			v := decision(&all[i])
			detail(s.Engine, &all[i], &v)
			answer(w, http.StatusOK, v)
			return
		}
	}
	refuse(w, http.StatusNotFound, fmt.Errorf("there is no decision about connection %d among the last %d: GET /decisions lists them", id, len(all)))
}

func (s *Server) reload(w http.ResponseWriter, r *http.Request) {
	if err := s.Reload(r.Context()); err != nil {
		refuse(w, http.StatusUnprocessableEntity, err)
		return
	}
	status := s.status()
	answer(w, http.StatusOK, Reloaded{status.Generation, status.Warnings})
}

func (s *Server) drain(w http.ResponseWriter, _ *http.Request) {
	s.Drain()
	answer(w, http.StatusAccepted, struct{}{})
}

func (s *Server) kill(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseUint(r.PathValue("id"), 10, 64)
	switch {
	case err != nil:
		refuse(w, http.StatusBadRequest, fmt.Errorf("%q is no id of a connection: GET /connections lists them", r.PathValue("id")))
	case !s.Engine.Kill(id):
		refuse(w, http.StatusNotFound, fmt.Errorf("there is no connection %d: it has ended, or never was", id))
	default:
		answer(w, http.StatusOK, struct{}{})
	}
}

func unknown(w http.ResponseWriter, r *http.Request) {
	refuse(w, http.StatusNotFound, fmt.Errorf("%s %s is nothing to ask: GET /status, /connections, /upstreams, /stats, /decisions, /decisions/ID, /maps, /maps/NAME; "+
		"POST /reload, /drain; PUT /maps/NAME; DELETE /connections/ID, /maps/NAME", r.Method, r.URL.Path))
}

// failure is the answer to what cannot be done.
type failure struct {
	Error  string  `json:"error"`
	Errors []Fault `json:"errors,omitempty"` // the same with places, where a configuration is at fault
}

func refuse(w http.ResponseWriter, code int, err error) {
	f := failure{Error: err.Error()}
	if es, ok := errors.AsType[sdk.Errors](err); ok {
		f.Errors = Faults(es)
	}
	answer(w, code, f)
}

// answer writes a value as JSON. A list that is nil is written as an empty one.
func answer(w http.ResponseWriter, code int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if string(text) == "null" {
		text = []byte("[]")
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(text, '\n')) // a client that went away needs no answer
}
