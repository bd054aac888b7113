package timeline

import (
	"fmt"
	"strconv"
	"strings"
)

// LSN is a position in the write-ahead log, as PostgreSQL writes it: "16/B3733C50".
type LSN uint64

// ParseLSN reads an LSN; anything but two hexadecimal halves of at most 32 bits is an error.
func ParseLSN(s string) (LSN, error) {
	high, low, ok := strings.Cut(s, "/")
	h, errHigh := strconv.ParseUint(high, 16, 32)
	l, errLow := strconv.ParseUint(low, 16, 32)
	if !ok || errHigh != nil || errLow != nil {
		return 0, fmt.Errorf("read LSN %q: want two hexadecimal numbers, as in 16/B3733C50", s)
	}
	return LSN(h<<32 | l), nil
}

func (l LSN) String() string { return fmt.Sprintf("%X/%X", uint32(l>>32), uint32(l)) }

// MarshalText and UnmarshalText keep LSNs readable in the stored state.
func (l LSN) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText is the counterpart of MarshalText.
func (l *LSN) UnmarshalText(b []byte) (err error) {
	*l, err = ParseLSN(string(b))
	return err
}
