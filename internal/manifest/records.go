package manifest

import "time"

// Verified is the signed record that a backup was restored and compared. Only it makes a restore point
// a verified one.
type Verified struct {
	Format    int    `json:"format"`
	Component string `json:"component"`
	Backup    string `json:"backup"`
	// Manifest is the SHA-256 (hex) of the manifest object that was verified.
	Manifest string    `json:"manifest"`
	Point    Point     `json:"point"`
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished"`
	// Scratch says where the plaintext lived while it was compared, and Dropped that it is gone.
	Scratch string  `json:"scratch"`
	Dropped bool    `json:"dropped"`
	Checks  []Check `json:"checks"`
	Totals  Totals  `json:"totals"`
	Writer  string  `json:"writer"`
}

// Check is one thing that was compared, with counts only: no value of the data appears.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"`
}

// Attempt is the signed record of a backup or verification that failed.
type Attempt struct {
	Format    int       `json:"format"`
	Component string    `json:"component"`
	Backup    string    `json:"backup"`
	Kind      string    `json:"kind"` // "backup" or "verify"
	Started   time.Time `json:"started"`
	Finished  time.Time `json:"finished"`
	// ErrorType and Message come from the typed error; they never hold values of the data.
	ErrorType string `json:"error_type"`
	Message   string `json:"message"`
	Hint      string `json:"hint,omitempty"`
	Writer    string `json:"writer"`
}

// Copied is the signed record that documents of a backup were copied into this vault, and how their first vault
// dates them. A store dates a copy by when it was made, and the key that signed the original may have been revoked
// since; whoever copied it found the signature good at the time that is noted here.
type Copied struct {
	Format    int    `json:"format"`
	Component string `json:"component"`
	Backup    string `json:"backup"`
	// From and Vault are the names of the vault that was read and of the one that was written.
	From      string           `json:"from"`
	Vault     string           `json:"vault"`
	Documents []CopiedDocument `json:"documents"`
	At        time.Time        `json:"at"`
	Writer    string           `json:"writer"`
}

// CopiedDocument is one signed document that was copied.
type CopiedDocument struct {
	Key string `json:"key"`
	// SHA256 is the digest (hex) of the whole object.
	SHA256 string `json:"sha256"`
	// Dated is the time at which its signature held.
	Dated time.Time `json:"dated"`
}
