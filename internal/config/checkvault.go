package config

import "strings"

func (d *decoder) checkVaults(c *Config) {
	if len(c.Vaults) == 0 {
		d.bad("vaults", "at least one vault is needed, or there is no place for backups")
	}
	for _, name := range sorted(c.Vaults) {
		at, v := join("vaults", name), c.Vaults[name]
		if v.Site != "" {
			reference(d, join(at, "site"), "site", v.Site, c.Sites)
		}
		if n := count(v.S3 != nil, v.GCS != nil, v.Dir != nil); n != 1 {
			d.bad(at, "a vault is exactly one of s3, gcs and dir; this one has %d of them", n)
			continue
		}
		switch {
		case v.S3 != nil:
			d.checkS3(join(at, "s3"), v.S3)
		case v.GCS != nil:
			at := join(at, "gcs")
			d.need(join(at, "bucket"), v.GCS.Bucket, "the bucket's name")
			if v.GCS.Endpoint != "" {
				d.url(join(at, "endpoint"), v.GCS.Endpoint)
			}
			if v.GCS.KMSKey != "" && !strings.HasPrefix(v.GCS.KMSKey, "projects/") {
				d.bad(join(at, "kms_key"), "it is a resource name: projects/PROJECT/locations/LOCATION/keyRings/RING/cryptoKeys/KEY")
			}
		case v.Dir != nil:
			d.need(join(join(at, "dir"), "path"), string(v.Dir.Path), "the path of a directory")
			if v.Lock.Mode == "" {
				v.Lock.Mode = LockNone
				c.Vaults[name] = v
			}
		}
		d.checkLock(join(at, "lock"), v)
	}
}

func (d *decoder) checkS3(at string, s *S3) {
	if s.Endpoint != "" {
		d.url(join(at, "endpoint"), s.Endpoint)
	}
	d.need(join(at, "region"), s.Region, "the bucket's region; where the store has none, us-east-1")
	d.need(join(at, "bucket"), s.Bucket, "the bucket's name")
	switch {
	case s.AccessKey.IsZero() && !s.SecretKey.IsZero():
		d.bad(join(at, "access_key"), "it is needed beside secret_key; leave both out to use the machine's own AWS identity")
	case !s.AccessKey.IsZero() && s.SecretKey.IsZero():
		d.bad(join(at, "secret_key"), "it is needed beside access_key; leave both out to use the machine's own AWS identity")
	}
	oneOf(d, join(at, "checksum"), s.Checksum, ChecksumSHA256, ChecksumMD5)
	oneOf(d, join(join(at, "sse"), "mode"), s.SSE.Mode, SSENone, SSES3, SSEKMS)
	if s.SSE.KMSKey != "" && s.SSE.Mode != SSEKMS {
		d.bad(join(join(at, "sse"), "kms_key"), "a key is used with mode \"aws:kms\" only")
	}
	if s.SSE.BucketKey && s.SSE.Mode != SSEKMS {
		d.bad(join(join(at, "sse"), "bucket_key"), "a bucket key is used with mode \"aws:kms\" only")
	}
	if thawed[s.StorageClass] {
		d.warn(join(at, "storage_class"), "objects of class %s have to be thawed for hours before they can be read: verification fails, and so does every recovery time", s.StorageClass)
	}
}

// thawed are the classes from which nothing can be read at once.
var thawed = map[string]bool{"GLACIER": true, "DEEP_ARCHIVE": true}

func (d *decoder) checkLock(at string, v Vault) {
	if v.Dir != nil && v.Lock.Mode != LockNone {
		d.bad(join(at, "mode"), "a directory cannot lock anything: use none, and another vault for what must last")
		return
	}
	oneOf(d, join(at, "mode"), v.Lock.Mode, LockCompliance, LockGovernance, LockNone)
	switch v.Lock.Mode {
	case LockNone:
		if v.Lock.Retain != 0 {
			d.bad(join(at, "retain"), "nothing is retained with mode none: choose a mode or remove this")
		}
		d.warn(at, "backups here are not locked: whoever holds the vault's credentials can delete them")
	case LockCompliance, LockGovernance:
		if v.Lock.Retain == 0 {
			d.bad(join(at, "retain"), "it is needed: how long every backup is locked, for example 30d")
		} else {
			d.lasts(join(at, "retain"), v.Lock.Retain, "1d", "100y")
		}
		if v.Lock.Mode == LockGovernance {
			d.warn(join(at, "mode"), "governance locks can be lifted by whoever holds the right to; compliance cannot")
		}
	}
}
