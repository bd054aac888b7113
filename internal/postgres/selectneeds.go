package postgres

// refuseIncomplete says before anything is touched that a selected table cannot be without another one, as far as
// the archive tells what needs what. What it does not tell is found in the target.
func (c *choice) refuseIncomplete(list []entry) error {
	byID := make(map[int]entry, len(list))
	for _, e := range list {
		byID[e.ID] = e
	}
	for _, e := range list {
		of := c.tables[relationName{e.Schema, e.Tag}]
		if !isTable(e) || of == nil || !of.chosen || of.missing != "" {
			continue
		}
		parents := map[relationName]bool{}
		for _, parent := range of.parents {
			parents[parent] = true
		}
		seen := map[int]bool{}
		var visit func(e entry) error
		visit = func(e entry) error {
			for _, id := range e.Needs {
				need, known := byID[id]
				// A table can do without its parents, and keeps sequences that are another's.
				name := relationName{need.Schema, need.Tag}
				if !known || seen[id] || need.Type == "SEQUENCE" || (isTable(need) && parents[name]) {
					continue
				}
				seen[id] = true
				if isTable(need) {
					if !c.isChosen(name) {
						return needsMore(of.shown(), name.shown(), "select "+name.shown()+" as well")
					}
					continue
				}
				if err := visit(need); err != nil {
					return err
				}
			}
			return nil
		}
		if err := visit(e); err != nil {
			return err
		}
	}
	return nil
}

func isTable(e entry) bool { return e.Type == "TABLE" || e.Type == "FOREIGN TABLE" }
