package sdk_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/sdk"
)

func TestPositionsPrintWhatIsKnown(t *testing.T) {
	t.Parallel()
	for want, p := range map[string]sdk.Pos{
		"":               {},
		"Dwaarfile":      {File: "Dwaarfile"},
		"3:14":           {Line: 3, Col: 14},
		"Dwaarfile:3:14": {File: "Dwaarfile", Line: 3, Col: 14},
	} {
		if got := p.String(); got != want {
			t.Errorf("String of %#v = %q, want %q", p, got, want)
		}
	}
	if got := sdk.Errorf(sdk.Pos{}, "no %s", "place").Error(); got != "no place" {
		t.Errorf("an error without a place prints %q", got)
	}
}

func TestErrorsComeInTheOrderOfTheFileEachOnce(t *testing.T) {
	t.Parallel()
	at := func(file string, line, col int) sdk.Pos { return sdk.Pos{File: file, Line: line, Col: col} }
	var es sdk.Errors
	es.Add(at("b", 1, 1), errors.New("b at 1"))
	es.Add(at("a", 2, 9), nil)
	es.Add(sdk.Pos{}, sdk.Errorf(at("a", 10, 2), "second of line 10"))
	es.Add(sdk.Pos{}, sdk.Errorf(at("a", 10, 1), "first of line 10"))
	es.Add(at("a", 9, 1), sdk.Errors{sdk.Errorf(at("a", 2, 5), "one"), sdk.Errorf(at("a", 2, 5), "two"), sdk.Errorf(at("a", 2, 5), "one")})
	es.Add(at("a", 3, 3), errors.Join(errors.New("left"), fmt.Errorf("right: %w", errors.New("inner"))))
	var none *sdk.Error
	es.Add(at("a", 4, 4), none)
	want := "a:2:5: one\na:2:5: two\na:3:3: left\na:3:3: right: inner\n" +
		"a:10:1: first of line 10\na:10:2: second of line 10\nb:1:1: b at 1"
	if diff := cmp.Diff(want, es.Err().Error()); diff != "" {
		t.Errorf("Err (-want +got):\n%s", diff)
	}
	if es[0].Msg != "b at 1" {
		t.Error("Err changed the list it was made from")
	}
	var list sdk.Errors
	if !errors.As(es.Err(), &list) || len(list) != 7 {
		t.Errorf("Err is not Errors: %T", es.Err())
	}
}

func TestNoErrorsAreNil(t *testing.T) {
	t.Parallel()
	var es sdk.Errors
	es.Add(sdk.Pos{}, nil)
	if err := es.Err(); err != nil {
		t.Errorf("Err = %v, want nil", err)
	}
	if err := (sdk.Errors{}).Err(); err != nil {
		t.Errorf("Err of an empty list = %v, want nil", err)
	}
}

func TestNodesFindWhatStandsInTheirBlock(t *testing.T) {
	t.Parallel()
	n := sdk.Node{Name: "proxy", Args: []sdk.Word{{Text: "a:1"}, {Text: "b:2"}}, Block: []sdk.Node{
		{Name: "upstream", Args: []sdk.Word{{Text: "c:3"}}},
		{Name: "lb_policy"},
		{Name: "upstream", Args: []sdk.Word{{Text: "d:4"}}},
	}}
	if diff := cmp.Diff([]string{"a:1", "b:2"}, n.Texts()); diff != "" {
		t.Errorf("Texts (-want +got):\n%s", diff)
	}
	if got := n.Find("upstream"); got != &n.Block[0] {
		t.Errorf("Find = %v, want the first", got)
	}
	if got := n.Find("nobody"); got != nil {
		t.Errorf("Find = %v, want nil", got)
	}
	if diff := cmp.Diff([]*sdk.Node{&n.Block[0], &n.Block[2]}, n.All("upstream")); diff != "" {
		t.Errorf("All (-want +got):\n%s", diff)
	}
}

func TestSpecsAreFoundByNameAndAlias(t *testing.T) {
	t.Parallel()
	specs := []sdk.Spec{{Name: "to"}, {Name: "upstream", Aliases: []string{"upstreams", "backend"}}}
	for name, want := range map[string]*sdk.Spec{"to": &specs[0], "upstream": &specs[1], "backend": &specs[1], "": nil, "t": nil} {
		if got := sdk.Find(specs, name); got != want {
			t.Errorf("Find(%q) = %v, want %v", name, got, want)
		}
	}
}

func TestArgumentsAreCounted(t *testing.T) {
	t.Parallel()
	for want, a := range map[string]sdk.Arg{
		"1 to 1": sdk.One("N", sdk.Int), "0 to 1": sdk.Maybe("N", sdk.Int), "1 to -1": sdk.Some("N", sdk.Int),
		"0 to -1": sdk.List("N", sdk.Int),
	} {
		if got := fmt.Sprintf("%d to %d", a.Min, a.Max); got != want || a.Name != "N" || a.Shape != sdk.Int {
			t.Errorf("%+v takes %s, want %s", a, got, want)
		}
	}
	c := sdk.Choice("MODE", "plain", "crypt")
	if diff := cmp.Diff(sdk.Arg{Name: "MODE", Shape: sdk.Enum, Words: []string{"plain", "crypt"}, Min: 1, Max: 1}, c); diff != "" {
		t.Errorf("Choice (-want +got):\n%s", diff)
	}
}
