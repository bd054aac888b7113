package activities

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
)

// Expect is what the answer to a query has to be. Of its fields those that are set have to hold.
type Expect struct {
	// Rows is exactly how many rows, RowsAtLeast the fewest.
	Rows, RowsAtLeast *int64
	// Equals is the text of the only column of the only row.
	Equals *string
	// AtLeast is the smallest number that the only column of the only row may hold.
	AtLeast *float64
}

// Check says whether an answer is right. Its errors tell counts, never the value: an answer may be anything.
func (e Expect) Check(rows int64, value *string) error {
	switch {
	case e.Rows != nil && rows != *e.Rows:
		return fmt.Errorf("%d rows, expected %d", rows, *e.Rows)
	case e.RowsAtLeast != nil && rows < *e.RowsAtLeast:
		return fmt.Errorf("%d rows, expected at least %d", rows, *e.RowsAtLeast)
	case e.Equals == nil && e.AtLeast == nil:
		return nil
	case value == nil:
		return fmt.Errorf("%d rows, expected one row of one column that is not null", rows)
	case e.Equals != nil && *value != *e.Equals:
		return errors.New("the value is not the expected one")
	case e.AtLeast != nil:
		n, err := strconv.ParseFloat(*value, 64)
		if err != nil {
			return errors.New("the value is not a number")
		}
		if n < *e.AtLeast {
			return fmt.Errorf("the number is below %v", *e.AtLeast)
		}
	}
	return nil
}

// plainValue is what may be somebody's count or state, and hardly anybody's name, address or diagnosis.
var plainValue = regexp.MustCompile(`^(-?[0-9]{1,12}(\.[0-9]{1,6})?|[0-9A-F]{1,8}/[0-9A-F]{1,8}|t|f)$`)

// shown is an answer as it may stand in a step's outputs, which lie in the clear in journals: counts, amounts,
// log positions and truth values. Anything else is kept back.
func shown(value string) string {
	if plainValue.MatchString(value) {
		return value
	}
	return ""
}

// plainLine is a line that names or counts something, and has no room for an address with a password.
var plainLine = regexp.MustCompile(`^[A-Za-z0-9 ._-]{1,100}$`)

// shownLine is a program's last line as it may stand in a step's outputs.
func shownLine(line string) string {
	if plainLine.MatchString(line) {
		return line
	}
	return ""
}
