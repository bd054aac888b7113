package assemble

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/lifeboat-dr/lifeboat/internal/config"
)

// expectation turns what the configuration expects of a smoke query into a check. Its errors tell counts,
// never the value: an answer may be anything.
func expectation(e config.Expect) func(rows int64, value *string) error {
	return func(rows int64, value *string) error {
		switch {
		case e.Rows != nil && rows != *e.Rows:
			return fmt.Errorf("%d rows, expected %d", rows, *e.Rows)
		case e.RowsAtLeast != nil && rows < *e.RowsAtLeast:
			return fmt.Errorf("%d rows, expected at least %d", rows, *e.RowsAtLeast)
		case e.Equals == nil && e.AtLeast == nil:
			return nil
		case value == nil:
			return fmt.Errorf("%d rows, expected one row of one column that is not null", rows)
		case e.Equals != nil && *value != string(*e.Equals):
			return errors.New("the value is not the expected one")
		case e.AtLeast != nil:
			n, err := strconv.ParseFloat(*value, 64)
			if err != nil {
				return errors.New("the value is not a number")
			}
			if n < float64(*e.AtLeast) {
				return fmt.Errorf("the number is below %d", *e.AtLeast)
			}
		}
		return nil
	}
}
