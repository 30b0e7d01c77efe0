package route

import (
	"testing"

	"dwaar.dev/dwaar/sdk"
)

// constant answers the same, whatever there is.
type constant sdk.Verdict

func (a constant) Match(*sdk.Flow) (sdk.Verdict, error) { return sdk.Verdict(a), nil }

// Who waits for what is there already would be asked without end: a need is of more than
// the head has, or there is none.
func TestWhatIsNeededIsMoreThanThereIsAndFitsIntoAHead(t *testing.T) {
	t.Parallel()
	const most = 8
	for asked := 1; asked <= most+2; asked++ {
		for have := range most + 1 {
			rs := &Routes{list: listOf(constant(sdk.Need(asked)))}
			f := &sdk.Flow{MaxHead: most, Head: make([]byte, have)}
			m := rs.NewMemo(f, nil)
			r, need, err := rs.Pick(f, m, false)
			if r != nil || err != nil {
				t.Fatalf("%d of %d: %v, %v", asked, have, r, err)
			}
			want := max(asked, have+1)
			if asked > most {
				want = 0 // it can never be there: the matcher does not match
			}
			if need != want {
				t.Errorf("asked for %d with %d there, %d are waited for, want %d", asked, have, need, want)
			}
			rs.Forget(f, m)
		}
	}
}
