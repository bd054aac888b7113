#!/bin/sh
# Makes Lifeboat's namespace and the search attributes by which people find executions. Safe to repeat.
set -eu
until temporal operator cluster health; do sleep 2; done
temporal operator namespace describe --namespace lifeboat >/dev/null 2>&1 ||
  temporal operator namespace create --namespace lifeboat --retention 90d
attribute() {
  # A new namespace is known to all of the server after some seconds.
  until temporal operator search-attribute list --namespace lifeboat | grep -q "$1"; do
    temporal operator search-attribute create --namespace lifeboat --name "$1" --type "$2" || sleep 2
  done
}
for name in LifeboatComponent LifeboatSite LifeboatKind LifeboatState LifeboatRunbook LifeboatScenario LifeboatMode LifeboatPhase LifeboatCommander; do
  attribute "$name" Keyword
done
attribute LifeboatAwaitingApproval Bool
attribute LifeboatMissing Int
attribute LifeboatLagSeconds Int
attribute LifeboatDeadline Datetime
