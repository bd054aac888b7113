package manifest

// Catalog is what was found in a database and is needed to bring it back and to compare.
type Catalog struct {
	Database string `json:"database"`
	// ServerVersion is server_version_num.
	ServerVersion int `json:"server_version"`
	// Encoding, LocaleProvider, Collate, CType and CollationVersion describe the database.
	Encoding         string `json:"encoding"`
	LocaleProvider   string `json:"locale_provider"`
	Collate          string `json:"collate"`
	CType            string `json:"ctype"`
	CollationVersion string `json:"collation_version,omitempty"`
	// Tables hold rows of their own; partitioned parents are not among them.
	Tables       []Table       `json:"tables"`
	Sequences    []Sequence    `json:"sequences"`
	MatViews     []MatView     `json:"mat_views"`
	LargeObjects []LargeObject `json:"large_objects,omitempty"`
	Extensions   []Extension   `json:"extensions,omitempty"`
	// Settings are ALTER DATABASE/ROLE … SET settings of this database, reported, not applied.
	Settings []string `json:"settings,omitempty"`
	// Roles are the names that own something or are granted something here.
	Roles []string `json:"roles,omitempty"`
	// NotCovered lists what this backup does not hold and why. Silence is never success.
	NotCovered []NotCovered `json:"not_covered,omitempty"`
}

// Table is a relation with rows of its own.
type Table struct {
	OID    uint32 `json:"oid"`
	Schema string `json:"schema"`
	Name   string `json:"name"`
	// Columns are those COPY reads and writes, in attnum order: neither dropped nor generated.
	Columns []string `json:"columns"`
	// Root is the topmost partitioned parent, as [schema, name], when rows must be loaded through it.
	Root []string `json:"root,omitempty"`
	// Pages and Bytes are measured at planning: heap blocks, and heap with TOAST in bytes.
	Pages uint32 `json:"pages"`
	Bytes int64  `json:"bytes"`
	// Access is the table access method; only "heap" is split.
	Access string `json:"access"`
	// Filter is an extension's condition for configuration tables, used verbatim as WHERE.
	Filter string `json:"filter,omitempty"`
	// Extension names the extension whose configuration table this is.
	Extension string `json:"extension,omitempty"`
}

// Sequence is a sequence's state; a schema dump leaves it out.
type Sequence struct {
	Schema    string `json:"schema"`
	Name      string `json:"name"`
	LastValue int64  `json:"last_value"`
	IsCalled  bool   `json:"is_called"`
}

// MatView is a materialized view, in dependency order.
type MatView struct {
	Schema    string `json:"schema"`
	Name      string `json:"name"`
	Populated bool   `json:"populated"`
}

// LargeObject is one large object with what a schema dump leaves out.
type LargeObject struct {
	OID     uint32   `json:"oid"`
	Owner   string   `json:"owner"`
	Bytes   int64    `json:"bytes"`
	ACL     []string `json:"acl,omitempty"`
	Comment string   `json:"comment,omitempty"`
}

// Extension is an installed extension.
type Extension struct {
	Name    string `json:"name"`
	Schema  string `json:"schema"`
	Version string `json:"version"`
}

// NotCovered names one thing that is not in the backup.
type NotCovered struct {
	// Kind is a machine-readable class such as "unlogged-table", "foreign-table", "subscription".
	Kind   string `json:"kind"`
	Name   string `json:"name"`
	Reason string `json:"reason"`
}
