package neon

import (
	"encoding/json"
	"time"
)

// Views are resources as clients see them. Optional fields that have no value are left out.

const creationSource = "console"

func (e *Emulator) projectView(p *project, listed bool) fields {
	settings := p.Settings
	if settings == nil {
		settings = json.RawMessage(`{}`)
	}
	f := fields{
		"id": p.ID, "name": p.Name, "platform_id": "aws", "region_id": e.cfg.Region, "pg_version": e.major,
		"provisioner": "k8s-neonvm", "proxy_host": e.proxyHost(), "store_passwords": p.StorePasswords,
		"branch_logical_size_limit": 0, "branch_logical_size_limit_bytes": 0, "cpu_used_sec": 0,
		"creation_source": creationSource, "history_retention_seconds": p.RetentionSeconds,
		"created_at": stamp(p.Created), "updated_at": stamp(p.Updated), "owner_id": ownerID,
		"settings": settings, "default_endpoint_settings": p.EndpointDefaults,
	}
	if p.OrgID != "" {
		f["org_id"] = p.OrgID
	}
	if listed {
		f["active_time"] = 0
		return f
	}
	month := time.Date(p.Created.Year(), p.Created.Month(), 1, 0, 0, 0, 0, time.UTC)
	f["consumption_period_start"], f["consumption_period_end"] = stamp(month), stamp(month.AddDate(0, 1, 0))
	for _, usage := range []string{"active_time_seconds", "compute_time_seconds", "written_data_bytes", "data_transfer_bytes", "data_storage_bytes_hour"} {
		f[usage] = 0
	}
	return f
}

// ownerID is who owns everything: the emulator has one account.
const ownerID = "00000000-0000-4000-8000-000000000000"

func (e *Emulator) proxyHost() string { return e.cfg.Addresses.Masked().Addr().String() }

func (e *Emulator) branchView(p *project, b *branch) fields {
	f := fields{
		"id": b.ID, "project_id": p.ID, "name": b.Name, "current_state": b.State,
		"state_changed_at": stamp(b.StateChanged), "creation_source": creationSource,
		"created_at": stamp(b.Created), "updated_at": stamp(b.Updated), "default": b.Default, "primary": b.Default,
		"protected": b.Protected, "init_source": "parent-data",
	}
	for _, usage := range []string{"cpu_used_sec", "active_time_seconds", "compute_time_seconds", "written_data_bytes", "data_transfer_bytes"} {
		f[usage] = 0
	}
	for name, value := range map[string]string{
		"parent_id": b.ParentID, "parent_lsn": b.ParentLSN, "pending_state": b.Pending,
		"restored_from": b.RestoredFrom, "restored_as": b.RestoredAs,
	} {
		if value != "" {
			f[name] = value
		}
	}
	for name, at := range map[string]*time.Time{
		"parent_timestamp": b.ParentTimestamp, "expires_at": b.Expires, "last_reset_at": b.LastReset,
	} {
		if at != nil {
			f[name] = stamp(*at)
		}
	}
	if b.Expires != nil {
		f["ttl_interval_seconds"] = b.TTL
	}
	if b.LogicalSize > 0 {
		f["logical_size"] = b.LogicalSize
	}
	return f
}

func (e *Emulator) endpointView(p *project, ep *endpoint) fields {
	settings := fields{}
	if ep.PgSettings != nil {
		settings["pg_settings"] = ep.PgSettings
	}
	f := fields{
		"id": ep.ID, "project_id": p.ID, "branch_id": ep.BranchID, "host": ep.Address.String(), "proxy_host": e.proxyHost(),
		"region_id": e.cfg.Region, "type": ep.Type, "current_state": ep.State, "disabled": ep.Disabled,
		"autoscaling_limit_min_cu": ep.Settings.MinCU, "autoscaling_limit_max_cu": ep.Settings.MaxCU,
		"pooler_enabled": false, "pooler_mode": "transaction", "passwordless_access": true,
		"creation_source": creationSource, "created_at": stamp(ep.Created), "updated_at": stamp(ep.Updated),
		"settings": settings, "suspend_timeout_seconds": *ep.Settings.SuspendTimeout, "provisioner": "k8s-neonvm",
	}
	if ep.Name != "" {
		f["name"] = ep.Name
	}
	if ep.Pending != "" {
		f["pending_state"] = ep.Pending
	}
	for name, at := range map[string]*time.Time{"started_at": ep.Started, "suspended_at": ep.Suspended, "last_active": ep.LastActive} {
		if at != nil {
			f[name] = stamp(*at)
		}
	}
	return f
}

func (e *Emulator) roleView(b *branch, r role, withPassword bool) fields {
	f := fields{
		"branch_id": b.ID, "name": r.Name, "protected": r.Protected,
		"created_at": stamp(r.Created), "updated_at": stamp(r.Updated),
	}
	if r.NoLogin {
		f["authentication_method"] = "no_login"
	} else {
		f["authentication_method"] = "password"
	}
	if withPassword && r.Password != "" {
		f["password"] = r.Password
	}
	return f
}

func (e *Emulator) databaseView(b *branch, d database) fields {
	return fields{
		"id": d.ID, "branch_id": b.ID, "name": d.Name, "owner_name": d.Owner,
		"created_at": stamp(d.Created), "updated_at": stamp(d.Updated),
	}
}

// views applies a view to each item; an empty list stays a list.
func views[T any](items []T, view func(T) fields) []fields {
	list := make([]fields, 0, len(items))
	for _, item := range items {
		list = append(list, view(item))
	}
	return list
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
