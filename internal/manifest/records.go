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
