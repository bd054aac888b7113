package slack

import (
	"fmt"

	"github.com/lifeboat-dr/lifeboat/internal/roster"
)

// causes say to a person in Slack why what they said does not count, and what to do.
var causes = map[string]string{
	string(roster.CauseUnknownPerson):   "your Slack account stands for nobody in the roster. If you should decide here, the owners put you in: `lifeboat roster add`.",
	string(roster.CauseWrongKind):       "there is nothing to decide here any more. The card shows what became of it.",
	string(roster.CauseWrongRole):       "you have none of the roles that this gate asks.",
	string(roster.CauseWrongStep):       "this gate is not open any more. The card shows what became of it.",
	string(roster.CauseWrongDigest):     "what this card shows is not what is to be decided now. The gate was opened again: look at its newest card.",
	string(roster.CauseExpired):         "it took too long to arrive. Press the button again.",
	string(roster.CauseNotYet):          "the clocks of the workers differ. Decide from the command line, and tell the operators.",
	string(roster.CauseRequester):       "you started this execution, so somebody else decides about it.",
	string(roster.CauseDuplicatePerson): "you decided here already, and every voice counts once.",
	string(roster.CauseNotVouchable):    "a click does not count here. Sign it with your own key: `lifeboat approve`.",
	string(roster.CauseNoOwnSignature):  "what comes next cannot be taken back, and nobody has signed for it with their own key yet. Do it with `lifeboat approve`, or wait until another approver has, and press again.",
	string(roster.CauseBadSignature):    "this worker may not vouch for clicks (roster.vouchers). Sign it with your own key: `lifeboat approve`, and tell the operators.",
	"wrongState":                        "the gate is not open any more. The card shows what became of it.",
	"ended":                             "the execution has ended.",
}

// refusal is what a person hears. message is what the execution said, for causes that have no words of their own.
func refusal(cause, message string) string {
	words, ok := causes[cause]
	if !ok {
		words = message
	}
	return fmt.Sprintf("That did not count: %s", words)
}

// The words for accounts that nobody vouches for.
const (
	ofAnotherTeam = "your account belongs to another workspace. Only people of our own decide here."
	notInRoster   = "your Slack account stands for nobody in the roster. If you should decide here, the owners put you in: `lifeboat roster add`."
	deletedUser   = "this account is deactivated."
	botUser       = "this account is a bot. People decide here."
	guestUser     = "this account is a guest's. Only full members of the workspace decide here."
	foreignUser   = "this account is a stranger's. Only people of our own workspace decide here."
)
