// Package activities is the half of Lifeboat that touches the world: one small struct for each capability,
// with its collaborators as fields. An activity checks the order that its guard names, looks what is
// already done, acts, and looks again; it may run twice, be killed, and be resumed.
//
// Names of methods are durable: they stand in histories, and a golden test pins them. No concrete client is
// imported here: collaborators are interfaces, and package assemble knows who fulfils them.
package activities

import "go.temporal.io/sdk/worker"

// All are the activities of a worker.
type All struct {
	Components *Components
	Snapshots  *Snapshots
	Dumps      *Dumps
	Records    *Records
	Restores   *Restores
	Replicas   *Replicas
	Alerts     *Alerts
	Executions *Executions
	Steps      *Steps
	Cards      *Cards
}

// Register adds every activity to a worker.
func (a *All) Register(r worker.ActivityRegistry) {
	r.RegisterActivity(a.Components)
	r.RegisterActivity(a.Snapshots)
	r.RegisterActivity(a.Dumps)
	r.RegisterActivity(a.Records)
	r.RegisterActivity(a.Restores)
	r.RegisterActivity(a.Replicas)
	r.RegisterActivity(a.Alerts)
	r.RegisterActivity(a.Executions)
	r.RegisterActivity(a.Steps)
	r.RegisterActivity(a.Cards)
}
