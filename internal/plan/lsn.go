package plan

import "fmt"

// ParseLSN reads a write-ahead log position in PostgreSQL's notation, for example 16/B3733C50, as the number
// that positions are compared by.
func ParseLSN(text string) (lsn uint64, ok bool) {
	var high, low uint32
	var rest string
	if n, _ := fmt.Sscanf(text, "%X/%X%s", &high, &low, &rest); n != 2 {
		return 0, false
	}
	return uint64(high)<<32 | uint64(low), true
}
