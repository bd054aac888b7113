package roster

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
)

// maxCommand bounds the text of a command in bytes, and maxArmored a signature.
const (
	maxCommand = 16 << 10
	maxArmored = 8 << 10
)

// NewCommandID makes the id that lets a command be used once.
func NewCommandID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // it never fails since Go 1.24
	return hex.EncodeToString(id[:])
}

// CommandText is the one text of a command: what is signed, and what its digest is of.
func CommandText(c plan.Command) (string, error) {
	if err := c.Validate(); err != nil {
		return "", fmt.Errorf("check command: %w", err)
	}
	return commandText(c)
}

func commandText(c plan.Command) (string, error) {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(c); err != nil {
		return "", fmt.Errorf("render command: %w", err)
	}
	return string(bytes.TrimSpace(text.Bytes())), nil
}

// SignCommand lets a person say something with their own key.
func SignCommand(c plan.Command, signer *signature.Signer) (plan.SignedCommand, error) {
	text, err := CommandText(c)
	if err != nil {
		return plan.SignedCommand{}, err
	}
	armored, err := signer.Sign(signature.Command, []byte(text))
	if err != nil {
		return plan.SignedCommand{}, fmt.Errorf("sign command: %w", err)
	}
	return plan.SignedCommand{Signed: text, Signature: string(armored)}, nil
}

// VouchCommand lets a worker say that a person said it, by a click that Slack authenticated.
func VouchCommand(c plan.Command, worker *signature.Signer) (plan.SignedCommand, error) {
	s, err := SignCommand(c, worker)
	return plan.SignedCommand{Signed: s.Signed, Voucher: s.Signature}, err
}

// PeekCommand reads a command without believing it, to find out what to expect of it.
func PeekCommand(s plan.SignedCommand) (plan.Command, error) {
	var c plan.Command
	if len(s.Signed) > maxCommand || len(s.Signature) > maxArmored || len(s.Voucher) > maxArmored {
		return c, refuse(CauseMalformed, "the command is too large")
	}
	if err := strict([]byte(s.Signed), &c); err != nil {
		return plan.Command{}, refuse(CauseMalformed, "the command cannot be read: %v", err)
	}
	if err := c.Validate(); err != nil {
		return c, refuse(CauseMalformed, "%v", err)
	}
	// One command has one text, so that nobody can read another thing in it than we do: no second "person"
	// further down, no other spelling of a field.
	if text, err := commandText(c); err != nil || text != s.Signed {
		return c, refuse(CauseMalformed, "the command is not written as Lifeboat writes it: make it with lifeboat")
	}
	return c, nil
}

// Expectation is what a command has to fit to mean anything.
type Expectation struct {
	Execution string
	// Kinds are what means something now. In an execution that has ended nothing does.
	Kinds []plan.CommandKind
	// Step is the gate or step that is waiting; empty for commands that are about none.
	Step string
	// Digest is of what the person must have seen: the brief, or the facts of the gate.
	Digest string
	// StepRoles are whom the step asks; empty leaves it to [plan.Rights].
	StepRoles []string
	// Requester may not decide here; empty excludes nobody.
	Requester string
	// Decided are those who consented at this gate already.
	Decided []string
	// Seen says whether a command of this id was used before; nil knows of none.
	Seen func(id string) bool
	// Now is the moment by our own clock. The one in the command is its signer's claim.
	Now time.Time
	// Vouchers are the workers whose word for a click is taken; nil takes nobody's.
	Vouchers *signature.Verifier
}

// Accepted is a command that counts, and whose it is.
type Accepted struct {
	Command plan.Command `json:"command"`
	Person  Person       `json:"person"`
	// Vouched says that a worker signed in place of the person.
	Vouched bool `json:"vouched,omitempty"`
	// By is the fingerprint of the key that signed, or the name of the worker that vouched.
	By string `json:"by"`
}

// Check is the one validator of commands. An error is a [Refusal]; then what could be read of the command
// is still returned, for the record and for nothing else.
func (r *Roster) Check(s plan.SignedCommand, want Expectation) (Accepted, error) {
	c, err := PeekCommand(s)
	got := Accepted{Command: c}
	if err != nil {
		return got, err
	}
	p, ok := r.Person(c.Person)
	if !ok {
		return got, refuse(CauseUnknownPerson, "%q is not in the roster", c.Person)
	}
	got.Person = p
	if got.Vouched, got.By, err = authenticate(s, p, want); err != nil {
		return got, err
	}
	if got.Vouched && !plan.RightTo(c.Kind).ByVoucher {
		return got, refuse(CauseNotVouchable, "%s takes the person's own signature, a click is not enough", c.Kind)
	}
	if err := want.fits(c); err != nil {
		return got, err
	}
	return got, r.permits(c, p, want)
}

