#!/bin/sh
# Makes Lifeboat's namespace and the search attributes by which people find executions. Safe to repeat.
set -eu
until temporal operator cluster health; do sleep 2; done
temporal operator namespace describe --namespace lifeboat >/dev/null 2>&1 ||
  temporal operator namespace create --namespace lifeboat --retention 90d
for name in LifeboatComponent LifeboatSite LifeboatKind LifeboatState; do
  # A new namespace is known to all of the server after some seconds.
  until temporal operator search-attribute list --namespace lifeboat | grep -q "$name"; do
    temporal operator search-attribute create --namespace lifeboat --name "$name" --type Keyword || sleep 2
  done
done
