package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"time"
)

// figure is one line of bench.json.
type figure struct {
	Table string `json:"table"`
	Name  string `json:"name"`
	// Median, Min and Max are wall-clock seconds.
	Median float64 `json:"median_s"`
	Min    float64 `json:"min_s"`
	Max    float64 `json:"max_s"`
	Runs   int     `json:"runs"`
	// Ratio is this median by Lifeboat's in the same table; null when Lifeboat was not measured.
	Ratio *float64 `json:"ratio_to_lifeboat"`
	// PeakRSS is the largest resident memory of all runs, in MiB.
	PeakRSS int64 `json:"peak_rss_mib"`
	// Bytes is what the last run stored, what a restore began from, or, for the limit, what was copied.
	Bytes int64 `json:"bytes"`
}

// runs are all runs, by table and name, in the order in which they were first added.
type runs map[string][]named

type named struct {
	name string
	all  []measured
}

func (r runs) add(table, name string, m measured) {
	i := slices.IndexFunc(r[table], func(n named) bool { return n.name == name })
	if i < 0 {
		i = len(r[table])
		r[table] = append(r[table], named{name: name})
	}
	r[table][i].all = append(r[table][i].all, m)
}

// figures sums up.
func (r runs) figures() []figure {
	var list []figure
	for _, table := range tables {
		from := len(list)
		for _, n := range r[table] {
			f := figure{Table: table, Name: n.name, Runs: len(n.all)}
			var seconds []float64
			for _, m := range n.all {
				seconds = append(seconds, m.took.Round(time.Millisecond).Seconds())
				f.PeakRSS, f.Bytes = max(f.PeakRSS, m.rss>>20), m.bytes
			}
			slices.Sort(seconds)
			f.Median, f.Min, f.Max = median(seconds), seconds[0], seconds[len(seconds)-1]
			list = append(list, f)
		}
		if mine, found := pickFigure(list[from:], table, ours); found {
			for i := range list[from:] {
				ratio := math.Round(1000*list[from+i].Median/mine.Median) / 1000
				list[from+i].Ratio = &ratio
			}
		}
	}
	return list
}

// median of a sorted, filled list.
func median(sorted []float64) float64 {
	if n := len(sorted); n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[len(sorted)/2]
}

func pickFigure(list []figure, table, name string) (figure, bool) {
	i := slices.IndexFunc(list, func(f figure) bool { return f.Table == table && f.Name == name })
	if i < 0 {
		return figure{}, false
	}
	return list[i], true
}

func writeFigures(path string, figures []figure) error {
	text, err := json.MarshalIndent(figures, "", "  ")
	if err != nil {
		return fmt.Errorf("render figures: %w", err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("write figures: %w", err)
	}
	return nil
}

// report prints the tables, as Markdown, and what is to be reached.
func report(out io.Writer, figures []figure) {
	for _, table := range tables {
		begun := false
		for _, f := range figures {
			if f.Table != table {
				continue
			}
			if !begun {
				fmt.Fprintf(out, "\n| %s | median s | min | max | by lifeboat's | peak RSS MiB | MB |\n| --- | --- | --- | --- | --- | --- | --- |\n", table)
				begun = true
			}
			ratio := "–"
			if f.Ratio != nil {
				ratio = fmt.Sprintf("%.2f", *f.Ratio)
			}
			fmt.Fprintf(out, "| %s | %.2f | %.2f | %.2f | %s | %d | %.0f |\n", f.Name, f.Median, f.Min, f.Max, ratio, f.PeakRSS, float64(f.Bytes)/1e6)
		}
	}
	fmt.Fprintln(out)
	for _, g := range goals {
		if text, known := g.judge(figures); known {
			fmt.Fprintln(out, text)
		}
	}
}