// authenticate checks that the person said it.
func authenticate(s plan.SignedCommand, p Person, want Expectation) (vouched bool, by string, err error) {
	if (s.Signature == "") == (s.Voucher == "") {
		return false, "", refuse(CauseMalformed, "a command carries the person's signature or a worker's voucher, one of them")
	}
	if s.Voucher != "" {
		by, err := vouchedBy(s, p, want)
		return true, by, err
	}
	key, err := signature.SignedBy(signature.Command, []byte(s.Signed), []byte(s.Signature))
	if err != nil {
		return false, "", refuse(CauseBadSignature, "%v", err)
	}
	held, ok := p.key(key)
	if !ok {
		return false, key.Fingerprint(), refuse(CauseBadSignature, "the command speaks for %s, but is signed by key %s, which is not theirs", p.ID, key.Fingerprint())
	}
	if !held.ValidAt(want.Now) {
		return false, key.Fingerprint(), refuse(CauseRevokedKey, "the key %s of %s does not count at %s", key.Fingerprint(), p.ID, want.Now.UTC().Format(time.RFC3339))
	}
	return false, key.Fingerprint(), nil
}

func vouchedBy(s plan.SignedCommand, p Person, want Expectation) (worker string, err error) {
	if want.Vouchers == nil {
		return "", refuse(CauseNotVouchable, "clicks do not count here: sign with your own key")
	}
	if worker, err = want.Vouchers.Verify(signature.Command, []byte(s.Signed), []byte(s.Voucher), want.Now); err != nil {
		return "", refuse(CauseBadSignature, "nobody who may vouched for it: %v", err)
	}
	if p.Slack == nil {
		return worker, refuse(CauseNotVouchable, "%s vouches for a click of %s, who has no Slack account in the roster", worker, p.ID)
	}
	return worker, nil
}

// fits checks that the command is about this, and about now.
func (want Expectation) fits(c plan.Command) error {
	switch {
	case !slices.Contains(want.Kinds, c.Kind):
		return refuse(CauseWrongKind, "%s means nothing now", c.Kind)
	case want.Execution == "" || c.Execution != want.Execution:
		return refuse(CauseWrongExecution, "the command is for execution %q, not for %q", c.Execution, want.Execution)
	case c.Step != want.Step:
		return refuse(CauseWrongStep, "the command is for step %q, not for %q", c.Step, want.Step)
	case c.Digest != want.Digest:
		return refuse(CauseWrongDigest, "what %s saw is not what is to be decided: look again and decide again", c.Person)
	case c.Issued.After(want.Now.Add(clockSkew)):
		return refuse(CauseNotYet, "the command is issued at %s, which has not come yet: check the clock of the machine that signed", c.Issued.Format(time.RFC3339))
	case !c.Expires.After(want.Now):
		return refuse(CauseExpired, "the command expired at %s", c.Expires.Format(time.RFC3339))
	case want.Seen != nil && want.Seen(c.ID):
		return refuse(CauseReplayed, "the command was used before")
	}
	return nil
}

// permits checks that the person may say this here.
func (r *Roster) permits(c plan.Command, p Person, want Expectation) error {
	right := plan.RightTo(c.Kind)
	if !right.Permits(p.Roles, want.StepRoles) {
		return refuse(CauseWrongRole, "%s may not %s: it takes one of the roles %v", p.ID, c.Kind, right.Allowed(want.StepRoles))
	}
	if c.Kind == plan.CommandHandover {
		to, ok := r.Person(c.To)
		if !ok {
			return refuse(CauseUnknownPerson, "%q is not in the roster: nobody can hand over to them", c.To)
		}
		if !to.Holds(plan.RoleCommander) || !to.CanSign(want.Now) {
			return refuse(CauseWrongRole, "%s is no commander with a valid key: choose another", to.ID)
		}
	}
	if !c.Kind.Decision() {
		return nil
	}
	if want.Requester != "" && p.ID == want.Requester {
		return refuse(CauseRequester, "%s started the execution and may not decide about it", p.ID)
	}
	// Whoever consented may still refuse: the other way round the gate is over.
	if c.Kind == plan.CommandApprove && slices.Contains(want.Decided, p.ID) {
		return refuse(CauseDuplicatePerson, "%s decided here already: every voice counts once", p.ID)
	}
	return nil
}

// Spoke returns what a person said, whenever that was: the text is theirs, by a key that they have or had, or by
// the word of a voucher. It says nothing of whether the command counts; it is for the record.
func (r *Roster) Spoke(s plan.SignedCommand, vouchers *signature.Verifier) (plan.Command, error) {
	c, err := PeekCommand(s)
	if err != nil {
		return c, err
	}
	p, ok := r.Person(c.Person)
	if !ok {
		return c, refuse(CauseUnknownPerson, "%q is not in the roster", c.Person)
	}
	if (s.Signature == "") == (s.Voucher == "") {
		return c, refuse(CauseMalformed, "a command carries the person's signature or a worker's voucher, one of them")
	}
	if s.Voucher != "" {
		_, err := vouchedBy(s, p, Expectation{Vouchers: vouchers, Now: c.Issued})
		return c, err
	}
	key, err := signature.SignedBy(signature.Command, []byte(s.Signed), []byte(s.Signature))
	if err != nil {
		return c, refuse(CauseBadSignature, "%v", err)
	}
	if _, theirs := p.key(key); !theirs {
		return c, refuse(CauseBadSignature, "the command speaks for %s, but is signed by key %s, which is not theirs", p.ID, key.Fingerprint())
	}
	return c, nil
}
