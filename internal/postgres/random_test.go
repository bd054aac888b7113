package postgres_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/pgserver"
)

// TestAnyDatabase makes databases up: schemas, tables of every shape, names and values of every kind. What
// pg_dump says of the restored one is what it says of the original. LIFEBOAT_CHAOS=full tries many more.
func TestAnyDatabase(t *testing.T) {
	tries := 6
	if os.Getenv("LIFEBOAT_CHAOS") == "full" {
		tries = 100
	}
	server := pgserver.New(t, pgserver.TestOptions{})
	for seed := range tries {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			sql := rapid.Custom(anyDatabase).Example(seed)
			source := server.Database(t, fmt.Sprintf("owner_%d", seed), fmt.Sprintf("source_%d", seed))
			connectAs(t, source)(sql)
			d := read(t, source, 16<<10)
			target := server.Database(t, fmt.Sprintf("other_%d", seed), fmt.Sprintf("target_%d", seed))
			waived, checks := restore(t.Context(), t, d, target)
			allEqual(t, checks)
			sameList(t, "waived", waived, []string{fmt.Sprintf("OWNER owner_%d", seed)})
			sameDump(t, pgDump(t, source, "--no-owner"), pgDump(t, target, "--no-owner"))
			if t.Failed() {
				t.Logf("the database was made by:\n%s", sql)
			}
		})
	}
}

// valued are types with an expression over the row's number g; the casts make every value one of the type.
var valued = []struct{ kind, value string }{
	{"integer", "g"}, {"bigint", "g::bigint * -9000000000"}, {"smallint", "g % 30000"}, {"boolean", "g % 2 = 0"},
	{"numeric", "CASE g % 4 WHEN 0 THEN 'NaN' WHEN 1 THEN 'Infinity' ELSE (g * 1.000000000000000000001)::text END::numeric"},
	{"numeric(12, 3)", "g / 7.0"}, {"double precision", "CASE g % 4 WHEN 0 THEN '-0' WHEN 1 THEN 'NaN' ELSE (g / 3.0)::text END::float8"}, {"real", "g / 3.0"},
	{"text", `E'tab\tline\nback\\slash ' || g`}, {"text", "repeat('wide ' || g, g % 900)"}, {"character varying(40)", `E'\\N'`}, {"character(5)", "g::text"},
	{"bytea", "decode(repeat(md5(g::text), 1 + g % 90), 'hex')"}, {"uuid", "md5(g::text)::uuid"}, {`"char"`, `chr(33 + g % 90)::"char"`}, {"name", "'n' || g"},
	{"date", "CASE g % 3 WHEN 0 THEN 'infinity' WHEN 1 THEN '4714-11-24 BC' ELSE '2026-11-25' END::date"}, {"timestamptz", "'2026-11-25 03:00:00.000001+00'::timestamptz + g * interval '1.000007 hour'"},
	{"timestamp", "CASE g % 2 WHEN 0 THEN '-infinity' ELSE '2024-02-29'::text END::timestamp"}, {"time", "'00:00'::time + g * interval '1 minute'"}, {"timetz", "'04:05:06.789-08'"},
	{"interval", "make_interval(years => g, days => -g, secs => g / 3.0)"}, {"json", `json_build_object('a', g, 'b', E'q"\\')`}, {"jsonb", "jsonb_build_array(g, null, 'x')"},
	{"inet", "'10.0.0.0'::inet + g"}, {"cidr", "'10.1.0.0/16'"}, {"macaddr", "'08:00:2b:01:02:03'"}, {"int4range", "int4range(g, g + 10)"}, {"int4range", "'empty'"},
	{"nummultirange", "nummultirange(numrange(g, g + 1), numrange(g + 5, null))"}, {"tstzrange", "tstzrange(null, now())"}, {"integer[]", "ARRAY[g, null, -g]"}, {"text[]", `ARRAY[ARRAY['a"', E'b\\'], ARRAY['{', 'NULL']]`},
	{"bit(6)", "g::bit(6)"}, {"bit varying", "g::bit(20)"}, {"money", "g::money"}, {"point", "point(g, -g / 3.0)"}, {"polygon", "polygon(box(point(g, g), point(1, 0)))"}, {"circle", "circle(point(0, 0), g)"},
	{"tsvector", "to_tsvector('simple', 'fat cats ' || g)"}, {"tsquery", "'fat & (rat | cat)'"}, {"pg_lsn", "'16/B3733C50'"}, {"oid", "g::oid"}, {"jsonpath", "'$.a[*] ? (@ > 1)'"},
}

