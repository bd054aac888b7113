package s3

import (
	"context"
	"fmt"
	"iter"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/lifeboat-dr/lifeboat/internal/store"
)

// Versions implements [store.Store]. It holds one page and the versions of one key in memory.
func (s *Store) Versions(ctx context.Context, prefix string) iter.Seq2[store.Object, error] {
	return func(yield func(store.Object, error) bool) {
		var versions []store.Object // of one key, the newest first, as S3 lists them
		flush := func() bool {
			for _, o := range slices.Backward(versions) {
				if !yield(o, nil) {
					return false
				}
			}
			versions = versions[:0]
			return true
		}
		for page, err := range s.pages(ctx, prefix, "") {
			if err != nil {
				yield(store.Object{}, err)
				return
			}
			objects, err := s.objects(prefix, page)
			if err != nil {
				yield(store.Object{}, err)
				return
			}
			for _, o := range objects {
				if len(versions) > 0 && versions[0].Key != o.Key {
					if o.Key < versions[0].Key {
						yield(store.Object{}, s.disorder(prefix, versions[0].Key, o.Key))
						return
					}
					if !flush() {
						return
					}
				}
				// Some servers begin a page with what ended the one before.
				if !slices.ContainsFunc(versions, func(v store.Object) bool { return v.Version == o.Version }) {
					versions = append(versions, o)
				}
			}
		}
		flush()
	}
}

// Folders implements [store.Store].
func (s *Store) Folders(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if prefix != "" && !strings.HasSuffix(prefix, "/") {
			yield("", &store.Error{Op: "list", Key: prefix, Kind: store.ErrInvalid, Hint: `the prefix of folders ends in "/"`})
			return
		}
		last := ""
		// Versions are listed, and not objects: a folder does not go away because somebody hid what is in it.
		for page, err := range s.pages(ctx, prefix, "/") {
			if err != nil {
				yield("", err)
				return
			}
			for _, p := range page.CommonPrefixes {
				key, err := s.key(page, p.Prefix)
				if err != nil {
					yield("", err)
					return
				}
				name := strings.TrimSuffix(strings.TrimPrefix(key, prefix), "/")
				switch {
				case name == last: // some servers repeat a folder at the border of two pages
				case name < last:
					yield("", s.disorder(prefix, last, name))
					return
				case !yield(name, nil):
					return
				}
				last = name
			}
		}
	}
}

// pages are the server's answers to a listing of versions.
func (s *Store) pages(ctx context.Context, prefix, delimiter string) iter.Seq2[*s3.ListObjectVersionsOutput, error] {
	return func(yield func(*s3.ListObjectVersionsOutput, error) bool) {
		if err := store.CheckPrefix("list", prefix); err != nil {
			yield(nil, err)
			return
		}
		in := &s3.ListObjectVersionsInput{
			Bucket: aws.String(s.cfg.Bucket),
			Prefix: aws.String(s.cfg.Prefix + prefix),
			// One key with a control character, by whomever, would make the XML of a page unreadable.
			EncodingType: types.EncodingTypeUrl,
		}
		if delimiter != "" {
			in.Delimiter = aws.String(delimiter)
		}
		for {
			out, err := s.client.ListObjectVersions(ctx, in)
			if err != nil {
				yield(nil, s.failure("list", prefix, err))
				return
			}
			if !yield(out, nil) || !aws.ToBool(out.IsTruncated) {
				return
			}
			next, err := decoded(out, out.NextKeyMarker)
			if err == nil && next == aws.ToString(in.KeyMarker) && aws.ToString(out.NextVersionIdMarker) == aws.ToString(in.VersionIdMarker) {
				err = fmt.Errorf("the listing does not go on after %q", next)
			}
			if err != nil {
				yield(nil, s.failure("list", prefix, err))
				return
			}
			in.KeyMarker, in.VersionIdMarker = aws.String(next), out.NextVersionIdMarker
		}
	}
}

// objects merges the two lists of a page, which S3 gives apart, by key and then from the newest to the
// oldest. Within one second a delete marker counts as newer than the object it hides, unless the server
// says which is the latest.
func (s *Store) objects(prefix string, page *s3.ListObjectVersionsOutput) ([]store.Object, error) {
	type entry struct {
		store.Object
		latest bool
	}
	all := make([]entry, 0, len(page.Versions)+len(page.DeleteMarkers))
	add := func(key, version *string, latest *bool, o store.Object) error {
		k, err := s.key(page, key)
		if err != nil {
			return err
		}
		o.Key, o.Version = k, aws.ToString(version)
		if o.Version == "" {
			o.Version = unversioned
		}
		all = append(all, entry{o, aws.ToBool(latest)})
		return nil
	}
	for _, m := range page.DeleteMarkers {
		if err := add(m.Key, m.VersionId, m.IsLatest, store.Object{Modified: aws.ToTime(m.LastModified), DeleteMarker: true}); err != nil {
			return nil, err
		}
	}
	for _, v := range page.Versions {
		if err := add(v.Key, v.VersionId, v.IsLatest, store.Object{Modified: aws.ToTime(v.LastModified), Size: aws.ToInt64(v.Size)}); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(all, func(a, b entry) int {
		if c := strings.Compare(a.Key, b.Key); c != 0 {
			return c
		}
		if a.latest != b.latest {
			if a.latest {
				return -1
			}
			return 1
		}
		if a.DeleteMarker == b.DeleteMarker {
			return 0 // the server's own order: it knows better than seconds do
		}
		if c := b.Modified.Compare(a.Modified); c != 0 {
			return c
		}
		if a.DeleteMarker {
			return -1
		}
		return 1
	})
	out := make([]store.Object, len(all))
	for i, e := range all {
		out[i] = e.Object
	}
	return out, nil
}

// key is a listed key without the vault's prefix.
func (s *Store) key(page *s3.ListObjectVersionsOutput, listed *string) (string, error) {
	k, err := decoded(page, listed)
	if err != nil {
		return "", s.failure("list", aws.ToString(listed), err)
	}
	return strings.TrimPrefix(k, s.cfg.Prefix), nil
}

// decoded undoes the encoding a server says it applied; not all do.
func decoded(page *s3.ListObjectVersionsOutput, text *string) (string, error) {
	if page.EncodingType != types.EncodingTypeUrl {
		return aws.ToString(text), nil
	}
	return url.QueryUnescape(aws.ToString(text))
}

func (s *Store) disorder(prefix, before, after string) error {
	return &store.Error{Op: "list", Key: prefix, Kind: store.ErrInvalid, Err: fmt.Errorf("%q was listed after %q", after, before),
		Hint: s.Location() + " does not list in the order of keys, as S3 does, and cannot be used as a vault"}
}
