package wasm

import (
	"slices"

	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/abi"
)

// facts are what a call has set: they count when it says yes. The memory is kept for
// the next call.
type facts struct {
	list  []fact
	arena []byte // abi.MaxValue bytes for each fact, from the first one on that is set
}

type fact struct {
	key string
	len int
}

func (fs *facts) reset() { fs.list = fs.list[:0] }

// put keeps the last value of a key. It says no to what is too long or too much.
func (fs *facts) put(key string, value []byte) bool {
	if len(value) > abi.MaxValue {
		return false
	}
	i := slices.IndexFunc(fs.list, func(f fact) bool { return f.key == key })
	if i < 0 {
		if i = len(fs.list); i == abi.MaxFacts {
			return false
		}
		if fs.arena == nil {
			fs.arena = make([]byte, abi.MaxFacts*abi.MaxValue)
		}
		fs.list = append(fs.list, fact{key: key})
	}
	fs.list[i].len = copy(fs.arena[i*abi.MaxValue:], value)
	return true
}

// tell gives the facts to the connection.
func (fs *facts) tell(f *sdk.Flow) {
	for i, g := range fs.list {
		f.Set(g.key, fs.value(i))
	}
}

// value is that of the fact of that number, until the next call.
func (fs *facts) value(i int) []byte { return fs.arena[i*abi.MaxValue:][:fs.list[i].len] }
