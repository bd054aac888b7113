package runbooks

import "encoding/json"

// object is a JSON object of a schema.
type object = map[string]any

// Schema is the JSON Schema (draft 2020-12) of runbooks, made from the catalogue, for editors. It knows
// less than [Lint]: what refers to what, and what makes sense, is not in it.
func Schema() []byte {
	schema := object{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "urn:lifeboat:runbook:v1",
		"title": "Lifeboat runbook", "type": "object", "additionalProperties": false,
		"required": []string{"apiVersion", "name", "title", "scenario", "target", "steps"},
		"properties": object{
			"apiVersion":  object{"const": APIVersion, "description": "the version of the format"},
			"name":        def("name", "the runbook's name, the same as its file's without .yaml"),
			"title":       line("what it is for, in a few words"),
			"scenario":    object{"enum": Scenarios, "description": "what has happened when it is used"},
			"description": text("what it does, and what it leaves to people"),
			"objectives": closed("what it has to reach", nil, object{
				"rpo": def("duration", "how much may be lost at most"), "rto": def("duration", "how long it may take until the service is validated"),
			}),
			"target":     text("what is acted upon: a name, or ${inputs.NAME}"),
			"inputs":     named("what whoever starts it has to say", inputSchema()),
			"roles":      named("who decides; the roster says who holds each role", object{"anyOf": []any{object{"type": "null"}, closed("", nil, object{"title": text("what the role is for"), "description": text("more about it")})}}),
			"escalation": text("the escalation policy of the roster"),
			"limits":     closed("bounds of an execution", nil, object{"duration": def("duration", "how long it may take in all, people's waiting included; 48h when it is left out")}),
			"steps":      object{"type": "array", "minItems": 1, "maxItems": MaxSteps, "items": stepSchema(), "description": "what is done, each after what it needs"},
		},
		"$defs": definitions(),
	}
	encoded, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		panic(err) // it holds nothing but texts, numbers and lists
	}
	return append(encoded, '\n')
}

func text(doc string) object { return object{"type": "string", "description": doc} }

func line(doc string) object {
	return object{"type": "string", "minLength": 1, "maxLength": 200, "pattern": `^[^\r\n]*$`, "description": doc}
}

func def(name, doc string) object {
	return object{"$ref": "#/$defs/" + name, "description": doc}
}

// named maps names to something.
func named(doc string, of object) object {
	return object{"type": "object", "description": doc, "propertyNames": object{"$ref": "#/$defs/name"}, "additionalProperties": of}
}

// closed is an object with these properties and no others.
func closed(doc string, required []string, properties object) object {
	o := object{"type": "object", "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		o["required"] = required
	}
	if doc != "" {
		o["description"] = doc
	}
	return o
}

// definitions are the kinds of values, and the parameters of each type.
func definitions() object {
	defs := object{
		"name":      object{"type": "string", "pattern": `^[a-z][a-z0-9-]{0,39}$`},
		"reference": object{"type": "string", "pattern": `^\$\{[a-z0-9_.-]+\}$`},
		"duration":  object{"type": "string", "pattern": `^(0|([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h|d|y))+)$`},
		"time":      object{"type": "string", "pattern": `^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})$`},
		"lsn":       object{"type": "string", "pattern": lsnText.String()},
		"backup":    object{"type": "string", "pattern": `^(latest|latest-verified|[0-9]{8}T[0-9]{6}Z-[a-z0-9]+)$`},
		"scalar":    object{"type": []string{"string", "number", "boolean"}},
	}
	for _, t := range catalogue {
		defs[withDef(t)] = paramsSchema(t.Params, t.OneOf)
	}
	return defs
}

// kindSchema is the schema of a single value.
func kindSchema(kind Kind) object {
	switch kind {
	case KindInteger, KindNumber, KindBoolean, KindString:
		return object{"type": string(kind)}
	case KindDuration, KindTime, KindLSN, KindBackup, KindScalar:
		return object{"$ref": "#/$defs/" + string(kind)}
	case KindAny:
		return object{}
	}
	return object{"$ref": "#/$defs/name"}
}

func inputSchema() object {
	return closed("", []string{"type"}, object{
		"type":        object{"enum": InputKinds, "description": "what kind of value it is"},
		"title":       text("what to enter, in a few words"),
		"description": text("more about it"),
		"required":    object{"type": "boolean", "description": "whoever starts the runbook has to give it"},
		"default":     object{"description": "the value when none is given"},
		"enum":        object{"type": "array", "minItems": 1, "description": "the only values that are allowed"},
		"pattern":     text("a regular expression (RE2) that the whole text has to match"),
		"min":         object{"type": "number", "description": "the least number; of durations in seconds"},
		"max":         object{"type": "number", "description": "the greatest number; of durations in seconds"},
		"lost":        object{"type": "boolean", "description": "marks the site that is supposed to be gone"},
	})
}

func stepSchema() object {
	step := closed("", []string{"id", "type", "title"}, object{
		"id":        def("name", "the step's name, unique in the runbook"),
		"type":      object{"enum": typeNames(), "description": "what does it"},
		"title":     line("what the step does, in a few words"),
		"summary":   text("what to know about it; printed for the day nothing runs any more"),
		"needs":     object{"type": "array", "items": object{"$ref": "#/$defs/name"}, "uniqueItems": true, "description": "the steps that come before; the step before when it is left out, [] for none"},
		"when":      whenSchema(),
		"with":      object{"type": "object", "description": "the parameters"},
		"timeout":   def("duration", "bounds all tries together"),
		"retry":     object{"enum": Retries, "description": "how often it is tried"},
		"effect":    object{"enum": Effects, "description": "whether what it does can be taken back"},
		"undo":      undoSchema(),
		"onFailure": object{"enum": Failures, "description": "what happens when it has failed for good; pause when it is left out"},
	})
	step["allOf"] = perType(true)
	return step
}

func whenSchema() object {
	mode := object{"enum": modes}
	return closed("the step applies only when all of this holds", nil, object{
		"mode":     object{"anyOf": []any{mode, object{"type": "array", "items": mode, "minItems": 1}}, "description": "the modes that it applies in"},
		"approach": object{"enum": approaches, "description": "whether the primary can be reached"},
		"equals":   object{"type": "object", "propertyNames": object{"$ref": "#/$defs/reference"}, "additionalProperties": object{"$ref": "#/$defs/scalar"}, "description": "references, each with the value it has to have"},
	})
}

func undoSchema() object {
	undo := closed("what takes the step back", []string{"type"}, object{
		"type":    object{"enum": typeNames(), "description": "what does it"},
		"with":    object{"type": "object", "description": "the parameters; they may refer to the outputs of the step itself"},
		"timeout": def("duration", "bounds all tries together"),
		"retry":   object{"enum": Retries, "description": "how often it is tried; stubborn when it is left out"},
		"summary": text("what to know about it"),
	})
	undo["allOf"] = perType(false)
	return undo
}
