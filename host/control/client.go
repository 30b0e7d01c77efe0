package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"syscall"
)

// maxAnswer bounds what a client reads: a hundred thousand connections are 30 MB.
const maxAnswer = 256 << 20 // bytes

// Client asks a running dwaar. It may be used from any goroutine and needs no
// closing: it keeps no connection.
type Client struct {
	path string
	http http.Client
}

// NewClient returns a client of the socket at path. It connects when it is asked.
func NewClient(path string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
	return &Client{path, http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

// ErrNobody is what every method of a client returns where no dwaar answers.
var ErrNobody = errors.New("no dwaar answers there")

// Status asks what the program is like.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return ask[Status](ctx, c, http.MethodGet, "/status")
}

// Reload has the configuration read anew. Faults of it come back as sdk.Errors.
func (c *Client) Reload(ctx context.Context) (Reloaded, error) {
	return ask[Reloaded](ctx, c, http.MethodPost, "/reload")
}

// Drain begins the shutdown and does not wait for its end.
func (c *Client) Drain(ctx context.Context) error {
	_, err := ask[struct{}](ctx, c, http.MethodPost, "/drain")
	return err
}

// Connections lists the open connections.
func (c *Client) Connections(ctx context.Context) ([]Connection, error) {
	return ask[[]Connection](ctx, c, http.MethodGet, "/connections")
}

// Kill ends a connection.
func (c *Client) Kill(ctx context.Context, id uint64) error {
	_, err := ask[struct{}](ctx, c, http.MethodDelete, "/connections/"+strconv.FormatUint(id, 10))
	return err
}

// Upstreams lists the upstreams.
func (c *Client) Upstreams(ctx context.Context) ([]Upstream, error) {
	return ask[[]Upstream](ctx, c, http.MethodGet, "/upstreams")
}

// Decisions lists the last decisions, at most last of them, oldest first; with details what
// every matcher said, and why.
func (c *Client) Decisions(ctx context.Context, last int, details bool) ([]Decision, error) {
	return ask[[]Decision](ctx, c, http.MethodGet, fmt.Sprintf("/decisions?last=%d&details=%t", last, details))
}

// Decision returns the decision about a connection with all details.
func (c *Client) Decision(ctx context.Context, id uint64) (Decision, error) {
	return ask[Decision](ctx, c, http.MethodGet, "/decisions/"+strconv.FormatUint(id, 10))
}

// Stats returns the metrics in Prometheus' text format.
func (c *Client) Stats(ctx context.Context) (string, error) {
	text, err := c.do(ctx, http.MethodGet, "/stats")
	return string(text), err
}

// Maps lists the maps of the configuration that serves.
func (c *Client) Maps(ctx context.Context) ([]Map, error) {
	return ask[[]Map](ctx, c, http.MethodGet, "/maps")
}

// MapLines returns all keys and values of a map, a line each.
func (c *Client) MapLines(ctx context.Context, name string) ([]byte, error) {
	return c.do(ctx, http.MethodGet, mapPath(name))
}

// MapValue looks a key up as it is done for connections.
func (c *Client) MapValue(ctx context.Context, name, key string) (MapValue, error) {
	return ask[MapValue](ctx, c, http.MethodGet, mapPath(name, "key", key))
}

// SetMap gives a key of a map a value until its file changes.
func (c *Client) SetMap(ctx context.Context, name, key, value string) (Map, error) {
	return ask[Map](ctx, c, http.MethodPut, mapPath(name, "key", key, "value", value))
}

// DeleteMap takes a key out of a map until its file changes.
func (c *Client) DeleteMap(ctx context.Context, name, key string) (Map, error) {
	return ask[Map](ctx, c, http.MethodDelete, mapPath(name, "key", key))
}

// mapPath returns what to ask for about a map; pairs are names and values.
func mapPath(name string, pairs ...string) string {
	path := "/maps/" + url.PathEscape(name)
	if len(pairs) == 0 {
		return path
	}
	query := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		query.Set(pairs[i], pairs[i+1])
	}
	return path + "?" + query.Encode()
}

func ask[T any](ctx context.Context, c *Client, method, path string) (T, error) {
	var v T
	text, err := c.do(ctx, method, path)
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal(text, &v); err != nil {
		return v, fmt.Errorf("reading the answer of %s: %w", c.path, err)
	}
	return v, nil
}

func (c *Client) do(ctx context.Context, method, path string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://dwaar"+path, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("asking for %s: %w", path, err)
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, c.unreached(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("reading the answer of %s: %w", c.path, err)
	}
	if answer.StatusCode >= http.StatusBadRequest {
		return nil, refused(text, answer.Status)
	}
	return text, nil
}

// unreached says why nobody answered.
func (c *Client) unreached(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("connecting to %s: %w", c.path, ErrNobody)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("connecting to %s: the socket is another user's: %w", c.path, fs.ErrPermission)
	}
	return fmt.Errorf("connecting to %s: %w", c.path, err)
}

// refused is the error that an answer carries.
func refused(text []byte, status string) error {
	var f failure
	if err := json.Unmarshal(text, &f); err != nil || f.Error == "" {
		return fmt.Errorf("asking dwaar: it answered %s", status)
	}
	if len(f.Errors) > 0 {
		return Errors(f.Errors)
	}
	return errors.New(f.Error)
}
