package activities_test

import (
	"testing"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

const lostSiteRunbook = `apiVersion: lifeboat/v1
name: scale
title: Scale
scenario: region-outage
description: For tests.
target: database
inputs:
  size: {type: integer, title: size, required: true}
  from: {type: site, title: the site that is lost, default: us-east-1, lost: true}
limits: {duration: 8h}
steps:
  - {id: tell, type: notify, title: Tell, with: {message: It is gone}}
`

// TestALostSitesWorkersAreNotWaitedFor: what would run at the site that is gone runs anywhere.
func TestALostSitesWorkersAreNotWaitedFor(t *testing.T) {
	for site, want := range map[string]string{"us-east-1": "", "us-west-2": "us-west-2"} {
		c := newCourt(t)
		c.runbook = lostSiteRunbook
		c.signRunbook(t)
		c.x.Crew.Components = map[string]*activities.Component{"database": {Name: "database", Site: site}}
		b := c.brief(plan.ModeLive)
		b.Inputs["from"] = "us-east-1"
		docket, _ := c.docketOf(t, "alice", b)
		if a := call[activities.Admitted](t, c, "AdmitExecution", activities.AdmitInput{Execution: scaleExecution, Docket: docket}); a.Site != want {
			t.Errorf("us-east-1 is lost, and what is at %s runs at %q", site, a.Site)
		}
	}
}
