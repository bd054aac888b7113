package proc

import (
	"bytes"
	"io"
	"log/slog"
	"sync"
)

// maxLine bounds what is kept of a line without an end, in bytes.
const maxLine = 64 << 10

// LogLines is an output that logs each line of a child at the debug level under its name.
func LogLines(log *slog.Logger, name string) io.Writer {
	return &lineLogger{log: log.With("child", name)}
}

type lineLogger struct {
	mu   sync.Mutex
	log  *slog.Logger
	rest []byte
}

func (l *lineLogger) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, b...)
	for {
		line, rest, ok := bytes.Cut(l.rest, []byte{'\n'})
		if !ok {
			break
		}
		l.rest = rest
		l.log.Debug("child output", "line", string(bytes.TrimRight(line, "\r")))
	}
	if len(l.rest) > maxLine {
		l.log.Debug("child output", "line", string(l.rest))
		l.rest = nil
	}
	return len(b), nil
}
