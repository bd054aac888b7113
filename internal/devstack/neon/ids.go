package neon

import (
	"crypto/rand"
	"math/big"
	"strings"

	"github.com/google/uuid"
)

// Ids look like Neon's: two words and eight characters, as in "br-quiet-river-a1b2c3d4".
var (
	idAdjectives = strings.Fields("autumn bold broad calm cold crimson damp dawn fancy floral frosty gentle icy late lively lucky misty muddy nameless noisy odd old patient plain polished proud quiet rapid restless rough round shiny silent small snowy soft solitary sparkling spring square still summer sweet tight tiny wandering weathered wild winter withered young")
	idNouns      = strings.Fields("band bar base bird block boat bonus bread breeze brook bush butterfly cake cell cherry cloud darkness dawn dew dream dust feather field fire flower fog forest frost glade glitter grass hall haze heart hill king lab lake leaf limit math meadow mode moon morning mountain mouse mud night paper pine pond queen rain recipe resonance rice river salad scene sea shadow shape silence sky smoke snow snowflake sound star sun sunset surf term thunder tooth tree truth union unit violet voice water wave wind wood")
)

const (
	idAlphabet = "0123456789abcdefghijklmnopqrstuvwxyz"
	idSuffix   = 8
)

// newID makes an id; the prefix ("br-", "ep-") is empty for projects.
func newID(prefix string) string {
	suffix := make([]byte, idSuffix)
	for i := range suffix {
		suffix[i] = idAlphabet[pick(len(idAlphabet))]
	}
	return prefix + idAdjectives[pick(len(idAdjectives))] + "-" + idNouns[pick(len(idNouns))] + "-" + string(suffix)
}

// newPassword looks like Neon's, with 130 bits of randomness.
func newPassword() string { return "npg_" + rand.Text() }

func newOperationID() string { return uuid.NewString() }

func pick(n int) int {
	i, err := rand.Int(rand.Reader, big.NewInt(int64(n)))
	if err != nil {
		panic(err) // the system's source of randomness does not fail
	}
	return int(i.Int64())
}