// anyName draws an identifier, quoted: whatever fits into 63 bytes.
func anyName(t *rapid.T, n *int) string {
	*n++
	letters := rapid.SliceOfN(rapid.SampledFrom([]rune("abcXYZ019 _.%$'\"\\\n\t;-–é表💾{}()")), 0, 14).Draw(t, "letters")
	name := string(letters) + fmt.Sprint(*n)
	for len(name) > 63 || !utf8.ValidString(name) {
		name = name[1:]
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

func quoted(text string) string {
	return "E'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(text) + "'"
}

// anyDatabase draws the SQL of a database.
func anyDatabase(t *rapid.T) string {
	var b strings.Builder
	n := 0
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+";\n", args...) }
	for range rapid.IntRange(1, 3).Draw(t, "schemas") {
		schema := anyName(t, &n)
		say("CREATE SCHEMA %s", schema)
		enum := schema + "." + anyName(t, &n)
		say("CREATE TYPE %s AS ENUM ('', %s, 'B')", enum, quoted(`a'"\`))
		domain := schema + "." + anyName(t, &n)
		say("CREATE DOMAIN %s AS integer CHECK (VALUE IS NULL OR VALUE >= 0)", domain)
		composite := schema + "." + anyName(t, &n)
		say("CREATE TYPE %s AS (x integer, %s text)", composite, anyName(t, &n))
		own := []struct{ kind, value string }{
			{enum, fmt.Sprintf("CASE g %% 2 WHEN 0 THEN '' ELSE 'B' END::%s", enum)}, {domain, "g"}, {domain + "[]", fmt.Sprintf("ARRAY[g, null]::%s[]", domain)},
			{composite, fmt.Sprintf("ROW(g, E'a,\\\\\"')::%s", composite)}, {composite + "[]", fmt.Sprintf("ARRAY[ROW(g, null)]::%s[]", composite)},
		}
		keyed := "" // a table that others can refer to
		for range rapid.IntRange(1, 5).Draw(t, "tables") {
			table := schema + "." + anyName(t, &n)
			anyTable(t, say, &n, table, keyed, append(own[:len(own):len(own)], valued...))
			if keyed == "" {
				keyed = schema + "." + anyName(t, &n)
				say("CREATE TABLE %s (k integer PRIMARY KEY, up integer REFERENCES %s DEFERRABLE INITIALLY DEFERRED)", keyed, keyed)
				say("INSERT INTO %s SELECT g, 300 - g FROM generate_series(0, 300) g", keyed)
			}
		}
	}
	return b.String()
}

// anyTable draws a table with its rows, and what hangs on it.
func anyTable(t *rapid.T, say func(string, ...any), n *int, table, keyed string, types []struct{ kind, value string }) {
	var columns, names, values []string
	for range rapid.IntRange(0, 9).Draw(t, "columns") {
		drawn := rapid.SampledFrom(types).Draw(t, "type")
		name := anyName(t, n)
		value := drawn.value
		if rapid.Bool().Draw(t, "nulls") {
			value = "CASE WHEN g % 7 = 3 THEN NULL ELSE " + value + " END"
		}
		columns, names, values = append(columns, name+" "+drawn.kind), append(names, name), append(values, "("+value+")::"+drawn.kind)
	}
	number := anyName(t, n)
	shape := rapid.SampledFrom([]string{"plain", "plain", "plain", "hash", "range", "list"}).Draw(t, "shape")
	if shape != "plain" || len(names) > 0 && rapid.Bool().Draw(t, "number") {
		columns, names, values = append(columns, number+" integer NOT NULL"), append(names, number), append(values, "g")
	}
	extra := append([]string{}, columns...)
	if len(names) > 0 && names[len(names)-1] == number && rapid.Bool().Draw(t, "generated") {
		extra = append(extra, anyName(t, n)+" bigint GENERATED ALWAYS AS ("+number+"::bigint * 2) STORED")
	}
	if rapid.Bool().Draw(t, "identity") {
		extra = append(extra, anyName(t, n)+" bigint GENERATED BY DEFAULT AS IDENTITY (START 7 INCREMENT -3 MINVALUE -99999999 MAXVALUE 99)")
	}
	dropped := anyName(t, n)
	if rapid.Bool().Draw(t, "dropped") {
		extra = append([]string{dropped + " text"}, extra...)
	}
	partition := ""
	if shape != "plain" {
		partition = " PARTITION BY " + strings.ToUpper(shape) + " (" + number + ")"
	}
	say("CREATE TABLE %s (%s)%s", table, strings.Join(extra, ", "), partition)
	schema := table[:strings.LastIndex(table, `."`)+1]
	switch shape {
	case "hash":
		for i := range 3 {
			say("CREATE TABLE %s%s PARTITION OF %s FOR VALUES WITH (MODULUS 3, REMAINDER %d)", schema, anyName(t, n), table, i)
		}
	case "range":
		say("CREATE TABLE %s%s PARTITION OF %s FOR VALUES FROM (MINVALUE) TO (100)", schema, anyName(t, n), table)
		say("CREATE TABLE %s%s PARTITION OF %s DEFAULT", schema, anyName(t, n), table)
	case "list":
		say("CREATE TABLE %s%s PARTITION OF %s FOR VALUES IN (1, 2, 3)", schema, anyName(t, n), table)
		say("CREATE TABLE %s%s PARTITION OF %s DEFAULT", schema, anyName(t, n), table)
	}
	if extra[:1] != nil && len(extra) > 0 && strings.HasPrefix(extra[0], dropped) {
		say("ALTER TABLE %s DROP COLUMN %s", table, dropped)
	}
	rows := rapid.IntRange(0, 250).Draw(t, "rows")
	if len(names) == 0 {
		say("INSERT INTO %s SELECT FROM generate_series(1, %d)", table, rows)
		return
	}
	say("INSERT INTO %s (%s) SELECT %s FROM generate_series(0, %d) g", table, strings.Join(names, ", "), strings.Join(values, ", "), rows)
	if rapid.Bool().Draw(t, "comment") {
		say("COMMENT ON COLUMN %s.%s IS %s", table, names[0], quoted("-- Name: x; Type: TABLE; 'quoted' \\ "))
	}
	if names[len(names)-1] == number {
		if rapid.Bool().Draw(t, "key") {
			say("ALTER TABLE %s ADD CONSTRAINT %s UNIQUE (%s)", table, anyName(t, n), number)
		}
		if keyed != "" && rapid.Bool().Draw(t, "foreign") {
			say("ALTER TABLE %s ADD CONSTRAINT %s FOREIGN KEY (%s) REFERENCES %s (k)", table, anyName(t, n), number, keyed)
		}
		if rapid.Bool().Draw(t, "view") {
			say("CREATE MATERIALIZED VIEW %s%s AS SELECT count(*) AS many, max(%s) AS most FROM %s", schema, anyName(t, n), number, table)
		}
	}
}
