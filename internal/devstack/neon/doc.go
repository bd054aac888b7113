// Package neon emulates the part of Neon's API v2 that disaster recovery needs, on real PostgreSQL servers:
// projects, branches at any point in time, computes, roles, databases, operations, instant restore. Clients of
// Neon's API use it unchanged: what differs is the base URL and the key.
//
// A branch is a PostgreSQL data directory of its own, made from a base backup of its parent and WAL replayed up
// to the point (package timeline). Every endpoint has an address of its own below 127.0.0.0/8 and port 5432,
// as Neon's hosts have no port. A proxy listens there: it wakes suspended computes, refuses for disabled
// ones, and is where sessions are dropped.
//
// # What it cannot show
//
//   - Neon's copy-on-write speed: a branch costs a copy of the data.
//   - Neon's durability and availability: one process on one disk.
//   - Neon's latency: [Config.Latency] is added to every operation, nothing else.
//   - Limits of plans, quotas and rates, except as injected faults.
//
// # Where it deviates
//
//   - A host is an IP address, not a name. The certificate is self-signed: sslmode=require works, verify-full
//     does not. Encryption reaches from the client to the server; plain connections are refused.
//   - TLS ends at the server, not at the proxy: a request to cancel that a client sends inside TLS wakes a
//     suspended compute, which Neon's proxy would not let it do.
//   - There is no pooler: pooled connection strings and pooler_host are the direct ones.
//   - One site serves one region and one major version of PostgreSQL, the installed one. Asking for another is
//     refused with 422, never silently ignored.
//   - A point in time is exact to the commit; Neon may round. A point before the project's first base backup is
//     refused like one before the history window.
//   - A read-only endpoint is a hot standby of its branch; beside a read-write endpoint it is a streaming
//     copy, made at each start of the compute.
//   - Roles created by the API carry their rights themselves (attributes are not inherited in PostgreSQL). Before
//     PostgreSQL 16, where making subscriptions is a superuser's right, an event trigger lends it to them for that one
//     statement, as Neon's own build lets them. [Emulator.SuperuserURL] has no counterpart at Neon.
//   - A branch's subscriptions are dropped, like Neon drops them, and its replication slots are not there.
//   - Instant restore is for root branches, and resets a child to its parent's head; finalize_restore is absent.
//   - Operations that a stopped emulator left are finished by the next start under new ids, and shown as failed
//     under the old ones.
//   - Suspended computes are also those of an emulator that was stopped and started again.
//   - Annotations, snapshots, schemas, masking, archiving, authentication, data API and organisations are absent: 404.
//   - Usage numbers (compute time, written data, …) are zero.
//
// Faults are injected by [Emulator.Inject] or POST /emulator/faults, see [Fault].
package neon
