package config

import (
	"fmt"
	"slices"
	"strings"

	"filippo.io/age"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

// examples are the recipients of lifeboat.example.yaml. Their identities were thrown away.
var examples = []string{
	"age18sem4kapynf3r49r05zt0wcjhegrevk9kln8jyjjuc4tyc7uledqyuuckh",
	"age18lx5tq5arl9rxdwk4t7zsl9rap77fh8q4z7uupycjp6zj4m95usqumz2zr",
}

func (d *decoder) checkKeys(c *Config) {
	k := c.Keys
	uses, names, keys := map[Use]int{}, map[string]bool{}, map[string]bool{}
	for i, r := range k.Recipients {
		at := fmt.Sprintf("keys.recipients[%d]", i)
		oneOf(d, join(at, "use"), r.Use, UseVerification, UseEscrow)
		uses[r.Use]++
		d.need(join(at, "name"), r.Name, "whose key it is, for example escrow-2026")
		if r.Name != "" && names[r.Name] {
			d.bad(join(at, "name"), "this name stands here twice: give every recipient its own")
		}
		if r.Recipient != "" && keys[r.Recipient] {
			d.bad(join(at, "recipient"), "this key stands here twice: escrow must be a key of its own, or it is none")
		}
		names[r.Name], keys[r.Recipient] = true, true
		d.checkRecipient(join(at, "recipient"), r.Recipient)
	}
	if len(k.Recipients) == 0 {
		d.bad("keys.recipients", "it is needed: backups are never written unencrypted; make a key with: age-keygen")
	} else {
		if uses[UseVerification] == 0 {
			d.bad("keys.recipients", "one recipient must be of use: verification, or no backup can be proven")
		}
		d.checkEscrow(uses[UseEscrow], k.AllowNoEscrow)
	}
	verifies := false
	for _, component := range c.Components {
		verifies = verifies || component.Verify.Scratch.Site() != ""
	}
	if verifies && len(k.Identities) == 0 {
		d.bad("keys.identities", "it is needed to verify backups: the private key of a recipient of use: verification, as {env: NAME} or {file: PATH}")
	}
	for i, ref := range k.Identities {
		d.needRef(fmt.Sprintf("keys.identities[%d]", i), ref, "an age identity")
	}
	d.needRef("keys.signing_key", k.SigningKey, "an OpenSSH private key that signs manifests; make one with: ssh-keygen -t ed25519")
	if k.AllowedSigners.IsZero() {
		d.bad("keys.allowed_signers", "it is needed: the public keys whose manifests are believed, a path or a list of lines")
	}
	if len(k.FleetKeys) == 0 {
		d.bad("keys.fleet_keys", "it is needed: a random key that workers share, for example from: openssl rand -base64 32")
	}
	for i, ref := range k.FleetKeys {
		d.needRef(fmt.Sprintf("keys.fleet_keys[%d]", i), ref, "a random key")
	}
}

func (d *decoder) checkRecipient(at, key string) {
	switch {
	case key == "":
		d.bad(at, "it is needed: an age public key, \"age1…\"")
	case strings.HasPrefix(strings.ToUpper(key), "AGE-SECRET-KEY-"):
		d.bad(at, "this is a private key, and now it stands in a file: make a new one, and write its public key, \"age1…\", here")
	case slices.Contains(examples, key):
		d.warn(at, "this is the key of the example, whose private half nobody has: make your own with age-keygen")
	default:
		if _, err := age.ParseX25519Recipient(key); err != nil {
			d.bad(at, "this is no age public key: it begins with \"age1\", as age-keygen prints it")
		}
	}
}

func (d *decoder) checkEscrow(recipients int, allowed bool) {
	switch {
	case recipients > 0:
	case allowed:
		d.warn("keys.allow_no_escrow", "when the verification key is lost, so is every backup")
	default:
		d.bad("keys.recipients", "one recipient must be of use: escrow, its private key kept offline; to do without one set keys.allow_no_escrow: true")
	}
}

func (d *decoder) checkAlerts(c *Config) {
	names := map[string]bool{}
	for i, w := range c.Alerts.Webhooks {
		at := fmt.Sprintf("alerts.webhooks[%d]", i)
		if !isName(w.Name) {
			d.bad(join(at, "name"), "a name is needed: lower-case letters, digits and hyphens, a letter first")
		}
		if names[w.Name] {
			d.bad(join(at, "name"), "this name stands here twice: give every webhook its own")
		}
		names[w.Name] = true
		d.needRef(join(at, "url"), w.URL, "the receiver's address")
		if len(w.Secrets) == 0 {
			d.bad(join(at, "secrets"), "it is needed: at least one secret that signs messages, shared with the receiver")
		}
		for j, ref := range w.Secrets {
			d.needRef(fmt.Sprintf("%s.secrets[%d]", at, j), ref, "a secret that signs messages")
		}
	}
	d.checkPagers(c)
	if len(c.Alerts.Webhooks) == 0 && c.Slack == nil {
		d.warn("alerts", "nobody is told when something fails: add alerts.webhooks")
	}
	if c.Alerts.Deadman == nil {
		d.warn("alerts", "nobody notices when Lifeboat itself is dead: add alerts.deadman")
	} else {
		d.needRef("alerts.deadman.url", c.Alerts.Deadman.URL, "the watcher's address")
		if !c.evaluates() {
			d.bad("alerts.deadman", "nothing would ever ping the watcher: add a schedule with run: evaluate, often enough for it")
		}
	}
	for _, name := range sorted(c.Components) {
		if rpo := c.Components[name].RPO; rpo > 0 && c.Alerts.LateAfter > rpo {
			d.warn("alerts.late_after", "component %q has missed its RPO of %s before anybody is told", name, plan.FormatDuration(rpo))
		}
	}
}

func (d *decoder) checkPagers(c *Config) {
	names := map[string]bool{}
	for i, p := range c.Alerts.Pagers {
		at := fmt.Sprintf("alerts.pagers[%d]", i)
		if !isName(p.Name) {
			d.bad(join(at, "name"), "a name is needed: lower-case letters, digits and hyphens, a letter first")
		}
		if names[p.Name] {
			d.bad(join(at, "name"), "this name stands here twice: give every pager its own")
		}
		names[p.Name] = true
		d.url(join(at, "api"), p.API)
		d.needRef(join(at, "routing_key"), p.RoutingKey, "the integration key of a service in PagerDuty")
	}
}

// evaluates says whether any schedule looks after the restore points.
func (c *Config) evaluates() bool {
	for _, s := range c.Schedules {
		if s.Run == RunEvaluate {
			return true
		}
	}
	return false
}
