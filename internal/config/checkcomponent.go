package config

import "fmt"

func (d *decoder) checkComponents(c *Config) {
	if len(c.Components) == 0 {
		d.bad("components", "at least one component is needed, or there is nothing to protect")
	}
	for _, name := range sorted(c.Components) {
		at, component := join("components", name), c.Components[name]
		oneOf(d, join(at, "kind"), component.Kind, KindPostgres)
		if component.Tier == 0 {
			d.bad(join(at, "tier"), "it is needed: the criticality, from 1 (nothing works without it) to 4")
		} else {
			d.within(join(at, "tier"), int64(component.Tier), 1, 4)
		}
		d.need(join(at, "owner"), component.Owner, "who answers for it: a person, a team or an address")
		for _, objective := range []struct {
			name string
			zero bool
		}{{"rpo", component.RPO == 0}, {"rto", component.RTO == 0}} {
			if objective.zero {
				d.bad(join(at, objective.name), "it is needed: a duration, for example 4h")
			}
		}
		d.size(join(at, "chunk_bytes"), component.ChunkBytes, 1<<20, 16<<30)
		d.within(join(at, "connections"), int64(component.Connections), 1, 64)
		d.lasts(join(at, "budget"), component.Budget, "1m", "30d")
		d.checkSource(join(at, "source"), component.Source, c)
		d.checkStandby(join(at, "standby"), component, c)
		if reference(d, join(at, "vault"), "vault", component.Vault, c.Vaults) {
			if site := c.Vaults[component.Vault].Site; site != "" && site == component.Source.Site() {
				d.warn(join(at, "vault"), "the backups lie at the site of the database: what takes one may take both")
			}
		}
		d.checkReplicas(join(at, "replicas"), component, c)
		d.checkOwners(join(join(at, "restore"), "owners"), component.Restore.Owners)
		d.checkVerify(join(at, "verify"), component, c)
		d.checkSynthetic(join(at, "synthetic"), component.Synthetic)
	}
}

// checkReplicas wants vaults that are others than the component's own, and warns of copies that lie where the
// original does, or that go away before it.
func (d *decoder) checkReplicas(at string, component Component, c *Config) {
	home := c.Vaults[component.Vault]
	seen := map[string]bool{}
	for i, name := range component.Replicas {
		at := fmt.Sprintf("%s[%d]", at, i)
		if !reference(d, at, "vault", name, c.Vaults) {
			continue
		}
		replica := c.Vaults[name]
		switch {
		case name == component.Vault:
			d.bad(at, "this is the vault that its backups are written to: a replica is another one")
		case seen[name]:
			d.bad(at, "this vault stands here twice")
		case replica.Site != "" && replica.Site == home.Site:
			d.warn(at, "the copies lie at the site of the vault %q: what takes one may take both", component.Vault)
		case replica.Lock.Retain < home.Lock.Retain && replica.Lock.Mode != LockNone:
			d.warn(at, "copies are locked for a shorter time than the backups in %q", component.Vault)
		}
		seen[name] = true
	}
}

func (d *decoder) checkSource(at string, s Source, c *Config) {
	if n := count(s.Neon != nil, s.Postgres != nil); n != 1 {
		d.bad(at, "a database is exactly one of neon and postgres; this one has %d of them", n)
		return
	}
	if s.Postgres != nil {
		d.postgres(join(at, "postgres"), s.Postgres, c)
		return
	}
	at = join(at, "neon")
	d.neonSite(at, s.Neon.Site, c)
	d.need(join(at, "database"), s.Neon.Database, "the database's name")
	d.need(join(at, "role"), s.Neon.Role, "the role to read with: the owner of the tables, as row security must not filter")
}

// checkStandby wants a database at another site than the source's: what takes one would take both.
func (d *decoder) checkStandby(at string, component Component, c *Config) {
	standby := component.Standby
	if standby == nil {
		return
	}
	oneOf(d, join(at, "keep"), standby.Keep, KeepHot, KeepCold)
	d.lasts(join(at, "lag"), standby.Lag, "1s", "15s")
	place := standby.Place()
	d.checkSource(at, place, c)
	if site := place.Site(); site != "" && site == component.Source.Site() {
		d.bad(at, "the standby is at the site of the source, %q: what takes one takes both, so name another site", site)
	}
}

