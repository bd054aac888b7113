package runbooks

import "slices"

func withDef(t Type) string { return "with-" + t.Name }

// perType says for every type which parameters it takes, and for steps what can undo it.
func perType(step bool) []any {
	var all []any
	for _, t := range catalogue {
		properties := object{"with": object{"$ref": "#/$defs/" + withDef(t)}, "type": object{"const": t.Name, "description": t.Title + ". " + t.Doc}}
		if step && len(t.UndoTypes) > 0 {
			properties["undo"] = object{"properties": object{"type": object{"enum": t.UndoTypes}}}
		} else if step {
			properties["undo"] = false
		}
		if step && t.Name == typeRunbook {
			properties["timeout"], properties["retry"], properties["effect"] = false, false, false
			properties["onFailure"] = object{"enum": []OnFailure{FailurePause, FailureUndo}}
		}
		then := object{"properties": properties}
		if len(t.OneOf) > 0 || slices.ContainsFunc(t.Params, func(p Param) bool { return p.Required }) {
			then["required"] = []string{"with"}
		}
		all = append(all, object{"if": object{"properties": object{"type": object{"const": t.Name}}, "required": []string{"type"}}, "then": then})
	}
	return all
}

func paramsSchema(params []Param, oneOf [][]string) object {
	properties, required := object{}, []string{}
	for _, p := range params {
		properties[p.Name] = paramSchema(p)
		if p.Required {
			required = append(required, p.Name)
		}
	}
	o := closed("", required, properties)
	for _, group := range oneOf {
		var one []any
		for _, name := range group {
			one = append(one, object{"required": []string{name}})
		}
		o["oneOf"] = one
	}
	return o
}

func paramSchema(p Param) object {
	var o object
	switch {
	case p.Kind == KindObject:
		o = paramsSchema(p.Fields, p.OneOf)
	case p.Kind.isMapping():
		o = object{"type": "object", "additionalProperties": kindSchema(p.Kind.element())}
	case p.Kind.isList():
		o = object{"type": "array", "items": orReference(kindSchema(p.Kind.element()), p)}
	case len(p.Enum) > 0:
		o = object{"enum": p.Enum}
	default:
		o = kindSchema(p.Kind)
		if p.Kind != KindDuration && p.Min != nil {
			o["minimum"] = *p.Min
		}
		if p.Kind != KindDuration && p.Max != nil {
			o["maximum"] = *p.Max
		}
	}
	if p.Kind != KindString || len(p.Enum) > 0 {
		o = orReference(o, p)
	}
	o["description"] = p.Doc
	if p.Default != nil {
		o["default"] = p.Default
	}
	return o
}

// orReference allows a reference in place of a value.
func orReference(o object, p Param) object {
	if p.Literal || p.Kind == KindAny || p.Kind == KindScalar {
		return o
	}
	return object{"anyOf": []any{o, object{"$ref": "#/$defs/reference"}}}
}
