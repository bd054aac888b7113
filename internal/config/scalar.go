package config

import (
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"
)

// Path is a file's path; a relative one is meant from the directory of the configuration file.
type Path string

// Size is a number of bytes, written as a number or with a unit such as 64MiB.
type Size int64

// Text is a value as it stands in the file, whatever YAML takes it for.
type Text string

// ParseSize reads a number of bytes with an optional unit: MB is 10^6, MiB is 2^20.
func ParseSize(text string) (Size, error) {
	n, err := humanize.ParseBytes(text)
	if err != nil || n > math.MaxInt64 || strings.HasPrefix(text, "-") {
		return 0, errors.New("this is no size: write for example 64MiB")
	}
	return Size(n), nil
}

// String writes a size the way it is read.
func (s Size) String() string {
	for _, unit := range []struct {
		name  string
		bytes Size
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if s >= unit.bytes && s%unit.bytes == 0 {
			return strconv.FormatInt(int64(s/unit.bytes), 10) + unit.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}
