package runbooks

import (
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

// The actions of a work order that only runbooks know.
const (
	// ActionCallEndpoint makes a request that may change something to an endpoint of the configuration.
	ActionCallEndpoint plan.Action = "endpoint.call"
	// ActionRunProgram starts a program of the configuration.
	ActionRunProgram plan.Action = "program.run"
)

var sqlParams = []Param{
	{Name: "on", Kind: KindObject, Required: true, Doc: "which database", OneOf: [][]string{{"component", "target", "branch"}}, Fields: []Param{
		{Name: "component", Kind: KindComponent, Uses: []Use{UseSource}, Doc: "the component's own database"},
		{Name: "at", Kind: KindSite, Beside: "component", Uses: []Use{UseSite}, Doc: "the component's database at this site, its source or its standby; without it where it lives before any failover"},
		{Name: "purpose", Kind: KindName, Beside: "component", Literal: true, Doc: "the branch of this purpose that a step of this execution made of the component"},
		{Name: "target", Kind: KindTarget, Uses: []Use{UseTarget}, Doc: "a target of the configuration"},
		{Name: "branch", Kind: KindObject, Doc: "a branch, such as one that a restore made", Fields: []Param{
			{Name: "site", Kind: KindSite, Required: true, Uses: []Use{UseSite}, Doc: "the site whose project has the branch"},
			{Name: "name", Kind: KindString, Required: true, Doc: "the branch's name"},
			{Name: "database", Kind: KindString, Required: true, Doc: "the database"},
		}},
	}},
	{Name: "query", Kind: KindString, Required: true, Literal: true, Doc: "one SELECT; it runs read only with an empty search path, so write public.claims. Ask for counts, never for data"},
	{Name: "args", Kind: KindList, Doc: "what $1, $2, … of the query stand for: values never become part of a query's text"},
	{Name: "expect", Kind: KindObject, Required: true, Doc: "what the answer has to be", OneOf: [][]string{{"rows", "rows_at_least", "equals", "at_least"}}, Fields: []Param{
		{Name: "rows", Kind: KindInteger, Min: ptr(0), Doc: "exactly so many rows"},
		{Name: "rows_at_least", Kind: KindInteger, Min: ptr(0), Doc: "at least so many rows"},
		{Name: "equals", Kind: KindScalar, Doc: "the only value, compared as text"},
		{Name: "at_least", Kind: KindNumber, Doc: "the only value, a number, at least"},
	}},
}

// pollParams are httpParams without what could change something.
var pollParams = append([]Param{methodParam("GET", "HEAD")}, httpParams...)

func methodParam(methods ...string) Param {
	return Param{Name: "method", Kind: KindString, Default: methods[0], Enum: methods, Literal: true, Doc: "the request's method"}
}

var httpParams = []Param{
	{Name: "endpoint", Kind: KindName, Required: true, Literal: true, Of: "endpoint", Uses: []Use{UseEndpoint}, Doc: "the endpoint of the configuration, which holds the address: no other host is ever called"},
	{Name: "path", Kind: KindString, Default: "/", Doc: "path and query below the endpoint's address"},
	{Name: "headers", Kind: KindTexts, Doc: "headers that are no secrets"},
	{Name: "secrets", Kind: KindTexts, Literal: true, Of: "secret", Doc: "headers whose values are secrets: the header, and the secret's name in the configuration"},
	{Name: "expect", Kind: KindObject, Always: true, Doc: "what the answer has to be", Fields: []Param{
		{Name: "status", Kind: KindInteger, Default: 200.0, Min: ptr(100), Max: ptr(599), Doc: "the status"},
		{Name: "json", Kind: KindValues, Doc: "JSON pointers into the answer, such as /status, each with the value that has to be there"},
	}},
}

// checkTypes are the steps that ask, call and run things which are not Lifeboat's.
var checkTypes = []Type{
	{
		Name: "sql", Title: "Query",
		Doc:    "Asks a database one read-only question and fails when the answer is not as expected.",
		ByHand: "Run the query with psql in a read-only transaction and compare the answer.",
		Effect: EffectNone, Activity: "CheckSQL", Skippable: true, Timeout: 10 * time.Minute, Retry: RetryQuick, Long: true,
		Params: sqlParams,
		Outputs: []Output{
			{"rows", KindInteger, "how many rows there were"},
			{"value", KindString, "the only value, when it is a number, a log position or a truth value; anything else is kept back, for it stands in the journal"},
		},
	},
	{
		Name: "http", Title: "HTTP request",
		Doc: "Calls an endpoint of the configuration and fails when the answer is not as expected. GET and HEAD change nothing; for " +
			"others the text says what taking back means, or they count as irreversible.",
		ByHand: "Make the request with curl and compare the answer.",
		Effect: EffectNone, Actions: []plan.Action{ActionCallEndpoint}, Activity: "CallHTTP", Skippable: true, Timeout: 2 * time.Minute, Retry: RetryQuick,
		UndoTypes: []string{"exec", "http", "manual"},
		Params: append(append([]Param{methodParam("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")}, httpParams...),
			Param{Name: "body", Kind: KindAny, Doc: "sent as JSON"}),
		Outputs: []Output{
			{"status", KindInteger, "the status of the answer"},
			{"took", KindDuration, "how long it took"},
		},
	},
	{
		Name: "exec", Title: "Program",
		Doc: "Runs a program of the configuration's list on a worker of a site, without a shell and without input. Unless the text says " +
			"otherwise it counts as irreversible and is tried once.",
		ByHand: "Run the program with these arguments on a machine of the site.",
		Effect: EffectNone, Assumed: EffectIrreversible, Actions: []plan.Action{ActionRunProgram}, Activity: "RunProgram",
		Skippable: true, Timeout: 10 * time.Minute, Retry: RetryNever, Long: true, UndoTypes: []string{"exec", "http", "manual"},
		Params: []Param{
			{Name: "program", Kind: KindName, Required: true, Literal: true, Of: "program", Doc: "the program, by its name in the configuration"},
			{Name: "args", Kind: KindList, Doc: "its arguments; each stays one argument whatever is in it"},
			{Name: "site", Kind: KindSite, Uses: []Use{UseSite}, Doc: "the site whose worker runs it; any worker when it is left out"},
			{Name: "exit", Kind: KindInteger, Default: 0.0, Min: ptr(0), Max: ptr(255), Doc: "the exit status that means success"},
		},
		Outputs: []Output{
			{"exit", KindInteger, "the exit status"},
			{"line", KindString, "the last line of its output, when it is letters, digits, spaces and ._- only, 100 at most; anything else is kept back, for it stands in the journal"},
			{"took", KindDuration, "how long it took"},
		},
	},
}
