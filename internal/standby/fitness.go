package standby

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/internal/postgres"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

// Gap is something that replication does not carry to the standby, so that people have to know of it.
type Gap struct {
	// Kind is what it is, in a few words; Count how many there are, and Names at most ten of them.
	Kind  string
	Count int
	Names []string
}

// Survey is what was found out about two databases before one follows the other.
type Survey struct {
	// Tables are the tables that are published: ordinary ones and the roots of partitioned ones, quoted.
	Tables []string
	// Problems are what has to be mended first; Gaps what replication does not carry.
	Problems []string
	Gaps     []Gap
}

// published lists what a publication gets: ordinary tables and partition roots of users, none of an extension.
const published = `
	FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
	WHERE c.relpersistence = 'p' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'lifeboat_restore', '` + postgres.StandbySchema + `', '` + postgres.DoneSchema + `')
	AND n.nspname !~ '^pg_' AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
		WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')`

// question asks one database for the names of what is wrong; problem is a sentence with a place for them.
type question struct{ problem, sql string }

// primaryQuestions each name what keeps a database from being followed.
var primaryQuestions = []question{
	{"wal_level of the primary is %s: set it to logical (at Neon: enable logical replication for the project) and restart it",
		`SELECT current_setting('wal_level') WHERE current_setting('wal_level') <> 'logical'`},
	{"these tables of the primary have neither a primary key nor another replica identity, so that updates and deletes would fail there once they are published: %s",
		`SELECT n.nspname || '.' || c.relname` + published + ` AND c.relkind = 'r' AND NOT (c.relreplident = 'f'
		OR c.relreplident = 'd' AND EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)
		OR c.relreplident = 'i' AND EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisreplident)) ORDER BY 1`},
	{"the role on the primary does not own these tables, so that it cannot publish them: %s",
		`SELECT n.nspname || '.' || c.relname` + published + ` AND c.relkind IN ('r', 'p') AND NOT pg_catalog.pg_has_role(c.relowner, 'USAGE') ORDER BY 1`},
	{"row security hides rows of these tables from the role on the primary: %s; give it BYPASSRLS",
		`SELECT n.nspname || '.' || c.relname` + published + ` AND c.relkind = 'r' AND c.relrowsecurity AND pg_catalog.row_security_active(c.oid) ORDER BY 1`},
	{"the primary has large objects, which are not replicated: %s of them; move them into tables, or keep the standby cold",
		`SELECT count(*)::text FROM pg_catalog.pg_largeobject_metadata HAVING count(*) > 0`},
	{"the role %s on the primary needs the attribute REPLICATION",
		`SELECT rolname::text FROM pg_catalog.pg_roles WHERE rolname = CURRENT_USER AND NOT rolreplication AND NOT rolsuper`},
	{"the role on the primary may not create anything in database %s, so no publication",
		`SELECT current_database()::text WHERE NOT pg_catalog.has_database_privilege(current_database(), 'CREATE')`},
	{"max_replication_slots of the primary (%s) are all taken",
		`SELECT current_setting('max_replication_slots') WHERE (SELECT count(*) FROM pg_catalog.pg_replication_slots) >= current_setting('max_replication_slots')::int
		AND NOT EXISTS (SELECT FROM pg_catalog.pg_replication_slots WHERE slot_name LIKE 'lifeboat\_%')`},
}

// standbyQuestions each name what keeps a database from following.
var standbyQuestions = []question{
	{"max_logical_replication_workers of the standby is %s: set it to 4 or more",
		`SELECT current_setting('max_logical_replication_workers') WHERE current_setting('max_logical_replication_workers')::int < 2`},
	{"the role %s on the standby may not make subscriptions: it needs to be a member of pg_create_subscription, or before PostgreSQL 16 a superuser",
		`SELECT r.rolname::text FROM pg_catalog.pg_roles r WHERE r.rolname = CURRENT_USER AND NOT r.rolsuper AND NOT EXISTS (
		SELECT FROM pg_catalog.pg_roles g WHERE g.rolname IN ('pg_create_subscription', 'neon_superuser') AND pg_catalog.pg_has_role(r.oid, g.oid, 'MEMBER'))`},
	{"the role on the standby may not create anything in database %s",
		`SELECT current_database()::text WHERE NOT pg_catalog.has_database_privilege(current_database(), 'CREATE')`},
	{"the standby only reads (%s): choose a database that can be written to",
		`SELECT 'it is in recovery' WHERE pg_catalog.pg_is_in_recovery()`},
}

// gapQuestions name what stays behind.
var gapQuestions = []question{
	{"unlogged tables: their rows are not replicated", `SELECT n.nspname || '.' || c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind = 'r' AND c.relpersistence = 'u' AND n.nspname !~ '^pg_' ORDER BY 1`},
	{"foreign tables: their rows are elsewhere", `SELECT n.nspname || '.' || c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'f' ORDER BY 1`},
	{"sequences: their values are copied when somebody looks and at the end, and are advanced at promotion", `SELECT schemaname || '.' || sequencename FROM pg_catalog.pg_sequences ORDER BY 1`},
	{"materialized views: they are refreshed at promotion", `SELECT schemaname || '.' || matviewname FROM pg_catalog.pg_matviews ORDER BY 1`},
	{"tables that extensions fill", `SELECT n.nspname || '.' || c.relname FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class c ON c.oid = d.objid
		JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.deptype = 'e' AND c.relkind = 'r'
		AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1`},
}

