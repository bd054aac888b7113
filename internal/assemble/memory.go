package assemble

import (
	"math"
	"runtime/debug"

	"github.com/lifeboat-dr/lifeboat/internal/config"
)

// BoundMemory has the collector keep the process within the configured memory. A quarter is left for what is not
// the heap: the program itself and what the collector has not given back yet. GOMEMLIMIT has the last word.
func BoundMemory(cfg *config.Config) {
	if debug.SetMemoryLimit(-1) == math.MaxInt64 {
		debug.SetMemoryLimit(int64(cfg.Worker.Memory) / 4 * 3)
	}
}
