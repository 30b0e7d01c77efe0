package graph

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host/dwaarfile"
	"dwaar.dev/dwaar/sdk"
)

// follower is a matcher that is an actor and has something to say.
type follower struct{ at sdk.Pos }

func (f *follower) Match(*sdk.Flow) (sdk.Verdict, error) { return sdk.Yes, nil }
func (f *follower) Run(ctx context.Context) error        { <-ctx.Done(); return nil }
func (f *follower) Warnings() sdk.Errors {
	return sdk.Errors{sdk.Errorf(f.at, "follow is not what you mean")}
}

func TestAMatcherThatFollowsAFileIsOneActorOfTheGraph(t *testing.T) {
	t.Parallel()
	r, made := testRegistry(), 0
	r.Matcher(sdk.Spec{Name: "follow", Doc: "follows", Args: []sdk.Arg{sdk.One("FILE", sdk.Free)}},
		func(n *sdk.Node) (sdk.Matcher, error) {
			made++
			return &follower{n.Pos}, nil
		})
	const text = `layer4 {
	:1 {
		@a follow x
		@b {
			follow x
			prefix b
		}
		@c not follow y
		route @a {
			say "in"
		}
		route @b {
			say "in"
		}
		route @c {
			say "in"
		}
	}
	:2 {
		@a follow x
		route @a {
			say "in"
		}
	}
}`
	tree, err := dwaarfile.Parse("Dwaarfile", []byte(text), Grammar(r), dwaarfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	g, err := Build(tree, r, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Release)
	followers := 0
	for _, a := range g.Actors() {
		if _, ok := a.(*follower); ok {
			followers++
		}
	}
	if made != 2 || followers != 2 {
		t.Errorf("%d matchers were made, %d of them run, want one for x and one for y", made, followers)
	}
	want := "Dwaarfile:3:6: follow is not what you mean\nDwaarfile:8:10: follow is not what you mean"
	if diff := cmp.Diff(want, g.Warnings.Error()); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}
