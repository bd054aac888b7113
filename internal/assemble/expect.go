package assemble

import (
	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/config"
)

// expectation turns what the configuration expects of a smoke query into a check.
func expectation(e config.Expect) func(rows int64, value *string) error {
	out := activities.Expect{Rows: e.Rows, RowsAtLeast: e.RowsAtLeast}
	if e.Equals != nil {
		text := string(*e.Equals)
		out.Equals = &text
	}
	if e.AtLeast != nil {
		n := float64(*e.AtLeast)
		out.AtLeast = &n
	}
	return out.Check
}
