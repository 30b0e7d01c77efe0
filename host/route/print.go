package route

import (
	"fmt"
	"strings"
	"time"
)

// String prints a route a paragraph, in the order they are tried.
func (rs *Routes) String() string {
	var b strings.Builder
	for i := rs.from; i < len(rs.list.Routes); i++ {
		r := &rs.list.Routes[i]
		fmt.Fprintf(&b, "%d. %s", i+1, r.text(rs.list.Instances))
		if r.Name != "" {
			fmt.Fprintf(&b, "  (%s)", r.Name)
		}
		b.WriteByte('\n')
		b.WriteString(Indent(r.Chain.String(), "     "))
		if r.path != "" {
			b.WriteString(Indent("runs "+r.path, "     "))
		}
		if !r.Chain.ends {
			fmt.Fprintf(&b, "     then %s\n", rs.list.after(i))
		}
	}
	if !rs.Ends() {
		b.WriteString("otherwise " + rs.otherwise() + "\n")
	}
	return b.String()
}

// Timeout prints how long a matching phase with these routes may take.
func (rs *Routes) Timeout() string { return OrNone(rs.list.Timeout) }

// OrNone prints a duration, or that there is none.
func OrNone(d time.Duration) string {
	if d == 0 {
		return "off"
	}
	return d.String()
}

func (l *List) after(i int) string {
	if i+1 < len(l.Routes) {
		return fmt.Sprintf("the routes from %d on", i+2)
	}
	return "no further route"
}

func (rs *Routes) otherwise() string {
	if rs.list.Own {
		return "the handler behind the subroute"
	}
	return "close"
}

// Indent puts a prefix before every line and ends the last one.
func Indent(text, prefix string) string {
	text = strings.TrimSuffix(text, "\n")
	if text == "" {
		return ""
	}
	return prefix + strings.ReplaceAll(text, "\n", "\n"+prefix) + "\n"
}
