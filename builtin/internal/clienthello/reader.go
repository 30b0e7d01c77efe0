package clienthello

// reader reads a message of which only the beginning may be there. Each method
// either moves on and returns true, or says in bad or need why it cannot.
type reader struct {
	msg   []byte
	at    int
	limit int // where the message ends
	need  int // how long msg must be before anything else can be said
	bad   bool
}

// number reads an integer of size bytes that must lie between low and high. It
// refuses it at the first byte that leaves no such integer.
func (r *reader) number(size, low, high int) (v int, ok bool) {
	have := min(size, len(r.msg)-r.at)
	for _, b := range r.msg[r.at : r.at+have] {
		v = v<<8 | int(b)
	}
	rest := 8 * (size - have)
	if least, most := v<<rest, (v+1)<<rest-1; most < low || least > high {
		r.bad = true
		return 0, false
	}
	if have < size {
		r.need = len(r.msg) + 1
		return 0, false
	}
	r.at += size
	return v, true
}

// list reads the length of what must fill everything up to end.
func (r *reader) list(size, end int) bool {
	n := end - r.at - size
	_, ok := r.number(size, n, n)
	return ok
}

// skip moves on over n bytes that may be anything.
func (r *reader) skip(n int) bool {
	if r.at+n > len(r.msg) {
		r.need = min(r.at+n+1, r.limit) // the byte behind them is the next that can decide
		return false
	}
	r.at += n
	return true
}

// all reads n bytes that are of use only together.
func (r *reader) all(n int) (b []byte, ok bool) {
	if r.at+n > len(r.msg) {
		r.need = r.at + n
		return nil, false
	}
	b = r.msg[r.at : r.at+n]
	r.at += n
	return b, true
}

// check refuses the message unless ok.
func (r *reader) check(ok bool) bool {
	r.bad = r.bad || !ok
	return ok
}
