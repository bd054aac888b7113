package runbooks

import (
	"bytes"
	"fmt"
	"strings"
)

// Markdown is a runbook to be read and worked through by people, with boxes to tick and blanks to fill in;
// headings are in English and French. Nothing of the runbook's text can become markup.
func (r *Runbook) Markdown(options Sheet) []byte {
	s := r.sheet(options)
	var b bytes.Buffer
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# %s\n", plain(r.Title))
	line("`%s` · %s · target / cible: %s", r.Name, plain(r.Scenario), code(r.Target))
	if s.Digest != "" {
		line("\nSHA-256 `%s`", s.Digest)
	}
	if r.Description != "" {
		line("\n%s", paragraph(r.Description))
	}
	if len(r.Nested) > 0 {
		line("\nRunbooks inside / Procédures incluses:\n")
		for _, n := range r.Nested {
			line("- %s: %s (%s), SHA-256 `%s`", code(n.Step+".*"), plain(n.Title), code(n.Runbook), n.Digest)
		}
	}
	line("\nRPO %s · RTO %s · at most / au plus %s", s.RPO, s.RTO, s.Longest)
	if len(s.NoReturn) > 0 {
		line("\n**Point of no return / Point de non-retour: %s**", plain(strings.Join(s.NoReturn, "; ")))
	} else {
		line("\nNo step is irreversible / Aucune étape n'est irréversible.")
	}
	line("\nExecution / Exécution: ____________  Start / Début: ____________  Commander / Responsable: ____________")
	if len(r.Inputs) > 0 {
		line("\n## Inputs / Données à fournir\n")
		for _, in := range r.Inputs {
			value := "____________"
			if in.Default != nil {
				value = code(shownValue(in.Default)) + " ____________"
			}
			line("- [ ] **%s** (%s) %s: %s", in.Name, in.Type, plain(in.Title), value)
		}
	}
	if len(s.Roles) > 0 {
		line("\n## Who decides / Qui décide\n")
		for _, role := range s.Roles {
			people := "____________"
			if role.People != "" {
				people = plain(role.People)
			}
			line("- **%s** %s: %s", role.Name, plain(role.Title), people)
		}
	}
	line("\n## Steps / Étapes")
	for _, step := range s.Steps {
		step.markdown(line)
	}
	return b.Bytes()
}

func (s sheetStep) markdown(line func(string, ...any)) {
	if s.NoReturn {
		line("\n---\n**POINT OF NO RETURN / POINT DE NON-RETOUR**")
	}
	line("\n### [ ] %d. %s\n", s.Number, plain(s.Title))
	line("`%s` · %s", s.ID, plain(s.Type))
	if s.Summary != "" {
		line("\n%s", paragraph(s.Summary))
	}
	line("")
	item := func(name, value string) {
		if value != "" {
			line("- %s: %s", name, value)
		}
	}
	item("After / Après", s.After)
	item("When / Condition", code(s.When))
	item("Who / Qui", plain(s.Who))
	item("Time limit / Délai", s.Timeout)
	item("Effect / Effet", s.Effect+" / "+s.EffectFR)
	item("If it fails / En cas d'échec", s.OnFailure)
	params := func(indent string, all []sheetParam) {
		for _, p := range all {
			if strings.Contains(strings.TrimSpace(p.Value), "\n") {
				line("%s- %s:\n\n%s  > %s\n", indent, plain(p.Name), indent, strings.ReplaceAll(paragraph(p.Value), "\n", "\n"+indent+"  > "))
			} else if p.Value != "" {
				line("%s- %s: %s", indent, plain(p.Name), code(p.Value))
			}
		}
	}
	params("", s.Params)
	if s.Undo != "" {
		item("Undo / Retour arrière", plain(strings.TrimSpace(s.Undo+". "+s.UndoText)))
		params("  ", s.UndoParams)
	}
	item("By hand / À la main", plain(s.ByHand))
	for range s.Lines {
		line("- [ ] Name / Nom: ____________  Yes / Oui ☐  No / Non ☐  Time / Heure: ________  Signature: ____________")
	}
	line("- Start / Début: ________  End / Fin: ________  Initials / Initiales: ____  Result / Résultat: ____________")
}

var escapes = strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "<", "&lt;", ">", "&gt;", "#", `\#`, "|", `\|`, "~", `\~`, "&", "&amp;", "!", `\!`)

// plain is a text in one line, without markup.
func plain(text string) string { return escapes.Replace(strings.Join(strings.Fields(text), " ")) }

// paragraph keeps the lines of a text, each as one of its own. What would begin a list or a rule is escaped.
func paragraph(text string) string {
	var lines []string
	for _, l := range strings.Split(strings.TrimSpace(text), "\n") {
		l = plain(l)
		if l != "" && strings.ContainsRune("-+=", rune(l[0])) {
			l = `\` + l
		}
		lines = append(lines, l)
	}
	return strings.Join(lines, "  \n")
}

// code is a text as code, whatever is in it; empty for an empty one.
func code(text string) string {
	if text == "" {
		return ""
	}
	text = strings.Join(strings.Fields(text), " ")
	longest, run := 0, 0
	for _, c := range text {
		if c != '`' {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	if longest == 0 {
		return "`" + text + "`"
	}
	fence := strings.Repeat("`", longest+1)
	return fence + " " + text + " " + fence
}
