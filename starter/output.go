package main

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// print shows value as JSON when that was asked for, and calls human otherwise.
func (a *app) print(value any, human func()) error {
	if a.output != "json" {
		human()
		return nil
	}
	e := json.NewEncoder(a.stdout)
	e.SetIndent("", "  ")
	if err := e.Encode(value); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}

// table prints rows under a header, or says that there are none.
func (a *app) table(header []string, rows [][]string) {
	if len(rows) == 0 {
		fmt.Fprintln(a.stdout, "None.")
		return
	}
	t := table.NewWriter()
	t.SetOutputMirror(a.stdout)
	t.SetStyle(table.StyleDefault)
	t.Style().Options = table.OptionsNoBordersAndSeparators
	t.Style().Format.Header = text.FormatDefault
	t.AppendHeader(asRow(header))
	for _, r := range rows {
		t.AppendRow(asRow(r))
	}
	t.Render()
}

func asRow(cells []string) table.Row {
	row := make(table.Row, len(cells))
	for i, c := range cells {
		row[i] = c
	}
	return row
}

func bytesText(n int64) string { return humanize.Bytes(uint64(max(0, n))) }

func countText(n int64) string { return humanize.Comma(n) }

// age says how long ago t was, in the two largest units.
func age(t, now time.Time) string {
	if t.IsZero() {
		return "never"
	}
	d := now.Sub(t)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds ago", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm ago", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd ago", int(d.Hours()/24))
}

func speed(n int64, took time.Duration) string {
	if took <= 0 {
		return "—"
	}
	return fmt.Sprintf("%.1f MB/s", float64(n)/1e6/took.Seconds())
}