// survey finds out whether the standby can follow the primary, and tells everything that is wrong at once.
func (p *pair) survey(ctx context.Context) (Survey, error) {
	var s Survey
	for _, side := range []struct {
		conn      *pgx.Conn
		questions []question
	}{{p.primary, primaryQuestions}, {p.standby, standbyQuestions}} {
		for _, q := range side.questions {
			names, err := texts(ctx, side.conn, "look whether replication is possible", q.sql)
			if err != nil {
				return s, err
			}
			if len(names) > 0 {
				s.Problems = append(s.Problems, fmt.Sprintf(q.problem, strings.Join(names[:min(10, len(names))], ", ")))
			}
		}
	}
	for _, q := range gapQuestions {
		names, err := texts(ctx, p.primary, "look what is not replicated", q.sql)
		if err != nil {
			return s, err
		}
		if len(names) > 0 {
			s.Gaps = append(s.Gaps, Gap{Kind: q.problem, Count: len(names), Names: names[:min(10, len(names))]})
		}
	}
	s.Gaps = append(s.Gaps, Gap{Kind: "changes of the schema: make them on the standby first, then on the primary"},
		Gap{Kind: "roles, passwords, and settings of roles and of the database"})
	var err error
	if s.Tables, err = texts(ctx, p.primary, "list tables", `SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)`+published+`
		AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1`); err != nil {
		return s, err
	}
	if len(s.Tables) == 0 {
		s.Problems = append(s.Problems, "the primary has no tables")
	}
	versions, err := p.versions(ctx)
	if err != nil {
		return s, err
	}
	s.Problems = append(s.Problems, versions...)
	return s, nil
}

// Check finds out whether one database can follow the other, and changes nothing. Problems are an error of kind ErrUnfit.
func Check(ctx context.Context, primary, standby secret.String) (Survey, error) {
	p, err := open(ctx, primary, standby)
	if err != nil {
		return Survey{}, err
	}
	defer p.close(ctx)
	if err := p.apart(ctx); err != nil {
		return Survey{}, err
	}
	s, err := p.survey(ctx)
	if err != nil {
		return s, err
	}
	return s, s.refuse()
}

// versions compares the two servers.
func (p *pair) versions(ctx context.Context) (problems []string, err error) {
	const ask = `SELECT current_setting('server_version_num')::int / 10000, pg_catalog.pg_encoding_to_char(encoding)::text FROM pg_catalog.pg_database WHERE datname = current_database()`
	var a, b int
	var encodingA, encodingB string
	if err := p.primary.QueryRow(ctx, ask).Scan(&a, &encodingA); err != nil {
		return nil, postgres.Fail("ask the primary for its version", "", err)
	}
	if err := p.standby.QueryRow(ctx, ask).Scan(&b, &encodingB); err != nil {
		return nil, postgres.Fail("ask the standby for its version", "", err)
	}
	if b < a {
		problems = append(problems, fmt.Sprintf("the standby is PostgreSQL %d, older than the primary's %d", b, a))
	}
	if encodingA != encodingB {
		problems = append(problems, fmt.Sprintf("the standby's encoding is %s and the primary's %s", encodingB, encodingA))
	}
	return problems, nil
}

// apart refuses two addresses of one and the same database: a lock that is held on one must not be seen on the other.
// Only this tells, for copies of a server carry its identity.
func (p *pair) apart(ctx context.Context) error {
	var random [8]byte
	_, _ = rand.Read(random[:]) // it never fails since Go 1.24
	key := int64(binary.BigEndian.Uint64(random[:]))
	if _, err := p.primary.Exec(ctx, "SELECT pg_catalog.pg_advisory_lock($1)", key); err != nil {
		return postgres.Fail("mark the primary", "", err)
	}
	defer func() {
		_, _ = p.primary.Exec(context.WithoutCancel(ctx), "SELECT pg_catalog.pg_advisory_unlock($1)", key)
	}()
	var same bool
	err := p.standby.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE l.locktype = 'advisory'
		AND (l.classid::bigint << 32) | l.objid::bigint = $1 AND l.objsubid = 1
		AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))`, key).Scan(&same)
	if err != nil {
		return postgres.Fail("look for the mark on the standby", "", err)
	}
	if same {
		return failure(ErrUnfit, "compare the two databases", "correct the component's source or standby", "the primary and the standby are the same database")
	}
	return nil
}

// refuse is the survey's problems as one error.
func (s Survey) refuse() error {
	if len(s.Problems) == 0 {
		return nil
	}
	return failure(ErrUnfit, "look whether replication is possible", "nothing was changed", "%s", strings.Join(s.Problems, "; "))
}
