package runbooks

import (
	"bytes"
	_ "embed" // for the template
	"fmt"
	"html/template"
)

//go:embed page.html.tmpl
var pageText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// Page is a runbook as one HTML page to be printed and put into a binder: it needs nothing from outside,
// and whatever the runbook holds stays text. Headings are in English and French.
func (r *Runbook) Page(options Sheet) ([]byte, error) {
	var b bytes.Buffer
	s := r.sheet(options)
	s.Long = len(r.place().layers) > 24
	err := pageTemplate.Execute(&b, struct {
		sheet
		// Graph is made by this package, which escapes every text in it.
		Graph template.HTML
	}{s, template.HTML(r.Graph())}) //nolint:gosec // see Graph
	if err != nil {
		return nil, fmt.Errorf("print runbook %s: %w", r.Name, err)
	}
	return b.Bytes(), nil
}
