package runbooks

import (
	"regexp"
	"slices"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

// Kind is the type of a value: of an input, a parameter or an output. Values are as JSON has them: text,
// float64, bool, lists and mappings.
type Kind string

// The kinds that inputs can have, and that references carry from step to step.
const (
	KindString   Kind = "string"
	KindInteger  Kind = "integer"
	KindNumber   Kind = "number"
	KindBoolean  Kind = "boolean"
	KindDuration Kind = "duration"
	// KindTime is RFC 3339 with an offset; a local time without zone is refused.
	KindTime      Kind = "time"
	KindLSN       Kind = "lsn"
	KindComponent Kind = "component"
	KindSite      Kind = "site"
	KindTarget    Kind = "target"
	KindVault     Kind = "vault"
	// KindBackup is a backup's id, or "latest" or "latest-verified".
	KindBackup  Kind = "backup"
	KindRunbook Kind = "runbook"
)

// The kinds that only parameters have.
const (
	// KindName is a name in the configuration or the roster that is no kind of its own.
	KindName Kind = "name"
	// KindNames, KindComponents and KindStrings are lists.
	KindNames      Kind = "names"
	KindComponents Kind = "components"
	KindStrings    Kind = "strings"
	// KindValues maps names to any single values, KindTexts to texts.
	KindValues Kind = "values"
	KindTexts  Kind = "texts"
	// KindScalar is any single value, KindList a list of them, KindAny whatever JSON has.
	KindScalar Kind = "scalar"
	KindList   Kind = "list"
	KindAny    Kind = "any"
	// KindObject has fields of its own.
	KindObject Kind = "object"
)

// InputKinds are the kinds that inputs can have.
var InputKinds = []Kind{
	KindString, KindInteger, KindNumber, KindBoolean, KindDuration, KindTime, KindLSN,
	KindComponent, KindSite, KindTarget, KindVault, KindBackup, KindRunbook,
}

// The words that stand for a backup that is looked up when the step runs.
const (
	LatestBackup         = "latest"
	LatestVerifiedBackup = "latest-verified"
)

// maxWhole is the largest whole number that JSON's numbers hold exactly.
const maxWhole = 1 << 53

var lsnText = regexp.MustCompile(`^[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}$`)

// wrong says what is wrong with a single value as one of kind, "" when nothing is. It repeats no value.
func (k Kind) wrong(value any) string {
	switch k {
	case KindBoolean:
		if _, ok := value.(bool); !ok {
			return "true or false is expected here"
		}
		return ""
	case KindInteger:
		if n, ok := value.(float64); !ok || n != float64(int64(n)) {
			return "a whole number is expected here"
		}
		return ""
	case KindNumber:
		if _, ok := value.(float64); !ok {
			return "a number is expected here"
		}
		return ""
	case KindScalar:
		switch value.(type) {
		case string, float64, bool:
			return ""
		}
		return "one single value is expected here"
	}
	text, ok := value.(string)
	if !ok {
		return "a text is expected here: put the value in quotation marks"
	}
	return k.wrongText(text)
}

func (k Kind) wrongText(text string) string {
	switch k {
	case KindDuration:
		if _, err := plan.ParseDuration(text); err != nil {
			return err.Error()
		}
	case KindTime:
		if _, err := time.Parse(time.RFC3339, text); err != nil {
			return "this is no time: write RFC 3339 with an offset, for example 2026-11-23T14:05:00-05:00"
		}
	case KindLSN:
		if !lsnText.MatchString(text) {
			return "this is no log position: write PostgreSQL's notation, for example 16/B3733C50"
		}
	case KindBackup:
		if text != LatestBackup && text != LatestVerifiedBackup && !manifest.ValidBackupID(text) {
			return "this is no backup: write its id, such as 20261123T020000Z-k3v7qa, or latest, or latest-verified"
		}
	case KindComponent, KindSite, KindTarget, KindVault, KindRunbook, KindName:
		if !validName(text) {
			return "this is no name: use lower-case letters, digits and hyphens, a letter first, 40 at most"
		}
	}
	return ""
}

// element is the kind of a list's or mapping's elements, "" for what has none.
func (k Kind) element() Kind {
	switch k {
	case KindNames:
		return KindName
	case KindComponents:
		return KindComponent
	case KindStrings, KindTexts:
		return KindString
	case KindList, KindValues:
		return KindScalar
	}
	return ""
}

func (k Kind) isList() bool {
	return k == KindNames || k == KindComponents || k == KindStrings || k == KindList
}

func (k Kind) isMapping() bool { return k == KindValues || k == KindTexts || k == KindObject }

// accepts says whether a reference to a value of kind from may stand where k is expected.
func (k Kind) accepts(from Kind) bool {
	switch k {
	case from, KindAny, KindScalar:
		return true
	case KindNumber:
		return from == KindInteger
	case KindName:
		return from == KindString // what no input can be; whoever looks the name up says when there is none
	case KindString:
		return from != KindInteger && from != KindNumber && from != KindBoolean
	}
	return false
}

func validName(s string) bool { return manifest.ValidComponent(s) }

func oneOf[T ~string](value T, known []T) bool { return slices.Contains(known, value) }