// neonSite wants a site that has a Neon project.
func (d *decoder) neonSite(at, site string, c *Config) {
	if reference(d, join(at, "site"), "site", site, c.Sites) && c.Sites[site].Neon == nil && !d.silent(join(join("sites", site), "neon")) {
		d.bad(join(at, "site"), "site %q has no Neon project: add sites.%s.neon, or use postgres here", site, site)
	}
}

func (d *decoder) postgres(at string, p *Postgres, c *Config) {
	reference(d, join(at, "site"), "site", p.Site, c.Sites)
	d.needRef(join(at, "url"), p.URL, "a connection string")
}

func (d *decoder) checkOwners(at string, owners []OwnerMap) {
	seen := map[string]bool{}
	for i, o := range owners {
		at := fmt.Sprintf("%s[%d]", at, i)
		d.need(join(at, "from"), o.From, "a role of the source")
		d.need(join(at, "to"), o.To, "the role of the target that is to own what it owned")
		if seen[o.From] && o.From != "" {
			d.bad(join(at, "from"), "this role stands here twice: one owner cannot become two")
		}
		seen[o.From] = true
	}
}

func (d *decoder) checkVerify(at string, component Component, c *Config) {
	scratch := component.Verify.Scratch
	where := join(at, "scratch")
	switch n := count(scratch.Neon != nil, scratch.Postgres != nil); {
	case n == 2:
		d.bad(where, "a scratch place is one of neon and postgres; this one has both")
	case n == 0 && component.Verify.AfterBackup:
		d.bad(where, "it is needed to verify backups: a place where a database may be created and dropped; without it set after_backup: false, and no restore point ever counts as verified")
	case scratch.Neon != nil:
		where := join(where, "neon")
		d.neonSite(where, scratch.Neon.Site, c)
		d.need(join(where, "role"), scratch.Neon.Role, "a role that may create databases")
		if source := component.Source.Neon; source != nil && source.Site == scratch.Neon.Site && source.Branch == scratch.Neon.Branch {
			d.warn(where, "scratch databases are created beside the production database: use another branch or site")
		}
	case scratch.Postgres != nil:
		where := join(where, "postgres")
		d.postgres(where, scratch.Postgres, c)
		if source := component.Source.Postgres; source != nil && source.URL == scratch.Postgres.URL && !source.URL.IsZero() {
			d.warn(where, "scratch databases are created on the production server: use another one")
		}
	}
	d.checkQueries(join(at, "smoke"), component.Verify.Smoke)
}

// checkSynthetic looks at what a component is tried with.
func (d *decoder) checkSynthetic(at string, s *Synthetic) {
	if s == nil {
		return
	}
	d.need(join(at, "left"), s.Left, "one SELECT that counts the rows of the reserved range")
	for name, n := range map[string]int{"write": len(s.Write), "read": len(s.Read), "clean": len(s.Clean)} {
		if n == 0 {
			d.bad(join(at, name), "it is empty: nothing would be proven, or nothing removed")
		}
	}
	d.checkQueries(join(at, "read"), s.Read)
}

func (d *decoder) checkQueries(list string, queries []Smoke) {
	seen := map[string]bool{}
	for i, smoke := range queries {
		at := fmt.Sprintf("%s[%d]", list, i)
		d.need(join(at, "name"), smoke.Name, "what it proves, in a few words")
		if seen[smoke.Name] && smoke.Name != "" {
			d.bad(join(at, "name"), "this name stands here twice: reports could not tell the two apart")
		}
		seen[smoke.Name] = true
		d.need(join(at, "sql"), smoke.SQL, "one SELECT")
		e := smoke.Expect
		if n := count(e.Rows != nil, e.RowsAtLeast != nil, e.Equals != nil, e.AtLeast != nil); n != 1 {
			d.bad(join(at, "expect"), "a query expects exactly one of rows, rows_at_least, equals and at_least; this one has %d of them", n)
		}
		for name, n := range map[string]*int64{"rows": e.Rows, "rows_at_least": e.RowsAtLeast} {
			if n != nil && *n < 0 {
				d.bad(join(join(at, "expect"), name), "there are never fewer than 0 rows")
			}
		}
	}
}
